"""Scaling: the best plan at each of a ladder of sizes, what it brings, where the layout changes, and why more GPUs stop paying.

Strong scaling keeps the global batch; weak scaling keeps the sequences for each GPU. Each size is searched anew within the same space:
a bound on an axis holds at every size, and a size at which it cannot hold says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from planner.best import Cancel, Found, Nothing, best, changed, grown
from planner.errors import FieldError, TmplanError
from planner.evaluate import explain as explain_plan
from planner.formula import Step, formula, tracing
from planner.inputs import Inputs, node_size, resolve
from planner.space import Space
from planner.specs import LARGEST_GPUS

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


@formula("T_all / tok_W", "math101", "Compute Requirements")
def uninterrupted_seconds(target_tokens: Any, tokens_per_second: Any) -> Any:
    """Time to train on so many tokens, without interruptions; seconds."""
    return target_tokens / tokens_per_second


@formula("W · t_all / 3600", "tmplan", "GPUs times hours")
def uninterrupted_hours(gpus: Any, uninterrupted_seconds: Any) -> Any:
    """GPU-hours to train on so many tokens, without interruptions."""
    return uninterrupted_seconds * gpus / 3600.0


@formula("GPUh · USD_h", "tmplan", "GPU-hours at a price")
def uninterrupted_cost(uninterrupted_hours: Any, hourly_price: Any) -> Any:
    """What it costs to train on so many tokens, in the money the price is in."""
    return uninterrupted_hours * hourly_price


@dataclass(frozen=True)
class Rung:
    """One size: its GPUs, the sequences of a step (perhaps no whole number, in weak scaling), the best plan or why there is none."""

    gpus: int
    global_batch: float
    found: Found | None
    why: str = ""


@dataclass(frozen=True)
class Ladder:
    """The sizes, ascending."""

    rungs: tuple[Rung, ...]
    weak: bool

    @property
    def fitted(self) -> list[tuple[int, Found]]:
        """The sizes at which a plan fits: GPUs, and the best plan."""
        return [(rung.gpus, rung.found) for rung in self.rungs if rung.found]

    def efficiency(self, found: Found) -> float:
        """Tokens a second and GPU over those of the smallest size that fits."""
        return float(scaling_efficiency(found.rate, smallest_rate(self.fitted[0][1].rate)))

    def changes(self) -> list[tuple[int, int, list[str]]]:
        """From size to size, what of the layout changes: GPUs before, GPUs after, `pp 8 -> 16` ...; sizes that keep it are left out."""
        told = [(a, b, changed(before.plan, after.plan)) for (a, before), (b, after) in pairwise(self.fitted)]
        return [change for change in told if change[2]]

    def slower(self) -> list[str]:
        """A sentence for each size at which fewer tokens are trained a second than at the size before, with what stopped it."""
        return [
            f"{b:,} GPUs train slower than {a:,}, by {1 - after.tokens_per_second / before.tokens_per_second:.1%}: {reason(before, after)}."
            for (a, before), (b, after) in pairwise(self.fitted)
            if after.tokens_per_second < before.tokens_per_second
        ]

    def verdict(self) -> str:
        """Where scaling stops paying and why, in a sentence or two."""
        if not self.fitted:
            return f"No plan fits at any of these sizes. {self.rungs[-1].gpus:,} GPUs: {self.rungs[-1].why}"
        last = self.fitted[-1][0]
        beyond = next((f" At {rung.gpus:,} GPUs: {rung.why}" for rung in self.rungs if rung.gpus > last), "")
        if len(self.fitted) == 1:
            return f"A plan fits at {last:,} GPUs alone.{beyond}"
        pair = next((pair for pair in pairwise(self.fitted) if gain(*pair) < PAYS), None)
        (a, before), (b, after) = pair or self.fitted[-2:]
        times = "twice" if b == 2 * a else f"{b / a:.3g} times"
        brings = f"{times} the GPUs ({b:,}) train {after.tokens_per_second / before.tokens_per_second:.2f} times as fast"
        because = reason(before, after)
        if pair:
            return f"Scaling stops paying at {a:,} GPUs: {brings}, for {because}."
        lost = f"; most of what is lost: {because}" if gain((a, before), (b, after)) < LOSSLESS else ""
        return f"Scaling still pays at {b:,} GPUs: from {a:,}, {brings}{lost}.{beyond}"


def gain(before: tuple[int, Found], after: tuple[int, Found]) -> float:
    """What more GPUs brought, of what they could: 1 where speed grows as they do, 0 where it does not grow, negative where it falls."""
    return (after[1].tokens_per_second / before[1].tokens_per_second - 1) / (after[0] / before[0] - 1)


def reason(before: Found, after: Found) -> str:
    """What makes more GPUs less than that much faster, in a clause."""
    clause = grown(before, after) or "nothing takes longer, but nothing is left to divide"
    plan, job = after.plan, after.job
    if before.job.global_batch == job.global_batch == plan.dp * plan.micro_batch:
        clause += f", and the batch of {job.global_batch:,} sequences leaves each replica one micro-batch"
    return clause


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
        return Rung(size, batch, None, f"The batch would be {batch:.4g} sequences, no whole number.")
    try:
        job = resolve(inputs.with_all({"gpus": size, "global_batch": int(batch)}))
    except TmplanError as error:
        return Rung(size, batch, None, f"{error}.")
    found = best(job, space, cancelled)
    return Rung(size, batch, None, found.why) if isinstance(found, Nothing) else Rung(size, batch, found)


def explain(ladder: Ladder, found: Found, tokens: float, price: float = 0.0) -> dict[str, Step]:
    """The tree of every number of one size: step, mfu, tokens a second, efficiency, time to train, GPU-hours, and cost at a price."""
    trees = explain_plan(found.job, found.plan)
    smallest = ladder.fitted[0][1]
    below = explain_plan(smallest.job, smallest.plan)["tokens_per_second_per_gpu"]
    with tracing() as trace:
        rate, base = trace.held(trees["tokens_per_second_per_gpu"]), trace.held(below)
        gpus = found.job.cluster.gpus
        speed = tokens_per_second(gpus, rate)
        seconds = uninterrupted_seconds(tokens, speed)
        hours = uninterrupted_hours(gpus, seconds)
        made = {"tokens_per_second": speed, "efficiency": scaling_efficiency(rate, smallest_rate(base)), "train_seconds": seconds,
                "gpu_hours": hours} | ({"cost": uninterrupted_cost(hours, price)} if price else {})  # fmt: skip
        return {"step": trees["step"], "mfu": trees["mfu"], **{name: trace.of(value) for name, value in made.items()}}
