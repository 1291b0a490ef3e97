"""Before: the plans before an edit, so that the table can show their previous rank, memory and time next to the current ones.

It stores the job, the bounds and the sorted step times, not the plans: a hundred thousand plans take a few hundred kB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner import degrees
from planner.report.number_text import write_figure, write_gib
from planner.specs.hardware import GIB

if TYPE_CHECKING:
    from planner.document.space import Space
    from planner.search.search import Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan

MOST_STEPS = 1 << 18  # step times stored; the exact rank of a plan beyond them is of no interest
HEADINGS = ("rank", "was GiB", "was s")  # columns of the previous values; ranks as before → now
WIDTHS = (11, 7, 6)


@dataclass(frozen=True)
class Then:
    """One plan before the edit. rank: 0 if it did not fit; figures are NaN if the plan was not valid for the job."""

    rank: int
    memory: float  # bytes
    step: float  # seconds
    fits: bool
    valid: bool

    def texts(self, now: int) -> tuple[str, str, str]:
        """The cells of the table, with the current rank; a plan that was not valid reads "new"."""
        to = f"→{now:,}" if now else ""
        if not self.valid:
            return f"new{to}", "-", "-"
        rank = f"{self.rank:,}" if self.rank else "far" if self.fits else "unfit"
        return f"{rank}{to}" if rank != to[1:] else rank, write_gib(self.memory / GIB), write_figure(self.step)


@dataclass(frozen=True)
class Before:
    """The plans at one moment. `best` is the fastest step in seconds, infinite if no plan fitted; `fit` the number that fitted."""

    job: Job
    space: Space
    steps: Any  # sorted, the fastest first (float32 column)
    fit: int
    best: float

    @classmethod
    def of(cls, result: Result) -> Before:
        """The summary of a search to store."""
        import numpy as np

        steps = result.step_seconds[result.order[:MOST_STEPS]]
        return cls(result.job, result.space, steps.astype(np.float32), result.counts.fit, float(steps[0]) if len(steps) else float("inf"))

    def values(self, plans: Plan) -> list[Then]:
        """The previous values of these plans, under the job and the bounds of that moment. Columns in, a list out."""
        import numpy as np

        from planner.cost.evaluate import evaluate

        valid = self._valid(plans)
        then = [Then(0, float("nan"), float("nan"), False, False)] * len(valid)
        rows = np.flatnonzero(valid)
        if not len(rows):
            return then
        numbers = evaluate(self.job, plans.take(rows))
        ranks = np.searchsorted(self.steps, numbers.step.astype(np.float32), side="left") + 1
        for i, row in enumerate(rows.tolist()):
            fits = bool(numbers.fits[i])
            rank = int(ranks[i]) if fits and (ranks[i] <= len(self.steps) or len(self.steps) == self.fit) else 0
            then[row] = Then(rank, float(numbers.memory[i]), float(numbers.step[i]), fits, True)
        return then

    def _valid(self, plans: Plan) -> Any:
        """Which plans were valid for the job and within its bounds (bool column)."""
        import numpy as np

        from planner.search.rules import RULES

        job = self.job
        valid = degrees.world(plans) == job.cluster.gpus
        valid &= (plans.pp * np.maximum(plans.vpp, 1) <= job.model.layers + 2) & (job.global_batch % (plans.dp * plans.micro_batch) == 0)
        valid &= (plans.ep == 1) | bool(job.model.experts)
        rows = np.flatnonzero(valid)
        some = plans.take(rows)
        for rule in RULES if len(rows) else ():
            valid[rows] &= np.broadcast_to(rule.allowed(job, some), rows.shape)
        silent = {"recompute_layers": plans.recompute != 3, "dp_replicate": plans.zero == 0}
        for axis, bounds in self.space.bounds.items():
            valid &= bounds.allows(getattr(plans, axis)) | silent.get(axis, False)
        return valid

    def summary(self, result: Result) -> str:
        """The effect of an edit in one line: the fastest step and the number of plans that fit, before and after."""
        best = self.best_step(float(result.step_seconds[result.order[0]]) if len(result.order) else float("inf"))
        fit = result.counts.fit
        return f"{best} · {self.fit:,} → {fit:,} fit" if fit != self.fit else f"{best} · {fit:,} fit"

    def best_step(self, now: float) -> str:
        """The fastest step before and now as text; `now` is in seconds, infinite if no plan fits."""
        if self.best == float("inf") and now < float("inf"):
            return f"plans fit now, best {write_figure(now)} s"
        if now == float("inf"):
            return "no plan fits any more" if self.best < float("inf") else "no plan fits"
        if abs(now / self.best - 1) > 5e-5:
            return f"best {write_figure(self.best)} → {write_figure(now)} s ({100 * (now / self.best - 1):+.1f} %)"
        return "best step unchanged"
