"""What is moved to the host: its bytes there, and the time over PCIe.

Read in DeepSpeed 0.19.8 (runtime/zero/stage3.py and stage_1_and_2.py: gradients in 16 bits and in fp32, master copies and weights in
pinned buffers; runtime/swap_tensor/optimizer_utils.py: buffers of NVMe), Megatron-Core 0.16.1 (optimizer/cpu_offloading: fp32 gradients
with the states) and PyTorch (aten/src/ATen/core/CachingHostAllocator.h rounds pinned memory up to a power of two).
"""

from __future__ import annotations

from planner.cost.optimizers import moves_states, resident_share
from planner.cost.pipeline_split import largest
from planner.cost.states import WEIGHT_BYTES
from planner.dimensions import Bytes, BytesPerSecond, Number, Parameters, Seconds, ceil, floor, log2, maximum, minimum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan

FULL = 4.0  # bytes of a gradient or a weight in fp32
SWAP_BUFFERS = 4.0  # buffer_count of offload_optimizer: weights, gradients and both moments of a sub-group


def pinned(size: Bytes) -> Bytes:
    """Pinned memory that PyTorch takes for a buffer: the next power of two; bytes."""
    return Bytes(2.0 ** ceil(log2(Number(maximum(size, 1.0)))))


def pcie(job: Job) -> BytesPerSecond:
    """Rate to the host, per direction; bytes per second."""
    return BytesPerSecond(job.cluster.gpu.pcie_bytes_s)


@formula(
    "4 · 2^⌈log2(max(4 · min(P_u, n_g), 1))⌉ if nvme, (1 - x_o) · O_m otherwise",
    "offload21",
    "Section 4; NVMe: DeepSpeed, runtime/swap_tensor/optimizer_utils.py; paged states: bitsandbytes",
)
def host_states(job: Job, heaviest_optimizer: Bytes, owned_weights: Parameters) -> Bytes:
    """Optimizer states of a rank in host memory, of those on NVMe the buffers; bytes."""
    if term("offload_nvme", job.offload_nvme):
        return SWAP_BUFFERS * pinned(Bytes(FULL * minimum(owned_weights, job.stack.sub_group)))
    return heaviest_optimizer * (1.0 - resident_share(job))


@formula(
    "0 if not offload, 4 · P_u if not flat, 2^⌈log2(max(2 · P_u, 1))⌉ + ⌊P_u / n_g⌋ · 2^⌈log2(max(4 · n_g, 1))⌉"
    " + 2^⌈log2(max(4 · (P_u - ⌊P_u / n_g⌋ · n_g), 1))⌉ if ZeRO ≥ 3 and not nvme, 2^⌈log2(max(2 · P_u, 1))⌉ if ZeRO ≥ 3,"
    " 2^⌈log2(max(2 · P_u, 1))⌉ + 2 · 2^⌈log2(max(4 · P_u, 1))⌉ - 4 · P_u + 2^⌈log2(max(2 · P_tt, 1))⌉ otherwise",
    "deepspeed",
    "runtime/zero/stage3.py, grad_partitions_flat_buffer, initialize_optimizer_states; stage_1_and_2.py",
)
def host_gradients(job: Job, plan: Plan, owned_weights: Parameters, largest_tensor: Parameters) -> Bytes:
    """Gradients of a rank in host memory, in fp32 and under DeepSpeed in 16 bits too, and what pinning the master copy adds; bytes."""
    if not term("offload_optimizer", moves_states(job)):
        return Bytes(0.0 * owned_weights)
    if not job.stack.flat_states:
        return Bytes(FULL * owned_weights)
    narrow, wide = pinned(Bytes(WEIGHT_BYTES * owned_weights)), Bytes(FULL * owned_weights)
    groups = floor(Number(owned_weights / job.stack.sub_group))
    rest = Bytes(FULL * (owned_weights - Parameters(groups * job.stack.sub_group)))
    by_group = groups * pinned(Bytes(FULL * job.stack.sub_group)) + pinned(rest)
    fully = Bytes(narrow + by_group * (0.0 if term("offload_nvme", job.offload_nvme) else 1.0))
    below = Bytes(narrow + 2.0 * pinned(wide) - wide + pinned(Bytes(WEIGHT_BYTES * largest_tensor)))
    return where(plan.zero >= 3, fully, below)


@formula("2^⌈log2(max(W_mv, 1))⌉ if moved and flat, W_mv if moved and not fp32", "deepspeed", "runtime/zero/stage3.py, pinned flat buffers")
def host_weights(job: Job, moved_weights: Bytes) -> Bytes:
    """Weights of a rank in host memory, other than fp32 parameters, which are the master copies; bytes."""
    if not job.offload_parameters:
        return 0.0 * moved_weights
    if job.stack.flat_states:
        return pinned(moved_weights)
    return moved_weights * (0.0 if term("master_is_parameter", job.stack.master_is_parameter and job.master_bytes > 0) else 1.0)


@formula("2 · P_u + W_fm / (Z if ZeRO ≥ 3, 1 otherwise)", "zero20", "Section 5, Figure 1; frozen weights with those that are trained")
def moved_weights(plan: Plan, owned_weights: Parameters, heaviest_frozen: Bytes, shard_size: Number) -> Bytes:
    """Weights of a rank that are in host memory where weights are offloaded; bytes."""
    return Bytes(WEIGHT_BYTES * owned_weights) + heaviest_frozen / where(plan.zero >= 3, shard_size, 1)


@formula("min(W_n, W) · (H_o + H_g + H_w)", "offload21", "Section 4")
def host_bytes(job: Job, host_states: Bytes, host_gradients: Bytes, host_weights: Bytes) -> Bytes:
    """Host memory of what the ranks of one node offload; bytes."""
    return float(min(job.cluster.gpus_per_node, job.cluster.gpus)) * (host_states + host_gradients + host_weights)


@formula("(2 · W_mv / B_p if moved) + (2 · P_u / B_p if flat and offload and ZeRO ≥ 2)", "offload21", "Section 4.2")
def offload_each(job: Job, plan: Plan, moved_weights: Bytes, owned_weights: Parameters) -> Seconds:
    """Over PCIe in each micro-batch: offloaded weights up for both passes, 16-bit gradients down; seconds."""
    up = (2.0 if job.offload_parameters else 0.0) * moved_weights / pcie(job)
    down = where((plan.zero >= 2) & job.stack.flat_states & job.offload_optimizer, Bytes(WEIGHT_BYTES * owned_weights), 0.0)
    return up + down / pcie(job)


@formula("t_2 + t_pc", "tmplan", "sum of the parts")
def moved_each(reduce_each: Seconds, offload_each: Seconds) -> Seconds:
    """Gradient and weight communication of every micro-batch, between ranks and with the host; seconds."""
    return reduce_each + offload_each


def moves_activations(job: Job) -> bool:
    """Whether activations or inputs of recomputed layers pass through host memory."""
    return job.offload_activations > 0 or job.offload_checkpoints


@formula("ω_h · (A_h + A_m) + ω_c · r_i · A_c", "tmplan", "sum of the parts")
def moved_activations(job: Job, held_bytes: Bytes, embedding_masks: Bytes, recomputed_layers: Number, checkpoint_bytes: Bytes) -> Bytes:
    """Activations of one micro-batch of a rank that are in host memory until their backward pass; bytes."""
    checkpoints = term("checkpoints_offloaded", float(job.offload_checkpoints)) * recomputed_layers * checkpoint_bytes
    return term("activations_offloaded", job.offload_activations) * (held_bytes + embedding_masks) + checkpoints


@formula("min(W_n, W) · max_i(n_i · A_mv)", "tmplan", "those of all micro-batches in flight, on the stage with most")
def host_activations(job: Job, in_flight: Number, moved_activations: Bytes) -> Bytes:
    """Host memory of the activations that the ranks of one node offload; bytes."""
    ranks = float(min(job.cluster.gpus_per_node, job.cluster.gpus))
    return ranks * largest(in_flight * moved_activations)


@formula("M_h + M_ha", "tmplan", "sum of the parts")
def node_memory(host_bytes: Bytes, host_activations: Bytes) -> Bytes:
    """Host memory of all that a node offloads; bytes."""
    return host_bytes + host_activations


@formula("max(2 · A_mv / B_p - E_i, 0)", "tmplan", "down in the forward pass and up in the backward pass, while layers are computed")
def transfer_wait(job: Job, moved_activations: Bytes, stage_work: Seconds) -> Seconds:
    """Transfers of activations in one micro-batch that the work of a stage does not hide; seconds."""
    return maximum(2.0 * moved_activations / pcie(job) - stage_work, 0.0)


@formula("Q_i + t_aw", "tmplan", "sum of the parts")
def repeat_or_wait(stage_repeat: Seconds, transfer_wait: Seconds) -> Seconds:
    """Recomputation of one micro-batch on a stage, and the wait for offloaded activations; seconds."""
    return stage_repeat + transfer_wait
