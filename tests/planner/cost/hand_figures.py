"""A job in round figures, so that the arithmetic of a formula can be done by hand.

A matrix product of m x k by k x n takes 0.5 s and 2 m n k / 10^6 s, element-wise work moves 10^8 B/s, a rank sends 10^6 B/s over many
links of the scale-up domain (7/8 of it among four ranks, 3/4 among two) and 10^5 B/s over the network, and host and device times add.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

from planner import presets
from planner.specs.constants import Constants
from planner.specs.hardware import GIB, Cluster, Flash, Gemm, Gpu
from planner.specs.job import Job, Selective
from planner.specs.model import Model
from planner.specs.products import Products

CONSTANTS = Constants(
    hbm_fraction=0.5, launch_s=3 / 28, launch_backward=21 / 26,
    host_backward=1.5, flash_backward=2.5, link_fraction=0.5, exchange_fraction=0.5, nic_fraction=0.5,
    link_latency=1.0, node_latency=2.0, node_doubling=3.0, node_hop=4.0, link_training=1.0, contention=0.25,
    send_latency=5.0, usable_memory=0.5,
)  # fmt: skip

GPU = Gpu(
    "round", "", "hopper", flops_bf16=1e9, flops_fp8=2e9, memory_bytes=100 * GIB, hbm_bytes_s=2e8, link_bytes_s=2e6, link_domain=8,
    nic_bytes_s=2e5, pcie_bytes_s=1e6, gemm=Gemm(0.5, 1e6, 0, 0, 0, 1e30), flash_2=Flash(0.5, 5e5, 0, 0, 0),
    narrow=(Products("fp8", 2e6, 0, 0, 0, 1e30),), grouped=(Products("bf16", 1e6, 0, 0, 0, 1e30), Products("fp8", 1.5e6, 0, 0, 0, 1e30)),
)  # fmt: skip

CLUSTER = Cluster(
    "round", GPU, gpus=64, gpus_per_node=8, link_domain=8, link_bytes_s=2e6, nic_bytes_s=2e5, pace=2.0, host_pace=2.0,
)  # fmt: skip

STACK = replace(
    presets.stack("megatron-core"), name="round", tunings=("full", "lora", "qlora"), vocab_multiple=1, context_bytes=1000.0,
    workspace_bytes=0.0, expert_workspace_bytes=0.0, activation_overhead=1.0, allocator_slack=0.5, selective=Selective(),
    launch_pace=1.0, host_micro_batch_s=0.25, step_fixed_s=3.0, qkv_copies=0.0,
    cp_exposed=0.1, dp_overlap=0.5, gather_overlap=0.25, bucket_parameters=0.0, bucket_growth=0.0,
    tp_overlap="none", tp_gathers_again=False, straggler=0.01, overlaps_experts=True, host_experts_s=0.5, host_counts_s=0.25,
    host_expert_s=0.125, expert_streams=0.0, narrow_kept=False, main_gradients=False, expert_out_stored=True, router_in_stored=4.0,
)  # fmt: skip

DENSE = Model("round", layers=10, hidden=1000, heads=10, kv_heads=5, head_dim=100, ffn=2000, vocab=5000, max_positions=4096)
SPARSE = replace(DENSE, name="round-experts", experts=8, experts_per_token=2, expert_ffn=500, dense_layers=2)


def round_job(model: Model = DENSE, cluster: Cluster = CLUSTER, **traits: Any) -> Job:
    """The job of this model, with some traits of its stack changed: 64 sequences of 1,000 tokens per step."""
    return Job(model, cluster, replace(STACK, **traits), sequence=1000, global_batch=64, precision="bf16", constants=CONSTANTS)


def with_rows_padded(job: Job, rows: int) -> Job:
    """The same where a matrix product takes the time of additional rows, which distinguishes its rows from its columns."""
    gpu = job.cluster.gpu
    grouped = tuple(replace(table, pad_m=float(rows)) for table in gpu.grouped)
    return replace(job, cluster=replace(job.cluster, gpu=replace(gpu, gemm=replace(gpu.gemm, pad_m=float(rows)), grouped=grouped)))


def given_plain_numbers(module: ModuleType) -> Any:
    """The formulas of a module, to be called with plain numbers, which mypy does not accept as quantities."""
    return module
