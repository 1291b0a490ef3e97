"""DeepSpeed: the file expresses the plan in DeepSpeed's keys, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from planner.exporters._degrees import degrees
from planner.exporters._keys import paths
from planner.exporters._keys_deepspeed import KEYS
from planner.exporters.registry import CannotExport, Request, export
from planner.specs.plan import Plan
from tests.planner.exporters.drawn import HOSTILE, drawn, exported_plans, request_of

SMALL = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "stack": "deepspeed", "gradient_bytes": 2}
MIXTURE = SMALL | {"model": "qwen3-30b-a3b"}
PLAIN = Plan(dp=16, dp_shard=16, zero=3, micro_batch=2)
TENSOR = Plan(tp=4, dp=4, dp_shard=4, zero=2)
EXPERTS = Plan(dp=16, dp_shard=16, ep=8, zero=2)
GOLDEN = {
    "zero3": request_of(PLAIN, SMALL),
    "groups": request_of(Plan(dp=16, dp_shard=8, dp_replicate=2, zero=3, recompute=2), SMALL),
    "tensor-offload": request_of(TENSOR, SMALL | {"gradient_bytes": 4, "offload_optimizer": True}),
    "experts": request_of(EXPERTS, MIXTURE),
    "sgd-fp16": request_of(Plan(dp=16, zero=1, dp_shard=16), SMALL | {"optimizer": "sgd", "precision": "fp16"}),
}
REFUSED = {
    "pipeline stages in code": (Plan(pp=2, dp=8, dp_shard=8, zero=1), SMALL),
    "not context parallelism": (Plan(cp=2, dp=8, dp_shard=8, zero=2), SMALL),
    "set etp to 1": (Plan(tp=2, dp=8, dp_shard=8, ep=2, etp=2, zero=2), MIXTURE),
    "key-value heads": (Plan(tp=16, dp=1), SMALL),
    "8-bit training": (PLAIN, SMALL | {"precision": "fp8"}),
    "8-bit AdamW": (PLAIN, SMALL | {"optimizer": "adamw-8bit", "state_bytes": 1}),
    "set state_bytes to 4": (PLAIN, SMALL | {"state_bytes": 2}),
    "gradients only in 16 bits": (Plan(dp=16), SMALL | {"gradient_bytes": 4}),
    "only under ZeRO": (Plan(dp=16), SMALL | {"offload_optimizer": True}),
    "no SGD on the host": (PLAIN, SMALL | {"offload_optimizer": True, "optimizer": "sgd"}),
    "only with ZeRO-3": (Plan(dp=16, dp_shard=8, dp_replicate=2, zero=2), SMALL),
    "groups consecutive ranks": (Plan(tp=2, dp=8, dp_shard=4, dp_replicate=2, zero=3), SMALL),
    "AutoEP refuses": (Plan(dp=16, dp_shard=8, dp_replicate=2, ep=2, zero=3), MIXTURE),
    "splits experts over tp": (TENSOR, MIXTURE),
    "no offload with ep and tp": (TENSOR.with_(ep=4), MIXTURE | {"offload_optimizer": True}),
    "no ZeRO-3 with ep and tp": (TENSOR.with_(ep=4, zero=3), MIXTURE),
    "set capacity to 0": (EXPERTS, MIXTURE | {"capacity": 1.25}),
    "4-bit training": (PLAIN, SMALL | {"precision": "fp4", "gpu": "b200"}),
    "choose a GPU": (PLAIN, SMALL | {"gpu": "tpu-v5p"}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_their_golden_text(name: str, golden: Callable[[str, str], None]) -> None:
    """Each of these plans gives the golden file and notes."""
    exported = export("deepspeed", GOLDEN[name])
    golden(f"export/deepspeed-{name}.json", exported.files["ds_config.json"])
    golden(f"export/deepspeed-{name}.notes.txt", "\n".join(exported.notes) + "\n")


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_inexpressible_plan_is_refused(sentence: str) -> None:
    """A plan that the file cannot express is refused with the reason and what to change."""
    plan, changes = REFUSED[sentence]
    with pytest.raises(CannotExport, match=sentence):
        export("deepspeed", request_of(plan, changes))


def test_drawn_plans_are_written_or_refused() -> None:
    """Each of many plans is refused in a sentence or written with known keys, the global batch and all ranks used."""
    written = exported_plans("deepspeed")
    assert len(drawn()) >= 60 and len(written) >= 10
    for one, exported in written:
        d, read = degrees(one), json.loads(exported.files["ds_config.json"])
        assert all(KEYS[path].takes(value) for path, value in paths(read))
        assert read["train_batch_size"] == one.job.global_batch
        assert read["train_batch_size"] == read["train_micro_batch_size_per_gpu"] * read["gradient_accumulation_steps"] * d.dp
        tp = read.get("tensor_parallel", {"autotp_size": 1})["autotp_size"]
        ep = read.get("expert_parallel", {"autoep_size": 1})["autoep_size"]
        assert (tp, ep, read["zero_optimization"]["stage"]) == (d.tp, d.ep, d.zero) and tp * d.dp == d.world


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_harms_nothing(name: str) -> None:
    """Any model name or description leaves the file unchanged."""
    usual = GOLDEN["zero3"]
    evil = Request(replace(usual.job, model=replace(usual.job.model, name=name)), usual.plan, (name,))
    assert export("deepspeed", evil) == export("deepspeed", usual)


def test_a_note_reports_recomputation_in_the_model() -> None:
    """With selective recomputation a note says that the model's code must checkpoint attention."""
    notes = export("deepspeed", request_of(PLAIN.with_(recompute=1), SMALL)).notes
    assert any("must checkpoint only attention itself" in note for note in notes)
