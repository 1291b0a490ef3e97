"""Seconds of a collective on the links that its group uses.

A group is `members` ranks, `stride` apart in rank order (tp fastest, then cp, dp, pp; of experts etp, then ep, dp, pp). Some of
them share a scale-up domain; the others are reached over the network, each GPU through its share of the NICs.
"""

from __future__ import annotations

from dataclasses import replace

from planner.dimensions import Bytes, BytesPerSecond, Count, Number, Seconds, clip, log2, maximum, minimum, where
from planner.formula.trace import formula, term
from planner.specs.hardware import Cluster
from planner.specs.job import Job

ONE = Count(1)


def inside(cluster: Cluster, members: Count, stride: Count) -> Count:
    """Members of a group that share a scale-up domain."""
    return clip(cluster.link_domain // stride, 1, members)


def hop_seconds(job: Job, passes: int) -> Seconds:
    """Latency that each node of a ring over nodes adds; seconds.

    If collectives were measured over all GPUs of the cluster: the time beyond the line rate, divided by the nodes.
    passes: 2 for an all-reduce, 1 for an all-gather or a reduce-scatter.
    """
    cluster, k = job.cluster, job.constants
    measured = cluster.measured_reduce_bytes_s if passes == 2 else cluster.measured_gather_bytes_s
    if not measured:
        return Seconds(k.node_hop)
    ranks = min(cluster.gpus_per_node, cluster.gpus)
    line = k.nic_fraction * cluster.nic_bytes_s * ranks
    return Seconds(max(k.node_hop, k.measured_message * ranks / cluster.gpus * (1 / measured - 1 / line)))


def unchecked(job: Job) -> Job:
    """The job without the comparison of arguments before each collective, where that is counted as time of the host."""
    return replace(job, cluster=replace(job.cluster, rank_check_s=0.0)) if job.cluster.rank_check_s else job


def link_rate(job: Job, near: Count, fraction: float = 0.0) -> BytesPerSecond:
    """Bandwidth of the scale-up link for a group with this many members in the domain: two reach three quarters of the bandwidth of many,
    four seven eighths. fraction: of the line rate that many reach, instead of the rings'.
    """
    return BytesPerSecond((fraction or job.constants.link_fraction) * (1 - 0.5 / near) * job.cluster.link_bytes_s)


def _ring(job: Job, members: Count, stride: Count, message: Bytes, pieces: Number, passes: int) -> Seconds:
    """A ring over the group: each link carries (n - 1) / n of the message in each pass; the slower of the two kinds of link decides.

    Every piece of a message adds the latency. Rings visit every node; over many nodes NCCL reduces along trees instead, whose depth grows
    with the logarithm of the nodes. The measured collectives of a cluster are taken as rings.
    """
    cluster, k = job.cluster, job.constants
    near = term("near_members", inside(cluster, members, stride))
    nodes = term("group_nodes", -(-members // near))
    carried = message * (members - 1) / members
    within = where(near > 1, carried / link_rate(job, near), 0.0)
    # as many rings as members on a node, each crossing through another of their NICs
    across = where(nodes > 1, carried / BytesPerSecond(k.nic_fraction * cluster.nic_bytes_s * near), 0.0)
    around = passes * hop_seconds(job, passes) * nodes
    if passes == 2 and not cluster.measured_reduce_bytes_s:
        around = minimum(around, Seconds(k.node_doubling * log2(maximum(nodes, 2))))
    latency = Seconds(where(near > 1, k.link_latency, 0.0)) + where(nodes > 1, k.node_latency + around, 0.0)
    latency = latency + Seconds(cluster.rank_check_s * members)
    whole = passes * maximum(within, across) + term("pieces", pieces) * term("ring_latency", latency)
    return where(members > 1, whole, 0.0)


RING = "S · (n - 1) / n · max((1 / (η_l · (1 - ½ / n_d) · B_l) if n_d > 1), (1 / (η_n · B_n · n_d) if n_n > 1)) + n_p · t_la if n > 1"


@formula(f"2 · {RING}", "thakur05", "Section 5.3: ring all-reduce")
def all_reduce_seconds(job: Job, members: Count, stride: Count, message: Bytes, pieces: Number = ONE) -> Seconds:
    """All-reduce of a message on every rank, in pieces; seconds."""
    return _ring(job, members, stride, message, pieces, 2)


@formula(RING, "thakur05", "Sections 4.1 and 4.4: ring all-gather and reduce-scatter")
def gather_seconds(job: Job, members: Count, stride: Count, message: Bytes, pieces: Number = ONE) -> Seconds:
    """All-gather into, or reduce-scatter of, the whole message, in pieces; seconds."""
    return _ring(job, members, stride, message, pieces, 1)


@formula(
    "max((S_w / (η_x · (1 - ½ / n_d) · B_l) if n_d > 1), S_o / (η_n · B_n)) + t_la if n > 1", "thakur05", "Section 4.3: pairwise exchange"
)
def all_to_all_seconds(job: Job, members: Count, stride: Count, within: Bytes, across: Bytes) -> Seconds:
    """All-to-all of the bytes that each rank sends within its scale-up domain and across domains; seconds."""
    cluster, k = job.cluster, job.constants
    near = term("near_members", inside(cluster, members, stride))
    nodes = -(-members // near)
    near_seconds = where(near > 1, within / link_rate(job, near, k.exchange_fraction), 0.0)
    far_seconds = across / BytesPerSecond(k.nic_fraction * cluster.nic_bytes_s)
    far_latency = Seconds(k.node_latency + k.node_doubling * log2(maximum(nodes, 2)))
    latency = Seconds(where(near > 1, k.link_latency, 0.0)) + where(nodes > 1, far_latency, 0.0)
    return where(members > 1, maximum(near_seconds, far_seconds) + term("ring_latency", latency), 0.0)


@formula("S / (η_l · B_l if Δ_r < W_d, η_n · B_n otherwise) + t_ls", "narayanan21", "Section 3.2: point-to-point between stages")
def send_seconds(job: Job, stride: Count, message: Bytes) -> Seconds:
    """One send to the rank `stride` ranks away; seconds."""
    cluster, k = job.cluster, job.constants
    near = stride < cluster.link_domain
    rate = BytesPerSecond(where(near, k.link_fraction * cluster.link_bytes_s, k.nic_fraction * cluster.nic_bytes_s))
    return message / rate + k.send_latency
