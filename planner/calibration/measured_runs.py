"""Measured runs as batches by job, and their step times predicted with other values of the constants.

Constants are in the files of stacks and GPUs and in `constants.py`; the formulas evaluated are those of the search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.cost import stage_cost, step_cost
from planner.errors import FieldError, TmplanError
from planner.plaintext import quoted
from planner.runs.configure import Configured, Row, cell, configured, number
from planner.runs.frameworks import named
from planner.runs.predict import Batch, batches, filled
from planner.specs.job import Job

LEAST_STEP = 1e-6  # seconds
TRAINING = "gemm.training"  # 1 on GPUs whose products are derived: no fit is written to them


@dataclass(frozen=True)
class Parameter:
    """A constant to fit, shared by the stacks, GPUs or architectures in `names`; `start` is its value known before any fit."""

    owner: str  # stack, gpu or constants
    names: tuple[str, ...]
    attribute: str
    start: float
    low: float
    high: float

    @property
    def key(self) -> str:
        """The name in reports."""
        return f"{self.owner} {'|'.join(self.names) or '*'} {self.attribute}".replace("constants * ", "constant ")

    def of(self, job: Job) -> float | None:
        """The value in a job; None if the job does not depend on it, or the run's note overrides it."""
        if self.owner == "constants":
            return float(getattr(job.constants, self.attribute))
        if self.owner == "gpu":
            gpu = job.cluster.gpu
            concerned = {gpu.name, gpu.arch} & set(self.names) and not (self.attribute == TRAINING and gpu.gemm.training == 1)
            return _get(gpu, self.attribute) if concerned else None
        if self.names and job.stack.name not in self.names:
            return None
        value = _get(job.stack, self.attribute)
        return value if value == _get(named(job.stack.name), self.attribute) else None


Values = Mapping[Parameter, float]


def _get(spec: Any, attribute: str) -> float:
    for name in attribute.split("."):
        spec = getattr(spec, name)
    return float(spec)


def _with(spec: Any, attribute: str, value: float) -> Any:
    name, _, rest = attribute.partition(".")
    return replace(spec, **{name: _with(getattr(spec, name), rest, value) if rest else value})


@dataclass(frozen=True)
class Runs:
    """Measured step times: batches of rows by job, without blanks, and columns in the order of the batches."""

    batches: tuple[Batch, ...]
    rows: Any  # index among all rows
    measured: Any  # seconds
    group: Any  # source
    ends: Any  # first index of each batch, and the end

    def without(self, group: str) -> Runs:
        """The runs of all source groups but one."""
        return self.only(lambda g: g != group)

    def only(self, chosen: Callable[[str], bool]) -> Runs:
        """The runs of the source groups that a function accepts; a batch has rows of one group."""
        starts = self.ends[:-1]
        batches = [i for i in range(len(self.batches)) if chosen(str(self.group[starts[i]]))]
        places = np.concatenate([np.arange(self.ends[i], self.ends[i + 1]) for i in batches])
        ends = np.cumsum([0, *(len(self.batches[i].rows) for i in batches)])
        return Runs(tuple(self.batches[i] for i in batches), self.rows[places], self.measured[places], self.group[places], ends)


def step_of(row: Row) -> float:
    """The measured step time of a row in seconds; FieldError below LEAST_STEP."""
    return number(row, "step_s", least=LEAST_STEP)


def runs(rows: Sequence[Row], most: int = 0) -> Runs:
    """The rows that have a step time and can be modelled; at most `most` per group, at equal distances (0: all).

    FieldError for a step time that is not a number of at least LEAST_STEP.
    """
    by_group: dict[str, list[int]] = {}
    seconds: dict[int, float] = {}
    items: list[Configured | None] = [None] * len(rows)
    for i, row in enumerate(rows):
        if cell(row, "step_s"):
            try:
                seconds[i] = step_of(row)
            except FieldError as error:
                raise FieldError("step_s", f"run {quoted(cell(row, 'id'))}: {error}") from None
            by_group.setdefault(cell(row, "group"), []).append(i)
    for places in by_group.values():
        drawn = places if not most or len(places) <= most else [places[int(k * len(places) / most)] for k in range(most)]
        for i in drawn:
            try:
                items[i] = configured(rows[i])
            except TmplanError:
                continue
    # separate batches per source group, so that a group can be left out
    separate = [
        b for group in by_group for b in batches([item if cell(rows[i], "group") == group else None for i, item in enumerate(items)])
    ]
    full = tuple(replace(b, plan=filled(b)) for b in separate)
    order = np.array([i for b in full for i in b.rows])
    measured = np.array([seconds[i] for i in order])
    return Runs(full, order, measured, np.array([cell(rows[i], "group") for i in order]), np.cumsum([0, *(len(b.rows) for b in full)]))


def step_seconds(job: Job, batch: Batch) -> Any:
    """The predicted step time of each plan of a batch; seconds."""
    plan = batch.plan
    return step_cost.combined(job, stage_cost.pipeline(job, plan, stage_cost.edge_cost(job, plan)), step_cost.sharding(job, plan)).step


def with_values(jobs: Sequence[Job], values: Values) -> list[Job]:
    """The jobs with these values of constants; jobs that share a stack or GPU still share it."""
    changed: dict[tuple[str, int], Any] = {}
    out = []
    for job in jobs:
        specs = {"stack": job.stack, "gpu": job.cluster.gpu, "constants": job.constants}
        for owner, spec in specs.items():
            if (owner, id(spec)) not in changed:
                changes = [(p, v) for p, v in values.items() if p.owner == owner and p.of(job) is not None]
                changed[owner, id(spec)] = _all(spec, changes)
        stack, gpu, constants = (changed[owner, id(spec)] for owner, spec in specs.items())
        out.append(replace(job, stack=stack, cluster=replace(job.cluster, gpu=gpu), constants=constants))
    return out


def _all(spec: Any, changes: Sequence[tuple[Parameter, float]]) -> Any:
    for parameter, value in changes:
        spec = _with(spec, parameter.attribute, value)
    return spec


def predicted(data: Runs, values: Values, only: Any = None, base: Any = None) -> Any:
    """Predicted seconds of every run with these constants; with `only` (one flag per batch), other batches are copied from `base`."""
    chosen = list(range(len(data.batches))) if only is None else np.flatnonzero(only).tolist()
    jobs = with_values([data.batches[i].job for i in chosen], values)
    out = np.empty(len(data.measured)) if base is None else base.copy()
    for job, i in zip(jobs, chosen, strict=True):
        out[data.ends[i] : data.ends[i + 1]] = step_seconds(job, data.batches[i])
    return out


def present(data: Runs, parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that at least one run depends on."""
    return [p for p in parameters if any(p.of(b.job) is not None for b in data.batches)]


def shipped(data: Runs, parameters: Sequence[Parameter]) -> dict[Parameter, float]:
    """The values of these parameters in the files, as some run that depends on them has them."""
    values: dict[Parameter, float] = {}
    for parameter in parameters:
        for batch in data.batches:
            if (value := parameter.of(batch.job)) is not None:
                values[parameter] = value
                break
    return values
