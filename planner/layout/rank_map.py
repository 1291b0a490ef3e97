"""The rank groups of a plan, the nodes they are on, and the links they communicate over.

Ranks are numbered in Megatron-LM's default order, tp-cp-ep-dp-pp: for attention tp fastest, then cp, dp, pp; for the routed experts, on the
same ranks, etp fastest, then ep, expert-dp, pp. The device meshes of torchtitan and accelerate have the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from planner.degrees import EXPERTS, STAGE, WORLD, text
from planner.errors import FieldError
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

REPLICAS = "expert-dp"  # ranks of a stage that hold the same experts
EXPERT_ORDER = (*EXPERTS, REPLICAS, *WORLD[len(STAGE) :])
KINDS = (*STAGE, *reversed(EXPERTS), REPLICAS, *WORLD[len(STAGE) :])
LINKS = ("single", "scale-up", "host", "network")  # nearest first
SINGLE, SCALE_UP, HOST, NETWORK = range(len(LINKS))
BLOCK = 1 << 15  # ranks or groups in memory at a time; a large world is never materialized


@dataclass(frozen=True)
class Groups:
    """The groups of one kind in the order of their first ranks, with constant stride between ranks; computed on demand."""

    kind: str
    size: int  # ranks per group
    stride: int  # between consecutive ranks of a group
    world: int  # all ranks
    per_node: int
    link_domain: int

    def __len__(self) -> int:
        return self.world // self.size

    @property
    def ranks(self) -> Column:
        """All ranks, shape groups x size; takes memory proportional to the world."""
        return self.first(np.arange(len(self)))[:, None] + self.stride * np.arange(self.size)

    @property
    def leaves_node(self) -> Column:
        """For each group, whether it spans several nodes."""
        return self.reach(np.arange(len(self)))[0]

    @property
    def link(self) -> Column:
        """For each group, the index into LINKS of its farthest link."""
        return self.reach(np.arange(len(self)))[1]

    def first(self, groups: Column) -> Column:
        """The first rank of each of the given groups."""
        ranks: Column = groups // self.stride * (self.stride * self.size) + groups % self.stride
        return ranks

    def reach(self, groups: Column) -> tuple[Column, Column]:
        """Whether each of the given groups spans several nodes, and its link."""
        first = self.first(groups)
        last = first + self.stride * (self.size - 1)  # ranks ascend, so the ends determine the extent
        leaves = first // self.per_node != last // self.per_node
        over = np.where(first // self.link_domain == last // self.link_domain, SCALE_UP, np.where(leaves, NETWORK, HOST))
        return leaves, np.where(first == last, SINGLE, over)

    def blocks(self) -> Iterator[Column]:
        """The indices of all groups, BLOCK at a time."""
        return spans(len(self))

    def rows(self) -> Iterator[Column | Iterator[Column]]:
        """The ranks of all groups, about BLOCK at a time: an array of whole groups, or for a larger group an iterator over parts of it."""
        if self.size <= BLOCK:
            for groups in spans(len(self), max(1, BLOCK // self.size)):
                yield self.first(groups)[:, None] + self.stride * np.arange(self.size)
            return
        for (first,) in (self.first(groups) for groups in spans(len(self), 1)):
            yield (first + self.stride * part for part in spans(self.size))

    @cached_property
    def counts(self) -> tuple[int, Column]:
        """The number of groups that span several nodes, and the number per link."""
        leaving, links = 0, np.zeros(len(LINKS), np.int64)
        for groups in self.blocks():
            leaves, link = self.reach(groups)
            leaving += int(leaves.sum())
            links += np.bincount(link, minlength=len(LINKS))
        return leaving, links

    @property
    def leaving_node(self) -> int:
        """The number of groups that span several nodes."""
        return self.counts[0]

    def links(self) -> dict[str, int]:
        """The number of groups per link, without links that no group has."""
        return {name: int(count) for name, count in zip(LINKS, self.counts[1], strict=True) if count}


def spans(count: int, step: int | None = None) -> Iterator[Column]:
    """The integers from 0 to count - 1 in arrays of at most `step`, by default BLOCK."""
    step = BLOCK if step is None else step
    return (np.arange(start, min(start + step, count)) for start in range(0, count, step))


@dataclass(frozen=True)
class RankMap:
    """A plan laid out on the ranks of a job."""

    job: Job
    plan: Plan
    degrees: dict[str, int]  # size of each kind of group

    @property
    def world(self) -> int:
        """The number of ranks."""
        return self.job.cluster.gpus

    @property
    def per_node(self) -> int:
        """Ranks per node."""
        return min(self.job.cluster.gpus_per_node, self.world)

    @property
    def nodes(self) -> int:
        """The number of nodes; the last one may be partly used."""
        return -(-self.world // self.per_node)

    @property
    def stage_ranks(self) -> int:
        """Ranks of one pipeline stage, which are consecutive."""
        return self.world // self.degrees["pp"]

    def node_of(self, ranks: Any) -> Any:
        """The node of each rank; ranks fill one node after another."""
        return ranks // self.per_node

    def coordinates(self, ranks: Column) -> dict[str, Column]:
        """The position of ranks along every axis, by kind."""
        positions: dict[str, Column] = {}
        for order in (WORLD, EXPERT_ORDER):
            rest = ranks
            for kind in order:
                positions[kind], rest = rest % self.degrees[kind], rest // self.degrees[kind]
        return positions

    def groups(self, kind: str) -> Groups:
        """Every group of one kind."""
        order = WORLD if kind in WORLD else EXPERT_ORDER
        stride = prod(self.degrees[axis] for axis in order[: order.index(kind)])
        return Groups(kind, self.degrees[kind], stride, self.world, self.per_node, self.job.cluster.link_domain)

    def all_groups(self) -> Iterator[Groups]:
        """The groups of every kind."""
        return (self.groups(kind) for kind in KINDS)


def rank_map(job: Job, plan: Plan) -> RankMap:
    """The layout of one plan; FieldError where its degrees do not multiply to the GPUs of the job."""
    degrees = {axis: int(getattr(plan, axis)) for axis in (*WORLD, *EXPERTS)}
    ranks, stage, expert = (prod(degrees[axis] for axis in axes) for axes in (WORLD, STAGE, EXPERTS))
    if ranks != job.cluster.gpus:
        raise FieldError("plan", f"{text(WORLD)} of the plan is {ranks:,}, and must be the {job.cluster.gpus:,} GPUs")
    if stage % expert:
        product = text(EXPERTS[::-1])
        raise FieldError("plan", f"{product} of the plan is {expert:,}, and must divide the {stage:,} ranks of a pipeline stage")
    degrees[REPLICAS] = stage // expert
    return RankMap(job, plan, degrees)
