"""The smallest cluster whose best plan trains in time, and what twice the GPUs do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from planner.cost.compute import pace, product_rate
from planner.document.inputs import Inputs, node_size, resolve, run_of
from planner.document.space import Space
from planner.document.training_run import Run
from planner.economics.budget import Budget, budget, train_steps
from planner.economics.goodput import mtbf_seconds, restart_share
from planner.errors import FieldError
from planner.report.best import Cancel, EvaluatedPlan, NoPlan, best, best_fitting, largest_growth
from planner.search.search import Cancelled
from planner.specs.job import Job
from planner.specs.parameters import attention_matrices, mlp_work
from planner.specs.plan import Plan

PRIMES = (2, 3, 5, 7)  # node counts with another prime factor divide hardly any batch or model
LARGEST = 262_144  # GPUs; larger clusters are not tried


@dataclass(frozen=True)
class Best:
    """The fastest plan that fits on so many GPUs, and what training with it comes to."""

    found: EvaluatedPlan
    budget: Budget

    @property
    def gpus(self) -> int:
        """GPUs in all."""
        return self.found.job.cluster.gpus

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.found.plan


@dataclass(frozen=True)
class Answer:
    """The smallest cluster in time, None where none is; the candidates, how many of them were searched, how many a bound ruled out."""

    deadline_s: float
    best: Best | None
    candidates: tuple[int, ...]
    searched: int
    ruled_out: int
    nearest: Best | None  # the fastest of those searched, where none is in time


def on(inputs: Inputs, gpus: int) -> Inputs:
    """The same inputs on so many GPUs."""
    return inputs.with_("gpus", gpus)


def candidates(inputs: Inputs) -> tuple[int, ...]:
    """GPU counts that are tried, ascending: whole nodes, their number without a prime factor beyond 7, up to LARGEST GPUs."""
    node = node_size(inputs)
    return tuple(node * count for count in range(1, LARGEST // node + 1) if smooth(count))


def smooth(count: int) -> bool:
    """Whether a number has no prime factor beyond the last of PRIMES."""
    for prime in PRIMES:
        while count % prime == 0:
            count //= prime
    return count == 1


def least_step(job: Job) -> float:
    """Seconds that no step of a job goes below: its matrix products at the rate large ones near, on every GPU alike.

    The time model gives a product that rate at best, and adds to it; attention, traffic and bubbles are left out.
    """
    model = job.model
    rate = max(product_rate(job.cluster.gpu, p) for p in ("bf16", job.precision))
    kept = min(1.0, job.capacity) if job.capacity else 1.0  # a capacity below 1 drops tokens before their experts
    products = model.layers * attention_matrices(model) + kept * mlp_work(model)
    flops = (4.0 if job.frozen else 6.0) * products * job.global_batch * job.sequence  # frozen weights have no gradients
    return pace(job) * flops / (job.cluster.gpus * rate)


def steps_of(job: Job, run: Run) -> float:
    """Steps that a run takes; count."""
    return train_steps(float(run.train_tokens), float(job.global_batch), float(job.sequence))


def least_elapsed(job: Job, run: Run) -> float:
    """Seconds that no training of a job goes below: its steps at their bound, and the share of the time that restarts take whatever the
    checkpoints.
    """
    restarting = restart_share(run.restart_s, mtbf_seconds(run.gpu_mtbf_s, float(job.cluster.gpus)))
    return steps_of(job, run) * least_step(job) / (1.0 - restarting) if restarting < 1.0 else math.inf


def best_on(inputs: Inputs, space: Space, cancelled: Cancel = None, within: float = math.inf) -> Best | None:
    """The fastest plan that fits these inputs; Cancelled as search.

    None where there is none, where failures leave it no time to train, or where its steps alone take more than `within` seconds.
    """
    job = resolve(inputs)
    return trained(inputs, best_fitting(job, space, cancelled, within / steps_of(job, run_of(inputs, job))))


def trained(inputs: Inputs, found: EvaluatedPlan | None) -> Best | None:
    """A plan with what training comes to; None where there is no plan, or failures leave no time to train."""
    try:
        return Best(found, budget(found.job, run_of(inputs, found.job), found.step)) if found else None
    except FieldError:
        return None


def smallest(
    inputs: Inputs,
    space: Space,
    deadline_s: float,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> Answer:
    """The smallest candidate whose best plan trains within so many seconds, failures counted; Cancelled as search.

    Counts too small even for the rate of large matrix products are ruled out without a search; the others are searched upwards, for
    time does not always fall with GPUs. progress is called with the GPUs about to be searched.
    """
    counts = candidates(inputs)
    least: dict[int, float] = {}  # of the counts that no bound rules out, seconds that training takes at least
    for done, gpus in enumerate(counts, 1):
        if cancelled and cancelled():
            raise Cancelled
        here = on(inputs, gpus)
        job = resolve(here)
        bound = least_elapsed(job, run_of(here, job))
        if bound > deadline_s:
            continue
        least[gpus] = bound
        if progress:
            progress(gpus)
        found = best_on(here, space, cancelled, deadline_s)
        if found is not None and found.budget.elapsed_seconds <= deadline_s:
            return Answer(deadline_s, found, counts, len(least), done - len(least), None)
    return Answer(deadline_s, None, counts, len(least), len(counts) - len(least), _nearest(inputs, space, least, progress, cancelled))


def _nearest(
    inputs: Inputs, space: Space, least: Mapping[int, float], progress: Callable[[int], None] | None, cancelled: Cancel
) -> Best | None:
    """Of some counts the best plan that trains fastest; those that may be fastest are looked at first.

    least: of each count, the seconds that training takes at least.
    """
    found: Best | None = None
    elapsed = math.inf
    for gpus in sorted(least, key=lambda gpus: least[gpus]):
        if least[gpus] >= elapsed:
            break
        if progress:
            progress(gpus)
        here = best_on(on(inputs, gpus), space, cancelled, elapsed)
        if here is not None and here.budget.elapsed_seconds < elapsed:
            found, elapsed = here, here.budget.elapsed_seconds
    return found


@dataclass(frozen=True)
class Doubled:
    """What twice the GPUs do: their best plan, how many times faster it trains, and what stopped it where that is not so."""

    gpus: int
    best: Best | None
    speedup: float
    stopped: str


def doubled(inputs: Inputs, space: Space, here: Best, cancelled: Cancel = None) -> Doubled:
    """What the best plan on twice the GPUs comes to beside a plan on these; Cancelled as search."""
    gpus = 2 * here.gpus
    there = on(inputs, gpus)
    try:
        found = best(resolve(there), space, cancelled)
    except FieldError as error:  # twice the GPUs do not fill whole nodes, or are beyond what the field takes
        return Doubled(gpus, None, 0.0, str(error))
    if isinstance(found, NoPlan):
        return Doubled(gpus, None, 0.0, found.why)
    twice = trained(there, found)
    if twice is None:
        return Doubled(gpus, None, 0.0, "Failures leave no time to train.")
    speedup = here.budget.elapsed_seconds / twice.budget.elapsed_seconds
    return Doubled(gpus, twice, speedup, held_back(here, twice) if speedup < 1.0 else "")


def held_back(before: Best, after: Best) -> str:
    """What makes more GPUs less than that much faster, in a clause: failures, or the part of the step that grew most."""
    ours, theirs = before.budget.goodput.goodput, after.budget.goodput.goodput
    if ours / theirs > before.found.rate / after.found.rate:
        return f"failures and checkpoints leave {theirs:.1%} of the time to train, where it was {ours:.1%}"
    return largest_growth(before.found, after.found) or "nothing takes longer, but nothing is left to divide"
