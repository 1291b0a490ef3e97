"""A job of round figures for values computed by hand. All rates, widths and shares differ: the wrong one in a formula changes its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from planner.dimensions import Stage
from planner.specs.constants import Constants
from planner.specs.hardware import Cluster, Flash, Gemm, Gpu
from planner.specs.job import Job, Selective, Stack
from planner.specs.model import Model

# One matrix product of m x k by k x n takes 0.001 s and 2 m n k / 1e6 s: half of 2e6 FLOP/s, nothing padded, memory no bound.
GEMM = Gemm(overhead_s=0.001, flops_s=2e6, pad_m=0, pad_n=0, pad_k=0, bytes_s=1e30, training=0.5)
# Flash attention reaches 4e5 FLOP/s, half of 8e5, nothing padded.
FLASH = Flash(launch_s=0.001, plateau_flops=8e5, pad_rows=0, pad_keys=0, pad_width=0)
GPU = Gpu(
    "round", "nvidia", "hopper", flops_bf16=1e9, flops_fp8=2e9, memory_bytes=1e9, hbm_bytes_s=1e8, link_bytes_s=1e9, link_domain=8,
    nic_bytes_s=1e8, pcie_bytes_s=1e6, gemm=GEMM, flash_2=FLASH,
)  # fmt: skip
CLUSTER = Cluster("round", GPU, gpus=64, gpus_per_node=8, link_domain=8, link_bytes_s=1e9, nic_bytes_s=1e8)
# heads x width is not the hidden width, and two heads share a key-value head
MODEL = Model("round", layers=8, hidden=100, heads=8, kv_heads=4, head_dim=10, ffn=300, vocab=1000, max_positions=4096)
STACK = Stack(
    "round", "Round", zero_stages=(0, 1, 2, 3), hsdp=True, interleaved=True, sequence_parallel="optional", context_parallel=True,
    tensor_parallel=True, pipeline_zero_most=3, kv_replication=True, uneven_stages="slots", tied_pipeline=True, interleaved_groups=False,
    sequence_rule=1, first_recompute=True, vocab_multiple=1, gradient_bytes=4, gradient_reduce_bytes=4, pipeline_syncs_once=False,
    master_is_parameter=False, logits_bytes=6.0, activation_overhead=1.0, allocator_slack=0.25, context_bytes=7.0,
    selective=Selective(keep={"scores": 0.0, "norm_in": 0.5}, repeat={"attention": 1.0, "mlp": 0.5}), launch_pace=2.0, weight_launches=0.0,
    host_micro_batch_s=0.7, step_fixed_s=1.1,
    cp_exposed=0.1, dp_overlap=0.6, gather_overlap=0.8, bucket_parameters=0.0, sharded_parameters=0.0, bucket_growth=0.0,
    straggler=0.01, qkv_copies=0.0, unfused=("rotary",), workspace_bytes=11.0, expert_workspace_bytes=13.0, expert_parallel=True,
    tunings=("full", "lora"),
)  # fmt: skip
# element-wise kernels reach half of the 1e8 B/s, those of PyTorch 0.6, links 0.8 of their rate, the network half
CONSTANTS = Constants(
    hbm_fraction=0.5, torch_fraction=0.6, launch_s=0.01, launch_backward=0.5,
    host_backward=1.5, flash_backward=2.5, flash_1_slower=1.25, link_fraction=0.8,
    exchange_fraction=0.8, nic_fraction=0.5,
    link_latency=0.001, node_latency=0.002, node_doubling=0.003, node_hop=0.004, link_training=0.5, contention=0.25,
    send_latency=0.005, usable_memory=0.9,
)  # fmt: skip
EXPERTS = {"experts": 16, "experts_per_token": 2, "expert_ffn": 60, "shared_ffn": 50}
FIRST_TO_THIRD = Stage(np.array([[0], [1], [2]]))
FIRST_AND_LAST = Stage(np.array([[0], [1]]))  # of two pipeline ranks

Changes = Mapping[str, object]


def round_job(
    *,
    model: Changes | None = None,
    gpu: Changes | None = None,
    gemm: Changes | None = None,
    cluster: Changes | None = None,
    stack: Changes | None = None,
    constants: Changes | None = None,
    **changes: object,
) -> Job:
    """The job of round figures with some fields of its specs, and of the job itself, changed."""
    device = replace(GPU, gemm=replace(GEMM, **(gemm or {})), **(gpu or {}))  # type: ignore[arg-type]
    framework = replace(STACK, **(stack or {}))  # type: ignore[arg-type]
    usual = {"master_bytes": int(framework.master_bytes), "reduce_bytes": framework.gradient_reduce_bytes}
    return Job(
        replace(MODEL, **(model or {})),  # type: ignore[arg-type]
        replace(CLUSTER, gpu=device, **(cluster or {})),  # type: ignore[arg-type]
        framework,
        **(usual | {"sequence": 50, "global_batch": 96, "constants": replace(CONSTANTS, **(constants or {}))} | changes),  # type: ignore[arg-type]
    )
