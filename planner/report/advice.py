"""If no plan fits: the plan nearest to fitting, and changes of the job that make plans fit, each checked by a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from planner.document.space import Space
from planner.report.columns import at_risk
from planner.report.sort import RowFigures
from planner.search.branch_and_bound import fastest
from planner.search.search import Result, search
from planner.specs.hardware import GIB, LARGEST_GPUS
from planner.specs.job import Job
from planner.specs.plan import Plan


@dataclass(frozen=True)
class Advice:
    """A change that makes plans fit: how many fit with it, and the step time and risk of the fastest."""

    change: str
    fit: int
    step_seconds: float
    at_risk: bool = False  # the fastest fits, and the 80 % band of its memory does not

    @property
    def sentence(self) -> str:
        """The change and what it gives, as a sentence."""
        plans = "plan fits" if self.fit == 1 else "plans fit"
        return f"{self.change}: {self.fit:,} {plans}, the fastest at {self.step_seconds:.4g} s per step{' (at risk)' * self.at_risk}."


@dataclass(frozen=True)
class Nearest:
    """The plan with the smallest excess of memory, its bytes and its excess, and the changes that make plans fit."""

    plan: Plan
    memory_bytes: float
    over_bytes: float
    advice: tuple[Advice, ...]

    @property
    def sentence(self) -> str:
        """The nearest plan and its excess, as a sentence."""
        if self.over_bytes > 0:
            return (
                f"Nothing fits: the nearest plan needs {self.memory_bytes / GIB:.1f} GiB per GPU, {self.over_bytes / GIB:.1f} GiB too much."
            )
        return "Nothing fits: the offloaded optimizer states are more than the host memory of a node."


def nearest(result: Result, *, cancelled: Callable[[], bool] | None = None) -> Nearest | None:
    """The plan nearest to fitting and the changes that help; None if a plan fits or none is valid. Raises Cancelled as search does."""
    if len(result.order) or not len(result):
        return None
    row = int(result.rejected_order[0])
    tried = [advised(*change, cancelled) for change in changes(result.job, result.space)]
    tried.append(more_gpus(result.job, result.space, cancelled))
    helpful = sorted(filter(None, tried), key=lambda advice: advice.step_seconds)
    needs = float(result.memory_bytes[row])
    return Nearest(result.plan(row), needs, needs - result.job.memory_limit, tuple(helpful))


def advised(change: str, job: Job, space: Space, cancelled: Callable[[], bool] | None) -> Advice | None:
    """The plans that fit with a change; None if none does."""
    if fastest(job, space, cancelled=cancelled) is None:  # faster than a search, which would look for the nearest plan
        return None
    again = search(job, space, cancelled=cancelled)
    risky = bool(at_risk(RowFigures(again, again.order[:1]))[0])
    return Advice(change, len(again.order), float(again.step_seconds[again.order[0]]), risky)


def more_gpus(job: Job, space: Space, cancelled: Callable[[], bool] | None) -> Advice | None:
    """The smallest doubling of the cluster, up to 64 times its GPUs, with which a plan fits; None if none is enough."""
    for doubling in range(1, 7):
        gpus = job.cluster.gpus * 2**doubling
        if gpus > LARGEST_GPUS:
            break
        larger = replace(job, cluster=replace(job.cluster, gpus=gpus))
        if advice := advised(f"Use {gpus:,} GPUs", larger, space, cancelled):
            return advice
    return None


def changes(job: Job, space: Space) -> Iterator[tuple[str, Job, Space]]:
    """Changes to try, from the bounds on the axes to the job: the start of a sentence, the job, the space."""
    for axis in space.bounds:
        yield f"Free {axis} (now {space.text(axis)})", job, space.with_(axis, None)
    if len(space.bounds) > 1:
        yield "Free every axis", job, Space()
    if job.headroom > 0:
        yield f"Leave no headroom (now {job.headroom:.0%})", replace(job, headroom=0.0), space
    yield from _narrower(job, space)
    if not job.attention.startswith("flash"):
        yield "Use flash attention", replace(job, attention="flash-2"), space
    if job.offload_optimizer:
        yield "Keep the optimizer on the device", replace(job, offload_optimizer=False), space
    else:
        yield "Offload the optimizer to the host", replace(job, offload_optimizer=True), space
    for share in (2, 4):
        if job.sequence % share == 0:
            yield f"Cut the sequence to {job.sequence // share:,}", replace(job, sequence=job.sequence // share), space


def _narrower(job: Job, space: Space) -> Iterator[tuple[str, Job, Space]]:
    """Changes of what a plan stores, as far as the framework has them: optimizer states, gradients, logits."""
    if job.optimizer == "adamw" and "adamw-8bit" in job.stack.optimizers:
        yield "Use adamw-8bit", replace(job, optimizer="adamw-8bit", state_bytes=1), space
    elif job.optimizer == "adamw" and job.state_bytes > 1:
        yield "Keep optimizer states in 1 byte", replace(job, state_bytes=1), space
    if job.gradient_bytes == 4:
        yield "Keep gradients in 2 bytes", replace(job, gradient_bytes=2), space
    if job.loss_kernel != "fused-linear" and "fused-linear" in job.stack.loss_kernels:
        yield "Use a fused linear loss", replace(job, loss_kernel="fused-linear"), space
