"""A planner whose numbers are made up and never change, for golden screens: what the real one says is tested elsewhere."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest

import tui.pages
from planner.cost import evaluate as real
from planner.cost import parts
from planner.cost.error_band import Band
from planner.cost.evaluate import StageMemory
from planner.cost.parts import HiddenParts, MemoryParts, StepParts
from planner.cost.records import Estimate
from planner.dimensions import Bytes, Number, Seconds, Stage
from planner.document.space import Space
from planner.formula.trace import Step
from planner.report import explain as trees
from planner.search.search import Counts
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan

MEMORY = {"parameters": 0.2, "gradients": 0.3, "optimizer": 0.05, "activations": 0.4, "context": 0.05}
TIME = {"compute": 0.7, "tp": 0.1, "bubble": 0.12, "dp": 0.08}


class FakeResult:
    """Seventy-five plans; the more degrees, the less memory."""

    def __init__(self, job: Job, space: Space) -> None:
        self.job, self.space = job, space
        rows = [(tp, pp, mb) for tp, pp, mb in product((1, 2, 4, 8, 16), (1, 2, 4, 8, 16), (1, 2, 4)) if space.allows("tp", tp)]
        tp, pp, mb = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
        one = np.ones_like(tp)
        dp = np.maximum(1, job.cluster.gpus // (tp * pp))
        self._plans = Plan(
            tp, pp, one, one, dp, ep=one, etp=one, dp_shard=dp, dp_replicate=one, zero=one, sequence_parallel=(tp > 1) * 1,
            micro_batch=mb, recompute=(mb > 2) * 2, recompute_layers=one * 0, schedule=one * 0,
        )  # fmt: skip
        estimate = self.estimate(np.arange(len(rows)))
        self.memory_bytes, self.step_seconds, self.fits = estimate.memory, estimate.step, estimate.fits
        fitting = np.flatnonzero(self.fits)
        self.order = fitting[np.argsort(self.step_seconds[fitting], kind="stable")]
        self.alike = min(3, len(self.order))
        rejected = np.flatnonzero(~self.fits)
        self.rejected_order = rejected[np.argsort(self.memory_bytes[rejected], kind="stable")]
        self.counts = Counts(1000, {"world": 1000 - len(rows)}, len(rows), len(fitting), 0.0, len(rows))

    def plans(self, rows: Any) -> Plan:
        """The plans of some rows."""
        return self._plans.take(rows)

    def field(self, name: str, rows: Any) -> Any:
        """One field of some plans."""
        return getattr(self._plans, name)[rows]

    def host_bytes(self, rows: Any) -> Any:
        """Nothing lies in host memory."""
        return np.zeros(len(rows))

    def plan(self, row: int) -> Plan:
        """The plan of one row."""
        return self._plans.one(row)

    def find(self, plan: Plan) -> int | None:
        """The row of a plan."""
        return next((i for i, other in enumerate(self._plans.rows()) if other == plan), None)

    def estimate(self, rows: Any) -> Estimate:
        """Made-up numbers of some rows."""
        return fake_evaluate(self.job, self.plans(rows))


BAND = Band(0.9, 1.1, 100, "made up", 1.02)


def fake_evaluate(job: Job, plan: Plan) -> Estimate:
    """Made-up numbers of one plan or of columns of them."""
    plan = plan if hasattr(plan.tp, "__len__") else plan.column()
    memory = (20 + 160 / plan.tp + 80 / plan.pp + 4 * plan.micro_batch) * GIB
    step = 5 + 0.21 * np.log2(plan.tp) + 0.13 * np.log2(plan.pp) + 0.4 / plan.micro_batch
    zero = Stage(np.zeros_like(plan.tp))
    return Estimate(
        job=job, plan=plan, memory=Bytes(memory), memory_limit=80 * GIB, fits=memory <= 80 * GIB, step=Seconds(step),
        memory_parts=fake_memory(memory),
        time_parts=fake_step(step),
        hidden=fake_hidden(0.05 * step), stage=zero, phase=np.zeros(len(plan), int), slowest=zero,
        host=Bytes(zero), step_band=BAND, memory_band=BAND,
        derived={"tokens_per_second_per_gpu": Number(1000 / step), "mfu": Number(2.5 / step)},
    )  # fmt: skip


def fake_hidden(dp: Any) -> HiddenParts:
    """Hidden data-parallel traffic, and none of another dimension."""
    held: dict[str, Any] = {"tp": None, "cp": None, "dp": dp, "ep": None}
    return HiddenParts(**held)


def fake_memory(total: Any) -> MemoryParts:
    """A few parts of a memory, and none of the others."""
    held: dict[str, Any] = dict.fromkeys(parts.MEMORY) | {name: share * total for name, share in MEMORY.items()}
    return MemoryParts(**held)


def fake_step(total: Any) -> StepParts:
    """A few parts of a step, and none of the others."""
    held: dict[str, Any] = dict.fromkeys(parts.STEP) | {name: share * total for name, share in TIME.items()}
    return StepParts(**held)


def fake_stages(job: Job, plan: Plan) -> list[StageMemory]:
    """Every stage alike but the first."""
    device = [(50 + (i == 0)) * GIB for i in range(plan.pp)]
    live = {"loss": 0.95, "backward": 0.9, "end": 0.8, "embedding": 0.7, "step": 0.6}  # of what the device has
    phases = [{name: fake_memory(share * total) for name, share in live.items()} for total in device]
    return [StageMemory(8, float(plan.pp - i), "loss", fake_memory(device[i]), phases[i]) for i in range(plan.pp)]


def fake_headlines(job: Job, plan: Plan) -> dict[str, Step]:
    """A tree of two steps."""
    leaf = Step("states", "M_s", "model states", "bytes", 30 * GIB, "W + G + O", "10 GiB + 15 GiB + 5 GiB", "A paper 2020, Table 1", ())
    return {"memory": Step("memory", "M", "live tensors", "bytes", 50 * GIB, "M_s + M_a", "30 GiB + 20 GiB", "tmplan", (leaf,))}


def fake_search(job: Job, space: Space, **_: Any) -> Any:
    """A search that takes no time."""
    return FakeResult(job, space)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detail pane and the pages read made-up numbers too."""
    make_up(monkeypatch)


def make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the artificial numbers in every module that imported the real functions, in any order of imports."""
    for page in pkgutil.iter_modules(tui.pages.__path__):
        importlib.import_module(f"tui.pages.{page.name}")
    made = {real.evaluate: fake_evaluate, real.stages: fake_stages, trees.headlines: fake_headlines}
    for name, module in list(sys.modules.items()):
        if name.startswith(("planner.", "tui.")):
            for known, fake in made.items():
                if getattr(module, known.__name__, None) is known:
                    monkeypatch.setattr(module, known.__name__, fake)
