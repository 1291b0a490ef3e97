"""Campaign: plan files, mutated as tables and as bytes; read, written, read back, resolved, and given to a command."""

from __future__ import annotations

import tomllib
from functools import cache
from random import Random
from typing import Any

from planner.cost.evaluate import evaluate
from planner.document import planfile
from planner.document.inputs import EXAMPLE, resolve, run_of
from planner.document.planfile import Document
from planner.document.space import Space
from planner.errors import Unsupported
from planner.report.best import best_fitting
from planner.report.columns import predictions
from tests.fuzz import nasty, tomltext
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.promises import tried
from tui.state import edits

JOBS: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    ({"model": "llama-3.1-8b", "gpu": "h100-sxm", "gpus": 8, "global_batch": 16, "sequence": 2048}, {"tp": "2", "pp": "<=4"}),
    ({"model": "mixtral-8x7b", "gpu": "h100-sxm", "gpus": 64, "global_batch": 64, "sequence": 2048}, {"ep": "8"}),
    ({"cluster": "dgx-h100", "gpus": 64, "model": "deepseek-v2-lite-16b", "train_tokens": 10**12, "deadline_days": 30.0}, {"tp": "1"}),
    ({"model": "llama-3.2-1b", "gpu": "h100-sxm", "gpus": 8, "tuning": "qlora", "stack": "pytorch-fsdp", "price_gpu_hour": 2.5}, {}),
)  # fmt: skip


@cache
def plans() -> tuple[str, ...]:
    """The texts of a few plan files as tmplan writes them."""
    return tuple(map(written, range(len(JOBS))))


@cache
def written(number: int) -> str:
    """The text of one of them."""
    values, bounds = JOBS[number]
    inputs, space = EXAMPLE.with_all(values), Space()
    for axis, text in bounds.items():
        space = space.with_(axis, text)
    result = best_fitting(resolve(inputs), space)
    assert result is not None
    return planfile.dumps(Document(inputs, space, result.plan, predictions(result.estimate), "0.1.0"))


def draw(rng: Random) -> Case:
    """A plan file with tables or bytes of it changed."""
    text = rng.choice(plans())
    if rng.random() < 0.15:
        data = shaken(rng, text.encode())
    else:
        data = tomltext.dumps(mutated(rng, tomllib.loads(text), none=False), rng).encode("utf-8", "replace")
    return {"data": nasty.packed(data), "way": rng.choices(("read", "plan", "budget", "export"), (92, 4, 2, 2))[0]}


def check(case: Case, bench: Bench) -> None:
    """The file is a document, or refused; what was read is written and read back the same, and can be shown."""
    path = bench.file("plan.toml", nasty.unpacked(case["data"]))
    if case["way"] != "read":
        bounds = [] if case["way"] == "export" else ["--pin", "tp=1", "--pin", "pp=1"]
        more = {"plan": ["--top", "1"], "export": ["--to", "slurm", "--out", "job", "--force"]}.get(case["way"], [])
        argv = [case["way"], str(path), "--gpus", "8", "--global-batch", "8", "--sequence", "512", *bounds, *more]
        tried(argv)
        return
    document = planfile.read(path)
    texts = edits.texts(document)
    edits.listed(document, texts), edits.size(document), edits.notes(document)
    again = planfile.loads(planfile.dumps(document))
    same = (again.inputs.values, again.space, again.plan) == (document.inputs.values, document.space, document.plan)
    need(same, "a plan file is not read back unchanged")
    job = resolve(document.inputs)
    run_of(document.inputs, job)
    if document.plan is not None:
        _evaluated(document, job)


def _evaluated(document: Document, job: Any) -> None:
    """A plan's numbers, where the plan is one of the job's."""
    plan = document.plan
    assert plan is not None
    if plan.tp * plan.pp * plan.cp * plan.dp == job.cluster.gpus and job.model.layers < 1000:
        try:
            predictions(evaluate(job, plan))
        except Unsupported:
            return


register(Campaign("plan-files", "plan files", draw, check, weight=1.0, shrinks=("data",)))
