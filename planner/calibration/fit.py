"""Fitting the constants of the model to measured runs: which constants, between which bounds, and by what measure.

Constants live in the files of stacks and GPUs and in `constants.py`; a fit evaluates the formulas of the search with other values
in their place. Residuals are logarithms of predicted over measured, each source group weighs the same, and large ones count less
(soft L1), since a run that was disturbed says nothing about the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.errors import FieldError, TmplanError
from planner.plaintext import quoted
from planner.runs.configure import Configured, Row, configured, number, told
from planner.runs.frameworks import named
from planner.runs.predict import Batch, batches, filled
from planner.specs.job import Job

SOFT = 0.1  # residuals beyond this count linearly
PRIOR = 0.03  # weight of a constant's start, for a factor of e: what few runs speak of stays near it
LEAST_STEP = 1e-6  # seconds
STEP = 0.02  # of a logarithm, for derivatives


@dataclass(frozen=True)
class Parameter:
    """A constant to fit, shared by the stacks or GPUs (or architectures) named; its start is what was known before any fit."""

    owner: str  # stack, gpu or constants
    names: tuple[str, ...]
    attribute: str
    start: float
    low: float
    high: float

    @property
    def key(self) -> str:
        """Its name in reports."""
        return f"{self.owner} {'|'.join(self.names) or '*'} {self.attribute}".replace("constants * ", "constant ")

    def of(self, job: Job) -> float | None:
        """Its value in a job, None where the job does not have it, or a run's own note has set another."""
        if self.owner == "constants":
            return float(getattr(job.constants, self.attribute))
        if self.owner == "gpu":
            gpu = job.cluster.gpu
            return _get(gpu, self.attribute) if {gpu.name, gpu.arch} & set(self.names) else None
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
    """Measured step times: rows gathered by job with their blanks filled, the times, and the group of each."""

    batches: tuple[Batch, ...]
    rows: Any  # place of each among the rows given
    measured: Any  # seconds
    group: Any
    ends: Any  # where each batch's rows begin, and the end

    def without(self, group: str) -> Runs:
        """The same without one source group."""
        return self.only(lambda g: g != group)

    def only(self, wanted: Callable[[str], bool]) -> Runs:
        """The runs of some source groups; a batch holds rows of one."""
        starts = self.ends[:-1]
        kept = [i for i in range(len(self.batches)) if wanted(str(self.group[starts[i]]))]
        places = np.concatenate([np.arange(self.ends[i], self.ends[i + 1]) for i in kept])
        ends = np.cumsum([0, *(len(self.batches[i].rows) for i in kept)])
        return Runs(tuple(self.batches[i] for i in kept), self.rows[places], self.measured[places], self.group[places], ends)


def step_of(row: Row) -> float:
    """The measured step of a row; seconds, above 0."""
    return number(row, "step_s", least=LEAST_STEP)


def runs(rows: Sequence[Row], most: int = 0) -> Runs:
    """The rows that have a step time and can be modelled; at most so many of each group, drawn evenly (0: all).

    FieldError for a step time that is no number above 0.
    """
    kept: dict[str, list[int]] = {}
    seconds: dict[int, float] = {}
    items: list[Configured | None] = [None] * len(rows)
    for i, row in enumerate(rows):
        if told(row, "step_s"):
            try:
                seconds[i] = step_of(row)
            except FieldError as error:
                raise FieldError("step_s", f"run {quoted(told(row, 'id'))}: {error}") from None
            kept.setdefault(told(row, "group"), []).append(i)
    for places in kept.values():
        drawn = places if not most or len(places) <= most else [places[int(k * len(places) / most)] for k in range(most)]
        for i in drawn:
            try:
                items[i] = configured(rows[i])
            except TmplanError:
                continue
    # a group of its own for every source, so that leaving one out leaves whole batches out
    found = [b for group in kept for b in batches([item if told(rows[i], "group") == group else None for i, item in enumerate(items)])]
    full = tuple(replace(b, plan=filled(b)) for b in found)
    order = np.array([i for b in full for i in b.rows])
    measured = np.array([seconds[i] for i in order])
    return Runs(full, order, measured, np.array([told(rows[i], "group") for i in order]), np.cumsum([0, *(len(b.rows) for b in full)]))


def step_seconds(job: Job, batch: Batch) -> Any:
    """The predicted step of each plan of a batch; seconds."""
    plan = batch.plan
    return est.combined(job, stagecosts.pipeline(job, plan, stagecosts.edge_cost(job, plan)), est.sharding(job, plan)).step


def with_values(jobs: Sequence[Job], values: Values) -> list[Job]:
    """The jobs with other values of some constants."""
    changed: dict[tuple[str, int], Any] = {}
    out = []
    for job in jobs:
        specs = {"stack": job.stack, "gpu": job.cluster.gpu, "constants": job.constants}
        for owner, spec in specs.items():
            if (owner, id(spec)) not in changed:
                own = [(p, v) for p, v in values.items() if p.owner == owner and p.of(job) is not None]
                changed[owner, id(spec)] = _all(spec, own)
        stack, gpu, constants = (changed[owner, id(spec)] for owner, spec in specs.items())
        out.append(replace(job, stack=stack, cluster=replace(job.cluster, gpu=gpu), constants=constants))
    return out


def _all(spec: Any, changes: Sequence[tuple[Parameter, float]]) -> Any:
    for parameter, value in changes:
        spec = _with(spec, parameter.attribute, value)
    return spec


def predicted(data: Runs, values: Values, only: Any = None, base: Any = None) -> Any:
    """Predicted seconds of every run with these constants; where `only` is given, anew for those batches alone, else as `base`."""
    chosen = list(range(len(data.batches))) if only is None else np.flatnonzero(only).tolist()
    jobs = with_values([data.batches[i].job for i in chosen], values)
    out = np.empty(len(data.measured)) if base is None else base.copy()
    for job, i in zip(jobs, chosen, strict=True):
        out[data.ends[i] : data.ends[i + 1]] = step_seconds(job, data.batches[i])
    return out


def present(data: Runs, parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that some run depends on."""
    return [p for p in parameters if any(p.of(b.job) is not None for b in data.batches)]


def fit(
    data: Runs,
    parameters: Sequence[Parameter],
    start: Values | None = None,
    rounds: int = 12,
    progress: Callable[[int], None] | None = None,
) -> dict[Parameter, float]:
    """The constants that predict the runs best, by least squares on logarithms. Start: where each begins, its own start if absent.

    progress is called with the number of each round that begins.
    """
    from scipy.optimize import least_squares

    chosen = present(data, parameters)
    low, high = (np.log([getattr(p, side) for p in chosen]) for side in ("low", "high"))
    origin = np.log([p.start for p in chosen])
    first = np.clip(np.log([(start or {}).get(p, p.start) for p in chosen]), low + 1e-3, high - 1e-3)
    touched = [np.array([p.of(b.job) is not None for b in data.batches]) for p in chosen]
    counts = Counter(data.group.tolist())
    weight: Any = np.array([1 / np.sqrt(counts[g]) for g in data.group.tolist()])
    last: dict[bytes, Any] = {}

    def at(x: Any) -> Any:
        key = x.tobytes()
        if key not in last:
            last.clear()
            last[key] = predicted(data, dict(zip(chosen, np.exp(x), strict=True)))
        return last[key]

    def softened(prediction: Any) -> Any:
        error = np.log(prediction / data.measured)
        return np.sign(error) * SOFT * np.sqrt(2 * (np.sqrt(1 + (error / SOFT) ** 2) - 1)) * weight

    def residuals(x: Any) -> Any:
        return np.concatenate([softened(at(x)), PRIOR * (x - origin)])

    begun = 0

    def slopes(x: Any) -> Any:
        nonlocal begun
        begun += 1
        if progress:
            progress(begun)
        base = at(x)
        found = np.zeros((len(base) + len(x), len(x)))
        for j in range(len(x)):
            moved = x.copy()
            moved[j] += STEP if x[j] + STEP < high[j] else -STEP
            there = predicted(data, dict(zip(chosen, np.exp(moved), strict=True)), touched[j], base)
            found[: len(base), j] = (softened(there) - softened(base)) / (moved[j] - x[j])
            found[len(base) + j, j] = PRIOR
        return found

    found = least_squares(residuals, first, slopes, bounds=(low, high), max_nfev=rounds, x_scale=0.3)
    return dict(zip(chosen, np.exp(found.x).tolist(), strict=True))
