"""What is exported is read back as the same plan, for every target that can be read, and every key it writes is understood."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from planner.errors import FieldError
from planner.export._keys_accelerate import KEYS as ACCELERATE_KEYS
from planner.export._keys_deepspeed import KEYS as DEEPSPEED_KEYS
from planner.export._keys_torchtitan import KEYS as TORCHTITAN_KEYS
from planner.export._megatron_keys import KEYS as MEGATRON_KEYS
from planner.export.registry import Request, export, target
from planner.imports import huggingface, megatron, torchtitan
from planner.imports.imported import document_of, inputs_of
from planner.imports.reading import read
from planner.inputs import Inputs, Value, resolve
from planner.plan import Plan
from planner.search import search
from planner.space import Space
from planner.specs import Job
from tests.oracle.plans import DENSE, SPARSE, drawn


class Readable(NamedTuple):
    """A target that is read back, a stack whose plans its file can hold, whether it tells the model, the kinds of recompute it tells."""

    name: str
    stack: str
    tells_model: bool
    recomputes: tuple[int, ...]


TARGETS = [
    Readable("megatron-lm", "megatron-core", True, (0, 1, 2, 3)),
    Readable("torchtitan", "torchtitan", True, (0, 1, 2)),
    Readable("deepspeed", "deepspeed", False, (0, 2)),
    Readable("accelerate", "pytorch-fsdp", False, (0, 2)),
    Readable("accelerate", "torchtitan", False, (0, 2)),
]
IDS = [f"{readable.name}-{readable.stack}" for readable in TARGETS]
MODELS = (
    *DENSE,
    *SPARSE,
    "qwen2.5-7b",
    "qwen2.5-32b",
    "qwen2-57b-a14b",
    "gpt-oss-20b",
    "glm-4.5-air-106b-a12b",
    "gpt3-175b",
    "gemma-2-27b",
)
READ_BACK = ("global_batch", "precision", "offload_optimizer", "optimizer")  # of a job, by every target that takes other values of it
ENOUGH = 60


def odd_jobs(readable: Readable) -> Iterator[Job]:
    """Jobs of a stack, each odd in some way: one GPU or many, a batch of one, a short sequence, an offloaded optimizer, narrow numbers."""
    rng = np.random.default_rng(20261201)
    for number in range(200):
        values: dict[str, Value] = {
            "model": MODELS[number % len(MODELS)], "stack": readable.stack, "gpus": int(rng.choice([1, 2, 6, 8, 24, 64])),
            "global_batch": int(rng.choice([1, 12, 64, 96])), "sequence": int(rng.choice([2, 512, 4096])),
            "offload_optimizer": bool(rng.random() < 0.3), "precision": str(rng.choice(["bf16", "bf16", "fp8", "fp16"])),
            "optimizer": str(rng.choice(["adamw", "adamw", "adamw-8bit", "sgd"])),
        }  # fmt: skip
        try:
            yield resolve(Inputs(values))
        except FieldError:  # eight GPUs a node, fp8 where there is none
            continue


def odd(readable: Readable) -> Iterator[Request]:
    """Plans of odd jobs that a target accepts, three of each job."""
    rng = np.random.default_rng(20261202)
    for job in odd_jobs(readable):
        result = search(job, Space())
        rows = (Request(job, result.plan(int(row)), ("a plan",)) for row in rng.permutation(len(result))[:40])
        yield from [request for request in rows if told(request.plan, readable) and not target(readable.name).refusals(request)][:3]


def told(plan: Plan, readable: Readable) -> bool:
    """Whether a file holds all of a plan."""
    return plan.recompute in readable.recomputes


def same(request: Request, readable: Readable, folder: Path) -> None:
    """A plan is read back from its export, with its job as far as the file tells it, nothing left over, and no rule against it."""
    path = written(request, readable.name, folder)
    found = read(path)
    known = readable.tells_model and bool(found.sizes)
    inputs = inputs_of(found, str(path), "" if known else request.job.model.name)
    if not found.gpus:
        inputs = inputs.with_("gpus", request.job.cluster.gpus)
    document, job = document_of(found, inputs), resolve(inputs)
    assert document.plan == request.plan, path.read_text()
    assert list(found.not_understood) == []
    assert job.cluster.gpus == request.job.cluster.gpus
    assert [getattr(job, name) for name in READ_BACK] == [getattr(request.job, name) for name in READ_BACK]
    if known:
        assert (job.model.name, job.sequence) == (request.job.model.name, request.job.sequence)
    if job.stack.name == request.job.stack.name and job.sequence == request.job.sequence:
        assert len(search(job, document.space)) == 1, path.read_text()


@pytest.mark.parametrize("readable", TARGETS, ids=IDS)
def test_what_is_exported_is_read_back_as_the_same_plan(readable: Readable, tmp_path: Path) -> None:
    """Every plan drawn over models and clusters is read back from its own export."""
    requests = [request for request in drawn(readable.name, readable.stack, 4) if told(request.plan, readable)]
    assert len(requests) >= 20
    for request in requests:
        same(request, readable, tmp_path)


@pytest.mark.parametrize("readable", TARGETS, ids=IDS)
def test_plans_of_odd_jobs_are_read_back_too(readable: Readable, tmp_path: Path) -> None:
    """One GPU, a batch of one, an offloaded optimizer, narrow numbers: the plan and its job come back, and the plan is valid."""
    seen = 0
    for request in odd(readable):
        same(request, readable, tmp_path)
        seen += 1
        if seen >= ENOUGH:
            break
    assert seen >= ENOUGH


def test_what_shards_over_one_rank_alone_is_not_sharded(tmp_path: Path) -> None:
    """Megatron-LM's distributed optimizer on one data-parallel rank, which offloading needs, is ZeRO-0, and the plan is valid."""
    job = resolve(Inputs({"model": "qwen2.5-32b", "gpus": 8, "global_batch": 1, "sequence": 2, "offload_optimizer": True}))
    plan = Plan(tp=4, pp=2, sequence_parallel=0)
    text = written(Request(job, plan, ()), "megatron-lm", tmp_path).read_text()
    assert "--use-distributed-optimizer" in text
    same(Request(job, plan, ()), TARGETS[0], tmp_path)


def test_every_key_that_is_exported_is_understood() -> None:
    """No key that a target may write is left over when its file is read."""
    assert [name for name in MEGATRON_KEYS if not megatron.understood(name.removeprefix("--"))] == []
    for keys, known in ((DEEPSPEED_KEYS, huggingface.DEEPSPEED), (ACCELERATE_KEYS, huggingface.ACCELERATE)):
        assert {key.partition(".")[0] for key in keys} <= known
    for table, _, key in (name.partition(".") for name in TORCHTITAN_KEYS):
        assert table in torchtitan.SILENT or key in torchtitan.READ[table]


def written(request: Request, name: str, folder: Path) -> Path:
    """The export in a folder; the path of its main file."""
    files = export(name, request).files
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder / next(iter(files))
