"""Routed experts: what they add to a sparse layer. Bytes, seconds and communication of one layer and one micro-batch on one rank.

A rank routes its share of the tokens (divided by tensor parallelism, each of whose ranks holds a part of the sequence) and sends a copy
of each token to every expert chosen; the experts of a rank process the copies they receive. Attention lies on tp x cp x dp ranks, experts
on etp x ep and the remaining factor of the same ranks (parallel folding: Liu et al. 2025, arXiv 2504.14960).
"""

from __future__ import annotations

import numpy as np

from planner import degrees
from planner.cost.casts import expert_bytes, expert_weight_bytes
from planner.cost.compute import gemm_body, gemm_seconds, pace, trained_bytes, waited
from planner.cost.elementwise import activation_work
from planner.cost.exchange import expert_load, permuted_bytes
from planner.cost.optimizers import optimizer_width, resident_share
from planner.cost.states import WEIGHT_BYTES, stays_gathered, weight_share
from planner.dimensions import Bytes, BytesPerSecond, Count, Number, Parameters, Seconds, Tokens, maximum, sum_of, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.lora import NF4_BYTES
from planner.specs.plan import Plan
from planner.specs.recipes import STORED

Shape = tuple[Number, Number, Number]
# What CUDA graphs capture -> shares of the host's work that are left: of routing, dispatch and experts, of one expert, and of waiting
# for counts. Of some 60 launches around the experts a third is the router's and the preparation of the dispatch (megatron-core 0.16.1,
# router.py, token_dispatcher.py: moe_router, moe_preprocess); layers captured whole have a capacity, whole iterations never wait.
GRAPHS_LEAVE = {
    "none": (1.0, 1.0, 1.0), "router": (0.67, 1.0, 1.0), "attention-router": (0.67, 1.0, 1.0), "layers": (0.0, 0.0, 1.0),
    "full": (0.0, 0.0, 0.0),
}  # fmt: skip
# Host time of an expert whose products are in 8 or 4 bits over one in 16: its quantizers and the lookup of its narrow weights, in Python,
# for each of two products, next to their launches (TransformerEngine, pytorch/module/grouped_linear.py). Estimated, not measured.
NARROW_LAUNCHES = 5.0


@formula("T / t · k_e", "gshard20", "Section 2.2: a token goes to each of its experts")
def routed_copies(job: Job, plan: Plan, tokens: Tokens) -> Tokens:
    """Copies of its tokens that a rank sends to experts, those on the same rank included; count."""
    return tokens / plan.tp * job.model.experts_per_token


@formula("ψ · K_s · ETP", "gshard20", "Section 2.2; with capacity factor instead of imbalance where tokens are dropped")
def expert_copies(job: Job, plan: Plan, routed_copies: Tokens) -> Tokens:
    """Copies of tokens that the experts of the busiest rank process; count."""
    return expert_load(job, plan) * routed_copies * plan.etp


def expert_terms(job: Job, plan: Plan, routed_copies: Tokens, expert_copies: Tokens) -> dict[str, Bytes]:
    """Bytes that routing and experts keep for the backward pass, by term, on one rank.

    The router's input in fp32, its logits, probabilities and map; the inputs of the experts' two products and of the activation between
    them; the output of the second product where it is weighted by the router's probabilities afterwards.
    """
    model = job.model
    width = term("kept_input", STORED[job.recipe] if job.stack.narrow_kept and job.recipe else 2.0)
    units = job.stack.fsdp_units  # operations of experts are not fused: the activated gate is stored, and outputs in fp32
    gate = term("gate_width", 2.0 if units and model.gated else 0.0)
    routed = routed_copies / model.experts_per_token
    return {
        # logits and probabilities in fp32, a map of bytes
        "router": Bytes(routed * (term("router_in_stored", job.stack.router_in_stored) * model.hidden + 9.0 * model.experts)),
        "expert_in": Bytes(expert_copies * width * model.hidden),
        "expert_hidden": Bytes(expert_copies * 2.0 * (2 if model.gated else 1) * model.expert_ffn / plan.etp),
        "expert_act": Bytes(expert_copies * (width + gate) * model.expert_ffn / plan.etp),
        "expert_out": Bytes(
            term("expert_out_stored", 2.0 if units else float(job.stack.expert_out_stored)) * routed_copies * 2.0 * model.hidden
        ),
    }


@formula(
    "A_f + K_s / k_e · (κ_r · h + 9 · E) + K_x · (b_k · h + (2 · (2 if gated, 1 otherwise) + b_k + b_g) · f_e / ETP) + κ_e · K_s · 2 · h",
    "tmplan",
    "activations around the experts, of the router and of the experts",
)
def sparse_activations(job: Job, plan: Plan, around_activations: Bytes, routed_copies: Tokens, expert_copies: Tokens) -> Bytes:
    """Activations one sparse layer keeps for one micro-batch without recomputation; bytes."""
    return around_activations + sum_of(expert_terms(job, plan, routed_copies, expert_copies).values())


@formula("A_fs + Σ(s_k · a_x)", "tmplan", "the stack says which; Megatron-LM --recompute-modules")
def sparse_selective(job: Job, plan: Plan, around_selective: Bytes, routed_copies: Tokens, expert_copies: Tokens) -> Bytes:
    """Activations one sparse layer keeps for one micro-batch under selective recomputation; bytes."""
    keep = job.selective.keep
    terms = expert_terms(job, plan, routed_copies, expert_copies).items()
    return around_selective + sum_of(term("expert_term", v) * term("kept_share", keep.get(k, 1.0)) for k, v in terms)


@formula(
    "W_gf + max(4 · h · (K_s + K_x), 2 · K_x · (h + f_e / ETP), 2 · K_x · (2 if gated, 1 otherwise) · f_e / ETP) if main,"
    " W_gf + 2 · h · (K_s + 2 · K_x) + 2 · K_x · (3 if gated, 2 otherwise) · f_e / ETP otherwise",
    "tmplan",
    "tokens before and after the all-to-all, and sorted by expert",
)
def sparse_gradients(job: Job, plan: Plan, around_gradients: Bytes, routed_copies: Tokens, expert_copies: Tokens) -> Bytes:
    """Gradients of the sparse layer in its backward pass, with buffers of dispatch and combine and gradients of its experts; bytes.

    With main gradients, the largest of three moments (megatron-core 0.16.1, MoEAlltoAllTokenDispatcher): the end of the forward pass
    (copies before and after both all-to-alls), the backward passes of the experts' second product and of their activation.
    """
    model = job.model
    if term("main_gradients", job.stack.main_gradients):
        hidden, middle = float(model.hidden), model.expert_ffn / plan.etp
        products = maximum(Bytes(2.0 * expert_copies * (hidden + middle)), Bytes(2.0 * expert_copies * (2 if model.gated else 1) * middle))
        return around_gradients + maximum(4.0 * hidden * Bytes(routed_copies + expert_copies), products)
    buffers = 2.0 * model.hidden * Bytes(routed_copies + 2 * expert_copies)
    return around_gradients + buffers + Bytes(2.0 * expert_copies * (3 if model.gated else 2) * model.expert_ffn / plan.etp)


@formula(
    "t_0 · (E_r / q_x if q_x > 0, 1 otherwise)"
    " + E_r · ([2 · (x + x_0) · (y + y_0) · (z + z_0) / R_x]⁴ + [(w_y · x · y + w_n · (y · z + x · z)) / B_g]⁴)^¼",
    "calib",
    "constants of single or of grouped products: the GPU's file",
)
def grouped_seconds(job: Job, experts_per_rank: Number, m_rows: Number, n_columns: Number, k_inner: Number) -> Seconds:
    """Products of several experts, each of m x k by k x n: in one grouped kernel, or single products on several streams; seconds."""
    gpu, streams = job.cluster.gpu, term("expert_streams", job.stack.expert_streams)
    launches = experts_per_rank / streams if streams else 1.0
    started = Seconds(gpu.gemm.overhead_s * launches)
    return started + experts_per_rank * gemm_body(gpu, job.expert_numbers, m_rows, n_columns, k_inner, not streams)


def expert_shapes(job: Job, plan: Plan, expert_copies: Tokens) -> tuple[Number, tuple[Shape, Shape]]:
    """Experts on a rank, and the shapes (m, n, k) of one expert's two products."""
    model = job.model
    experts = model.experts / plan.ep
    rows, middle, hidden = Number(expert_copies / experts), model.expert_ffn / plan.etp, Number(float(model.hidden))
    return experts, ((rows, (2 if model.gated else 1) * middle, hidden), (rows, hidden, middle))


@formula("Σ t_gg", "gshard20", "Section 2.2")
def experts_linear(job: Job, plan: Plan, expert_copies: Tokens) -> Seconds:
    """The experts' matrix products, forward; seconds."""
    experts, shapes = expert_shapes(job, plan, expert_copies)
    return sum_of(grouped_seconds(job, experts, m, n, k) for m, n, k in shapes)


@formula(
    "h_f + κ_h · (g_rx · H_x + H_e · E / EP + (g_cx · H_c if C_x = 0))",
    "tmplan",
    "number of kernels, those of each expert on a rank, and a wait for the counts of tokens: the stack's",
)
def host_sparse(job: Job, plan: Plan, host_layer: Seconds) -> Seconds:
    """Time the host needs to launch one sparse layer's forward pass; seconds. Dropless routing waits for each expert's count of tokens."""
    stack, (routing, expert, counts) = job.stack, GRAPHS_LEAVE[job.cuda_graphs]
    each = term("host_expert", expert * stack.host_expert_s * (NARROW_LAUNCHES if job.recipe and stack.narrow_experts else 1.0))
    waited = term("counts_left", counts) * stack.host_counts_s
    counted = term("routing_left", routing) * stack.host_experts_s + (0.0 if job.capacity else waited)
    return host_layer + job.cluster.host_pace * Seconds(counted + each * job.model.experts / plan.ep)


@formula("h_b + η_b · (h_x - h_f)", "tmplan", "as forward")
def host_sparse_return(job: Job, host_return: Seconds, host_layer: Seconds, host_sparse: Seconds) -> Seconds:
    """Time the host needs to launch one sparse layer's backward pass; seconds."""
    return host_return + job.constants.host_backward * (host_sparse - host_layer)


def counts_waited(job: Job) -> bool:
    """Whether the host waits in each sparse layer for the counts of tokens, and starts on the experts with an empty queue of launches."""
    return term("counted", not job.capacity and GRAPHS_LEAVE[job.cuda_graphs][2] > 0)


def sparse_waited(job: Job, host: Seconds, busy: Seconds) -> Seconds:
    """Time that the device waits for the host in a pass of a sparse layer: less of it overlaps where the host waits as well; seconds."""
    return Seconds(np.hypot(host, busy)) - busy if counts_waited(job) else waited(host, busy)


@formula(
    "(h_x² + t_bf²)^½ - t_bf + (h_rx² + t_bb²)^½ - t_bb if counted, max(h_x - t_bf, 0) + max(h_rx - t_bb, 0) otherwise",
    "tmplan",
    "a host that waits for counts has launched nothing ahead",
)
def sparse_host(job: Job, host_sparse: Seconds, host_sparse_return: Seconds, busy_forward: Seconds, busy_backward: Seconds) -> Seconds:
    """Time that the device waits for the host in one sparse layer, forward and backward; seconds."""
    return sparse_waited(job, host_sparse, busy_forward) + sparse_waited(job, host_sparse_return, busy_backward)


@formula(
    "(h_x² + t_bf²)^½ - t_bf if counted, max(h_x - t_bf, 0) otherwise", "tmplan", "a host that waits for counts has launched nothing ahead"
)
def sparse_repeat_host(job: Job, host_sparse: Seconds, busy_forward: Seconds) -> Seconds:
    """Time that the device waits for the host during a repeated forward pass of a sparse layer; seconds."""
    return sparse_waited(job, host_sparse, busy_forward)


@formula("t_dwf + κ_c · Σ t_gg", "zerobubble23", "Section 2: the backward pass split in two")
def sparse_weight_seconds(job: Job, plan: Plan, around_weight_seconds: Seconds, expert_copies: Tokens) -> Seconds:
    """Gradients of weights in a sparse layer's backward pass; seconds."""
    return around_weight_seconds + pace(job) * expert_weight_products(job, plan, expert_copies)


def expert_weight_products(job: Job, plan: Plan, expert_copies: Tokens) -> Seconds:
    """The products that give the gradients of the experts' weights; seconds."""
    experts, shapes = expert_shapes(job, plan, expert_copies)
    return Seconds(0.0) if job.frozen else sum_of(grouped_seconds(job, experts, k, n, m) for m, n, k in shapes)


def element_rate(job: Job) -> BytesPerSecond:
    """Memory bandwidth that element-wise kernels reach."""
    return BytesPerSecond(job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)


def router_seconds(job: Job, routed_tokens: Tokens, passes: float) -> Seconds:
    """The router's product in fp32 (half the 16-bit rate), and its scores read and written a few times; seconds."""
    model, gpu = job.model, job.cluster.gpu
    product = 2.0 * gemm_seconds(gpu, "bf16", Number(routed_tokens), Number(float(model.experts)), Number(float(model.hidden)))
    return passes * (product + Bytes(routed_tokens * model.experts * 24.0) / element_rate(job))


def moved_bytes(job: Job, plan: Plan, routed_copies: Tokens, expert_copies: Tokens, backward: bool) -> Bytes:
    """Memory traffic of permuting tokens for dispatch, sorting them by expert and back, and the activation between the products; bytes."""
    model = job.model
    permuted = permuted_bytes(job, plan, routed_copies, expert_copies, backward)
    middle = (2 if model.gated else 1) * model.expert_ffn / plan.etp
    # Megatron-Core 0.16.1, experts.py: of the first product its epilogue adds them; of the second an expert at a time weighted by fp32
    # probabilities, concatenated and cast: 4 + 10 + 8 + 6 bytes; backward 6 for the cast, 6 + 24 for gradients of biases and probabilities
    of_first, of_second = (2.0 * middle, 36.0) if backward else (0.0, 28.0)
    biases = expert_copies * (of_first + of_second * model.hidden) * model.bias
    cast = expert_bytes(job, plan, backward)
    moved = expert_copies * (activation_work(job).bytes(backward) * model.expert_ffn / plan.etp + cast)
    return term("expert_traffic", permuted + Bytes(biases + moved))


@formula("t_ff + κ_c · (t_gx + 2 · t_g + (24 · E · K_s / k_e + b_x) / (η_h · B_h))", "gshard20", "Section 2.2")
def sparse_forward(
    job: Job, plan: Plan, around_forward: Seconds, experts_linear: Seconds, routed_copies: Tokens, expert_copies: Tokens
) -> Seconds:
    """A sparse layer's forward pass on the device; seconds."""
    routed = routed_copies / job.model.experts_per_token
    moved = moved_bytes(job, plan, routed_copies, expert_copies, False) / element_rate(job)
    return around_forward + pace(job) * (experts_linear + router_seconds(job, routed, 1.0) + moved)


@formula(
    "t_bbf + κ_c · (Σ t_gg + 4 · t_g + (48 · E · K_s / k_e + b_x + (2 · g · P_x if not frozen) + b_cw · P_x) / (η_h · B_h))",
    "gshard20",
    "Section 2.2",
)
def sparse_backward(
    job: Job, plan: Plan, around_backward: Seconds, expert_weights: Parameters, routed_copies: Tokens, expert_copies: Tokens
) -> Seconds:
    """A sparse layer's backward pass on the device; seconds."""
    experts, shapes = expert_shapes(job, plan, expert_copies)
    inputs = sum_of(grouped_seconds(job, experts, m, k, n) for m, n, k in shapes)
    products = inputs + expert_weight_products(job, plan, expert_copies)
    added = Bytes((2.0 * trained_bytes(job) + expert_weight_bytes(job)) * expert_weights) / element_rate(job)
    moved = moved_bytes(job, plan, routed_copies, expert_copies, True) / element_rate(job) + added
    router = router_seconds(job, routed_copies / job.model.experts_per_token, 2.0)
    return around_backward + pace(job) * (products + router + moved)


@formula(
    "t_rf + κ_c · (s_re · (t_gx + b_x / (η_h · B_h)) + s_ra · b_ac · K_x · f_e / ETP / (η_h · B_h))",
    "tmplan",
    "the stack says which; Megatron-LM --recompute-modules",
)
def sparse_repeat(
    job: Job, plan: Plan, around_repeat: Seconds, experts_linear: Seconds, routed_copies: Tokens, expert_copies: Tokens
) -> Seconds:
    """Forward work that selective recomputation repeats in one sparse layer; seconds."""
    repeat = job.selective.repeat
    products, activation = term("repeated_experts", repeat.get("experts", 0.0)), term("repeated_activation", repeat.get("expert_act", 0.0))
    moved = moved_bytes(job, plan, routed_copies, expert_copies, False) / element_rate(job)
    width = term("act_traffic", activation_work(job).forward)
    act = Bytes(width * expert_copies * job.model.expert_ffn / plan.etp) / element_rate(job)
    again = products * (experts_linear + moved) + activation * act
    return around_repeat + pace(job) * again


@formula("q_l + t_xe", "korthikanti22", "Section 5: a forward pass again, with its communication")
def sparse_repeated(repeat_layer: Seconds, ep_forward: Seconds) -> Seconds:
    """What one wholly recomputed sparse layer repeats in one micro-batch; seconds."""
    return repeat_layer + ep_forward


@formula("ℓ_x · x_x", "gshard20", "Section 5.2")
def stage_ep(sparse_stage_layers: Number, ep_layer: Seconds) -> Seconds:
    """Exposed all-to-all of one micro-batch on a stage; seconds."""
    return sparse_stage_layers * ep_layer


@formula(
    "P_ix · (w_x · (1 if whole, 0 if fp32 and not frozen and ZeRO < 2, 1 if ZeRO < 3, 0 if fp32 and not frozen, 1 / Z_x otherwise)"
    " + (x_o · (g_m + u_l) / (Z_x if ZeRO ≥ 1, 1 otherwise) if not frozen))",
    "zero20",
    "Figure 1, over the ranks that hold the same experts",
)
def expert_states(job: Job, plan: Plan, stage_experts: Parameters, expert_shard_size: Count) -> Bytes:
    """Weights and optimizer states of a rank's routed experts on the device; bytes."""
    size, width = expert_shard_size, term("expert_width", expert_width(job))
    if job.frozen:
        return Bytes(stage_experts * width) * where((plan.zero >= 3) & ~stays_gathered(job, plan), 1.0 / size, 1.0)
    states = resident_share(job) * optimizer_width(job) / where(plan.zero >= 1, size, 1)
    return Bytes(stage_experts * (width * weight_share(job, plan, size) + states))


def expert_width(job: Job) -> float:
    """Bytes of a stored weight of a routed expert: 4 bits under QLoRA, where experts are linear layers."""
    return NF4_BYTES if job.tuning == "qlora" else WEIGHT_BYTES


@formula(
    "P_ix · (g / (Z_x if ZeRO ≥ 2 and not whole, 1 otherwise) + (g_b if t · c · D > EP · ETP)) if not frozen",
    "zero20",
    "Figure 1, over the ranks that hold the same experts",
)
def expert_gradients(job: Job, plan: Plan, stage_experts: Parameters, expert_shard_size: Count) -> Bytes:
    """Gradients of a rank's routed experts, and the buckets that some stacks have in addition; bytes."""
    replicated = degrees.stage_ranks(plan) > degrees.expert_ranks(plan)
    width = job.gradient_bytes / where((plan.zero >= 2) & ~stays_gathered(job, plan), expert_shard_size, 1)
    return Bytes((0.0 if job.frozen else 1.0) * stage_experts * (width + job.stack.bucket_gradient_bytes * replicated))


@formula("(g_m + u_l) · P_ix / (Z_x if ZeRO ≥ 1, 1 otherwise) if not frozen", "math101", "Optimizer States; zero20 Figure 1")
def expert_optimizer(job: Job, plan: Plan, stage_experts: Parameters, expert_shard_size: Count) -> Bytes:
    """Master weights and optimizer states of a rank's routed experts, wherever they live; bytes."""
    return Bytes((0.0 if job.frozen else 1.0) * optimizer_width(job) * stage_experts / where(plan.zero >= 1, expert_shard_size, 1))
