"""The smallest cluster whose best plan meets a deadline, and the speed-up of twice the GPUs."""

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

PRIMES = (2, 3, 5, 7)  # node counts with other prime factors divide hardly any batch or model
LARGEST = 262_144  # GPUs; larger clusters are not considered


@dataclass(frozen=True)
class BudgetedPlan:
    """The fastest plan that fits a cluster, with its training budget."""

    evaluated: EvaluatedPlan
    budget: Budget

    @property
    def gpus(self) -> int:
        """GPUs of the cluster; count."""
        return self.evaluated.job.cluster.gpus

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.evaluated.plan


@dataclass(frozen=True)
class SmallestCluster:
    """The best plan on the smallest cluster that meets a deadline, None if none does; the candidates and how they were examined."""

    deadline_s: float
    best: BudgetedPlan | None
    candidates: tuple[int, ...]
    searched: int  # candidates that were searched
    ruled_out: int  # candidates excluded by a lower bound of their training time
    nearest: BudgetedPlan | None  # the fastest of the searched candidates, if none meets the deadline


def with_gpus(inputs: Inputs, gpus: int) -> Inputs:
    """The inputs with another number of GPUs."""
    return inputs.with_("gpus", gpus)


def candidates(inputs: Inputs) -> tuple[int, ...]:
    """Candidate GPU counts, ascending: whole nodes whose number has no prime factor above 7, up to LARGEST GPUs."""
    node = node_size(inputs)
    return tuple(node * count for count in range(1, LARGEST // node + 1) if smooth(count))


def smooth(count: int) -> bool:
    """Whether a number has only prime factors in PRIMES."""
    for prime in PRIMES:
        while count % prime == 0:
            count //= prime
    return count == 1


def step_bound(job: Job) -> float:
    """Lower bound of the step time of any plan of a job: its matrix products at the asymptotic rate on all GPUs; seconds.

    The time model never gives a product a higher rate and only adds terms to it; attention, communication and bubbles are omitted.
    """
    model = job.model
    kinds = [(numbers, grouped) for numbers in ("bf16", job.numbers) for grouped in (False, model.experts > 0)]
    rate = max(product_rate(job.cluster.gpu, numbers, grouped) for numbers, grouped in kinds)
    routed = min(1.0, job.capacity) if job.capacity else 1.0  # a capacity below 1 drops tokens before their experts
    products = model.layers * attention_matrices(model) + routed * mlp_work(model)
    flops = (4.0 if job.frozen else 6.0) * products * job.global_batch * job.sequence  # frozen weights have no gradients
    return pace(job) * flops / (job.cluster.gpus * rate)


def steps_of(job: Job, run: Run) -> float:
    """Optimizer steps of a run; count."""
    return train_steps(float(run.train_tokens), float(job.global_batch), float(job.sequence))


def elapsed_bound(job: Job, run: Run) -> float:
    """Lower bound of the elapsed training time of any plan of a job; seconds.

    Its steps at their lower bound, and the share of the time that restarts take, which does not depend on the checkpoints.
    """
    restarting = restart_share(run.restart_s, mtbf_seconds(run.gpu_mtbf_s, float(job.cluster.gpus)))
    return steps_of(job, run) * step_bound(job) / (1.0 - restarting) if restarting < 1.0 else math.inf


def best_on(inputs: Inputs, space: Space, cancelled: Cancel = None, within: float = math.inf) -> BudgetedPlan | None:
    """The fastest plan that fits these inputs, with its budget. Raises Cancelled as search does.

    None if no plan fits, if failures leave no time to train, or if the steps alone take more than `within` seconds.
    """
    job = resolve(inputs)
    return with_budget(inputs, best_fitting(job, space, cancelled, within / steps_of(job, run_of(inputs, job))))


def with_budget(inputs: Inputs, evaluated: EvaluatedPlan | None) -> BudgetedPlan | None:
    """A plan with its training budget; None if there is no plan or failures leave no time to train."""
    try:
        return BudgetedPlan(evaluated, budget(evaluated.job, run_of(inputs, evaluated.job), evaluated.step)) if evaluated else None
    except FieldError:
        return None


def smallest_cluster(
    inputs: Inputs,
    space: Space,
    deadline_s: float,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> SmallestCluster:
    """The smallest candidate whose best plan trains within a deadline in seconds, failures included. Raises Cancelled as search does.

    Candidates whose lower bound exceeds the deadline are ruled out without a search; the others are searched in ascending order, since the
    training time does not always decrease with the number of GPUs. progress is called with the GPUs of the next candidate to be searched.
    """
    counts = candidates(inputs)
    bounds: dict[int, float] = {}  # lower bounds of the elapsed seconds of the candidates that are not ruled out
    for done, gpus in enumerate(counts, 1):
        if cancelled and cancelled():
            raise Cancelled
        here = with_gpus(inputs, gpus)
        job = resolve(here)
        bound = elapsed_bound(job, run_of(here, job))
        if bound > deadline_s:
            continue
        bounds[gpus] = bound
        if progress:
            progress(gpus)
        fastest = best_on(here, space, cancelled, deadline_s)
        if fastest is not None and fastest.budget.elapsed_seconds <= deadline_s:
            return SmallestCluster(deadline_s, fastest, counts, len(bounds), done - len(bounds), None)
    nearest = _nearest(inputs, space, bounds, progress, cancelled)
    return SmallestCluster(deadline_s, None, counts, len(bounds), len(counts) - len(bounds), nearest)


def _nearest(
    inputs: Inputs, space: Space, bounds: Mapping[int, float], progress: Callable[[int], None] | None, cancelled: Cancel
) -> BudgetedPlan | None:
    """The best plan with the shortest elapsed training time on any of some GPU counts, in ascending order of their lower bounds.

    bounds: lower bound of the elapsed seconds for each GPU count.
    """
    fastest: BudgetedPlan | None = None
    elapsed = math.inf
    for gpus in sorted(bounds, key=lambda gpus: bounds[gpus]):
        if bounds[gpus] >= elapsed:
            break
        if progress:
            progress(gpus)
        here = best_on(with_gpus(inputs, gpus), space, cancelled, elapsed)
        if here is not None and here.budget.elapsed_seconds < elapsed:
            fastest, elapsed = here, here.budget.elapsed_seconds
    return fastest


@dataclass(frozen=True)
class DoubledCluster:
    """Twice the GPUs: their best plan, its speed-up, and the reason if there is no plan or no speed-up."""

    gpus: int
    best: BudgetedPlan | None
    speedup: float
    stopped: str


def doubled_cluster(inputs: Inputs, space: Space, here: BudgetedPlan, cancelled: Cancel = None) -> DoubledCluster:
    """The best plan on twice the GPUs against a given plan. Raises Cancelled as search does."""
    gpus = 2 * here.gpus
    there = with_gpus(inputs, gpus)
    try:
        fastest = best(resolve(there), space, cancelled)
    except FieldError as error:  # twice the GPUs do not fill whole nodes, or exceed the limit of the field
        return DoubledCluster(gpus, None, 0.0, str(error))
    if isinstance(fastest, NoPlan):
        return DoubledCluster(gpus, None, 0.0, fastest.why)
    twice = with_budget(there, fastest)
    if twice is None:
        return DoubledCluster(gpus, None, 0.0, "Failures leave no time to train.")
    speedup = here.budget.elapsed_seconds / twice.budget.elapsed_seconds
    return DoubledCluster(gpus, twice, speedup, scaling_loss(here, twice) if speedup < 1.0 else "")


def scaling_loss(before: BudgetedPlan, after: BudgetedPlan) -> str:
    """The cause of a speed-up below that of the number of GPUs, as a clause: failures, or the part of the step that grew most."""
    ours, theirs = before.budget.goodput.goodput, after.budget.goodput.goodput
    if ours / theirs > before.evaluated.rate / after.evaluated.rate:
        return f"failures and checkpoints leave {theirs:.1%} of the time to train instead of {ours:.1%}"
    return largest_growth(before.evaluated, after.evaluated) or "no part takes longer, but no work is left to divide"
