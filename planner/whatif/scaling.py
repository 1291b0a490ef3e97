"""Scaling: the best plan at each of a ladder of sizes, what it brings, where the layout changes, and why more GPUs stop paying.

Strong scaling keeps the global batch; weak scaling keeps the sequences for each GPU. Each size is searched anew within the same space:
a bound on an axis holds at every size, and a size at which it cannot hold says so.
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
from planner.whatif.deadline import Best, held_back, trained

PAYS = 0.5  # of what so many more GPUs could bring; below it they are said not to pay: twice the GPUs give less than 1.5 times the tokens
LOSSLESS = 0.99  # of what they could bring; above it nothing is said of what is lost
BEYOND = 4  # times the GPUs of the document, where nobody says how far to go


@formula("tok · W", "math101", "Compute Requirements")
def tokens_per_second(gpus: Any, tokens_per_second_per_gpu: Any) -> Any:
    """Tokens a second on all GPUs."""
    return tokens_per_second_per_gpu * gpus


@formula("tok", "tmplan", "of the smallest size at which a plan fits")
def smallest_rate(tokens_per_second_per_gpu: Any) -> Any:
    """Tokens a second and GPU at the smallest size that fits."""
    return tokens_per_second_per_gpu * 1.0


@formula("tok / tok_0", "tmplan", "speed-up over the GPUs it took, both against the smallest size")
def scaling_efficiency(tokens_per_second_per_gpu: Any, smallest_rate: Any) -> Any:
    """Tokens a second and GPU over those of the smallest size that fits; ratio."""
    return tokens_per_second_per_gpu / smallest_rate


@dataclass(frozen=True)
class Rung:
    """One size: its GPUs, the sequences of a step (perhaps no whole number, in weak scaling), the best plan or why there is none.

    `budget` is what training with the plan comes to; None, and `why`, where failures leave no time to train.
    """

    gpus: int
    global_batch: float
    found: EvaluatedPlan | None = None
    budget: Budget | None = None
    why: str = ""


@dataclass(frozen=True)
class Ladder:
    """The sizes, ascending."""

    rungs: tuple[Rung, ...]
    weak: bool

    @property
    def fitted(self) -> list[tuple[int, EvaluatedPlan]]:
        """The sizes at which a plan fits: GPUs, and the best plan."""
        return [(rung.gpus, rung.found) for rung in self.rungs if rung.found]

    @property
    def trained(self) -> list[Best]:
        """The best plans that have time to train, with what training comes to."""
        return [Best(rung.found, rung.budget) for rung in self.rungs if rung.found and rung.budget]

    def efficiency(self, found: EvaluatedPlan) -> float:
        """Tokens a second and GPU over those of the smallest size that fits."""
        return float(scaling_efficiency(found.rate, smallest_rate(self.fitted[0][1].rate)))

    def changes(self) -> list[tuple[int, int, list[str]]]:
        """From size to size, what of the layout changes: GPUs before, GPUs after, `pp 8 -> 16` ...; sizes that keep it are left out."""
        told = [(a, b, changed(before.plan, after.plan)) for (a, before), (b, after) in pairwise(self.fitted)]
        return [change for change in told if change[2]]

    def slower(self) -> list[str]:
        """A sentence for each size that takes longer to train than the size before, with what stopped it."""
        return [
            f"{b.gpus:,} GPUs take {1 / faster(a, b) - 1:.1%} longer to train than {a.gpus:,}: {reason(a, b)}."
            for a, b in pairwise(self.trained)
            if faster(a, b) < 1
        ]

    def paying(self) -> tuple[Best, Best]:
        """The largest size that pays and the next beyond it; where that is the last, the size it is measured by, and it.

        Each size is measured by the largest before it that pays, for one at which little divides may lie between two that pay.
        """
        pays = [self.trained[0]]
        for size in self.trained[1:]:
            if gain(pays[-1], size) >= PAYS:
                pays.append(size)
        beyond = [size for size in self.trained if size.gpus > pays[-1].gpus]
        return (pays[-1], beyond[0]) if beyond else (pays[-2], pays[-1])

    def verdict(self) -> str:
        """Where scaling stops paying and why, in a sentence or two."""
        if not self.trained:
            return f"No plan fits and trains at any of these sizes. {some_gpus(self.rungs[-1].gpus)}: {self.rungs[-1].why}"
        last = self.trained[-1].gpus
        beyond = next((f" At {some_gpus(rung.gpus)}: {rung.why}" for rung in self.rungs if rung.gpus > last), "")
        if len(self.trained) == 1:
            return f"A plan fits and trains at {some_gpus(last)} alone.{beyond}"
        a, b = self.paying()
        times = "twice" if b.gpus == 2 * a.gpus else f"{b.gpus / a.gpus:.3g} times"
        brings = f"{times} the GPUs ({b.gpus:,}) train {faster(a, b):.2f} times as fast"
        if gain(a, b) < PAYS:
            return f"Scaling stops paying at {some_gpus(a.gpus)}: {brings}, for {reason(a, b)}."
        lost = f"; most of what is lost: {reason(a, b)}" if gain(a, b) < LOSSLESS else ""
        return f"Scaling still pays at {b.gpus:,} GPUs: from {a.gpus:,}, {brings}{lost}.{beyond}"


def faster(before: Best, after: Best) -> float:
    """How many times as fast the same tokens are trained, failures and checkpoints counted."""
    return before.budget.elapsed_seconds / after.budget.elapsed_seconds


def gain(before: Best, after: Best) -> float:
    """What more GPUs brought, of what they could: 1 where speed grows as they do, 0 where it does not grow, negative where it falls."""
    return (faster(before, after) - 1) / (after.gpus / before.gpus - 1)


def reason(before: Best, after: Best) -> str:
    """What holds more GPUs back, in a clause, and whether the batch cannot be divided further."""
    plan, job = after.plan, after.found.job
    spent = before.found.job.global_batch == job.global_batch == plan.dp * plan.micro_batch
    more = f", and the batch of {job.global_batch:,} sequences leaves each replica one micro-batch" if spent else ""
    return held_back(before, after) + more


def sizes(inputs: Inputs, least: int | None = None, most: int | None = None) -> list[int]:
    """Doublings from a whole number of nodes of 8 GPUs or more, or `least`, to `most` (4 times the GPUs set), with these and those set.

    FieldError where `least` is beyond `most`, or either is not a number of GPUs.
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
        raise FieldError("from", f"from {start:,} to {end:,} GPUs there is no size; from must be no more than to")
    ladder = {start, end} | ({now} if start <= now <= end else set())
    while start * 2 <= end:
        start *= 2
        ladder.add(start)
    return sorted(ladder)


def ladder(
    inputs: Inputs,
    space: Space,
    gpus: Sequence[int],
    *,
    weak: bool = False,
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> Ladder:
    """The best plan at each size. Errors of the inputs as they stand are raised; those of one size are what that size says.

    progress is called with the number of sizes done; Cancelled as search.
    """
    job = resolve(inputs)
    rungs = []
    for done, size in enumerate(sorted(set(gpus)), 1):
        batch = job.global_batch * size / job.cluster.gpus if weak else float(job.global_batch)
        rungs.append(_rung(inputs, space, size, batch, cancelled))
        if progress:
            progress(done)
    return Ladder(tuple(rungs), weak)


def _rung(inputs: Inputs, space: Space, size: int, batch: float, cancelled: Cancel) -> Rung:
    """One size of a ladder."""
    if batch != int(batch):
        return Rung(size, batch, why=f"The batch would be {batch:.4g} sequences, no whole number.")
    there = inputs.with_all({"gpus": size, "global_batch": int(batch)})
    try:
        found = best(resolve(there), space, cancelled)
    except FieldError as error:
        return Rung(size, batch, why=f"{error}.")
    if isinstance(found, NoPlan):
        return Rung(size, batch, why=found.why)
    trains = trained(there, found)
    return Rung(size, batch, found, trains.budget) if trains else Rung(size, batch, found, why="Failures leave no time to train.")


def explain(ladder: Ladder, inputs: Inputs, rung: Rung) -> dict[str, Step]:
    """The tree of every number of one size at which a plan fits: step, mfu, tokens a second, efficiency, GPU-hours, cost at a price."""
    found = rung.found
    assert found is not None
    trees = headlines(found.job, found.plan)
    smallest = ladder.fitted[0][1]
    below = headlines(smallest.job, smallest.plan)["tokens_per_second_per_gpu"]
    with tracing() as trace:
        rate, base = trace.held(trees["tokens_per_second_per_gpu"]), trace.held(below)
        made = {"tokens_per_second": tokens_per_second(rung.gpus, rate), "efficiency": scaling_efficiency(rate, smallest_rate(base))}
        told = {name: trees[name] for name in ("step", "mfu")} | {name: trace.of(value) for name, value in made.items()}
    if rung.budget:
        costs = explain_budget(found.job, run_of(inputs.with_("gpus", rung.gpus), found.job), trees["step"])
        told |= {name: costs[name] for name in ("gpu_hours", "cost") if name in costs}
    return told
