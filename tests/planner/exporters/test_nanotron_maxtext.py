"""nanotron and MaxText: files with their keys and numbers whose product is the plan's, training exactly the planned model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import pytest
import yaml

from planner import presets
from planner.document.space import Space
from planner.exporters import _keys_maxtext, _keys_nanotron
from planner.exporters._keys import Key, paths
from planner.exporters.registry import CannotExport, Exported, Request, export
from planner.search.search import search
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.exporters.requests import request
from tests.planner.jobs import example

TABLES: Mapping[str, Mapping[str, Key]] = {"nanotron": _keys_nanotron.KEYS, "maxtext": _keys_maxtext.KEYS}
MAIN = {"nanotron": "train.yaml", "maxtext": "train.yml"}
NANO = Plan(tp=2, pp=2, dp=4, zero=1, dp_shard=4, sequence_parallel=1, micro_batch=2, recompute=2)
MAX = Plan(tp=2, pp=2, vpp=2, dp=4, zero=3, dp_shard=4, sequence_parallel=1, recompute=2)
FLAT = Plan(dp=16, zero=3, dp_shard=16)
HOSTILE = 'a: b\n- !!python/object/apply:os.system ["true"]\r\n$(rm -rf ~)\x85tp: 9\u2028dp: 9\x00'


def request_on(stack: str, plan: Plan | None = None, **changes: object) -> Request:
    """A request on a framework's stack, by default for Llama 3.1 8B on 16 GPUs."""
    base = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096, "stack": stack}
    return request(plan, **(base | changes))


def job_with(given: Request, **changes: Any) -> Request:
    """The same request with fields of its job changed."""
    return replace(given, job=replace(given.job, **changes))


def adapting(given: Request) -> Request:
    """The same request on a stack that supports adapters, training them."""
    return job_with(given, stack=replace(given.job.stack, tunings=("full", "lora")), tuning="lora")


def model_with(given: Request, **changes: Any) -> Request:
    """The same request with fields of its model changed."""
    return job_with(given, model=replace(given.job.model, **changes))


def read(stack: str, made: Exported) -> dict[str, Any]:
    """The file parsed; every key is the framework's, of its type and choices."""
    table: dict[str, Any] = yaml.safe_load(made.files[MAIN[stack]])
    for name, value in paths(table):
        key = TABLES[stack][name]
        assert type(value) is key.kind and (not key.choices or value in key.choices), name
    return table


def written(stack: str, given: Request) -> dict[str, Any]:
    """The exported file of a request, parsed."""
    return read(stack, export(stack, given))


def check(stack: str, given: Request, table: dict[str, Any]) -> None:
    """Assert that the numbers of a file multiply to those of the plan."""
    job, plan = given.job, given.plan
    if stack == "nanotron":
        split, tokens = table["parallelism"], table["tokens"]
        assert split["tp"] * split["pp"] * split["dp"] * split["context_parallel_size"] == job.cluster.gpus
        assert tokens["micro_batch_size"] * tokens["batch_accumulation_per_replica"] * split["dp"] == job.global_batch
        assert table["model"]["model_config"]["num_key_value_heads"] >= split["tp"]
        assert tokens["batch_accumulation_per_replica"] >= split["pp"] - 1
        return
    inside, between = (prod(table[f"{net}_{axis}_parallelism"] for axis in _keys_maxtext.AXES) for net in ("ici", "dcn"))
    assert inside == min(job.cluster.gpus_per_node, job.cluster.gpus) and inside * between == job.cluster.gpus
    stages = table["ici_pipeline_parallelism"] * table["dcn_pipeline_parallelism"]
    assert table["per_device_batch_size"] * job.cluster.gpus * table["gradient_accumulation_steps"] == pytest.approx(job.global_batch)
    assert stages == plan.pp
    if stages > 1:
        repeats, each = table["num_pipeline_repeats"], table["num_layers_per_pipeline_stage"]
        assert stages * repeats * each == table["base_num_decoder_layers"] and table["num_pipeline_microbatches"] % stages == 0


def uneven() -> Request:
    """A request on one and a half nodes."""
    given = request_on("maxtext", Plan(dp=12, zero=3, dp_shard=12), global_batch=96)
    return job_with(given, cluster=replace(given.job.cluster, gpus=12))


GOLDEN: list[tuple[str, str, Callable[[], Request]]] = [
    ("nanotron", "8b", lambda: request_on("nanotron", NANO)),
    ("nanotron", "qwen2.5", lambda: request_on("nanotron", Plan(tp=2, dp=8, zero=0), model="qwen2.5-7b")),
    ("maxtext", "8b", lambda: request_on("maxtext", MAX)),
    ("maxtext", "mixtral", lambda: request_on("maxtext", Plan(tp=2, dp=16, dp_shard=8, dp_replicate=2, ep=4, zero=3, recompute=1),
                                         model="mixtral-8x7b", gpus=32)),
]  # fmt: skip


@pytest.mark.parametrize(("stack", "name", "given"), GOLDEN, ids=[f"{stack}-{name}" for stack, name, _ in GOLDEN])
def test_golden(stack: str, name: str, given: Callable[[], Request], golden: Callable[[str, str], None]) -> None:
    """The files of well-known plans are the golden files."""
    made = export(stack, given())
    check(stack, given(), read(stack, made))
    golden(f"export/{stack}-{name}.{MAIN[stack].split('.')[1]}", made.files[MAIN[stack]])


@pytest.mark.parametrize("stack", TABLES)
@pytest.mark.parametrize(
    ("model", "gpus", "changes"),
    [
        ("llama-3.1-8b", 16, {}), ("llama-3.1-70b", 128, {}), ("llama-3.2-1b", 8, {}), ("qwen2.5-7b", 32, {}), ("qwen3-8b", 16, {}),
        ("qwen3-30b-a3b", 32, {}), ("mixtral-8x7b", 64, {}), ("gemma-2-9b", 16, {}), ("deepseek-v2-lite-16b", 32, {}),
        ("llama-3.1-8b", 16, {"precision": "fp8"}), ("llama-3.1-8b", 24, {"gpus_per_node": 6, "global_batch": 96}),
    ],
)  # fmt: skip
def test_every_valid_plan_is_exported_or_refused(stack: str, model: str, gpus: int, changes: dict[str, object]) -> None:
    """Every plan that the search returns is exported with the framework's keys and the plan's numbers, or refused in a sentence."""
    job = example(model=model, gpus=gpus, stack=stack, **({"global_batch": 256, "sequence": 4096} | changes))
    result = search(job, Space())
    count = 0
    for row in result.order[:: max(1, len(result.order) // 24)]:
        given = Request(job, result.plan(int(row)))
        try:
            table = written(stack, given)
        except CannotExport as refused:
            assert str(refused).startswith("this plan cannot be written for ") and len(str(refused)) > 60
            continue
        check(stack, given, table)
        count += 1
    assert count or model != "llama-3.1-8b" or changes or not len(result.order)


def test_tensor_parallelism_is_within_a_node() -> None:
    """MaxText's tensor axis is within a node, replicas and stages between nodes."""
    table = written("maxtext", request_on("maxtext", Plan(tp=4, pp=2, dp=4, dp_shard=2, dp_replicate=2, zero=3), gpus=32))
    assert table["ici_tensor_parallelism"] == 4 and table["ici_fsdp_parallelism"] == 2
    assert table["dcn_data_parallelism"] == 2 and table["dcn_pipeline_parallelism"] == 2


def test_capacity_drops_tokens() -> None:
    """A capacity is written with dense expert GEMMs; without one no token is dropped."""
    given = request_on("maxtext", FLAT, model="mixtral-8x7b")
    assert written("maxtext", given)["capacity_factor"] == -1.0 and written("maxtext", given)["sparse_matmul"]
    table = written("maxtext", job_with(given, capacity=1.25))
    assert table["capacity_factor"] == 1.25 and not table["sparse_matmul"] and not table["megablox"]


REFUSED: list[tuple[str, Callable[[], Request], str]] = [
    ("nanotron", lambda: adapting(request_on("nanotron", NANO)), "set tuning to full"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), precision="fp8"), "not fp8"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), gradient_bytes=2), "gradient_bytes to 4"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), offload_optimizer=True), "offload"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), optimizer="adamw-8bit", stack=presets.stack("deepspeed")), "8-bit"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), global_batch=60), "global batch"),
    ("nanotron", lambda: job_with(request_on("nanotron", NANO), sequence=200_000), "positions"),
    ("nanotron", lambda: model_with(request_on("nanotron", NANO), dropout=True), "dropout"),
    ("nanotron", lambda: model_with(request_on("nanotron", NANO), qk_norm="head"), "Llama's and Qwen2's"),
    ("nanotron", lambda: model_with(request_on("nanotron", NANO), head_dim=64), "head_dim"),
    ("nanotron", lambda: model_with(request_on("nanotron", NANO), sliding_window=512), "of such layers"),
    ("nanotron", lambda: model_with(request_on("nanotron", NANO), kv_heads=1), "key-value heads"),
    ("nanotron", lambda: request_on("nanotron", Plan(dp=16), model="qwen3-30b-a3b"), "mixtures of experts"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(dp=2)), "number of GPUs"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(cp=2, dp=2)), "cp to 1"),
    ("nanotron", lambda: request_on("nanotron", Plan(tp=1, pp=8, dp=2, zero=1), global_batch=8), "at least pp - 1"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(vpp=2)), "virtual stages"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(schedule=SCHEDULES.index("zb-h1"))), "afab"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(zero=2)), "ZeRO-1"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(dp_replicate=2)), "dp_replicate to 1"),
    ("nanotron", lambda: request_on("nanotron", NANO.with_(recompute=3, recompute_layers=1)), "every layer or none"),
    ("maxtext", lambda: adapting(request_on("maxtext", MAX)), "set tuning to full"),
    ("maxtext", lambda: job_with(request_on("maxtext", MAX), precision="fp16"), "fp16"),
    ("maxtext", lambda: job_with(request_on("maxtext", FLAT), precision="fp8"), "gradient accumulation"),
    ("maxtext", lambda: job_with(request_on("maxtext", MAX), optimizer="sgd", state_bytes=1), "state_bytes to 4"),
    ("maxtext", lambda: job_with(request_on("maxtext", MAX), global_batch=62), "global batch"),
    ("maxtext", lambda: job_with(request_on("maxtext", MAX), sequence=4097), "divide the sequence"),
    ("maxtext", lambda: model_with(request_on("maxtext", MAX), norm="layernorm"), "Mixtral blocks"),
    ("maxtext", lambda: model_with(request_on("maxtext", MAX), layers=30), "layers per stage"),
    ("maxtext", lambda: model_with(request_on("maxtext", MAX), kv_heads=1), "key-value heads"),
    ("maxtext", lambda: request_on("maxtext", MAX.with_(dp=8, dp_shard=8)), "number of GPUs"),
    ("maxtext", lambda: request_on("maxtext", MAX.with_(micro_batch=16)), "must divide the micro-batches per step"),
    ("maxtext", lambda: request_on("maxtext", MAX.with_(schedule=SCHEDULES.index("zb-v"))), "zb-v"),
    ("maxtext", lambda: request_on("maxtext", MAX.with_(zero=1)), "zero to 3"),
    ("maxtext", lambda: request_on("maxtext", FLAT.with_(ep=2)), "1 for a dense model"),
    ("maxtext", lambda: request_on("maxtext", Plan(tp=4, dp=4, dp_shard=4, zero=3, ep=8), model="mixtral-8x7b"), "divide dp_shard"),
    ("maxtext", lambda: request_on("maxtext", Plan(tp=4, dp=4, dp_shard=4, zero=3, etp=2), model="mixtral-8x7b"), "1 or tp"),
    ("maxtext", lambda: request_on("maxtext", MAX.with_(recompute=3, recompute_layers=1)), "all layers alike"),
    ("maxtext", uneven, "must fill nodes"),
]  # fmt: skip


@pytest.mark.parametrize(("stack", "given", "words"), REFUSED, ids=[f"{stack}-{words}" for stack, _, words in REFUSED])
def test_refused(stack: str, given: Callable[[], Request], words: str) -> None:
    """A plan that the framework would refuse, or train differently, is refused in a sentence."""
    with pytest.raises(CannotExport, match=words):
        export(stack, given())


def test_noted() -> None:
    """Differences in speed or memory are noted in the file and returned."""
    moe = request_on("maxtext", Plan(tp=2, dp=8, dp_shard=8, zero=3), model="mixtral-8x7b")
    cases = (
        ("nanotron", job_with(request_on("nanotron", NANO), state_bytes=1), "states in 32 bits"),
        ("nanotron", request_on("nanotron", NANO.with_(recompute=1)), "no selective"),
        ("nanotron", request_on("nanotron", NANO), "splits stages by FLOPs"),
        ("maxtext", job_with(request_on("maxtext", MAX), state_bytes=2), "16 bits"),
        ("maxtext", request_on("maxtext", MAX.with_(recompute=0)), "minimal_with_context"),
        ("maxtext", moe, "over the tensor axis"), ("maxtext", job_with(moe, overlap_experts=True), "left to XLA"),
    )  # fmt: skip
    for stack, given, words in cases:
        made = export(stack, given)
        assert any(words in note for note in made.notes) and words in made.files[MAIN[stack]].replace("\n# ", " ")


@pytest.mark.parametrize(("stack", "plan"), [("nanotron", NANO), ("maxtext", MAX)])
def test_hostile_names_are_comments(stack: str, plan: Plan) -> None:
    """A hostile model name or description stays in its comment and changes no value."""
    given = replace(model_with(request_on(stack, plan), name=HOSTILE), about=(HOSTILE,))
    assert written(stack, given) == written(stack, request_on(stack, plan))
