"""Comparison of two clusters for the same job: the best plan on each, and the part of the step that differs most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.cost.error_band import band
from planner.degrees import DEGREES
from planner.document.inputs import Inputs, resolve
from planner.document.space import Space
from planner.formula.trace import Step, formula, tracing
from planner.report.best import Cancel, EvaluatedPlan, NoPlan, best
from planner.report.explain import headlines
from planner.report.number_text import write_figure
from planner.report.wording import STEP
from planner.specs.hardware import GIB, Cluster
from planner.specs.job import Job

ALIKE = 0.01  # relative difference of the steps below which the clusters are reported as equally fast


@dataclass(frozen=True)
class Figure:
    """A figure of a cluster: its label, its unit, and its value, per GPU or for the cluster."""

    label: str
    unit: str
    value: Callable[[Job], float]


FIGURES = (
    Figure("GPUs", "", lambda job: job.cluster.gpus),
    Figure("GPUs per node", "", lambda job: job.cluster.gpus_per_node),
    Figure("link domain", "GPUs", lambda job: job.cluster.link_domain),
    Figure("peak rate", "TFLOP/s", lambda job: peak(job) / 1e12),
    Figure("HBM", "GB/s", lambda job: job.cluster.gpu.hbm_bytes_s / 1e9),
    Figure("memory", "GiB", lambda job: job.cluster.gpu.memory_bytes / GIB),
    Figure("scale-up link", "GB/s", lambda job: job.cluster.link_bytes_s / 1e9),
    Figure("NIC", "Gb/s", lambda job: job.cluster.nic_bytes_s / 1.25e8),
)
LINKS: Mapping[str, tuple[str, Callable[[Cluster, Job], float]]] = {  # the total bandwidth of each link over all GPUs
    "scale-up": ("scale-up bandwidth", lambda cluster, job: cluster.gpus * cluster.link_bytes_s),
    "network": ("network bandwidth", lambda cluster, job: cluster.gpus * cluster.nic_bytes_s),
}
IN_ALL: Mapping[str, tuple[str, Callable[[Cluster, Job], float]]] = {  # the total rate over all GPUs that limits a part of the step
    "compute": ("peak rate", lambda cluster, job: cluster.gpus * peak(job)),
    "recompute": ("peak rate", lambda cluster, job: cluster.gpus * peak(job)),
    "optimizer": ("memory bandwidth", lambda cluster, job: cluster.gpus * cluster.gpu.hbm_bytes_s),
    **{degree.key: LINKS[degree.link] for degree in DEGREES if degree.link},
}


def peak(job: Job) -> float:
    """The dense peak rate of a GPU in the job's precision; FLOP/s."""
    return job.cluster.gpu.units(job.precision)


@formula("t_step", "tmplan", "of the same batch on the other cluster")
def other_seconds(step_seconds: Any) -> Any:
    """One optimizer step on the other cluster; seconds."""
    return step_seconds * 1.0


@formula("t_step / t_other", "tmplan", "the same batch on both")
def speed_up(step_seconds: Any, other_seconds: Any) -> Any:
    """Speed-up of the other cluster; ratio."""
    return step_seconds / other_seconds


@dataclass(frozen=True)
class Pair:
    """The job on the cluster of the document and on another: the jobs, and the best plan of each or the reason why there is none."""

    here: Job
    there: Job
    ours: EvaluatedPlan | NoPlan
    theirs: EvaluatedPlan | NoPlan

    @property
    def both(self) -> tuple[EvaluatedPlan, EvaluatedPlan] | None:
        """The two plans; None if a side has none."""
        return (self.ours, self.theirs) if isinstance(self.ours, EvaluatedPlan) and isinstance(self.theirs, EvaluatedPlan) else None

    def names(self) -> tuple[str, str]:
        """The names of the clusters, with their GPUs if the sizes differ."""
        here, there = self.here.cluster, self.there.cluster
        if here.gpus != there.gpus:
            return f"{here.name} x{here.gpus:,}", f"{there.name} x{there.gpus:,}"
        return here.name, there.name if there.name != here.name else f"{there.name} changed"

    def figures(self) -> list[tuple[Figure, float, float]]:
        """The figures in which the clusters differ, and the number of GPUs."""
        rows = [(figure, float(figure.value(self.here)), float(figure.value(self.there))) for figure in FIGURES]
        return [row for row in rows if row[0].label == "GPUs" or row[1] != row[2]]

    def parts(self) -> list[tuple[str, float, float]]:
        """Parts of the step of either plan, in seconds on each cluster, in descending order of their difference."""
        if self.both is None:
            return []
        ours, theirs = (evaluated.parts for evaluated in self.both)
        rows = [(name, ours.get(name, 0.0), theirs.get(name, 0.0)) for name in STEP if ours.get(name) or theirs.get(name)]
        return sorted(rows, key=lambda row: -abs(row[2] - row[1]))

    def gain(self) -> float:
        """Speed-up of the other cluster; ratio."""
        assert self.both is not None
        return float(speed_up(self.both[0].step, other_seconds(self.both[1].step)))

    def verdict(self) -> str:
        """The faster cluster, its speed-up, and the part of the step that differs most, in one or two sentences."""
        here, there = self.names()
        if self.both is None:
            return " ".join(
                f"On {name}: {side.why}" for name, side in ((here, self.ours), (there, self.theirs)) if isinstance(side, NoPlan)
            )
        ours, theirs = self.both
        if abs(self.gain() - 1) < ALIKE:
            return (
                f"{here} and {there} take the same time to within {ALIKE:.0%}: {write_figure(ours.step)} and {write_figure(theirs.step)} s."
            )
        faster, slower = (there, here) if theirs.step < ours.step else (here, there)
        quick, slow = sorted((ours.step, theirs.step))
        start = f"{faster} trains {slow / quick:.3g} times as fast as {slower}: {write_figure(quick)} s per step, not {write_figure(slow)}."
        verdict = f"{start} {self._reason(theirs.step < ours.step, slow - quick)}{self._tie(slow / quick)}"
        if self.here.cluster.gpus == self.there.cluster.gpus:
            return verdict
        return f"{verdict} A GPU of {there} trains {theirs.rate / ours.rate:.3g} times as many tokens per second as one of {here}."

    def _tie(self, ratio: float) -> str:
        """A sentence where the model cannot distinguish steps of such a ratio."""
        apart = max(band(job).apart for job in (self.here, self.there))
        return f" The model cannot distinguish steps within {apart - 1:.0%}." if ratio < apart else ""

    def _reason(self, there_is_faster: bool, saved: float) -> str:
        """The part of the step in which the faster cluster saves most, and the ratio of the rates that limit it."""
        sign = 1 if there_is_faster else -1
        name, ours, theirs = max(self.parts(), key=lambda row: sign * (row[1] - row[2]))
        part = sign * (ours - theirs)
        clause = f"The difference is {saved:.3g} s; {STEP[name]} alone accounts for {part:.3g}"
        if name in IN_ALL:
            what, of = IN_ALL[name]
            fast, slow = (self.there, self.here) if there_is_faster else (self.here, self.there)
            ratio = of(fast.cluster, fast) / of(slow.cluster, slow)
            if ratio > 1 + ALIKE:
                clause += f"; it has {ratio:.3g} times the total {what}"
        return f"{clause}."


def versus(inputs: Inputs, space: Space, other: Inputs, cancelled: Cancel = None) -> Pair:
    """The job of the inputs on their cluster and on another, each planned within the same space. Raises Cancelled as search does."""
    here, there = resolve(inputs), resolve(other)
    return Pair(here, there, best(here, space, cancelled), best(there, space, cancelled))


def explain(pair: Pair) -> dict[str, Step]:
    """The derivations of both steps and of the speed-up; a side without a plan has none."""
    sides = {"step": pair.ours, "other_step": pair.theirs}
    trees = {name: headlines(side.job, side.plan)["step"] for name, side in sides.items() if isinstance(side, EvaluatedPlan)}
    if len(trees) == len(sides):
        with tracing() as trace:
            trees["speed_up"] = trace.of(speed_up(trace.held(trees["step"]), other_seconds(trace.held(trees["other_step"]))))
    return trees
