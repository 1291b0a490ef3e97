"""Predictions for measured runs: the configuration of each row, evaluated by the formulas of the search.

Rows of one job are evaluated together. If the recomputation of a row is blank, the lightest that fits is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from planner.cost import layer_cost, peak, reserved, stage_cost
from planner.cost.evaluate import evaluate
from planner.cost.pipeline_split import chunk_layers
from planner.errors import TmplanError
from planner.runs.columns import COLUMNS
from planner.runs.configure import MOST_STAGES, Configured, Row, configured, refusal, whole
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import FIELDS, Plan

SELECTIVE, FULL = RECOMPUTES.index("selective"), RECOMPUTES.index("full")
# Full recomputation is assumed only if selective recomputation exceeds the memory by this factor: runs without a stated recomputation
# are tuned, and have cheaper means (offloading, finer recomputation) below it.
ROOM = 1.5
MICRO_BATCHES = (1, 2, 4, 8, 16)
STAGES = 1 << 18  # pipeline stages of the plans evaluated and the predictions held at a time: some 100 MB
DISTINCT = 1 << 8  # distinct rows evaluated at a time
BLOCK = 1 << 14  # rows at a time, including equal ones
CHOICES = tuple(f.name for f in fields(Job) if f.name not in ("stack", "constants"))  # rows of one stack that agree in these are a batch
READ = tuple(column.key for column in COLUMNS)  # rows that agree in these share one prediction


@dataclass(frozen=True)
class Batch:
    """Rows of one job: plans as columns, the index of each among all rows, whether recomputation and micro-batch are given."""

    job: Job
    plan: Plan
    rows: tuple[int, ...]
    recompute_given: Any
    micro_batch_given: Any


def batches(items: Sequence[Configured | None]) -> list[Batch]:
    """Batches of rows by job; rows that could not be configured (None) are omitted."""
    by_job: dict[tuple[Any, ...], list[int]] = {}
    for i, item in enumerate(items):
        if item is not None:
            by_job.setdefault((id(item.job.stack), *(getattr(item.job, name) for name in CHOICES)), []).append(i)
    out = []
    for rows in by_job.values():
        out += [_batch(part, items) for part in _parts(rows, items)]
    return out


def _parts(rows: list[int], items: Sequence[Configured | None]) -> Iterator[list[int]]:
    """Rows of one job in parts of at most STAGES pipeline stages, each plan counted with those of the longest; one part if that fits."""
    stages = {i: int(item.plan.pp) for i in rows if (item := items[i]) is not None}
    if max(stages.values()) * len(rows) <= STAGES:
        yield rows
        return
    part: list[int] = []
    for i in sorted(rows, key=stages.__getitem__):
        if part and stages[i] * (len(part) + 1) > STAGES:
            yield part
            part = []
        part.append(i)
    yield part


def _batch(rows: list[int], items: Sequence[Configured | None]) -> Batch:
    """The batch of rows of one job."""
    group = [item for i in rows if (item := items[i]) is not None]
    columns = {name: np.array([getattr(item.plan, name) for item in group]) for name in FIELDS}
    given, micro_batch_given = (np.array([getattr(item, name) for item in group]) for name in ("recompute_given", "micro_batch_given"))
    return Batch(group[0].job, Plan(**columns), tuple(rows), given, micro_batch_given)


@dataclass(frozen=True)
class StageMemory:
    """Bytes of every stage (stages x plans): live tensors, reserved by the caching allocator, in use on the device."""

    allocated: Any
    reserved: Any
    device: Any

    def fits(self, job: Job) -> Any:
        """Whether the fullest stage of each plan fits."""
        return self.device.max(axis=0) <= job.memory_limit


def stage_memory(job: Job, plan: Plan) -> StageMemory:
    """Memory of every pipeline stage of columns of plans; rows beyond a plan's last stage repeat it."""
    last = np.asarray(plan.pp) - 1
    stage = np.minimum(np.arange(int(last.max()) + 1)[:, None], last)
    cost = layer_cost.kinds(job, plan)
    place = stage_cost.Edges(stage, stage_cost.stage_kinds(job, plan, stage), chunk_layers(job, plan))
    c = stage_cost.stage_cost(job, plan, place, cost)
    allocated = peak.fullest(peak.by_phase(job, plan, place, c), stage.shape).parts.total
    held = reserved.reserved_bytes(allocated, peak.slack(job, plan, place, c, allocated))
    return StageMemory(allocated, held, reserved.device_bytes(job, held))


def with_recompute(batch: Batch, plan: Plan) -> Plan:
    """The plans, blank recomputation replaced by the lightest that fits."""
    recompute = np.array(plan.recompute)
    for heavier, margin in ((SELECTIVE, 1.0), (FULL, ROOM)):
        if batch.recompute_given.all():
            break
        stages = stage_memory(batch.job, plan.with_(recompute=recompute))
        fits = stages.device.max(axis=0) <= margin * batch.job.memory_limit
        recompute = np.where(batch.recompute_given | fits, recompute, heavier)
    return plan.with_(recompute=recompute)


def filled(batch: Batch) -> Plan:
    """The plans, blanks replaced by the fastest micro-batch and the lightest recomputation that fit."""
    if batch.micro_batch_given.all():
        return with_recompute(batch, batch.plan)
    best, step = with_recompute(batch, batch.plan), np.full(len(batch.rows), np.inf)
    for size in MICRO_BATCHES:
        micro = np.where(batch.micro_batch_given, batch.plan.micro_batch, size)
        plan = with_recompute(batch, batch.plan.with_(micro_batch=micro))
        seconds = evaluate(batch.job, plan).step
        whole = batch.job.global_batch % (plan.dp * micro) == 0
        better = whole & stage_memory(batch.job, plan).fits(batch.job) & (seconds < step)
        step = np.where(better, seconds, step)
        best = Plan(**{name: np.where(better, getattr(plan, name), getattr(best, name)) for name in FIELDS})
    return best


def predict(rows: Iterable[Row], progress: Callable[[int], None] | None = None) -> list[dict[str, Any]]:
    """A prediction for each row, as `tmplan estimate` writes it, in the order of the rows; `progress` receives the number done."""
    return list(predicted(rows, progress))


def predicted(rows: Iterable[Row], progress: Callable[[int], None] | None = None) -> Iterator[dict[str, Any]]:
    """The predictions of `predict` as an iterator that evaluates a block of rows at a time; equal rows share the values of theirs.

    `progress` is called often, also when the number done has not changed.
    """
    done = 0

    def report() -> None:
        if progress:
            progress(done)

    block = Block()
    for row in rows:
        if block.full:
            for prediction in block.predictions(report):
                done += 1
                yield prediction
                report()
            block = Block()
        block.add(row)
        report()
    for prediction in block.predictions(report):
        done += 1
        yield prediction
        report()


@dataclass
class Block:
    """Rows that are evaluated together: the distinct ones, and for every row its id and the index of the distinct row equal to it."""

    items: list[Configured | None] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    places: dict[tuple[str | None, ...], int] = field(default_factory=dict)
    rows: list[tuple[str, int]] = field(default_factory=list)
    stages: int = 0

    @property
    def full(self) -> bool:
        """Whether it has as many rows or stages as are evaluated at a time."""
        return self.stages >= STAGES or len(self.items) >= DISTINCT or len(self.rows) >= BLOCK

    def add(self, row: Row) -> None:
        """Add a row."""
        key = tuple(map(row.get, READ))
        if key not in self.places:
            self.places[key] = len(self.items)
            self._configure(row)
        self.rows.append((row.get("id", ""), self.places[key]))

    def _configure(self, row: Row) -> None:
        """Add a distinct row, or the error of a row that cannot be configured."""
        try:
            item = configured(row)
        except TmplanError as error:
            self.items.append(None)
            self.answers.append({"error": refusal(error)})
            return
        self.items.append(item)
        self.answers.append({})
        self.stages += int(item.plan.pp)

    def predictions(self, report: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """A prediction for each row, in order; `report` is called between batches."""
        for batch in batches(self.items):
            for i, answer in zip(batch.rows, answers(batch), strict=True):
                item = self.items[i]
                assert item is not None
                blanks = {key for key, known in (("recompute", item.recompute_given), ("micro_batch", item.micro_batch_given)) if not known}
                chosen = answer.pop("chosen")
                self.answers[i] = answer | {"assumed": dict(item.assumed) | {key: chosen[key] for key in sorted(blanks)}}
            report()
        for name, place in self.rows:
            yield {"id": name} | self.answers[place]


def listed_stages(row: Row) -> int:
    """The number of pipeline stages in the prediction of a row; 0 if it is refused for them."""
    try:
        pp = whole(row, "pp", 1)
        return pp if pp <= MOST_STAGES * whole(row, "layers") else 0
    except TmplanError:
        return 0


def answers(batch: Batch) -> list[dict[str, Any]]:
    """The predictions of a batch's rows, in order."""
    job, plan = batch.job, filled(batch)
    numbers, stages = evaluate(job, plan), stage_memory(job, plan)
    fits = stages.fits(job)
    if not batch.recompute_given.all():  # a run without a stated recomputation may have used the heaviest
        heaviest = plan.with_(recompute=np.where(batch.recompute_given, plan.recompute, FULL))
        fits = fits | stage_memory(job, heaviest).fits(job)
    crosses = stages.device.max(axis=0) * numbers.memory_band.high > job.memory_limit
    predictions = []
    for i in range(len(plan)):
        pp = int(plan.pp[i])
        predictions.append({
            "step_seconds": float(numbers.step[i]),
            "step_low": float(numbers.step[i] * numbers.step_band.low),
            "step_high": float(numbers.step[i] * numbers.step_band.high),
            "memory_low": float(numbers.memory_band.low),
            "memory_high": float(numbers.memory_band.high),
            "fits": bool(fits[i]),
            "fit": ("at risk" if crosses[i] else "fits") if fits[i] else "does not fit",
            **{f"stage_{kind}_gib": _gib(getattr(stages, kind)[:pp, i]) for kind in ("allocated", "reserved", "device")},
            "time_parts_seconds": {k: float(v[i]) for k, v in numbers.time_parts.named().items()},
            "chosen": {"recompute": RECOMPUTES[int(plan.recompute[i])], "micro_batch": str(int(plan.micro_batch[i]))},
        })  # fmt: skip
    return predictions


def _gib(values: Any) -> list[float]:
    return [float(v) for v in values / GIB]
