"""Every target that can be imported gives the same plan after export and import, and every exported key is understood."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from planner.cost.evaluate import evaluate
from planner.document.inputs import Inputs, Value, resolve
from planner.document.space import Space
from planner.errors import FieldError
from planner.exporters._keys_accelerate import KEYS as ACCELERATE_KEYS
from planner.exporters._keys_deepspeed import KEYS as DEEPSPEED_KEYS
from planner.exporters._keys_torchtitan import KEYS as TORCHTITAN_KEYS
from planner.exporters._megatron_keys import KEYS as MEGATRON_KEYS
from planner.exporters.registry import Request, export, target
from planner.importers import huggingface, megatron_options, torchtitan
from planner.importers.formats import read
from planner.importers.imported import document_of, inputs_of
from planner.importers.sizes import differing
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.oracle.plans import DENSE, SPARSE, drawn


class Readable(NamedTuple):
    """A target that can be imported, a stack whose plans its file can express, whether it has the model, and its kinds of recompute."""

    name: str
    stack: str
    has_model: bool
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
READ_BACK = ("global_batch", "precision", "offload_optimizer", "optimizer")  # fields of a job in every target
ENOUGH = 60


def odd_jobs(readable: Readable) -> Iterator[Job]:
    """Unusual jobs of a stack: one GPU or many, a batch of one, a short sequence, an offloaded optimizer, low precision."""
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
        except FieldError:  # eight GPUs per node, fp8 where there is none
            continue


def odd(readable: Readable) -> Iterator[Request]:
    """Plans of unusual jobs that a target accepts, three per job."""
    rng = np.random.default_rng(20261202)
    for job in odd_jobs(readable):
        result = search(job, Space())
        rows = (Request(job, result.plan(int(row)), ("a plan",)) for row in rng.permutation(len(result))[:40])
        yield from [request for request in rows if expressible(request.plan, readable) and not target(readable.name).refusals(request)][:3]


def expressible(plan: Plan, readable: Readable) -> bool:
    """Whether a file can express the whole plan."""
    return plan.recompute in readable.recomputes


def same(request: Request, readable: Readable, folder: Path) -> None:
    """Assert that export and import give the same plan and job, with nothing left over, and that the plan is valid."""
    path = written(request, readable.name, folder)
    imported = read(path)
    known = readable.has_model and bool(imported.sizes)
    inputs = inputs_of(imported, str(path), "" if known else request.job.model.name)
    if not imported.gpus:
        inputs = inputs.with_("gpus", request.job.cluster.gpus)
    document, job = document_of(imported, inputs), resolve(inputs)
    assert document.plan == request.plan, path.read_text()
    assert list(imported.not_understood) == []
    assert job.cluster.gpus == request.job.cluster.gpus
    assert [getattr(job, name) for name in READ_BACK] == [getattr(request.job, name) for name in READ_BACK]
    if known:
        assert (job.model.name, job.sequence) == (request.job.model.name, request.job.sequence)
    if job.stack.name == request.job.stack.name and job.sequence == request.job.sequence:
        assert len(search(job, document.space)) == 1, path.read_text()


@pytest.mark.parametrize("readable", TARGETS, ids=IDS)
@pytest.mark.slow
def test_export_and_import_give_the_same_plan(readable: Readable, tmp_path: Path) -> None:
    """Every plan drawn over models and clusters survives export and import."""
    requests = [request for request in drawn(readable.name, readable.stack, 4) if expressible(request.plan, readable)]
    assert len(requests) >= 20
    for request in requests:
        same(request, readable, tmp_path)


@pytest.mark.parametrize("readable", TARGETS, ids=IDS)
@pytest.mark.slow
def test_export_and_import_give_the_same_plan_for_unusual_jobs(readable: Readable, tmp_path: Path) -> None:
    """One GPU, a batch of one, offloading, low precision: plan and job survive, and the plan is valid."""
    seen = 0
    for request in odd(readable):
        same(request, readable, tmp_path)
        seen += 1
        if seen >= ENOUGH:
            break
    assert seen >= ENOUGH


def test_the_distributed_optimizer_on_one_rank_is_zero_0(tmp_path: Path) -> None:
    """Megatron-LM's distributed optimizer on one data-parallel rank, as offloading needs, is read as ZeRO-0."""
    job = resolve(Inputs({"model": "qwen2.5-32b", "gpus": 8, "global_batch": 1, "sequence": 2, "offload_optimizer": True}))
    plan = Plan(tp=4, pp=2, sequence_parallel=0)
    text = written(Request(job, plan, ()), "megatron-lm", tmp_path).read_text()
    assert "--use-distributed-optimizer" in text
    same(Request(job, plan, ()), TARGETS[0], tmp_path)


CHANGED: list[dict[str, Value]] = [
    {"model": "qwen3-14b", "layers": 12},
    {"model": "qwen3-14b", "hidden": 4096, "heads": 32, "ffn": 12288},
    {"model": "qwen3-8b", "heads": 16, "kv_heads": 4, "vocab": 152000},
    {"model": "qwen3-8b", "tied": True, "layers": 8},
    {"model": "llama-3.1-8b", "layers": 16, "head_dim": 64, "vocab": 128512},
    {"model": "qwen3-30b-a3b", "experts": 64, "experts_per_token": 4, "expert_ffn": 1024},
    {"model": "mixtral-8x7b", "layers": 8, "experts": 16},
    {"model": "deepseek-v3-671b", "layers": 24},
    {"model": "deepseek-v3-671b", "layers": 12, "dense_layers": 1, "experts": 64, "mtp_layers": 0},
    {"model": "deepseek-v2-lite-16b", "layers": 10, "dense_layers": 2, "shared_ffn": 1408},
    {"model": "gpt3-175b", "layers": 12, "hidden": 2048, "heads": 16, "ffn": 8192},
    {"model": "gpt-oss-20b", "layers": 12},
]
ASSUMED: list[dict[str, Value]] = [
    {"attention": "flash-2"},
    {"overlap_experts": True, "model": "qwen3-30b-a3b", "gpus": 8},
    {"moe_dispatcher": "deepep", "model": "qwen3-30b-a3b", "gpus": 16},
    {"stack": "nemo"},
    {"stack": "nemo-tuned", "gradient_bytes": "4"},
    {"tp_overlap": "products", "kernels": "compiled"},
    {"imbalance": 1.5, "headroom": 7.0, "model": "mixtral-8x7b"},
]


@pytest.mark.parametrize("changes", [*CHANGED, *ASSUMED], ids=str)
@pytest.mark.parametrize(("name", "stack"), [("megatron-lm", "megatron-core"), ("torchtitan", "torchtitan")])
def test_overrides_survive_export_and_import(name: str, stack: str, changes: dict[str, Value], tmp_path: Path) -> None:
    """A model with overridden sizes, and assumptions without an option, give identical memory and step time."""
    usual: dict[str, Value] = {"model": "qwen3-8b", "stack": stack, "gpu": "h200-sxm", "gpus": 128, "global_batch": 256, "sequence": 2048}
    job = resolve(Inputs().with_all(usual | changes))
    result = search(job, Space())
    rows = np.random.default_rng(20261203).permutation(len(result))[:150]
    requests = [Request(job, result.plan(int(row)), ("a plan",)) for row in rows]
    taken = [request for request in requests if not target(name).refusals(request)][:5]
    if name == "megatron-lm":
        assert taken
    for request in taken:
        path = written(request, name, tmp_path)
        imported = read(path)
        document = document_of(imported, inputs_of(imported, str(path)).with_("gpu", "h200-sxm"))
        again = resolve(document.inputs)
        assert (list(imported.not_understood), list(differing(imported.sizes, again.model))) == ([], [])
        assert document.plan == request.plan
        one, two = evaluate(job, request.plan), evaluate(again, request.plan)
        assert (one.memory.tolist(), one.step.tolist()) == (two.memory.tolist(), two.step.tolist()), path.read_text()


def test_every_exported_key_is_understood() -> None:
    """No key that a target may write is reported as not understood."""
    assert [name for name in MEGATRON_KEYS if not megatron_options.understood(name.removeprefix("--"))] == []
    for keys, known in ((DEEPSPEED_KEYS, huggingface.DEEPSPEED), (ACCELERATE_KEYS, huggingface.ACCELERATE)):
        assert {key.partition(".")[0] for key in keys} <= known
    for table, _, key in (name.partition(".") for name in TORCHTITAN_KEYS):
        assert table in torchtitan.IGNORED or key in torchtitan.READ[table]


def written(request: Request, name: str, folder: Path) -> Path:
    """Export to a folder; the path of the main file."""
    files = export(name, request).files
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder / next(iter(files))
