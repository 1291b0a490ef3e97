"""Layouts of published training runs (tests/data/published.toml): what the search lists for them, and how fast they are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path

import numpy as np

from planner.cost.records import Estimate
from planner.document.inputs import EXAMPLE, resolve
from planner.document.space import Space
from planner.report.columns import BY_KEY
from planner.search.search import Result, search
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Plan

FILE = Path(__file__).parents[2] / "data" / "published.toml"
HEADING = (
    "| run | GPUs | TP | CP | PP x VPP | EP | DP | micro-batch | recompute | stack | GiB (of) | published | MFU, published | MFU, tmplan |"
    " step time |"
)


@dataclass(frozen=True)
class Layout:
    """A published layout: its run and source, the fields of its job, the axes that it states, the speed that it reached."""

    run: str
    source: str
    job: Mapping[str, object]
    plan: Mapping[str, str]
    mfu: float = 0.0  # %
    step_s: float = 0.0
    tflops: float = 0.0  # per GPU, recomputation counted
    tokens_s: float = 0.0  # per GPU
    gpu_hours: float = 0.0  # per trillion tokens
    within: float = 0.0  # largest difference in step time, %
    fitted: bool = field(default=False)

    @cached_property
    def resolved(self) -> Job:
        """Its job."""
        return resolve(EXAMPLE.with_all(dict(self.job)))  # type: ignore[arg-type]

    @cached_property
    def listed(self) -> Result:
        """What the search lists with the axes that the source states."""
        return search(self.resolved, reduce(lambda space, bound: space.with_(*bound), self.plan.items(), Space()))

    @cached_property
    def estimate(self) -> Estimate:
        """The numbers of the fastest listed plan."""
        return self.listed.estimate(self.listed.order[:1])

    @property
    def fastest(self) -> Plan:
        """The fastest listed plan."""
        return self.listed.plan(int(self.listed.order[0]))

    @property
    def ours(self) -> float:
        """The utilization of that plan, %."""
        return 100 * float(BY_KEY["mfu"].values(self.estimate)[0])

    @property
    def seconds(self) -> float:
        """Its step."""
        return float(self.estimate.step[0])

    @property
    def measured(self) -> float:
        """The published step; seconds, 0 where no speed is published."""
        job = self.resolved
        tokens, gpus = job.sequence * job.global_batch, job.cluster.gpus
        if self.step_s:
            return self.step_s
        if self.mfu:
            return self.seconds * self.ours / self.mfu
        if self.tflops:
            return executed_flops(job) / (gpus * self.tflops * 1e12)
        return tokens / (gpus * self.tokens_s) if self.tokens_s else self.gpu_hours * 3600 * tokens / (1e12 * gpus)

    @property
    def difference(self) -> float:
        """The predicted step over the published one, less 1; %."""
        return 100 * (self.seconds / self.measured - 1)

    @property
    def speed(self) -> str:
        """The published speed as the source prints it."""
        kinds = {
            f"{self.mfu:g} %": self.mfu, f"{self.step_s:g} s": self.step_s, f"{self.tflops:g} TFLOP/s": self.tflops,
            f"{self.tokens_s:,g} tok/s": self.tokens_s, f"{self.gpu_hours / 1e3:g} K GPU-h per T tokens": self.gpu_hours,
        }  # fmt: skip
        return next((text for text, value in kinds.items() if value), "")

    @property
    def line(self) -> str:
        """Its row of the table in the guide."""
        p, numbers = self.fastest, self.estimate
        recompute = RECOMPUTES[int(p.recompute)] + (f" {int(p.recompute_layers)}" if p.recompute_layers else "")
        memory = f"{float(numbers.memory[0]) / GIB:.1f} ({self.resolved.memory_limit / GIB:.1f})"
        measured = self.measured and self.ours * self.seconds / self.measured
        cells = (
            self.run + (" *" if self.fitted else ""), f"{self.resolved.cluster.gpus:,}", p.tp, p.cp, f"{p.pp} x {p.vpp}", p.ep, p.dp,
            p.micro_batch, recompute, self.resolved.stack.name, memory, self.speed or "-", f"{measured:.1f} %" if measured else "-",
            f"{self.ours:.1f} %", f"{self.difference:+.1f} %" if measured else "-",
        )  # fmt: skip
        return "| " + " | ".join(map(str, cells)) + " |"


def executed_flops(job: Job) -> float:
    """FLOPs of a step with full recomputation, as the authors of Megatron-LM count them (Narayanan et al. 2021, Equation 3)."""
    model, s = job.model, job.sequence
    layers, hidden = model.layers, model.hidden
    return 96.0 * job.global_batch * s * layers * hidden**2 * (1 + s / (6 * hidden) + model.vocab / (16 * layers * hidden))


def layouts() -> list[Layout]:
    """Every layout of the file, in its order."""
    return [Layout(**values) for values in tomllib.loads(FILE.read_text(encoding="utf-8"))["layout"]]


def table() -> str:
    """The table in the guide."""
    return "\n".join([HEADING, "|" + "---|" * HEADING.count(" | ") + "---|", *(row.line for row in layouts())])


def summary() -> str:
    """The paragraph below the table: differences of the runs whose papers are in no fit."""
    differences = np.abs([row.difference for row in layouts() if row.measured and not row.fitted])
    mean, median, near = differences.mean(), np.median(differences), 100 * (differences <= 10).mean()
    return (
        f"The step times of the {len(differences)} runs with a speed whose papers are in no fit differ by {mean:.1f} % on average"
        f" ({median:.1f} % in the median); {near:.0f} % of them are within 10 %."
    )
