"""Seconds of a collective on the links its group really uses.

A group is `members` ranks, `stride` apart in rank order (tp fastest, then cp, dp, pp; of experts etp, then ep, dp, pp). Some of them
share a scale-up domain, the rest is reached over the network, each GPU through its own share of the NICs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.formula.trace import formula
from planner.specs.hardware import Cluster
from planner.specs.job import Job


def inside(cluster: Cluster, members: Any, stride: Any) -> Any:
    """Members of a group that share a scale-up domain."""
    return np.clip(cluster.link_domain // np.asarray(stride), 1, members)


def hop_seconds(job: Job, passes: int) -> float:
    """What each node of a ring over nodes adds to its latency; seconds.

    Where the cluster's own collectives were measured over all its GPUs: what their bandwidth falls short of the line rate, by node.
    passes: 2 for an all-reduce, 1 for an all-gather or a reduce-scatter.
    """
    cluster, k = job.cluster, job.constants
    measured = cluster.measured_reduce_bytes_s if passes == 2 else cluster.measured_gather_bytes_s
    if not measured:
        return k.node_hop
    own = min(cluster.gpus_per_node, cluster.gpus)
    line = k.nic_fraction * cluster.nic_bytes_s * own
    return max(k.node_hop, k.measured_message * own / cluster.gpus * (1 / measured - 1 / line))


def _ring(job: Job, members: Any, stride: Any, message: Any, pieces: Any, passes: int) -> Any:
    """A ring over the group: each link carries (n - 1) / n of the message in each pass; the slower of the two kinds of link decides.

    A message sent in pieces pays the latency for each. Rings visit every node; NCCL reduces over many nodes along trees
    instead, whose depth grows with their logarithm, unless the cluster's own measurement shows it does not.
    """
    cluster, k = job.cluster, job.constants
    near = inside(cluster, members, stride)
    nodes = -(-members // near)
    carried = message * (members - 1) / members
    # two ranks reach three quarters of what many do, four seven eighths
    within = np.where(near > 1, carried / (k.link_fraction * (1 - 0.5 / near) * cluster.link_bytes_s), 0.0)
    # as many rings as members on a node, each crossing through another of their NICs
    across = np.where(nodes > 1, carried / (k.nic_fraction * cluster.nic_bytes_s * near), 0.0)
    around = passes * hop_seconds(job, passes) * nodes
    if passes == 2 and not cluster.measured_reduce_bytes_s:
        around = np.minimum(around, k.node_doubling * np.log2(np.maximum(nodes, 2)))
    latency = np.where(near > 1, k.link_latency, 0.0) + np.where(nodes > 1, k.node_latency + around, 0.0)
    return np.where(members > 1, passes * np.maximum(within, across) + pieces * latency, 0.0)


@formula("2 · S · (n - 1) / n over the slower link, and latency", "thakur05", "Section 4.4: ring all-reduce")
def all_reduce_seconds(job: Job, members: Any, stride: Any, message: Any, pieces: Any = 1) -> Any:
    """All-reduce of a message of so many bytes on every rank; seconds."""
    return _ring(job, members, stride, message, pieces, 2)


@formula("S · (n - 1) / n over the slower link, and latency", "thakur05", "Sections 4.1 and 4.3: ring all-gather and reduce-scatter")
def gather_seconds(job: Job, members: Any, stride: Any, message: Any, pieces: Any = 1) -> Any:
    """All-gather into, or reduce-scatter out of, a whole of so many bytes; seconds."""
    return _ring(job, members, stride, message, pieces, 1)


@formula("the slower of S_w / B_l within the domain and S_o / B_n beyond, and latency", "thakur05", "Section 4.2: pairwise exchange")
def all_to_all_seconds(job: Job, members: Any, stride: Any, within: Any, across: Any) -> Any:
    """All-to-all of so many bytes that each rank sends inside its scale-up domain, and out of it; seconds."""
    cluster, k = job.cluster, job.constants
    near = inside(cluster, members, stride)
    nodes = -(-members // near)
    near_seconds = np.where(near > 1, within / (k.link_fraction * (1 - 0.5 / near) * cluster.link_bytes_s), 0.0)
    far_seconds = across / (k.nic_fraction * cluster.nic_bytes_s)
    far_latency = k.node_latency + k.node_doubling * np.log2(np.maximum(nodes, 2))
    latency = np.where(near > 1, k.link_latency, 0.0) + np.where(nodes > 1, far_latency, 0.0)
    return np.where(members > 1, np.maximum(near_seconds, far_seconds) + latency, 0.0)


@formula("S / B_l within the domain, S / B_n beyond, and latency", "narayanan21", "Section 3.2: point-to-point between stages")
def send_seconds(job: Job, stride: Any, message: Any) -> Any:
    """One send to the rank `stride` further on; seconds."""
    cluster, k = job.cluster, job.constants
    near = np.asarray(stride) < cluster.link_domain
    rate = np.where(near, k.link_fraction * cluster.link_bytes_s, k.nic_fraction * cluster.nic_bytes_s)
    return message / rate + k.send_latency
