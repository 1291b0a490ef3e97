"""Plausibility of a plan's rate: TFLOP/s per GPU against the level below which something is misconfigured, and the largest loss."""

from __future__ import annotations

from dataclasses import dataclass

from planner.formula.trace import formula
from planner.report.best import EvaluatedPlan
from planner.report.wording import STEP

# Transformer Math 101, "Engineering Takeaways for Compute Costs": below 115 of 312 TFLOP/s per A100, model or hardware are misconfigured.
FLOOR_SHARE = 115 / 312


@formula("115 / 312 · R", "math101", "Engineering takeaways: 115 TFLOP/s per A100, the same share of other peaks")
def flops_floor(flops_bf16: float) -> float:
    """Rate per GPU below which something is misconfigured; FLOP/s."""
    return FLOOR_SHARE * flops_bf16


@dataclass(frozen=True)
class Sanity:
    """A rate with its peak and its floor (FLOP/s per GPU), and the part of the step that takes most of the time beyond the ideal."""

    achieved: float
    peak: float
    floor: float
    term: str  # a part of the step; "kernels": compute slower than the peak
    term_seconds: float
    step_seconds: float
    dense: bool = True  # the floor holds for dense models; matrix products of experts are smaller

    @property
    def wrong(self) -> bool:
        """Whether the rate is below the floor."""
        return self.achieved < self.floor

    @property
    def sentence(self) -> str:
        """The rate against its floor and the largest loss, as a clause."""
        share, seconds = self.term_seconds / self.step_seconds, f"{self.term_seconds:.3g} s of {self.step_seconds:.3g} s per step"
        largest = f"the largest term beyond the ideal is {STEP.get(self.term, 'kernels below the peak')}: {seconds}, {100 * share:.0f} %"
        if not self.dense:
            side = "below" if self.wrong else "above"
            return f"{side} the {self.floor / 1e12:.0f} TFLOP/s per GPU that a dense model should reach, experts often do not; {largest}"
        if self.wrong:
            return f"below {self.floor / 1e12:.0f} TFLOP/s per GPU something is wrong; {largest}"
        return f"above the {self.floor / 1e12:.0f} TFLOP/s per GPU below which something is wrong; {largest}"


def sanity(evaluated: EvaluatedPlan, achieved: float) -> Sanity:
    """The plausibility of a plan that achieves a rate in FLOP/s per GPU."""
    step, peak = evaluated.step, evaluated.job.cluster.gpu.flops_bf16
    parts = evaluated.parts
    ideal = achieved * step / peak  # seconds of a step at the peak
    beyond = {name: seconds for name, seconds in parts.items() if name != "compute"} | {"kernels": parts["compute"] - ideal}
    term = max(beyond, key=lambda name: beyond[name])
    return Sanity(achieved, peak, flops_floor(peak), term, beyond[term], step, dense=not evaluated.job.model.experts)
