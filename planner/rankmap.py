"""Which ranks form the groups of a plan, on which nodes they lie, and what links they meet over.

Ranks are numbered in Megatron-LM's default order, tp-cp-ep-dp-pp: of attention tp fastest, then cp, dp, pp; of the routed experts,
on the same ranks, etp fastest, then ep, expert-dp, pp. torchtitan's and accelerate's meshes number them alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.errors import FieldError
from planner.plan import Column, Plan
from planner.specs import Job

ATTENTION = ("tp", "cp", "dp", "pp")  # the fastest first
EXPERTS = ("etp", "ep", "expert-dp", "pp")
KINDS = ("tp", "cp", "dp", "ep", "etp", "expert-dp", "pp")
LINKS = ("single", "scale-up", "host", "network")  # from near to far
SINGLE, SCALE_UP, HOST, NETWORK = range(len(LINKS))


@dataclass(frozen=True)
class Groups:
    """The groups of one kind: a row of ranks each, in the order of their first ranks."""

    kind: str
    ranks: Column
    leaves_node: Column  # for each group, whether it has ranks on more than one node
    link: Column  # for each group, the index into LINKS of the farthest it reaches over

    @property
    def size(self) -> int:
        """Ranks in each group."""
        return int(self.ranks.shape[1])

    def __len__(self) -> int:
        return len(self.ranks)

    def links(self) -> dict[str, int]:
        """How many groups meet over each link, those over none left out."""
        counts = np.bincount(self.link, minlength=len(LINKS))
        return {name: int(count) for name, count in zip(LINKS, counts, strict=True) if count}


@dataclass(frozen=True)
class RankMap:
    """A plan laid out on the ranks of a job."""

    job: Job
    plan: Plan
    degrees: dict[str, int]  # of every kind of group

    @property
    def world(self) -> int:
        """All ranks."""
        return self.job.cluster.gpus

    @property
    def per_node(self) -> int:
        """Ranks on one node."""
        return min(self.job.cluster.gpus_per_node, self.world)

    @property
    def nodes(self) -> int:
        """Nodes, the last of which may not be full."""
        return -(-self.world // self.per_node)

    @property
    def stage_ranks(self) -> int:
        """Ranks of one pipeline stage: they follow each other."""
        return self.world // self.degrees["pp"]

    def node_of(self, ranks: Any) -> Any:
        """The node of each rank: ranks fill one node after the other."""
        return ranks // self.per_node

    def coordinates(self, ranks: Column) -> dict[str, Column]:
        """Where ranks stand on every axis, by kind."""
        found: dict[str, Column] = {}
        for order in (ATTENTION, EXPERTS):
            rest = ranks
            for kind in order:
                found[kind], rest = rest % self.degrees[kind], rest // self.degrees[kind]
        return found

    def groups(self, kind: str) -> Groups:
        """Every group of one kind."""
        order = ATTENTION if kind in ATTENTION else EXPERTS
        grid = np.arange(self.world).reshape([self.degrees[axis] for axis in reversed(order)])
        ranks = np.moveaxis(grid, len(order) - 1 - order.index(kind), -1).reshape(-1, self.degrees[kind])
        ranks = ranks[np.argsort(ranks[:, 0], kind="stable")]
        first, last = ranks[:, 0], ranks[:, -1]  # ranks ascend: the ends tell how far a group reaches
        leaves = self.node_of(first) != self.node_of(last)
        domain = self.job.cluster.link_domain
        over = np.where(first // domain == last // domain, SCALE_UP, np.where(leaves, NETWORK, HOST))
        return Groups(kind, ranks, leaves, np.where(first == last, SINGLE, over))

    def all_groups(self) -> Iterator[Groups]:
        """The groups of every kind, one kind after the other: all at once would be much memory in a large world."""
        return (self.groups(kind) for kind in KINDS)


def rank_map(job: Job, plan: Plan) -> RankMap:
    """The layout of one plan; FieldError where its degrees do not fill the GPUs of the job."""
    tp, cp, dp, pp, ep, etp = (int(getattr(plan, axis)) for axis in ("tp", "cp", "dp", "pp", "ep", "etp"))
    if tp * cp * dp * pp != job.cluster.gpus:
        raise FieldError("plan", f"tp x cp x dp x pp of the plan is {tp * cp * dp * pp:,}, and must be the {job.cluster.gpus:,} GPUs")
    if (tp * cp * dp) % (ep * etp):
        raise FieldError("plan", f"ep x etp of the plan is {ep * etp:,}, and must divide the {tp * cp * dp:,} ranks of a pipeline stage")
    degrees = {"tp": tp, "cp": cp, "dp": dp, "ep": ep, "etp": etp, "expert-dp": tp * cp * dp // (ep * etp), "pp": pp}
    return RankMap(job, plan, degrees)
