"""Routed experts: what they add to a sparse layer. Bytes, seconds and traffic of one layer and one micro-batch on one rank.

A rank routes its own tokens (divided by tensor parallelism, whose ranks hold each a piece of the sequence) and sends a copy of each to
the experts it chose; a rank's experts work on the copies they got. Attention runs on tp x cp x dp ranks, experts on etp x ep x what is
left of the same ranks (parallel folding: Liu et al. 2025, arXiv 2504.14960).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.collectives import all_to_all_seconds, gather_seconds, inside
from planner.cost.compute import gemm_body, gemm_seconds, pace, trained_bytes
from planner.cost.memory import WEIGHT_BYTES, kept_whole, optimizer_width
from planner.cost.pipeline_split import DUALPIPE_V
from planner.dimensions import Count
from planner.formula.trace import formula
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Plan


@formula("T / t · k_e", "gshard20", "Section 2.2: a token goes to each of its experts")
def routed_copies(job: Job, plan: Plan, tokens: Any) -> Any:
    """Copies of its tokens that a rank sends to experts, itself among them; count."""
    return tokens / plan.tp * job.model.experts_per_token


@formula("ψ · K_s · ETP", "gshard20", "Section 2.2; with capacity factor instead of imbalance where tokens are dropped")
def expert_copies(job: Job, plan: Plan, routed_copies: Any) -> Any:
    """Copies of tokens that the experts of the busiest rank work on; count."""
    return job.expert_load * routed_copies * plan.etp


def expert_terms(job: Job, plan: Plan, routed_copies: Any, expert_copies: Any) -> dict[str, Any]:
    """Bytes that routing and experts keep for the backward pass, by term, on one rank.

    The router's input in fp32, its logits, probabilities and map; the inputs of the experts' two products and of the activation between
    them; and what the second gives, which waits to be weighed by its probabilities.
    """
    model = job.model
    kept = 1.0 if job.stack.narrow_kept and job.precision in ("fp8", "fp4") else 2.0
    own = routed_copies / model.experts_per_token
    return {
        "router": own * (4.0 * model.hidden + 9.0 * model.experts),  # logits and scores in fp32, a map of bytes
        "expert_in": expert_copies * kept * model.hidden,
        "expert_hidden": expert_copies * 2.0 * (2 if model.gated else 1) * model.expert_ffn / plan.etp,
        "expert_act": expert_copies * kept * model.expert_ffn / plan.etp,
        "expert_out": routed_copies * 2.0 * model.hidden,
    }


@formula(
    "A_f + K_x · (2 · h + 2 · matrices · f_e / ETP) + K_s · 2 · h + T / t · (4 · h + 9 · E)",
    "tmplan",
    "activations around the experts, and theirs",
)
def sparse_activations(job: Job, plan: Plan, around_activations: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """Activations one sparse layer keeps for one micro-batch when nothing is recomputed; bytes."""
    return around_activations + sum(expert_terms(job, plan, routed_copies, expert_copies).values())


@formula("A_f + bytes kept under selective recompute", "tmplan", "the stack says which; Megatron-LM --recompute-modules")
def sparse_selective(job: Job, plan: Plan, around_selective: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """Activations one sparse layer keeps for one micro-batch under selective recompute; bytes."""
    keep = job.stack.selective.keep
    terms = expert_terms(job, plan, routed_copies, expert_copies)
    return around_selective + sum(v * keep.get(k, 1.0) for k, v in terms.items())


@formula("W_gf + 2 · h · (K_s + 2 · K_x) + 2 · matrices · K_x · f_e / ETP", "tmplan", "tokens before and behind the all-to-all and sorted")
def sparse_gradients(job: Job, plan: Plan, around_gradients: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """Gradients of the sparse layer at hand, with buffers of dispatch and combine and gradients of its experts; bytes."""
    model = job.model
    buffers = 2.0 * model.hidden * (routed_copies + 2 * expert_copies)
    return around_gradients + buffers + 2.0 * expert_copies * (3 if model.gated else 2) * model.expert_ffn / plan.etp


@formula(
    "t_0 + ζ · (E / EP) · ([2 · (x + dx) · (y + dy) · (z + dz) / (ρ · R_g)]⁴ + [2 · (x · y + y · z + x · z) / B_g]⁴)^¼", "calib", "ζ fitted"
)
def grouped_seconds(job: Job, experts_per_rank: Any, m_rows: Any, n_columns: Any, k_inner: Any) -> Any:
    """Products of so many experts, each of m x k by k x n, in one grouped kernel; seconds."""
    gpu = job.cluster.gpu
    each = gemm_body(gpu, job.precision, m_rows, n_columns, k_inner, job.stack.grouped_narrow)
    return gpu.gemm.overhead_s + job.stack.grouped_slower * experts_per_rank * each


def expert_shapes(job: Job, plan: Plan, expert_copies: Any) -> tuple[Any, tuple[tuple[Any, Any, Any], ...]]:
    """Experts on a rank, and the shapes (m, n, k) of one expert's two products."""
    model = job.model
    own = model.experts / plan.ep
    rows, middle = expert_copies / own, model.expert_ffn / plan.etp
    return own, ((rows, (2 if model.gated else 1) * middle, float(model.hidden)), (rows, float(model.hidden), middle))


@formula("sum of t_gg over the products", "gshard20", "Section 2.2")
def experts_linear(job: Job, plan: Plan, expert_copies: Any) -> Any:
    """The experts' matrix products, forward; seconds."""
    own, shapes = expert_shapes(job, plan, expert_copies)
    return sum(grouped_seconds(job, own, m, n, k) for m, n, k in shapes)


@formula("h_f + κ_h · (H_x + H_c without capacity)", "tmplan", "kernels by count, and counts of tokens fetched: the stack's")
def host_sparse(job: Job, host_layer: Any) -> Any:
    """Time the host needs to launch one sparse layer's forward pass; seconds. Dropless routing waits for each expert's count of tokens."""
    return host_layer + job.cluster.host_pace * (job.stack.host_experts_s + (0.0 if job.capacity else job.stack.host_counts_s))


@formula("t_dwf + κ_c · sum of t_gg for the gradients of weights", "zerobubble23", "Section 2: the backward pass split in two")
def sparse_weight_seconds(job: Job, plan: Plan, around_weight_seconds: Any, expert_copies: Any) -> Any:
    """Of a sparse layer's backward pass the gradients of weights; seconds."""
    return around_weight_seconds + pace(job) * expert_weight_products(job, plan, expert_copies)


def expert_weight_products(job: Job, plan: Plan, expert_copies: Any) -> Any:
    """The products that give the gradients of the experts' weights; seconds."""
    own, shapes = expert_shapes(job, plan, expert_copies)
    return 0.0 if job.frozen else sum(grouped_seconds(job, own, k, n, m) for m, n, k in shapes)


def router_seconds(job: Job, plan: Plan, own_tokens: Any, times: float) -> Any:
    """The router's product in fp32 (half the 16-bit rate), and its scores read and written a few times; seconds."""
    model, gpu = job.model, job.cluster.gpu
    product = 2.0 * gemm_seconds(gpu, "bf16", own_tokens, float(model.experts), float(model.hidden))
    return times * (product + own_tokens * model.experts * 24.0 / (job.constants.hbm_fraction * gpu.hbm_bytes_s))


def moved_seconds(job: Job, plan: Plan, routed_copies: Any, expert_copies: Any, backward: bool) -> Any:
    """Permuting tokens for dispatch, sorting them by expert and back again, and the activation between the products; seconds."""
    model = job.model
    permuted = job.stack.permute_traffic * 8.0 * model.hidden * (routed_copies + expert_copies)
    middle = (2 if model.gated else 1) * model.expert_ffn / plan.etp
    biases = (2.0 if backward else 4.0) * expert_copies * (middle + model.hidden) * model.bias  # added, or summed, in kernels of their own
    widths = {(True, False): 6, (True, True): 10, (False, False): 4, (False, True): 6}[model.gated, backward]
    cast = 4.0 * (model.hidden + model.expert_ffn / plan.etp) if job.precision == "fp8" else 0.0
    moved = job.stack.elementwise * expert_copies * (widths * model.expert_ffn / plan.etp + cast)
    return (permuted + biases + moved) / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)


@formula("t_ff + κ_c · (t_gx + 2 · t_g + bytes read and written / (η_h · B_h))", "gshard20", "Section 2.2")
def sparse_forward(job: Job, plan: Plan, around_forward: Any, experts_linear: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """A sparse layer's forward pass on the device; seconds."""
    own = routed_copies / job.model.experts_per_token
    moved = moved_seconds(job, plan, routed_copies, expert_copies, False)
    return around_forward + pace(job) * (experts_linear + router_seconds(job, plan, own, 1.0) + moved)


@formula("t_bbf + κ_c · (2 · t_gx + 4 · t_g + (bytes read and written + 2 · g · P_x) / (η_h · B_h))", "gshard20", "Section 2.2")
def sparse_backward(job: Job, plan: Plan, around_backward: Any, expert_weights: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """A sparse layer's backward pass on the device; seconds."""
    own, shapes = expert_shapes(job, plan, expert_copies)
    inputs = sum(grouped_seconds(job, own, m, k, n) for m, n, k in shapes)
    products = inputs + expert_weight_products(job, plan, expert_copies)
    added = 2.0 * trained_bytes(job) * expert_weights / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)
    moved = moved_seconds(job, plan, routed_copies, expert_copies, True) + added
    router = router_seconds(job, plan, routed_copies / job.model.experts_per_token, 2.0)
    return around_backward + pace(job) * (products + router + moved)


@formula("t_rf + parts of t_gx repeated under selective recompute", "tmplan", "the stack says which; Megatron-LM --recompute-modules")
def sparse_repeat(job: Job, plan: Plan, around_repeat: Any, experts_linear: Any, routed_copies: Any, expert_copies: Any) -> Any:
    """Forward work that selective recompute repeats in one sparse layer; seconds."""
    repeat = job.stack.selective.repeat
    moved = moved_seconds(job, plan, routed_copies, expert_copies, False)
    act = 6.0 * expert_copies * job.model.expert_ffn / plan.etp / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)
    again = repeat.get("experts", 0.0) * (experts_linear + moved) + repeat.get("expert_act", 0.0) * job.stack.elementwise * act
    return around_repeat + pace(job) * again


def nodes_visited(job: Job, nodes: Any) -> Any:
    """Nodes that the experts of one token lie on, of so many: k_e drawn at random, from the groups it may choose from.

    N (1 - (1 - 1/N)^k) of N nodes; with node-limited routing (DeepSeek-V3, arXiv 2412.19437, Section 2.1.2) N is what its groups span: a
    node is out of reach if none of the groups that lie on it is chosen.
    """
    model, limit = job.model, nodes
    if model.router_groups:
        on_node = np.maximum(1.0, model.router_groups / nodes)
        limit = np.maximum(1.0, nodes * (1.0 - (1.0 - model.groups_per_token / model.router_groups) ** on_node))
    return limit * (1.0 - (1.0 - 1.0 / limit) ** model.experts_per_token)


@formula(
    "t_aa of K_s · h bytes over EP, and t_ag over ETP",
    "deepep25",
    "README: over the network once a node, then over NVLink; else each copy by itself",
)
def exchange_seconds(job: Job, plan: Plan, routed_copies: Any, copy_bytes: float) -> Any:
    """One all-to-all of tokens to their experts, or of what they gave back, and what expert tensor parallelism gathers; seconds."""
    members, stride = plan.ep, plan.etp
    near = inside(job.cluster, members, stride)
    nodes = -(-members // near)
    size = job.expert_load * copy_bytes * job.model.hidden
    if job.stack.once_a_node:
        tokens = routed_copies / job.model.experts_per_token
        across = tokens * nodes_visited(job, nodes) * (nodes - 1) / nodes
        within = routed_copies * (near - 1) / near
    else:
        across, within = routed_copies * (members - near) / members, routed_copies * (near - 1) / members
    exchanged = all_to_all_seconds(job, members, stride, size * within, size * across)
    return exchanged + gather_seconds(job, plan.etp, Count(1), size * routed_copies * plan.etp)


@formula("2 · t_xx", "gshard20", "Section 3.2: two all-to-all a layer, forward")
def ep_forward(job: Job, plan: Plan, routed_copies: Any) -> Any:
    """All-to-all of a sparse layer's forward pass: tokens to their experts and back; seconds."""
    dispatch = exchange_seconds(job, plan, routed_copies, job.stack.dispatch_bytes)
    return dispatch + exchange_seconds(job, plan, routed_copies, 2.0)


@formula("2 · t_xx", "gshard20", "Section 3.2: two all-to-all a layer, backward")
def ep_backward(job: Job, plan: Plan, routed_copies: Any) -> Any:
    """All-to-all of a sparse layer's backward pass, in 16 bits both ways; seconds."""
    return 2.0 * exchange_seconds(job, plan, routed_copies, 2.0)


def overlapped(job: Job, plan: Plan) -> Any:
    """Whether another micro-batch's work hides the all-to-all: DualPipe's schedule, or where asked for and the framework takes it.

    Megatron-LM's --overlap-moe-expert-parallel-comm needs virtual stages in a pipeline and no full recompute (transformer_config.py).
    """
    wanted = job.overlap_experts & ((plan.pp == 1) | (plan.vpp > 1)) & (np.asarray(plan.recompute) < RECOMPUTES.index("full"))
    return wanted | (np.asarray(plan.schedule) == DUALPIPE_V)


def ahead(job: Job, plan: Plan) -> Any:
    """Chunks of micro-batches held beyond 1F1B's where one's forward pass runs beside another's backward pass to hide the all-to-all."""
    return overlapped(job, plan) * (plan.pp > 1) * (np.asarray(plan.schedule) == 0) * (job.stack.ep_overlap > 0)


@formula("t_xe + t_xg - min(ω_x · (t_xe + t_xg), t_xf + t_xb) + ω_s · (t_xf + t_xb), hidden", "deepseek24", "Sections 3.2.1 and 3.2.2")
def ep_layer(job: Job, plan: Plan, ep_forward: Any, ep_backward: Any, sparse_forward: Any, sparse_backward: Any) -> Any:
    """All-to-all of a sparse layer that nothing hides, and what the rest loses to processors that hide it, both passes; seconds."""
    whole, work = ep_forward + ep_backward, sparse_forward + sparse_backward
    gained = np.minimum(job.stack.ep_overlap * whole, work) - job.stack.ep_overlap_cost * work
    return whole - np.where(overlapped(job, plan), np.maximum(gained, 0.0), 0.0)


@formula("q_l + t_xe", "korthikanti22", "Section 5: a forward pass again, its traffic with it")
def sparse_repeated(repeat_layer: Any, ep_forward: Any) -> Any:
    """What one wholly recomputed sparse layer repeats in one micro-batch; seconds."""
    return repeat_layer + ep_forward


@formula("ℓ_x · x_x", "gshard20", "Section 3.2")
def stage_ep(sparse_stage_layers: Any, ep_layer: Any) -> Any:
    """Exposed all-to-all of one micro-batch on a stage; seconds."""
    return sparse_stage_layers * ep_layer


@formula("(2 + g + g_m + u · states) · P_ix, divided by Z_x under ZeRO", "zero20", "Figure 1, over the ranks that hold the same experts")
def expert_states(job: Job, plan: Plan, stage_experts: Any, expert_shard_size: Any) -> Any:
    """Weights, gradients and optimizer states of the routed experts on a rank, as far as they are on the device; bytes."""
    trained = 0.0 if job.frozen else 1.0
    split, size = ~kept_whole(job, plan), expert_shard_size
    sharded = 0.0 if job.stack.master_is_parameter and not job.frozen else 1.0 / size
    weights = WEIGHT_BYTES * np.where((plan.zero >= 3) & split, sharded, 1.0)
    several = plan.tp * plan.cp * plan.dp > plan.ep * plan.etp
    kept = job.gradient_bytes / np.where((plan.zero >= 2) & split, size, 1) + job.stack.bucket_gradient_bytes * several
    states = 0.0 if job.offload_optimizer else optimizer_width(job) / np.where(plan.zero >= 1, size, 1)
    return stage_experts * (weights + trained * (kept + states))


@formula("(g_m + u · states) · P_ix / Z_x", "math101", "Optimizer States; zero20 Figure 1")
def expert_optimizer(job: Job, plan: Plan, stage_experts: Any, expert_shard_size: Any) -> Any:
    """Master weights and optimizer states of a rank's routed experts, wherever they live; bytes."""
    return (0.0 if job.frozen else 1.0) * optimizer_width(job) * stage_experts / np.where(plan.zero >= 1, expert_shard_size, 1)
