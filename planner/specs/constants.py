"""Constants of the model that do not depend on the GPU, the cluster or the stack, each with the data it was fitted on.

They are a field of Job: a fit or a calibration evaluates the same formulas as the search, with other values.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """Rates as fractions of a nominal one, latencies in seconds, ratios of one kernel to another."""

    # Fraction of memory bandwidth that element-wise kernels reach; aiconfigurator systems/*.yaml, t = bytes / (0.8 bw).
    hbm_fraction: float = 0.8
    # The same of PyTorch's separate kernels and of those of torch.compile, over the bytes counted: assumed. A fit to all runs gives 0.48,
    # but does not pay on sources left out.
    torch_fraction: float = 0.6
    # Host time of one launch in PyTorch's eager forward pass, its modules and the record of autograd included: what the measured
    # steps of small models need over their counts of launches (planner/cost/elementwise.py); fitted by `tmplan refit`.
    launch_s: float = 2.264e-05
    # The same in a backward pass, which autograd runs in C++, over that.
    launch_backward: float = 0.8
    # Host time of routing and experts in a backward pass over that in a forward pass.
    host_backward: float = 1.5
    # Time of flash attention's backward pass relative to its forward pass: five products to two (Dao 2023, Section 4.1), at 0.87 of the
    # rate (arXiv 2407.08608, charts of H100: 561 of 648 TFLOP/s for FlashAttention-3, 322 of 370 for FlashAttention-2).
    flash_backward: float = 2.87
    # Time of flash-1 relative to flash-2: 1.3 to 1.5 times forward, twice backward (Dao 2023, Section 4.1, the kernel in Triton).
    flash_1_slower: float = 1.8
    # Fractions of the line rate that long messages reach. Scale-up link: all-gather and reduce-scatter over 8 GPUs at 512 MiB reach
    # 0.68 to 0.75 of it on A100, H100, H200 and B200 (aiconfigurator_core 0.12.0, nccl_perf).
    link_fraction: float = 0.77  # limit for many ranks; eight ranks reach 15/16 of it, two 3/4
    # The same of an all-to-all: 0.62 to 0.65 of the line rate over 8 GPUs on A100, H100 and H200, 0.58 to 0.60 on B200 and B300 (the same
    # tables); HybridEP's kernels reach 0.6 to 0.7 (DeepEP, docs/README_Hybrid-EP.md).
    exchange_fraction: float = 0.66
    nic_fraction: float = 0.9  # assumed, not fitted: fits to runs give 0.95 and above
    # Latencies: messages of 4 MiB and more over 2 to 8 GPUs take 14 to 56 us in addition to their transfer, 30 in the median (same
    # tables, `tmplan refit --kernels`, residual 2 to 16 %). Across nodes: node_latency, and node_doubling per doubling of the nodes.
    # Rate of tensor-parallel collectives in training over that of a benchmark's loop, which has no ranks that arrive late.
    link_training: float = 0.7
    # Time that compute loses while it hides a collective, over the collective's: NCCL's kernels take part of the processors and of the
    # memory bandwidth.
    contention: float = 0.2
    link_latency: float = 30e-6
    node_latency: float = 16e-6
    node_doubling: float = 3e-05
    # Latency that each node adds to a ring over nodes, per message.
    node_hop: float = 3e-05
    # Message size of the benchmark that measures a cluster's collectives; bytes. nanotron's benchmark does not report it; fitted.
    measured_message: float = 6.5e8
    send_latency: float = 10e-6
    # Largest share of the device memory in use before an allocation fails; the rest is lost to fragmentation. Fitted on 498 runs that
    # ran out of memory and 2,800 that did not.
    usable_memory: float = 0.96


CONSTANTS = Constants()
