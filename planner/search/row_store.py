"""The rows of a search, held in few bytes each and never more of them than `ROWS`.

A row is a plan of the lattice with its memory and time: 27 bytes, and some 20 more for each row of the pipelines it stands on. Where a
search evaluates more plans than `ROWS`, the store keeps the fastest that fit, the nearest of those that do not, and every plan that none
beats in both memory and time; the others are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from planner.dimensions import Rows as Selection
from planner.search.blocks import Pairs
from planner.search.lattice import SHARDING_FIELDS, Lattice
from planner.search.ranking import front
from planner.specs.job import Job
from planner.specs.plan import FIELDS, FROM_ZERO, Column, Plan

ROWS = 1 << 23  # plans kept: with what ranking them takes, well below a gigabyte
MISFITS = 1 << 20  # of them for plans that do not fit, where there are as many
SMALLEST = 1 << 12  # rows that a column has room for to begin with
OWN = ("pipeline_row", "sharding_row")
Columns = dict[str, Column]
PIPELINE_FIELDS = tuple(name for name in FIELDS if name not in SHARDING_FIELDS and name != "recompute_layers")


class Rows(NamedTuple):
    """Plans with memory (bytes), step (seconds) and whether they fit, in lattice order; each stands on a row of `pipeline` and one of
    `shardings`, whose bytes on a node's host are `host`.
    """

    memory: Column
    step: Column
    fits: Column
    recompute_layers: Column
    pipeline_row: Column
    sharding_row: Column
    pipeline: Plan
    shardings: Plan
    host: Column


class Table:
    """Columns that grow together, by name; each of the narrowest type that holds what is said to be its largest value."""

    def __init__(self, types: Mapping[str, DTypeLike]) -> None:
        self.columns = {name: np.empty(0, kind) for name, kind in types.items()}
        self.held = 0

    def append(self, **columns: Column) -> None:
        """Put rows behind those held."""
        end = self.held + len(next(iter(columns.values())))
        for name, values in columns.items():
            column = self.columns[name]
            if end > len(column):  # twice as long, a column at a time
                self.columns[name] = np.empty(max(2 * len(column), end, SMALLEST), column.dtype)
                self.columns[name][: self.held] = column[: self.held]
            self.columns[name][self.held : end] = values
        self.held = end

    def filled(self) -> Columns:
        """The columns as far as they are filled."""
        return {name: column[: self.held] for name, column in self.columns.items()}


class RowStore:
    """Gathers the rows of a search, block by block; `unkept` counts those beyond `most`."""

    def __init__(self, job: Job, most: int) -> None:
        self.most = most
        self.unkept = 0
        types = narrowest(job)
        numbers = {"memory": np.float64, "step": np.float64, "fits": bool, "recompute_layers": np.int16}
        self._plans = Table(numbers | dict.fromkeys(OWN, np.int32))
        self._pipeline = Table({name: types[name] for name in PIPELINE_FIELDS})
        self._shardings = Table({name: types[name] for name in SHARDING_FIELDS} | {"host": np.float64})
        self._ends: list[int] = []  # of the blocks added, each of which stands on rows of the tables of its own
        self._limits: tuple[float, float] | None = None  # once rows are left out: seconds and bytes beyond which one cannot matter
        self._front = Front()

    def add(self, lattice: Lattice, pairs: Pairs, fits: Column) -> None:
        """Keep the plans of a block of a lattice."""
        assert lattice.sharding is not None
        shardings = {name: getattr(lattice.shardings, name) for name in SHARDING_FIELDS}
        shardings["host"] = np.broadcast_to(lattice.sharding.host_bytes, len(lattice.shardings))
        pipeline = {name: getattr(lattice.pipeline, name) for name in PIPELINE_FIELDS}
        plans = {"memory": pairs.totals.memory, "step": pairs.totals.step, "fits": fits}
        plans |= {name: getattr(pairs, name) for name in ("recompute_layers", *OWN)}
        kept: Selection = slice(None)
        if self._limits is not None:
            kept = np.flatnonzero(self._worth(plans["memory"], plans["step"], fits, *self._limits))
            self.unkept += len(fits) - kept.size
        self._append(plans, pipeline, shardings, kept)
        if self._plans.held > self.most + self.most // 8:
            self._cut()

    def rows(self) -> Rows:
        """All rows that are kept."""
        if self._plans.held > self.most:
            self._cut()
        shardings = self._shardings.filled()
        host = shardings.pop("host")
        return Rows(**self._plans.filled(), pipeline=Plan(**self._pipeline.filled()), shardings=Plan(**shardings), host=host)

    def _append(self, plans: Columns, pipeline: Columns, shardings: Columns, kept: Selection) -> None:
        """Put some plans behind those held, and behind the tables the rows that they stand on alone."""
        plans = {name: column[kept] for name, column in plans.items()}
        if not len(plans["step"]):
            return
        for own, table, columns in zip(OWN, (self._pipeline, self._shardings), (pipeline, shardings), strict=True):
            used, place = _used(plans[own])
            plans[own] = place + table.held
            table.append(**{name: column[used] for name, column in columns.items()})
        self._plans.append(**plans)
        self._ends.append(self._plans.held)

    def _worth(self, memory: Column, step: Column, fits: Column, seconds: float, bytes_: float) -> Column:
        """Which plans of a block may be among those kept."""
        return np.asarray(np.where(fits, step <= seconds, memory <= bytes_) | ~self._front.beats(memory, step))

    def _cut(self) -> None:
        """Leave out rows beyond `most`: those that fit and are slowest, those that do not and miss by most, none that no other beats."""
        held, ends = self._plans.held, self._ends
        plans, pipeline, shardings = self._plans.columns, self._pipeline.columns, self._shardings.columns
        memory, step, fits = plans["memory"], plans["step"], plans["fits"][:held]
        for low, high in pairwise([0, *ends]):
            self._front.take(memory[low:high], step[low:high])
        fitting = int(np.count_nonzero(fits))
        some = min(held - fitting, max(self.most - fitting, min(MISFITS, self.most // 8)))
        fast, near = Least(step[:held][fits], self.most - some), Least(memory[:held][~fits], some)
        self._limits, self._ends = (fast.limit, near.limit), []
        for table in (self._plans, self._pipeline, self._shardings):  # from their beginning: a block never lies behind where it lay
            table.held = 0
        for low, high in pairwise([0, *ends]):
            block = {name: column[low:high] for name, column in plans.items()}
            best = np.where(block["fits"], fast.among(block["step"], block["fits"]), near.among(block["memory"], ~block["fits"]))
            kept = np.flatnonzero(best | self._front.holds(block["memory"], block["step"]))
            self._append(block, pipeline, shardings, kept)
        self.unkept += held - self._plans.held


class Front:
    """Bytes and seconds of the plans that none of those taken so far beats in both; seconds ascending, bytes descending."""

    def __init__(self) -> None:
        self.memory, self.step = np.empty(0), np.empty(0)

    def take(self, memory: Column, step: Column) -> None:
        """Take more plans."""
        new = np.flatnonzero(~self.beats(memory, step))
        if len(new):
            memory, step = np.concatenate([self.memory, memory[new]]), np.concatenate([self.step, step[new]])
            best = front(memory, step)
            self.memory, self.step = memory[best], step[best]

    def beats(self, memory: Column, step: Column) -> Column:
        """Whether one of the front equals or beats each plan in both."""
        return self._least(step) <= memory

    def holds(self, memory: Column, step: Column) -> Column:
        """Whether each plan, none of which is outside what was taken, is on the front."""
        at = np.searchsorted(self.step, step)
        inside = at < len(self.step)
        at = np.where(inside, at, 0)
        return np.asarray(inside & (self.step[at] == step) & (self.memory[at] == memory))

    def _least(self, step: Column) -> Column:
        """The least bytes of a plan that takes no longer; infinite where there is none."""
        return np.append(self.memory, np.inf)[np.searchsorted(self.step, step, side="right") - 1]


class Least:
    """The least of some values, so many of them: `limit` is the largest, infinite where all are among them. Of equals the first count."""

    def __init__(self, values: Column, most: int) -> None:
        self.limit, self._equal = np.inf, 0
        if most < len(values):
            values.partition(max(most - 1, 0))
            self.limit = float(values[most - 1]) if most else -np.inf
            self._equal = int(np.count_nonzero(values[:most] == self.limit))

    def among(self, values: Column, asked: Column) -> Column:
        """Which values of a block are among them, of those asked for; blocks come one after another."""
        found = asked & (values < self.limit)
        equal = np.flatnonzero(asked & (values == self.limit))[: self._equal]
        self._equal -= len(equal)
        found[equal] = True
        return np.asarray(found)


def narrowest(job: Job) -> dict[str, DTypeLike]:
    """For each field of a plan the narrowest type that holds every value a valid plan may have."""
    gpus, layers = job.cluster.gpus, job.model.layers + 2
    largest = dict.fromkeys(FIELDS, gpus) | dict.fromkeys(FROM_ZERO, 255)
    largest |= {"tp": min(gpus, job.model.heads), "cp": min(gpus, job.sequence), "pp": min(gpus, layers), "vpp": layers}
    largest |= {"ep": min(gpus, max(job.model.experts, 1)), "micro_batch": job.global_batch}
    return {name: np.min_scalar_type(value) for name, value in largest.items()}


def _used(rows: Column) -> tuple[Selection, Column]:
    """The distinct rows of a table that are named, ascending, and for each naming its place among them; rows is not empty."""
    low = int(rows.min())
    named = np.zeros(int(rows.max()) - low + 1, bool)
    named[rows - low] = True
    if named.all():
        return slice(low, low + len(named)), (rows - low).astype(np.int32)
    place = np.cumsum(named, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(named) + low, place[rows - low]
