"""torchtitan: files with its keys and the planned stages, training exactly the planned model."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from planner.cost.pipeline_split import stage_layers
from planner.dimensions import Stage
from planner.document.space import Space
from planner.exporters._common import APART, shape
from planner.exporters._keys import paths
from planner.exporters._keys_torchtitan import FLAVORS, KEYS
from planner.exporters._torchtitan_03 import PARALLELISM, TRAINING
from planner.exporters.registry import CannotExport, Exported, Request, export
from planner.exporters.torchtitan import arguments, modules
from planner.search.search import search
from planner.specs.job import SCHEDULES, Job
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.exporters.requests import request
from tests.planner.jobs import cut, example

SHARDED = Plan(tp=2, pp=2, dp=4, dp_shard=4, zero=3, sequence_parallel=1, micro_batch=1)
HOSTILE = 'a: b\n[x]\ny = "$(rm -rf ~)"\r\n# """\u2028import os\x00'
NO_LAYERS = ("gemma-2-9b", "qwen2.5-7b", "gpt3-175b")  # models that torchtitan lacks
DECIDED = {  # the treatment of each field of a job
    "model": "written", "cluster": "written", "stack": "read by tmplan alone", "sequence": "written", "global_batch": "written",
    "precision": "written or refused", "optimizer": "written or refused", "gradient_bytes": "noted", "state_bytes": "noted",
    "attention": "noted", "offload_optimizer": "written", "headroom": "read by tmplan alone", "imbalance": "read by tmplan alone",
    "capacity": "refused", "overlap_experts": "written", "moe_dispatcher": "written or noted", "tuning": "refused", "lora_rank": "refused",
    "lora_targets": "refused", "constants": "read by tmplan alone", "kernels": "written or noted", "loss_kernel": "written or noted",
    "reduce_bytes": "noted", "master_bytes": "written or noted", "autocast": "noted", "foreach": "written",
    "optimizer_in_backward": "written or refused", "expandable_segments": "noted", "fp8_parameters": "written or refused",
    "fp8_recipe": "written or refused",
    "recompute_modules": "noted", "recompute_every": "written", "offload_parameters": "written", "offload_activations": "refused",
    "offload_checkpoints": "refused", "offload_nvme": "refused", "cuda_graphs": "refused by the stack",
    "tp_overlap": "written", "pipeline_layout": "refused",
}  # fmt: skip


def titan(plan: Plan | None = None, **changes: object) -> Request:
    """A request on torchtitan's stack, by default for Llama 3.1 8B on 16 GPUs."""
    base = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096, "stack": "torchtitan"}
    return request(plan, **(base | changes))


def job_with(given: Request, **changes: Any) -> Request:
    """The same request with fields of its job changed."""
    return replace(given, job=replace(given.job, **changes))


def model_with(given: Request, **changes: Any) -> Request:
    """The same request with fields of its model changed."""
    return job_with(given, model=replace(given.job.model, **changes))


def toml_of(made: Exported) -> dict[str, Any]:
    """train.toml, parsed."""
    return tomllib.loads(made.files["train.toml"])


def called(made: Exported, name: str) -> dict[str, Any]:
    """The keyword arguments of a class in train.py."""
    tree = ast.parse(made.files["train.py"])
    (call,) = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name]
    return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}


def check(made: Exported) -> None:
    """Assert that every key is torchtitan's, of its type and choices, and that the module compiles."""
    for name, value in paths(toml_of(made)):
        key = KEYS[name]
        assert type(value) is key.kind and (not key.choices or value in key.choices), name
    if "train.py" in made.files:
        compile(made.files["train.py"], "train.py", "exec")
        for table, name in ((PARALLELISM, "ParallelismConfig"), (TRAINING, "TrainingConfig")):
            for key_name, value in called(made, name).items():
                assert type(value) is table[key_name].kind and (not table[key_name].choices or value in table[key_name].choices)


def stages(made: Exported, layers: int) -> list[int]:
    """Layers of each virtual stage by torchtitan's rule: embedding and head count as a layer each."""
    table = toml_of(made)["parallelism"]
    if "module_fqns_per_model_part" in table:
        return [sum(name.startswith("layers.") for name in part) for part in table["module_fqns_per_model_part"]]
    each = table.get("pipeline_parallel_layers_per_stage")
    single = 1 if table["pipeline_parallel_schedule"] == "1F1B" else 2
    count = -(-(layers + 2) // each) if each else table["pipeline_parallel_degree"] * single
    base, extra = divmod(layers + 2, count)
    return [base + (i < extra) - (i == 0) - (i == count - 1) for i in range(count)]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("8b", lambda: titan(SHARDED)),
        ("405b", lambda: titan(Plan(tp=8, pp=8, vpp=4, dp=8, dp_shard=4, dp_replicate=2, zero=2, sequence_parallel=1, recompute=2),
                               model="llama-3.1-405b", gpus=512, global_batch=512)),
        ("qwen3-moe", lambda: titan(Plan(tp=1, dp=16, dp_shard=16, ep=8, zero=3, recompute=1), model="qwen3-30b-a3b")),
        ("own", lambda: titan(Plan(tp=1, dp=16, dp_shard=16, zero=3, recompute=1), model="mixtral-8x7b")),
    ],
)  # fmt: skip
def test_golden(name: str, given: Callable[[], Request], golden: Callable[[str, str], None]) -> None:
    """The files of well-known plans are the golden files."""
    made = export("torchtitan", given())
    check(made)
    golden(f"export/torchtitan-{name}.toml", made.files["train.toml"])
    golden(f"export/torchtitan-{name}.py", made.files["train.py"])


@pytest.mark.parametrize(
    ("model", "gpus", "changes"),
    [
        ("llama-3.1-8b", 16, {}), ("llama-3.1-70b", 128, {}), ("llama-3.1-405b", 512, {"sequence": 8192}), ("llama-3.2-1b", 8, {}),
        ("llama-4-scout-17b-16e", 64, {}), ("qwen3-8b", 16, {}), ("qwen3-30b-a3b", 32, {}), ("deepseek-v2-lite-16b", 32, {}),
        ("gpt-oss-20b", 16, {}), ("mixtral-8x7b", 64, {}), ("gemma-2-9b", 16, {}), ("qwen2.5-7b", 16, {}),
        ("gpt3-175b", 256, {"sequence": 2048}),
        ("llama-3.1-8b", 16, {"precision": "fp8"}), ("llama-3.1-70b", 64, {"offload_optimizer": True}),
    ],
)  # fmt: skip
def test_every_valid_plan_is_exported_or_refused(model: str, gpus: int, changes: dict[str, object]) -> None:
    """Every plan that the search returns is exported with torchtitan's keys and the planned layers, or refused in a sentence."""
    job = example(model=model, gpus=gpus, stack="torchtitan", **({"global_batch": 512, "sequence": 4096} | changes))
    result = search(job, Space())
    rows = [int(row) for row in result.order[:: max(1, len(result.order) // 60)]]
    written = 0
    for row in rows:
        plan = result.plan(row)
        try:
            made = export("torchtitan", Request(job, plan))
        except CannotExport as refused:
            assert str(refused).startswith("this plan cannot be written for torchtitan: ") and len(str(refused)) > 60
            continue
        check(made)
        written += 1
        table = toml_of(made)
        assert table["training"]["global_batch_size"] % (table["training"]["local_batch_size"] * plan.dp) == 0
        if plan.pp > 1:
            cutting = stages(made, job.model.layers)
            assert len(cutting) == plan.pp * plan.vpp and sum(cutting) == job.model.layers
            turns = [i % plan.pp if SCHEDULES[plan.schedule] == "1f1b" else min(i, 2 * plan.pp - 1 - i) for i in range(len(cutting))]
            for stage in range(plan.pp):
                assert sum(n for n, t in zip(cutting, turns, strict=True) if t == stage) == int(stage_layers(job, plan, Stage(stage)))
    assert (written > 0) == (model not in NO_LAYERS)


def test_every_schedule_has_torchtitans_name() -> None:
    """The four schedules have torchtitan's names, with the micro-batches of a step in one local batch."""
    for changes, name in (({}, "1F1B"), ({"vpp": 2}, "Interleaved1F1B"), ({"vpp": 2, "schedule": SCHEDULES.index("zb-v")}, "ZBVZeroBubble"),
                          ({"vpp": 2, "schedule": SCHEDULES.index("dualpipev")}, "DualPipeV")):  # fmt: skip
        table = toml_of(export("torchtitan", titan(SHARDED.with_(**changes))))
        assert table["parallelism"]["pipeline_parallel_schedule"] == name
        assert table["training"]["local_batch_size"] == 16 and table["parallelism"]["pipeline_parallel_microbatch_size"] == 1


def test_module_names_have_every_layer_once() -> None:
    """Where no number of layers per stage gives the stages, modules are listed: embedding first, norm and head last."""
    for layers, chunks in ((32, 16), (7, 3), (5, 7), (80, 24)):
        parts = modules(layers, chunks, "output")
        assert [name for part in parts for name in part] == ["tok_embeddings", *(f"layers.{i}" for i in range(layers)), "norm", "output"]
        assert len(parts) == chunks and all(parts)


def test_a_model_is_named_by_its_shape_alone() -> None:
    """The flavor depends only on the shape of the model, not on its name."""
    given = titan(SHARDED)
    assert toml_of(export("torchtitan", model_with(given, name="x")))["model"]["flavor"] == "8B"
    changed = export("torchtitan", model_with(given, ffn=12288))
    assert toml_of(changed)["model"]["flavor"] == "tmplan" and "multiple_of=12288" in changed.files["train.toml"]


def test_custom_flavors_have_the_planned_width() -> None:
    """The ModelArgs printed for a custom Llama flavor round to the planned MLP width."""
    for hidden, ffn in ((4096, 12288), (2048, 8192), (5120, 3000), (8192, 28672)):
        text = arguments(replace(example(model="llama-3.1-8b").model, hidden=hidden, ffn=ffn), "llama3")
        given = {str(k.arg): ast.literal_eval(k.value) for k in ast.parse(text).body[0].value.keywords}  # type: ignore[attr-defined]
        width = int(given["ffn_dim_multiplier"] * int(2 * 4 * hidden / 3))
        assert given["multiple_of"] * -(-width // given["multiple_of"]) == ffn


def test_flavors_are_of_known_fields() -> None:
    """Shapes of flavors, and the fields excluded from shapes, are fields of Model."""
    known = {f.name for f in fields(Model)}
    assert all(set(flavor.shape) <= known for flavor in FLAVORS) and set(APART) < known
    assert shape(example(model="llama-3.1-8b").model) == FLAVORS[0].shape


def test_every_field_of_a_job_is_decided() -> None:
    """Each field of a job is written, refused, noted, or concerns only tmplan."""
    assert set(DECIDED) == {f.name for f in fields(Job)}


REFUSED: list[tuple[Callable[[], Request], str]] = [
    (lambda: job_with(titan(SHARDED), tuning="lora"), "set tuning to full"),
    (lambda: job_with(titan(SHARDED), precision="fp16"), "no fp16"),
    (lambda: job_with(titan(SHARDED), optimizer="sgd"), "use adamw"),
    (lambda: job_with(titan(SHARDED), optimizer="adamw-8bit"), "8-bit"),
    (lambda: job_with(titan(Plan(dp=16, dp_shard=16, zero=3), model="qwen3-30b-a3b"), capacity=1.5), "does not drop tokens"),
    (lambda: job_with(titan(SHARDED), sequence=4098), "must divide the sequence"),
    (lambda: job_with(titan(SHARDED), sequence=262144), "at most 131,072"),
    (lambda: job_with(titan(SHARDED), global_batch=63), "divide the batch"),
    (lambda: model_with(titan(SHARDED), dropout=True), "dropout"),
    (lambda: model_with(titan(SHARDED), norm="layernorm"), "no model of such layers"),
    (lambda: model_with(titan(SHARDED), sliding_window=1024, global_every=2), "no model of such layers"),
    (lambda: model_with(titan(SHARDED), kv_heads=1), "key-value heads"),
    (lambda: model_with(titan(SHARDED), tied=True), "tied"),
    (lambda: titan(SHARDED.with_(dp=8, dp_shard=8)), "number of GPUs"),
    (lambda: titan(SHARDED.with_(zero=1)), "zero to 2 or 3"),
    (lambda: titan(SHARDED.with_(zero=0)), "excludes other parallelism"),
    (lambda: titan(SHARDED.with_(dp_shard=1, dp_replicate=4)), "nothing is sharded"),
    (lambda: titan(Plan(tp=8, pp=2, sequence_parallel=1)), "trains in bf16"),
    (lambda: titan(SHARDED.with_(sequence_parallel=0)), "comes with sequence parallelism"),
    (lambda: titan(SHARDED.with_(schedule=SCHEDULES.index("zb-h1"))), "zb-h1"),
    (lambda: titan(SHARDED.with_(schedule=SCHEDULES.index("zb-v"))), "two virtual stages"),
    (lambda: titan(SHARDED.with_(recompute=3, recompute_layers=1)), "of a stage alike"),
    (lambda: titan(SHARDED.with_(vpp=32)), "must not exceed"),
    (lambda: titan(SHARDED.with_(ep=2)), "1 for a dense model"),
    (lambda: titan(Plan(dp=16, dp_shard=16, zero=3, ep=3), model="qwen3-30b-a3b"), "divide the experts"),
    (lambda: titan(Plan(tp=4, dp=4, dp_shard=4, zero=3, sequence_parallel=1, etp=2), model="qwen3-30b-a3b"), "1 or tp"),
    (lambda: titan(Plan(pp=2, dp=8, dp_shard=8, zero=3), model="qwen3-8b"), "no pipeline parallelism for qwen3"),
    (lambda: titan(Plan(cp=2, dp=8, dp_shard=8, zero=3), model="gpt-oss-20b"), "no context parallelism for gpt_oss"),
    (lambda: titan(Plan(dp=16, dp_shard=16, zero=3), model="deepseek-v3-671b"), "multi-token"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused(given: Callable[[], Request], words: str) -> None:
    """A plan that torchtitan would refuse, or train differently, is refused in a sentence."""
    with pytest.raises(CannotExport, match=words):
        export("torchtitan", given())


def test_noted() -> None:
    """Differences in speed or memory are noted in the file and returned."""
    moe = titan(Plan(tp=2, dp=8, dp_shard=8, zero=3, sequence_parallel=1), model="qwen3-30b-a3b")
    cases = (
        (job_with(titan(SHARDED), gradient_bytes=2), "gradients in 32 bits"),
        (job_with(titan(SHARDED), state_bytes=2), "states in 32 bits"),
        (job_with(titan(SHARDED), offload_optimizer=True), "are offloaded with"),
        (job_with(titan(SHARDED), attention="unfused"), "attention kernels"),
        (moe, "splits experts over the tp ranks"), (job_with(moe, overlap_experts=True), "needs dualpipev"),
        (titan(Plan(dp=16, dp_shard=16, zero=3), model="llama-3.2-1b"), "register the flavor"),
    )  # fmt: skip
    for given, words in cases:
        made = export("torchtitan", given)
        assert any(words in note for note in made.notes) and words in made.files["train.toml"].replace("\n# ", " ")


def test_version_0_3_is_exported_only_where_possible() -> None:
    """Without support in 0.3 no train.py is written, with a note; a flavor registered only in 0.3 is used there."""
    etp = export("torchtitan", titan(Plan(tp=2, dp=8, dp_shard=8, ep=4, etp=2, zero=3, sequence_parallel=1), model="qwen3-30b-a3b"))
    scout = export("torchtitan", titan(Plan(dp=64, dp_shard=64, zero=3), model="llama-4-scout-17b-16e", gpus=64))
    for made in (etp, scout):
        assert list(made.files) == ["train.toml"] and any("no train.py" in note for note in made.notes)
    small = export("torchtitan", titan(Plan(dp=16, dp_shard=16, zero=3), model="llama-3.2-1b"))
    assert "models.llama3 import" in small.files["train.py"] and 'model_registry("1B")' in small.files["train.py"]


def test_hostile_names_are_text() -> None:
    """A hostile model name or description adds no key, ends no comment and executes nothing."""
    given = replace(model_with(titan(SHARDED), name=HOSTILE), about=(HOSTILE,))
    made, plain = export("torchtitan", given), export("torchtitan", titan(SHARDED))
    check(made)
    assert toml_of(made)["job"].pop("description") == f"tmplan: {HOSTILE}"
    assert {k: v for k, v in toml_of(made).items() if k != "job"} == {k: v for k, v in toml_of(plain).items() if k != "job"}
    assert ast.dump(ast.parse(made.files["train.py"])) == ast.dump(ast.parse(plain.files["train.py"]))


def test_a_truncated_model_has_no_registered_flavor() -> None:
    """A model truncated to some of its layers is not exported as the registered one."""
    job = cut(example(model="llama-3.1-8b", gpus=16, global_batch=64, sequence=4096, stack="torchtitan"), 8)
    assert toml_of(export("torchtitan", Request(job, SHARDED)))["model"]["flavor"] == "tmplan"
