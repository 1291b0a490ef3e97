"""Strategies of jobs, searches and plans for the property tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from planner import presets
from planner.cost import pipeline_split as split
from planner.cost import stage_cost as stagecosts
from planner.document.space import Space
from planner.search.search import Result, search
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, example, mixture

MODELS = ("llama-3.2-1b", "llama-3.1-8b", "qwen2.5-7b", "gpt3-175b", "falcon-7b", "gemma-2-2b", "bloom-176b", "olmo-2-7b")
# mixtures of experts: how many layers they are cut to, so that 671 B fit a few GPUs
MIXTURES = {
    "mixtral-8x7b": (2, 8, 32), "qwen3-30b-a3b": (3, 12, 48), "deepseek-v2-lite-16b": (2, 7, 27), "deepseek-v3-671b": (3, 4, 7, 10),
    "gpt-oss-20b": (6, 24), "llama-4-maverick-17b-128e": (4, 8, 11), "glm-4.5-air-106b-a12b": (2, 6, 14),
}  # fmt: skip
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def _short(result: Result, printer: Any, cycle: bool) -> None:
    """A result as it prints itself: hypothesis would write out every column, then warn of the length in place of what failed."""
    printer.text(repr(result))


Result._repr_pretty_ = _short  # type: ignore[attr-defined]


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Jobs with dense models over stacks, sizes and options; small enough for a complete search."""
    gpus = draw(st.sampled_from([1, 2, 6, 8, 12, 16, 24, 56, 64]))
    stack = draw(st.sampled_from(presets.names("stacks")))
    optimizers = [name for name in ("adamw", "adamw-8bit", "sgd") if name in presets.stack(stack).optimizers]
    return example(
        model=draw(st.sampled_from(MODELS)),
        stack=stack,
        gpu=draw(st.sampled_from(["h100-sxm", "a100-80gb-sxm", "mi300x", "rtx-4090", "gb200"])),
        gpus=gpus,
        gpus_per_node=draw(st.sampled_from([n for n in (1, 2, 4, 6, 7, 8) if gpus % n == 0 or n > gpus])),
        sequence=draw(st.sampled_from([512, 1024, 2048])),
        global_batch=draw(st.sampled_from([1, 6, 48, 64, 112])),
        optimizer=draw(st.sampled_from(optimizers)),
        offload_optimizer=draw(st.booleans()),
        attention=draw(st.sampled_from(["flash-2", "fused-softmax", "unfused"])),
    )


@st.composite
def mixtures(draw: st.DrawFn) -> Job:
    """Jobs over mixtures of experts, latent attention and multi-token prediction, on stacks made to take them and every schedule."""
    name = draw(st.sampled_from(sorted(MIXTURES)))
    gpus = draw(st.sampled_from([4, 8, 16, 24, 48]))
    stack = draw(st.sampled_from(["megatron-core", "nemo-tuned", "torchtitan", "nanotron"]))
    job = mixture(
        name,
        draw(st.sampled_from(MIXTURES[name])),
        stack=stack,
        gpu=draw(st.sampled_from(["h100-sxm", "h200-sxm", "b200"])),
        gpus=gpus,
        gpus_per_node=draw(st.sampled_from([n for n in (4, 6, 8) if gpus % n == 0])),
        sequence=draw(st.sampled_from([512, 1024, 4096])),
        global_batch=draw(st.sampled_from([16, 48, 96])),
        optimizer=draw(st.sampled_from(["adamw", "sgd"])),
        precision=draw(st.sampled_from(["bf16", "fp8"])),
    )
    job = replace(
        job,
        imbalance=draw(st.sampled_from([1.0, 1.3, 4.0])),
        capacity=draw(st.sampled_from([0.0, 0.0, 1.25])),
        overlap_experts=draw(st.booleans()),
        offload_optimizer=draw(st.booleans()),
    )
    sent = draw(st.sampled_from(tuple(DISPATCHERS)))
    chosen = replace(job.stack, dispatcher=sent, dispatchers=tuple(DISPATCHERS))
    return every_schedule(replace(job, stack=chosen)) if draw(st.booleans()) else job


def any_job() -> st.SearchStrategy[Job]:
    """Dense models and mixtures of experts."""
    return jobs() | mixtures()


def searched(job: Job, space: Space | None = None) -> Result:
    """The search of a job; discards jobs without valid plans."""
    result = search(job, space)
    assume(len(result))
    return result


def some(result: Result, data: st.DataObject, most: int = 12) -> Any:
    """Some rows of a result; half of the draws take only plans with more than two stages, so that pipelines are not rare."""
    rows = np.arange(len(result))
    if data.draw(st.booleans()):
        deep = np.flatnonzero(result.field("pp", rows) > 2)
        if len(deep):
            rows = deep
    return rows[np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=most)))]


def many(result: Result, data: st.DataObject, most: int = 1000) -> Plan:
    """At most `most` plans of a result, of those with at least a drawn number of stages."""
    stages = result.field("pp", np.arange(len(result)))
    rows = np.flatnonzero(stages >= data.draw(st.sampled_from(np.unique(stages).tolist())))
    start = data.draw(st.integers(0, len(rows) - 1))
    return result.plans(rows[start :: max(1, len(rows) // most)][:most])


@st.composite
def any_result(draw: st.DrawFn) -> Result:
    """The search of any job."""
    return searched(draw(any_job()))


def one(result: Result, data: st.DataObject) -> Plan:
    """One plan of a result."""
    return result.plan(int(some(result, data, 1)[0]))


def layers_of(job: Job, plan: Plan) -> tuple[Any, stagecosts.Layers]:
    """All stages of one plan, and the layers they hold."""
    stage = plan.every_stage()
    return stage, stagecosts.stage_kinds(job, plan.column(), stage)


@contextmanager
def every_stage_an_edge() -> Iterator[None]:
    """A context in which estimates evaluate every stage of a plan, not only the edge stages."""
    with patch.object(split, "edge_stages", lambda job, plan: np.minimum(np.arange(max(plan.pp.max(), 3))[:, None], plan.pp - 1)):
        yield
