"""The smallest cluster whose best plan trains in time, and what twice the GPUs do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planner.best import Cancel, Found, Nothing, best, best_fitting, grown
from planner.budget import Budget, budget, train_steps
from planner.compute import narrow_gain
from planner.errors import FieldError
from planner.goodput import mtbf_seconds, restart_share
from planner.inputs import Inputs, node_size, resolve, run_of
from planner.parameters import attention_matrices, mlp_work
from planner.plan import Plan
from planner.search import Cancelled
from planner.space import Space
from planner.specs import Job
from planner.training import Run

PRIMES = (2, 3, 5, 7)  # node counts with another prime factor divide hardly any batch or model
LARGEST = 262_144  # GPUs; larger clusters are not tried


@dataclass(frozen=True)
class Best:
    """The fastest plan that fits on so many GPUs, and what training with it comes to."""

    found: Found
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
    model, gemm = job.model, job.cluster.gpu.gemm
    gain = max(narrow_gain(job.cluster.gpu, p) for p in ("bf16", job.precision))
    kept = min(1.0, job.capacity) if job.capacity else 1.0  # a capacity below 1 drops tokens before their experts
    products = model.layers * attention_matrices(model) + kept * mlp_work(model)
    flops = (4.0 if job.frozen else 6.0) * products * job.global_batch * job.sequence  # frozen weights have no gradients
    return job.cluster.pace * flops / (job.cluster.gpus * gemm.training * gemm.flops_s * gain)


def least_elapsed(job: Job, run: Run) -> float:
    """Seconds that no training of a job goes below: its steps at their bound, and the share of the time that restarts take whatever the
    checkpoints.
    """
    steps = train_steps(float(run.train_tokens), float(job.global_batch), float(job.sequence))
    restarting = restart_share(run.restart_s, mtbf_seconds(run.gpu_mtbf_s, float(job.cluster.gpus)))
    return steps * least_step(job) / (1.0 - restarting) if restarting < 1.0 else math.inf


def best_on(inputs: Inputs, space: Space, cancelled: Cancel = None, within: float = math.inf) -> Best | None:
    """The fastest plan that fits these inputs; Cancelled as search.

    None where there is none, where failures leave it no time to train, or where its steps alone take more than `within` seconds.
    """
    job = resolve(inputs)
    steps = train_steps(float(run_of(inputs, job).train_tokens), float(job.global_batch), float(job.sequence))
    return trained(inputs, best_fitting(job, space, cancelled, within / steps))


def trained(inputs: Inputs, found: Found | None) -> Best | None:
    """A plan with what training comes to; None where there is no plan, or failures leave no time to train."""
    try:
        return Best(found, budget(found.job, run_of(inputs, found.job), found.step)) if found else None
    except FieldError:
        return None


def scan(
    inputs: Inputs,
    space: Space,
    deadline_s: float,
    counts: tuple[int, ...],
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> Iterator[tuple[Best | None, bool]]:
    """Each count in turn: the best plan where one may be in time, and whether it was searched or ruled out by a bound."""
    for gpus in counts:
        if cancelled and cancelled():
            raise Cancelled
        here = on(inputs, gpus)
        job = resolve(here)
        if least_elapsed(job, run_of(here, job)) > deadline_s:
            yield None, False
            continue
        if progress:
            progress(gpus)
        yield best_on(here, space, cancelled, deadline_s), True


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
    tried = ruled_out = 0
    for here, searched in scan(inputs, space, deadline_s, counts, progress, cancelled):
        tried, ruled_out = tried + searched, ruled_out + (not searched)
        if here is not None and here.budget.elapsed_seconds <= deadline_s:
            return Answer(deadline_s, here, counts, tried, ruled_out, None)
    return Answer(deadline_s, None, counts, tried, ruled_out, _nearest(inputs, space, deadline_s, counts, progress, cancelled))


def _nearest(
    inputs: Inputs, space: Space, deadline_s: float, counts: tuple[int, ...], progress: Callable[[int], None] | None, cancelled: Cancel
) -> Best | None:
    """Of the counts that no bound rules out, the best plan that trains fastest; those that may be fastest are looked at first."""
    found: Best | None = None
    elapsed = math.inf
    jobs = {gpus: resolve(on(inputs, gpus)) for gpus in counts}
    least = {gpus: least_elapsed(job, run_of(on(inputs, gpus), job)) for gpus, job in jobs.items()}
    for gpus in sorted((n for n in counts if least[n] <= deadline_s), key=lambda n: least[n]):
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
    if isinstance(found, Nothing):
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
    return grown(before.found, after.found) or "nothing takes longer, but nothing is left to divide"
