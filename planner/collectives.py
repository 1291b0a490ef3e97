"""Seconds of a collective on the links its group really uses.

A group is `members` ranks, `stride` apart in rank order (tp fastest, then cp, dp, pp). Some of them share a scale-up domain, the
rest is reached over the network, each GPU through its own share of the NICs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.formula import formula
from planner.specs import Cluster

# Fractions of line rate that long messages reach. Scale-up: all-gather and reduce-scatter over 8 GPUs at 512 MiB reach 0.68 to
# 0.75 of the link on A100, H100, H200 and B200 (aiconfigurator_core 0.12.0, nccl_perf). Network: fitted on published multi-node
# runs before this project, 0.76.
LINK_FRACTION = 0.72
NIC_FRACTION = 0.76
# Latencies: smallest NCCL messages over 2 to 8 GPUs take 5 to 16 us (same tables); at 8 MiB half the plateau is reached, which
# is 20 us more than the bytes. Over nodes 16 us and 27 us a doubling of the nodes, from the same fit as NIC_FRACTION.
LINK_LATENCY = 20e-6
NODE_LATENCY = 16e-6
NODE_DOUBLING = 27e-6
SEND_LATENCY = 10e-6


def inside(cluster: Cluster, members: Any, stride: Any) -> Any:
    """Members of a group that share a scale-up domain."""
    return np.clip(cluster.link_domain // np.asarray(stride), 1, members)


def _ring(cluster: Cluster, members: Any, stride: Any, message: Any, passes: float) -> Any:
    """A ring over the group: each link carries (n - 1) / n of the message in each pass; the slower of the two kinds of link decides."""
    near = inside(cluster, members, stride)
    nodes = -(-members // near)
    carried = message * (members - 1) / members
    within = np.where(near > 1, carried / (LINK_FRACTION * cluster.link_bytes_s), 0.0)
    # as many rings as members on a node, each crossing through another of their NICs
    across = np.where(nodes > 1, carried / (NIC_FRACTION * cluster.nic_bytes_s * near), 0.0)
    latency = np.where(near > 1, LINK_LATENCY, 0.0) + np.where(nodes > 1, NODE_LATENCY + NODE_DOUBLING * np.log2(np.maximum(nodes, 2)), 0.0)
    return np.where(members > 1, passes * np.maximum(within, across) + latency, 0.0)


@formula("2 · S · (n - 1) / n over the slower link, and latency", "thakur05", "Section 4.4: ring all-reduce")
def all_reduce_seconds(cluster: Cluster, members: Any, stride: Any, message: Any) -> Any:
    """All-reduce of a message of so many bytes on every rank; seconds."""
    return _ring(cluster, members, stride, message, 2.0)


@formula("S · (n - 1) / n over the slower link, and latency", "thakur05", "Sections 4.1 and 4.3: ring all-gather and reduce-scatter")
def gather_seconds(cluster: Cluster, members: Any, stride: Any, message: Any) -> Any:
    """All-gather into, or reduce-scatter out of, a whole of so many bytes; seconds."""
    return _ring(cluster, members, stride, message, 1.0)


@formula("S / B_l within the domain, S / B_n beyond, and latency", "narayanan21", "Section 3.2: point-to-point between stages")
def send_seconds(cluster: Cluster, stride: Any, message: Any) -> Any:
    """One send to the rank `stride` further on; seconds."""
    near = np.asarray(stride) < cluster.link_domain
    rate = np.where(near, LINK_FRACTION * cluster.link_bytes_s, NIC_FRACTION * cluster.nic_bytes_s)
    return message / rate + SEND_LATENCY
