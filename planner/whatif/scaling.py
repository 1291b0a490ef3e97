"""Strong and weak scaling: the best plan at each of several cluster sizes, its efficiency, changes of the layout, and scaling losses.

Strong scaling keeps the global batch; weak scaling keeps the sequences per GPU. Each size is searched separately within the same space: a
bound on an axis holds at every size, and a size at which it cannot hold has a reason instead of a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from planner.document.inputs import Inputs, node_size, resolve, run_of
from planner.document.space import Space
from planner.economics.budget import Budget
from planner.economics.budget import explain as explain_budget
from planner.errors import FieldError
from planner.formula.trace import Step, formula, tracing
from planner.report.best import Cancel, EvaluatedPlan, NoPlan, best
from planner.report.explain import headlines
from planner.report.wording import changed, some_gpus
from planner.specs.hardware import LARGEST_GPUS
from planner.whatif.deadline import BudgetedPlan, scaling_loss, with_budget

PAYS = 0.5  # smallest share of the ideal gain at which more GPUs pay: twice the GPUs train at least 1.5 times as fast
LOSSLESS = 0.99  # share of the ideal gain above which no loss is reported
BEYOND = 4  # default of the largest size, as a multiple of the GPUs of the document


@formula("tok · W", "math101", "Compute Requirements")
def tokens_per_second(gpus: Any, tokens_per_second_per_gpu: Any) -> Any:
    """Tokens per second of all GPUs, one value or a column."""
    return tokens_per_second_per_gpu * gpus


@formula("tok", "tmplan", "of the smallest size at which a plan fits")
def smallest_rate(tokens_per_second_per_gpu: Any) -> Any:
    """Tokens per second per GPU at the smallest size at which a plan fits."""
    return tokens_per_second_per_gpu * 1.0


@formula("tok / tok_0", "tmplan", "speed-up over the GPUs it took, both against the smallest size")
def scaling_efficiency(tokens_per_second_per_gpu: Any, smallest_rate: Any) -> Any:
    """Tokens per second per GPU relative to the smallest size at which a plan fits; ratio."""
    return tokens_per_second_per_gpu / smallest_rate


@dataclass(frozen=True)
class ScalingPoint:
    """One cluster size: its GPUs, its global batch, and its best plan with the training budget, or the reason why there is none.

    The global batch may be fractional in weak scaling. `budget` is None if failures leave no time to train; `why` is the reason then.
    """

    gpus: int
    global_batch: float
    best: EvaluatedPlan | None = None
    budget: Budget | None = None
    why: str = ""


@dataclass(frozen=True)
class ScalingCurve:
    """The cluster sizes, ascending."""

    points: tuple[ScalingPoint, ...]
    weak: bool

    @property
    def fitted(self) -> list[tuple[int, EvaluatedPlan]]:
        """The sizes at which a plan fits: GPUs and best plan."""
        return [(point.gpus, point.best) for point in self.points if point.best]

    @property
    def trained(self) -> list[BudgetedPlan]:
        """The best plans to which failures leave time to train, with their budgets."""
        return [BudgetedPlan(point.best, point.budget) for point in self.points if point.best and point.budget]

    def efficiency(self, evaluated: EvaluatedPlan) -> float:
        """Scaling efficiency of a plan: tokens per second per GPU relative to the smallest size at which a plan fits; ratio."""
        return float(scaling_efficiency(evaluated.rate, smallest_rate(self.fitted[0][1].rate)))

    def changes(self) -> list[tuple[int, int, list[str]]]:
        """The layout changes between consecutive sizes: GPUs before, GPUs after, `pp 8 -> 16` ...; sizes without a change are omitted."""
        steps = [(a, b, changed(before.plan, after.plan)) for (a, before), (b, after) in pairwise(self.fitted)]
        return [step for step in steps if step[2]]

    def slower(self) -> list[str]:
        """A sentence with the cause for each size that takes longer to train than the previous size."""
        return [
            f"{b.gpus:,} GPUs take {1 / faster(a, b) - 1:.1%} longer to train than {a.gpus:,}: {reason(a, b)}."
            for a, b in pairwise(self.trained)
            if faster(a, b) < 1
        ]

    def paying(self) -> tuple[BudgetedPlan, BudgetedPlan]:
        """The largest size that pays and the next size; if it is the last, the previous size that pays and the last.

        Each size is compared with the largest smaller size that pays, since a size with few divisors may be between two that pay.
        """
        pays = [self.trained[0]]
        for size in self.trained[1:]:
            if gain(pays[-1], size) >= PAYS:
                pays.append(size)
        beyond = [size for size in self.trained if size.gpus > pays[-1].gpus]
        return (pays[-1], beyond[0]) if beyond else (pays[-2], pays[-1])

    def verdict(self) -> str:
        """The size beyond which scaling does not pay and the cause, in one or two sentences."""
        if not self.trained:
            return f"No plan fits and trains at any of these sizes. {some_gpus(self.points[-1].gpus)}: {self.points[-1].why}"
        last = self.trained[-1].gpus
        beyond = next((f" At {some_gpus(point.gpus)}: {point.why}" for point in self.points if point.gpus > last), "")
        if len(self.trained) == 1:
            return f"A plan fits and trains only at {some_gpus(last)}.{beyond}"
        a, b = self.paying()
        times = "twice" if b.gpus == 2 * a.gpus else f"{b.gpus / a.gpus:.3g} times"
        brings = f"{times} the GPUs ({b.gpus:,}) train {faster(a, b):.2f} times as fast"
        if gain(a, b) < PAYS:
            return f"Scaling stops paying at {some_gpus(a.gpus)}: {brings}, because {reason(a, b)}."
        lost = f"; largest loss: {reason(a, b)}" if gain(a, b) < LOSSLESS else ""
        return f"Scaling still pays at {b.gpus:,} GPUs: from {a.gpus:,}, {brings}{lost}.{beyond}"


def faster(before: BudgetedPlan, after: BudgetedPlan) -> float:
    """Speed-up of the training on the same tokens, failures and checkpoints included; ratio."""
    return before.budget.elapsed_seconds / after.budget.elapsed_seconds


def gain(before: BudgetedPlan, after: BudgetedPlan) -> float:
    """Gain of more GPUs as a share of the ideal gain: 1 for linear scaling, 0 for no speed-up, negative for a slowdown; ratio."""
    return (faster(before, after) - 1) / (after.gpus / before.gpus - 1)


def reason(before: BudgetedPlan, after: BudgetedPlan) -> str:
    """The cause of the scaling loss as a clause, and whether the batch cannot be divided further."""
    plan, job = after.plan, after.evaluated.job
    spent = before.evaluated.job.global_batch == job.global_batch == plan.dp * plan.micro_batch
    more = f", and the batch of {job.global_batch:,} sequences leaves each replica one micro-batch" if spent else ""
    return scaling_loss(before, after) + more


def sizes(inputs: Inputs, least: int | None = None, most: int | None = None) -> list[int]:
    """Cluster sizes: doublings from `least` (default: whole nodes of at least 8 GPUs) to `most` (default: 4 times the GPUs of the inputs).

    Both ends and the GPUs of the inputs are included. Raises FieldError if `least` exceeds `most` or either is not a number of GPUs.
    """
    now, node = resolve(inputs).cluster.gpus, node_size(inputs)
    for name, value in (("from", least), ("to", most)):
        if value is not None and not 1 <= value <= LARGEST_GPUS:
            raise FieldError(name, f"{name} must lie between 1 and {LARGEST_GPUS:,} GPUs, not {value:,}")
    end = most or min(BEYOND * now, LARGEST_GPUS // node * node)
    start = least or node * -(-8 // node)
    if least is None and start > end:
        start = 1
    if start > end:
        raise FieldError("from", f"there are no sizes from {start:,} to {end:,} GPUs; from must be no more than to")
    counts = {start, end} | ({now} if start <= now <= end else set())
    while start * 2 <= end:
        start *= 2
        counts.add(start)
    return sorted(counts)


def scaling_curve(
    inputs: Inputs,
    space: Space,
    gpus: Sequence[int],
    *,
    weak: bool = False,
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> ScalingCurve:
    """The best plan at each size. Errors of the inputs themselves are raised; an error at one size is the reason of that size.

    progress is called with the number of sizes done. Raises Cancelled as search does.
    """
    job = resolve(inputs)
    points = []
    for done, size in enumerate(sorted(set(gpus)), 1):
        batch = job.global_batch * size / job.cluster.gpus if weak else float(job.global_batch)
        points.append(_point(inputs, space, size, batch, cancelled))
        if progress:
            progress(done)
    return ScalingCurve(tuple(points), weak)


def _point(inputs: Inputs, space: Space, size: int, batch: float, cancelled: Cancel) -> ScalingPoint:
    """One size of a scaling curve."""
    if batch != int(batch):
        return ScalingPoint(size, batch, why=f"The batch would be {batch:.4g} sequences, not a whole number.")
    there = inputs.with_all({"gpus": size, "global_batch": int(batch)})
    try:
        fastest = best(resolve(there), space, cancelled)
    except FieldError as error:
        return ScalingPoint(size, batch, why=f"{error}.")
    if isinstance(fastest, NoPlan):
        return ScalingPoint(size, batch, why=fastest.why)
    budgeted = with_budget(there, fastest)
    if budgeted is None:
        return ScalingPoint(size, batch, fastest, why="Failures leave no time to train.")
    return ScalingPoint(size, batch, fastest, budgeted.budget)


def explain(curve: ScalingCurve, inputs: Inputs, point: ScalingPoint) -> dict[str, Step]:
    """The derivations of one size at which a plan fits: step, MFU, tokens per second, efficiency, GPU-hours, and cost with a price."""
    evaluated = point.best
    assert evaluated is not None
    trees = headlines(evaluated.job, evaluated.plan)
    smallest = curve.fitted[0][1]
    below = headlines(smallest.job, smallest.plan)["tokens_per_second_per_gpu"]
    with tracing() as trace:
        rate, base = trace.held(trees["tokens_per_second_per_gpu"]), trace.held(below)
        scaled = {"tokens_per_second": tokens_per_second(point.gpus, rate), "efficiency": scaling_efficiency(rate, smallest_rate(base))}
        steps = {name: trees[name] for name in ("step", "mfu")} | {name: trace.of(value) for name, value in scaled.items()}
    if point.budget:
        costs = explain_budget(evaluated.job, run_of(inputs.with_("gpus", point.gpus), evaluated.job), trees["step"])
        steps |= {name: costs[name] for name in ("gpu_hours", "cost") if name in costs}
    return steps
