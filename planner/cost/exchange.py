"""The exchange of tokens between ranks that hold different experts: by dispatcher, its seconds, the memory traffic of permuting tokens for
it, and the share that compute of another micro-batch hides.
"""

from __future__ import annotations

from planner.cost.collectives import all_to_all_seconds, gather_seconds, inside
from planner.cost.elementwise import permutation_work
from planner.cost.pipeline_split import DUALPIPE_V
from planner.dimensions import Bytes, Count, Flag, Number, Seconds, Tokens, maximum, where
from planner.formula.trace import formula, term
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Plan


def visited(job: Job, places: Count) -> Number:
    """Nodes, or ranks, that the experts of one token lie on, of a number of them: k_e drawn at random, from the groups it may choose from.

    N (1 - (1 - 1/N)^k) of N; with node-limited routing (DeepSeek-V3, arXiv 2412.19437, Section 2.1.2) N is what its groups span: a
    node is out of reach if none of the groups that lie on it is chosen.
    """
    model = job.model
    limit: Number = places
    if model.router_groups:
        on_place = maximum(1.0, model.router_groups / places)
        limit = maximum(1.0, places * (1.0 - Number((1.0 - model.groups_per_token / model.router_groups) ** on_place)))
    return limit * (1.0 - (1.0 - 1.0 / limit) ** model.experts_per_token)


def expert_load(job: Job, plan: Plan) -> Number:
    """Tokens on the rank with the most loaded experts over the mean: padded to a capacity if set; a rank with all experts has the mean."""
    return term("expert_load", where((plan.ep > 1) | (job.capacity > 0), job.capacity or job.imbalance, 1.0))


def received_copies(job: Job, plan: Plan, routed_copies: Tokens, expert_copies: Tokens) -> Tokens:
    """Tokens that arrive at a rank of the busiest experts: a copy per expert, or per rank where a dispatcher sends a token there once."""
    if not job.dispatcher.once:
        return expert_copies
    return expert_load(job, plan) * plan.etp * routed_copies / job.model.experts_per_token * visited(job, plan.ep)


def permuted_bytes(job: Job, plan: Plan, routed_copies: Tokens, expert_copies: Tokens, backward: bool) -> Bytes:
    """Memory traffic of permuting tokens by rank and by expert, and back, in 16 bits, and where it is not fused of weighting them; bytes.

    Alone on its rank an expert's token is read and written once per copy before the experts, read once per copy and written once after
    them. An all-to-all sends copies sorted by rank, and sorts those that arrive by expert if a rank holds several; DeepEP, HybridEP and
    an all-gather bring each token once (megatron-core 0.16.1, moe/token_dispatcher.py: permute, sort_chunks_by_idxs, unpermute).
    """
    tokens = routed_copies / job.model.experts_per_token
    dispatcher = job.dispatcher
    if dispatcher.once or dispatcher.gathers:
        arrived = tokens * plan.ep * plan.etp if dispatcher.gathers else received_copies(job, plan, routed_copies, expert_copies)
        moved = 3.0 * expert_copies + arrived
    else:
        several = (plan.ep > 1) & (job.model.experts > plan.ep)
        moved = 3.0 * routed_copies + tokens + where(several, 4.0, 0.0) * expert_copies
    alone = 3.0 * expert_copies + tokens
    weighted = permutation_work(job).bytes(backward) * routed_copies
    return Bytes(job.model.hidden * (2.0 * where(plan.ep > 1, moved, alone) + weighted))


@formula("t_ag", "thakur05", "Section 4.1: all-gather")
def gathered_tokens(job: Job, plan: Plan, sent_tokens: Tokens, copy_bytes: float) -> Seconds:
    """All-gather of the tokens of all ranks of an expert-parallel group, or the sum of their outputs; seconds."""
    return gather_seconds(job, plan.ep, plan.etp, Bytes(copy_bytes * job.model.hidden * sent_tokens * plan.ep))


@formula(
    "(t_ga if allgather, max(t_aa, (S_xw · y_b + T_s · y_t if EP > 1)) + t_x0 otherwise) + t_ag / η_t",
    "deepseek24",
    "Section 3.2.2 and DeepEP, docs/legacy.md: once per node over the network, then NVLink; else copy by copy",
)
def exchange_seconds(job: Job, plan: Plan, routed_copies: Tokens, copy_bytes: float) -> Seconds:
    """One exchange of tokens with their experts, or of the experts' outputs, and what expert tensor parallelism gathers; seconds."""
    dispatcher, members, stride = job.dispatcher, plan.ep, plan.etp
    size = expert_load(job, plan) * copy_bytes * job.model.hidden
    tokens = term("sent_tokens", routed_copies / job.model.experts_per_token)
    near = inside(job.cluster, members, stride)
    nodes = -(-members // near)
    if dispatcher.once:
        across = tokens * visited(job, nodes) * (nodes - 1) / nodes
        within = tokens * visited(job, members) * (near - 1) / near
    else:
        across, within = routed_copies * (members - near) / members, routed_copies * (near - 1) / members
    sent = term("link_bytes_sent", Bytes(size * within))
    copied = Seconds(sent * term("copy_byte_s", dispatcher.byte_s)) + Seconds(tokens * term("copy_token_s", dispatcher.token_s))
    setup = term("dispatch_setup", where(members > 1, dispatcher.setup_s, 0.0))
    apart = maximum(all_to_all_seconds(job, members, stride, sent, Bytes(size * across)), where(members > 1, copied, 0.0)) + Seconds(setup)
    exchanged = gathered_tokens(job, plan, tokens, copy_bytes) if term("gathers_tokens", dispatcher.gathers) else apart
    divided = gather_seconds(job, plan.etp, Count(1), Bytes(size * routed_copies * plan.etp))
    return exchanged + divided / job.constants.link_training


@formula("Σ t_xx", "gshard20", "Section 5.2: two all-to-all per layer, forward")
def ep_forward(job: Job, plan: Plan, routed_copies: Tokens) -> Seconds:
    """Exchanges of a sparse layer's forward pass: tokens to their experts and back; seconds."""
    dispatch = exchange_seconds(job, plan, routed_copies, job.stack.dispatch_bytes)
    return dispatch + exchange_seconds(job, plan, routed_copies, 2.0)


@formula("2 · t_xx", "gshard20", "Section 5.2: two all-to-all per layer, backward")
def ep_backward(job: Job, plan: Plan, routed_copies: Tokens) -> Seconds:
    """Exchanges of a sparse layer's backward pass, in 16 bits both ways; seconds."""
    return 2.0 * exchange_seconds(job, plan, routed_copies, 2.0)


def overlapped(job: Job, plan: Plan) -> Flag:
    """Whether the compute of another micro-batch hides the all-to-all: in DualPipe's schedule, or where requested and supported.

    Megatron-LM's --overlap-moe-expert-parallel-comm needs virtual stages in a pipeline and no full recomputation (transformer_config.py).
    """
    requested = job.overlap_experts & ((plan.pp == 1) | (plan.vpp > 1)) & (plan.recompute < RECOMPUTES.index("full"))
    return term("experts_overlapped", job.stack.overlaps_experts & (requested | (plan.schedule == DUALPIPE_V)))


def ahead(job: Job, plan: Plan) -> Count:
    """Chunks held beyond those of 1F1B where the forward pass of one micro-batch runs during the backward pass of another."""
    extra = overlapped(job, plan) & (plan.pp > 1) & (plan.schedule == 0)
    return extra * 1


@formula(
    "max(t_xe + t_xg - t_xf - t_xb, ω_s · (t_xe + t_xg)) if overlap, t_xe + t_xg otherwise",
    "deepseek24",
    "Sections 3.2.1 and 3.2.2: some multiprocessors communicate while the others compute",
)
def ep_layer(job: Job, plan: Plan, ep_forward: Seconds, ep_backward: Seconds, sparse_forward: Seconds, sparse_backward: Seconds) -> Seconds:
    """Exposed exchanges of a sparse layer, both passes; seconds.

    Next to exchanges of w seconds compute runs at the rate of the other multiprocessors, 1 - s of them: both take the longer of w and
    c + s w, where compute alone takes c.
    """
    whole, work = ep_forward + ep_backward, sparse_forward + sparse_backward
    hidden = maximum(whole - work, term("processors_sent", job.dispatcher.processors) * whole)
    return where(overlapped(job, plan), hidden, whole)
