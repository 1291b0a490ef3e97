"""Predictions for measured runs: each row's own configuration, by the formulas of the search.

Rows of one job are evaluated together. Where a row does not tell its recomputation, the lightest that fits stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner import layercosts, memory, stagecosts
from planner.errors import TmplanError
from planner.evaluate import evaluate, memory_parts
from planner.hardware import GIB
from planner.plan import FIELDS, Plan
from planner.runs import Configured, Row, configured, refusal
from planner.specs import RECOMPUTES, Job

SELECTIVE, FULL = RECOMPUTES.index("selective"), RECOMPUTES.index("full")
# Whole layers are recomputed only where selective recomputation is this far over the memory: those who do not tell have tuned their
# run, and have other means (offloading, finer recomputation) that cost less.
ROOM = 1.5
MICRO_BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Batch:
    """Rows of one job: its plans as columns, the place of each among the rows given, whether each tells its recomputation."""

    job: Job
    plan: Plan
    rows: tuple[int, ...]
    told: Any
    micro_told: Any


def batches(items: Sequence[Configured | None]) -> list[Batch]:
    """Rows gathered by job; those that could not be configured (None) are left out."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, item in enumerate(items):
        if item is not None:
            job = item.job
            batch = (job.sequence, job.global_batch, job.precision, job.attention, job.tuning, job.state_bytes)
            routing = (job.imbalance, job.capacity, job.overlap_experts)
            key = (id(job.stack), job.model, job.cluster, *batch, *routing)
            found.setdefault(key, []).append(i)
    out = []
    for rows in found.values():
        group = [item for i in rows if (item := items[i]) is not None]
        columns = {name: np.array([getattr(item.plan, name) for item in group]) for name in FIELDS}
        told, micro_told = (np.array([getattr(item, name) for item in group]) for name in ("recompute_told", "micro_told"))
        out.append(Batch(group[0].job, Plan(**columns), tuple(rows), told, micro_told))
    return out


@dataclass(frozen=True)
class StageMemory:
    """Bytes of every stage (stages x plans): live tensors, what the allocator holds, what the device shows."""

    allocated: Any
    reserved: Any
    device: Any

    def fits(self, job: Job) -> Any:
        """Whether the fullest stage of each plan fits."""
        return self.device.max(axis=0) <= job.memory_limit


def stage_memory(job: Job, plan: Plan) -> StageMemory:
    """Memory of every pipeline stage of columns of plans; beyond a plan's last stage its last is repeated."""
    last = np.asarray(plan.pp) - 1
    stage = np.minimum(np.arange(int(last.max()) + 1)[:, None], last)
    cost = layercosts.kinds(job, plan)
    place = stagecosts.Edges(stage, stagecosts.stage_kinds(job, plan, stage), None)
    c = stagecosts.stage_cost(job, plan, place, cost)
    allocated = sum(memory_parts(job, plan, place, c, cost).values()) + np.zeros(stage.shape)
    return StageMemory(allocated, memory.reserved_bytes(job, allocated), memory.device_bytes(job, allocated))


def with_recompute(batch: Batch, plan: Plan) -> Plan:
    """The plans, with the lightest recomputation that fits where the row does not tell."""
    recompute = np.array(plan.recompute)
    for heavier, margin in ((SELECTIVE, 1.0), (FULL, ROOM)):
        if batch.told.all():
            break
        stages = stage_memory(batch.job, plan.with_(recompute=recompute))
        fits = stages.device.max(axis=0) <= margin * batch.job.memory_limit
        recompute = np.where(batch.told | fits, recompute, heavier)
    return plan.with_(recompute=recompute)


def filled(batch: Batch) -> Plan:
    """The plans with what their rows do not tell: the fastest micro-batch that fits, the lightest recomputation that fits."""
    if batch.micro_told.all():
        return with_recompute(batch, batch.plan)
    best, step = with_recompute(batch, batch.plan), np.full(len(batch.rows), np.inf)
    for size in MICRO_BATCHES:
        micro = np.where(batch.micro_told, batch.plan.micro_batch, size)
        plan = with_recompute(batch, batch.plan.with_(micro_batch=micro))
        seconds = evaluate(batch.job, plan).step
        whole = batch.job.global_batch % (plan.dp * micro) == 0
        better = whole & stage_memory(batch.job, plan).fits(batch.job) & (seconds < step)
        step = np.where(better, seconds, step)
        best = Plan(**{name: np.where(better, getattr(plan, name), getattr(best, name)) for name in FIELDS})
    return best


def predict(rows: Iterable[Row], progress: Callable[[int], None] | None = None) -> list[dict[str, Any]]:
    """A prediction for each row, as `tmplan estimate` writes it, in the order of the rows; `progress` is told how many are done."""
    rows = list(rows)
    items: list[Configured | None] = []
    out: list[dict[str, Any]] = []
    for row in rows:
        out.append({"id": row.get("id", "")})
        try:
            items.append(configured(row))
        except TmplanError as error:
            items.append(None)
            out[-1]["error"] = refusal(error)
    done = items.count(None)
    for batch in batches(items):
        for i, answer in zip(batch.rows, answers(batch), strict=True):
            item = items[i]
            assert item is not None
            blanks = {key for key, known in (("recompute", item.recompute_told), ("micro_batch", item.micro_told)) if not known}
            chosen = answer.pop("chosen")
            out[i] |= answer | {"assumed": dict(item.assumed) | {key: chosen[key] for key in sorted(blanks)}}
        done += len(batch.rows)
        if progress:
            progress(done)
    return out


def answers(batch: Batch) -> list[dict[str, Any]]:
    """The predictions of a batch's rows."""
    job, plan = batch.job, filled(batch)
    numbers, stages = evaluate(job, plan), stage_memory(job, plan)
    fits = stages.fits(job)
    if not batch.told.all():  # a run that does not tell its recomputation had the heaviest to fit with
        heaviest = plan.with_(recompute=np.where(batch.told, plan.recompute, FULL))
        fits = fits | stage_memory(job, heaviest).fits(job)
    found = []
    for i in range(len(plan)):
        pp = int(plan.pp[i])
        found.append({
            "step_seconds": float(numbers.step[i]),
            "step_low": float(numbers.step[i] * numbers.step_band.low),
            "step_high": float(numbers.step[i] * numbers.step_band.high),
            "fits": bool(fits[i]),
            **{f"stage_{kind}_gib": _gib(getattr(stages, kind)[:pp, i]) for kind in ("allocated", "reserved", "device")},
            "time_parts_seconds": {k: float(v[i]) for k, v in numbers.time_parts.items()},
            "chosen": {"recompute": RECOMPUTES[int(plan.recompute[i])], "micro_batch": str(int(plan.micro_batch[i]))},
        })  # fmt: skip
    return found


def _gib(values: Any) -> list[float]:
    return [float(v) for v in values / GIB]
