"""Plans drawn over models, stacks and degrees, for tests that export or refuse each."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from planner.document.space import Space
from planner.exporters.registry import CannotExport, Exported, Request, export
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.exporters.requests import request
from tests.planner.jobs import example

HOSTILE = ("a: b", "$(rm -rf ~)", "x\n- y: [z", "'\"#{}&*!|>%@`", "\x00\x85\u2028\ufeff\ud800", "no", "…漢字")
MODELS = ("llama-3.2-1b", "llama-3.1-8b", "qwen2.5-7b", "gemma-2-2b", "qwen3-30b-a3b", "mixtral-8x7b")


def request_of(plan: Plan, changes: dict[str, object]) -> Request:
    """A request for a plan of the embedded example with fields of its job changed, including those that inputs do not have."""
    overrides = {key: changes[key] for key in ("gradient_bytes", "state_bytes") if key in changes}
    usual = request(plan, **{key: value for key, value in changes.items() if key not in overrides})
    return replace(usual, job=replace(usual.job, **overrides))  # type: ignore[arg-type]


@cache
def drawn(each: int = 4) -> tuple[Request, ...]:
    """A few reproducible plans of each model on each of three stacks."""
    rng, requests = np.random.default_rng(7), []
    for stack in ("deepspeed", "pytorch-fsdp", "torchtitan"):
        for i, model in enumerate(MODELS):
            changes = {"model": model, "stack": stack, "gpus": (8, 16, 32)[i % 3], "global_batch": 64, "sequence": 2048}
            job = replace(example(**changes), gradient_bytes=(2, 4)[i % 2], offload_optimizer=i == 2)
            result = search(job, Space())
            rows = np.asarray(result.order)
            requests += [Request(job, result.plan(int(row)), ("drawn",)) for row in rng.choice(rows, min(each, len(rows)), replace=False)]
    return tuple(requests)


def exported_plans(name: str) -> list[tuple[Request, Exported]]:
    """The drawn plans that a target exports; the others must be refused in sentences."""
    exported = []
    for each in drawn():
        try:
            exported.append((each, export(name, each)))
        except CannotExport as refusal:
            assert str(refusal).startswith("this plan cannot be written for") and len(str(refusal)) > 60
    return exported
