"""Compact storage of the rows of a search, at most `ROWS` of them.

A row is a plan of the lattice with its memory and time: 27 bytes, plus about 20 per row of the pipelines. If a search evaluates more than
`ROWS` plans, the store retains the fastest that fit, the nearest of those that do not fit, and the Pareto front of memory and time; the
others are counted.
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

ROWS = 1 << 23  # most plans: with the memory of the ranking well below a gigabyte
MISFITS = 1 << 20  # of these for plans that do not fit
SMALLEST = 1 << 12  # initial capacity of a column in rows
REFERENCES = ("pipeline_row", "sharding_row")
Columns = dict[str, Column]
PIPELINE_FIELDS = tuple(name for name in FIELDS if name not in SHARDING_FIELDS and name != "recompute_layers")


class Rows(NamedTuple):
    """Plans in lattice order with memory (bytes), step (seconds) and whether they fit; each refers to a row of `pipeline` and one of
    `shardings`. host: host memory per node of each sharding (bytes).
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
    """Columns by name that grow together, each with a given type."""

    def __init__(self, types: Mapping[str, DTypeLike]) -> None:
        self.columns = {name: np.empty(0, kind) for name, kind in types.items()}
        self.held = 0

    def append(self, **columns: Column) -> None:
        """Append rows."""
        end = self.held + len(next(iter(columns.values())))
        for name, values in columns.items():
            column = self.columns[name]
            if end > len(column):  # double the capacity, a column at a time
                self.columns[name] = np.empty(max(2 * len(column), end, SMALLEST), column.dtype)
                self.columns[name][: self.held] = column[: self.held]
            self.columns[name][self.held : end] = values
        self.held = end

    def filled(self) -> Columns:
        """The filled part of the columns."""
        return {name: column[: self.held] for name, column in self.columns.items()}


class RowStore:
    """Stores the rows of a search block by block; `unkept` counts the rows left out beyond `most`."""

    def __init__(self, job: Job, most: int) -> None:
        self.most = most
        self.unkept = 0
        types = narrowest(job)
        numbers = {"memory": np.float64, "step": np.float64, "fits": bool, "recompute_layers": np.int16}
        self._plans = Table(numbers | dict.fromkeys(REFERENCES, np.int32))
        self._pipeline = Table({name: types[name] for name in PIPELINE_FIELDS})
        self._shardings = Table({name: types[name] for name in SHARDING_FIELDS} | {"host": np.float64})
        self._ends: list[int] = []  # ends of the added blocks; the blocks refer to disjoint rows of the tables
        self._limits: tuple[float, float] | None = None  # once rows are left out: seconds and bytes beyond which a plan is not stored
        self._front = Front()

    def add(self, lattice: Lattice, pairs: Pairs, fits: Column) -> None:
        """Store the plans of a block of a lattice."""
        assert lattice.sharding is not None
        shardings = {name: getattr(lattice.shardings, name) for name in SHARDING_FIELDS}
        shardings["host"] = np.broadcast_to(lattice.sharding.host_bytes, len(lattice.shardings))
        pipeline = {name: getattr(lattice.pipeline, name) for name in PIPELINE_FIELDS}
        plans = {"memory": pairs.totals.memory, "step": pairs.totals.step, "fits": fits}
        plans |= {name: getattr(pairs, name) for name in ("recompute_layers", *REFERENCES)}
        rows: Selection = slice(None)
        if self._limits is not None:
            rows = np.flatnonzero(self._worth(plans["memory"], plans["step"], fits, *self._limits))
            self.unkept += len(fits) - rows.size
        self._append(plans, pipeline, shardings, rows)
        if self._plans.held > self.most + self.most // 8:
            self._cut()

    def rows(self) -> Rows:
        """All stored rows."""
        if self._plans.held > self.most:
            self._cut()
        shardings = self._shardings.filled()
        host = shardings.pop("host")
        return Rows(**self._plans.filled(), pipeline=Plan(**self._pipeline.filled()), shardings=Plan(**shardings), host=host)

    def _append(self, plans: Columns, pipeline: Columns, shardings: Columns, rows: Selection) -> None:
        """Append some plans, and to the tables the rows that they refer to."""
        plans = {name: column[rows] for name, column in plans.items()}
        if not len(plans["step"]):
            return
        for reference, table, columns in zip(REFERENCES, (self._pipeline, self._shardings), (pipeline, shardings), strict=True):
            used, place = _used(plans[reference])
            plans[reference] = place + table.held
            table.append(**{name: column[used] for name, column in columns.items()})
        self._plans.append(**plans)
        self._ends.append(self._plans.held)

    def _worth(self, memory: Column, step: Column, fits: Column, seconds: float, bytes_: float) -> Column:
        """Plans of a block that can be among the stored ones."""
        return np.asarray(np.where(fits, step <= seconds, memory <= bytes_) | ~self._front.beats(memory, step))

    def _cut(self) -> None:
        """Remove rows beyond `most`: the slowest that fit, the largest that do not fit, but none of the Pareto front."""
        held, ends = self._plans.held, self._ends
        plans, pipeline, shardings = self._plans.columns, self._pipeline.columns, self._shardings.columns
        memory, step, fits = plans["memory"], plans["step"], plans["fits"][:held]
        for low, high in pairwise([0, *ends]):
            self._front.take(memory[low:high], step[low:high])
        fitting = int(np.count_nonzero(fits))
        some = min(held - fitting, max(self.most - fitting, min(MISFITS, self.most // 8)))
        fast, near = Least(step[:held][fits], self.most - some), Least(memory[:held][~fits], some)
        self._limits, self._ends = (fast.limit, near.limit), []
        for table in (self._plans, self._pipeline, self._shardings):  # rewritten from the start: no block moves towards the end
            table.held = 0
        for low, high in pairwise([0, *ends]):
            block = {name: column[low:high] for name, column in plans.items()}
            best = np.where(block["fits"], fast.among(block["step"], block["fits"]), near.among(block["memory"], ~block["fits"]))
            rows = np.flatnonzero(best | self._front.holds(block["memory"], block["step"]))
            self._append(block, pipeline, shardings, rows)
        self.unkept += held - self._plans.held


class Front:
    """The Pareto front of bytes and seconds of all plans so far; seconds ascending, bytes descending."""

    def __init__(self) -> None:
        self.memory, self.step = np.empty(0), np.empty(0)

    def take(self, memory: Column, step: Column) -> None:
        """Add plans."""
        new = np.flatnonzero(~self.beats(memory, step))
        if len(new):
            memory, step = np.concatenate([self.memory, memory[new]]), np.concatenate([self.step, step[new]])
            best = front(memory, step)
            self.memory, self.step = memory[best], step[best]

    def beats(self, memory: Column, step: Column) -> Column:
        """Whether a plan of the front is no worse than each plan in both."""
        return self._least(step) <= memory

    def holds(self, memory: Column, step: Column) -> Column:
        """Whether each plan is on the front; only for plans that were added."""
        at = np.searchsorted(self.step, step)
        inside = at < len(self.step)
        at = np.where(inside, at, 0)
        return np.asarray(inside & (self.step[at] == step) & (self.memory[at] == memory))

    def _least(self, step: Column) -> Column:
        """The least bytes of a plan that is no slower; infinite without one."""
        return np.append(self.memory, np.inf)[np.searchsorted(self.step, step, side="right") - 1]


class Least:
    """The `most` least of some values, the first of equal ones: `limit` is the largest of them, infinite if all are."""

    def __init__(self, values: Column, most: int) -> None:
        self.limit, self._equal = np.inf, 0
        if most < len(values):
            values.partition(max(most - 1, 0))
            self.limit = float(values[most - 1]) if most else -np.inf
            self._equal = int(np.count_nonzero(values[:most] == self.limit))

    def among(self, values: Column, mask: Column) -> Column:
        """Which values of a block within a mask are among them; for consecutive blocks."""
        least = mask & (values < self.limit)
        equal = np.flatnonzero(mask & (values == self.limit))[: self._equal]
        self._equal -= len(equal)
        least[equal] = True
        return np.asarray(least)


def narrowest(job: Job) -> dict[str, DTypeLike]:
    """The narrowest type of each field of a plan that holds all its valid values."""
    gpus, layers = job.cluster.gpus, job.model.layers + 2
    largest = dict.fromkeys(FIELDS, gpus) | dict.fromkeys(FROM_ZERO, 255)
    largest |= {"tp": min(gpus, job.model.heads), "cp": min(gpus, job.sequence), "pp": min(gpus, layers), "vpp": layers}
    largest |= {"ep": min(gpus, max(job.model.experts, 1)), "micro_batch": job.global_batch}
    return {name: np.min_scalar_type(value) for name, value in largest.items()}


def _used(rows: Column) -> tuple[Selection, Column]:
    """The distinct rows of a table in `rows`, ascending, and the index of each of `rows` among them; rows is not empty."""
    low = int(rows.min())
    named = np.zeros(int(rows.max()) - low + 1, bool)
    named[rows - low] = True
    if named.all():
        return slice(low, low + len(named)), (rows - low).astype(np.int32)
    place = np.cumsum(named, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(named) + low, place[rows - low]
