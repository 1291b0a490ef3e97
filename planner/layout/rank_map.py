"""Which ranks form the groups of a plan, on which nodes they lie, and what links they meet over.

Ranks are numbered in Megatron-LM's default order, tp-cp-ep-dp-pp: of attention tp fastest, then cp, dp, pp; of the routed experts,
on the same ranks, etp fastest, then ep, expert-dp, pp. torchtitan's and accelerate's meshes number them alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from planner.errors import FieldError
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

ATTENTION = ("tp", "cp", "dp", "pp")  # the fastest first
EXPERTS = ("etp", "ep", "expert-dp", "pp")
KINDS = ("tp", "cp", "dp", "ep", "etp", "expert-dp", "pp")
LINKS = ("single", "scale-up", "host", "network")  # from near to far
SINGLE, SCALE_UP, HOST, NETWORK = range(len(LINKS))
BLOCK = 1 << 15  # ranks, or groups, that are held at a time; a large world is never held whole


@dataclass(frozen=True)
class Groups:
    """The groups of one kind in the order of their first ranks. Ranks of a group lie evenly apart; none are held, only worked out."""

    kind: str
    size: int  # ranks in each group
    stride: int  # from a rank of a group to the next
    world: int  # all ranks
    per_node: int
    link_domain: int

    def __len__(self) -> int:
        return self.world // self.size

    @property
    def ranks(self) -> Column:
        """All ranks, a row each group: as much memory as there are ranks."""
        return self.first(np.arange(len(self)))[:, None] + self.stride * np.arange(self.size)

    @property
    def leaves_node(self) -> Column:
        """For each group, whether it has ranks on more than one node."""
        return self.reach(np.arange(len(self)))[0]

    @property
    def link(self) -> Column:
        """For each group, the index into LINKS of the farthest it reaches over."""
        return self.reach(np.arange(len(self)))[1]

    def first(self, groups: Column) -> Column:
        """The first rank of each of some groups."""
        found: Column = groups // self.stride * (self.stride * self.size) + groups % self.stride
        return found

    def reach(self, groups: Column) -> tuple[Column, Column]:
        """Whether each of some groups leaves a node, and its link."""
        first = self.first(groups)
        last = first + self.stride * (self.size - 1)  # ranks ascend: the ends tell how far a group reaches
        leaves = first // self.per_node != last // self.per_node
        over = np.where(first // self.link_domain == last // self.link_domain, SCALE_UP, np.where(leaves, NETWORK, HOST))
        return leaves, np.where(first == last, SINGLE, over)

    def blocks(self) -> Iterator[Column]:
        """The numbers of all groups, BLOCK at a time."""
        return spans(len(self))

    def rows(self) -> Iterator[Column | Iterator[Column]]:
        """The ranks of all groups, BLOCK at a time: rows of whole groups, or of larger groups an iterator each over parts of its row."""
        if self.size <= BLOCK:
            for some in spans(len(self), max(1, BLOCK // self.size)):
                yield self.first(some)[:, None] + self.stride * np.arange(self.size)
            return
        for (first,) in (self.first(some) for some in spans(len(self), 1)):
            yield (first + self.stride * part for part in spans(self.size))

    @cached_property
    def counts(self) -> tuple[int, Column]:
        """How many groups leave a node, and how many meet over each of LINKS."""
        leaving, links = 0, np.zeros(len(LINKS), np.int64)
        for some in self.blocks():
            leaves, link = self.reach(some)
            leaving += int(leaves.sum())
            links += np.bincount(link, minlength=len(LINKS))
        return leaving, links

    @property
    def leaving_node(self) -> int:
        """How many groups have ranks on more than one node."""
        return self.counts[0]

    def links(self) -> dict[str, int]:
        """How many groups meet over each link, those over none left out."""
        return {name: int(count) for name, count in zip(LINKS, self.counts[1], strict=True) if count}


def spans(count: int, step: int | None = None) -> Iterator[Column]:
    """The numbers from 0 up to a count, so many at a time, else BLOCK."""
    step = BLOCK if step is None else step
    return (np.arange(start, min(start + step, count)) for start in range(0, count, step))


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
        stride = prod(self.degrees[axis] for axis in order[: order.index(kind)])
        return Groups(kind, self.degrees[kind], stride, self.world, self.per_node, self.job.cluster.link_domain)

    def all_groups(self) -> Iterator[Groups]:
        """The groups of every kind, one kind after the other."""
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
