"""Before: what the plans came to before an edit, so that the table can show rank, memory and time then beside those now.

It keeps the job, the bounds and the sorted steps, not the plans: a hundred thousand plans are a few hundred kB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.report.number_text import write_figure, write_gib
from planner.specs.hardware import GIB

if TYPE_CHECKING:
    from planner.document.space import Space
    from planner.search.search import Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan

KEPT = 1 << 18  # steps kept; a plan behind so many has no rank that anybody reads
HEADINGS = ("rank", "was GiB", "was s")  # the columns that a table shows of what was before; ranks as before → now
WIDTHS = (11, 7, 6)


@dataclass(frozen=True)
class Then:
    """One plan before the edit. rank: 0 where it was not among those that fit; NaN figures where the job could not hold it."""

    rank: int
    memory: float  # bytes
    step: float  # seconds
    fits: bool
    valid: bool

    def texts(self, now: int) -> tuple[str, str, str]:
        """As the table writes it beside the rank it has now: what was no valid plan reads "new"."""
        to = f"→{now:,}" if now else ""
        if not self.valid:
            return f"new{to}", "-", "-"
        rank = f"{self.rank:,}" if self.rank else "far" if self.fits else "unfit"
        return f"{rank}{to}" if rank != to[1:] else rank, write_gib(self.memory / GIB), write_figure(self.step)


@dataclass(frozen=True)
class Before:
    """The plans of one moment. `best` is its fastest step in seconds, infinite where nothing fitted; `fit` how many fitted."""

    job: Job
    space: Space
    steps: Any  # sorted, the fastest first (float32 column)
    fit: int
    best: float

    @classmethod
    def of(cls, result: Result) -> Before:
        """What is to be remembered of a search."""
        import numpy as np

        steps = result.step_seconds[result.order[:KEPT]]
        return cls(result.job, result.space, steps.astype(np.float32), result.counts.fit, float(steps[0]) if len(steps) else float("inf"))

    def tell(self, plans: Plan) -> list[Then]:
        """What became of these plans then: the same plans under the job and the bounds of that moment. Columns in, a list out."""
        import numpy as np

        from planner.cost.evaluate import evaluate

        valid = self._valid(plans)
        found = [Then(0, float("nan"), float("nan"), False, False)] * len(valid)
        rows = np.flatnonzero(valid)
        if not len(rows):
            return found
        numbers = evaluate(self.job, plans.take(rows))
        ranks = np.searchsorted(self.steps, numbers.step.astype(np.float32), side="left") + 1
        for i, row in enumerate(rows.tolist()):
            fits = bool(numbers.fits[i])
            rank = int(ranks[i]) if fits and (ranks[i] <= len(self.steps) or len(self.steps) == self.fit) else 0
            found[row] = Then(rank, float(numbers.memory[i]), float(numbers.step[i]), fits, True)
        return found

    def _valid(self, plans: Plan) -> Any:
        """Which plans the job then could hold, and its bounds allowed (bool column)."""
        import numpy as np

        from planner.search.rules import RULES

        job = self.job
        valid = plans.tp * plans.pp * plans.cp * plans.dp == job.cluster.gpus
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
        """What an edit came to in one line: the fastest step and how many plans fit, before and after."""
        told = self.best_step(float(result.step_seconds[result.order[0]]) if len(result.order) else float("inf"))
        fit = result.counts.fit
        return f"{told} · {self.fit:,} → {fit:,} fit" if fit != self.fit else f"{told} · {fit:,} fit"

    def best_step(self, now: float) -> str:
        """The fastest step before and now, in seconds; infinite where nothing fits."""
        if self.best == float("inf") and now < float("inf"):
            return f"now something fits, best {write_figure(now)} s"
        if now == float("inf"):
            return "nothing fits any more" if self.best < float("inf") else "nothing fits"
        if abs(now / self.best - 1) > 5e-5:
            return f"best {write_figure(self.best)} → {write_figure(now)} s ({100 * (now / self.best - 1):+.1f} %)"
        return "best step unchanged"
