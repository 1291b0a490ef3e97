"""Constants that belong to no one GPU, cluster or stack: each in this one place, with what it was fitted on.

A job carries them, so that a fit or a calibration evaluates the very formulas of the search with other values.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """Rates as fractions of a nominal one, latencies in seconds, ratios of one kernel to another."""

    # Fraction of memory bandwidth that element-wise kernels reach; aiconfigurator systems/*.yaml, t = bytes / (0.8 bw).
    hbm_fraction: float = 0.8
    # Host and device overlap kernel by kernel: a layer takes the root of the sum of both to this power. Fitted by `tmplan refit`, as are
    # node_doubling, node_hop and measured_message: on 3,215 measured runs, which leaves a mean error of 7.4 % over 13 sources.
    host_power: float = 3.797
    # Host time of a backward pass over a forward pass.
    host_backward: float = 1.5
    # FLOPs of flash attention's backward over its forward: five products for two (Dao 2023, Section 3.1).
    flash_backward: float = 2.5
    # flash-1 over flash-2, forward and backward.
    flash_1_slower: float = 1.33
    # Fractions of line rate that long messages reach. Scale-up: all-gather and reduce-scatter over 8 GPUs at 512 MiB reach 0.68 to
    # 0.75 of the link on A100, H100, H200 and B200 (aiconfigurator_core 0.12.0, nccl_perf).
    link_fraction: float = 0.77  # of many ranks; eight reach 15/16 of it, two 3/4
    nic_fraction: float = 0.9  # an assumption, not fitted: fits to runs pull it to 0.95 and above
    # Latencies: messages of 4 MiB and more over 2 to 8 GPUs take 14 to 56 us beyond their bytes, 30 in the middle (same tables,
    # `tmplan refit --kernels`, residual 2 to 16 %). Over nodes so much, and more with each doubling of the nodes.
    link_latency: float = 30e-6
    node_latency: float = 16e-6
    node_doubling: float = 2.992e-05
    # What each node adds to a ring over nodes, for every message sent.
    node_hop: float = 3.073e-05
    # Size of the message with which a cluster's own collectives are measured (nanotron's benchmark does not tell it; fitted), bytes.
    measured_message: float = 507000000
    send_latency: float = 10e-6
    # Share of the memory the driver offers that runs used at most before an allocation failed: the rest is lost to fragments. Fitted on
    # 498 runs that ran out of memory and 2,800 that did not.
    usable_memory: float = 0.96


CONSTANTS = Constants()
