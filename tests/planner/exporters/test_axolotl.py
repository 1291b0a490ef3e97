"""axolotl: the file expresses the plan in axolotl's keys, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml

from planner.exporters._degrees import degrees
from planner.exporters._keys import paths
from planner.exporters._keys_axolotl import KEYS
from planner.exporters.registry import CannotExport, Request, export
from planner.specs.plan import Plan
from tests.planner.exporters.drawn import HOSTILE, drawn, exported_plans, request_of

SMALL = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "stack": "torchtitan", "sequence": 4096}
MIXTURE = SMALL | {"model": "qwen3-30b-a3b"}
PLAIN = Plan(dp=16, dp_shard=16, zero=3, micro_batch=2)
GOLDEN = {
    "fsdp": request_of(PLAIN, SMALL | {"precision": "fp8"}),
    "hybrid-tensor": request_of(Plan(tp=4, dp=4, dp_shard=2, dp_replicate=2, zero=2, sequence_parallel=1, recompute=1), SMALL),
    "context": request_of(Plan(cp=4, dp=4, dp_shard=4, zero=3, recompute=2), SMALL | {"offload_optimizer": True}),
    "experts": request_of(Plan(dp=16, dp_shard=16, ep=8, zero=3), MIXTURE),
    "qlora": request_of(PLAIN, SMALL | {"stack": "pytorch-fsdp", "tuning": "qlora", "lora_rank": 64, "lora_targets": "all"}),
    "replicas": request_of(Plan(dp=16), SMALL | {"optimizer": "adamw-8bit", "state_bytes": 1, "tuning": "lora"}),
}
REFUSED = {
    "pipeline stages in code": (Plan(pp=2, dp=8, dp_shard=8, zero=3), SMALL),
    "set etp to 1": (Plan(tp=2, dp=8, dp_shard=8, ep=2, etp=2, zero=3, sequence_parallel=1), MIXTURE),
    "never shards only the optimizer": (Plan(dp=16, dp_shard=16, zero=1), SMALL),
    "context parallelism only with FSDP2": (Plan(tp=2, dp=8, sequence_parallel=1), SMALL),
    "exported only with FSDP2": (Plan(dp=16, ep=2), MIXTURE),
    "neither tp nor dp_replicate": (Plan(dp=16, dp_shard=8, dp_replicate=2, ep=2, zero=3), MIXTURE),
    "must divide dp_shard": (Plan(cp=4, dp=4, dp_shard=4, ep=8, zero=3), MIXTURE),
    "where ep takes every rank": (Plan(dp=16, dp_shard=16, ep=16, zero=3), MIXTURE),
    "needs flash attention": (Plan(cp=4, dp=4, dp_shard=4, zero=3), SMALL | {"attention": "unfused"}),
    "4-bit training": (PLAIN, SMALL | {"precision": "fp4", "gpu": "b200"}),
    "only without momentum": (PLAIN, SMALL | {"optimizer": "sgd"}),
    "set state_bytes to 4": (PLAIN, SMALL | {"state_bytes": 2}),
    "set capacity to 0": (PLAIN, MIXTURE | {"capacity": 1.25}),
    "choose a GPU": (PLAIN, SMALL | {"gpu": "tpu-v5p"}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_their_golden_text(name: str, golden: Callable[[str, str], None]) -> None:
    """Each of these plans gives the golden file."""
    golden(f"export/axolotl-{name}.yaml", export("axolotl", GOLDEN[name]).files["axolotl.yaml"])


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_inexpressible_plan_is_refused(sentence: str) -> None:
    """A plan that the file cannot express is refused with the reason and what to change."""
    plan, changes = REFUSED[sentence]
    with pytest.raises(CannotExport, match=sentence):
        export("axolotl", request_of(plan, changes))


def test_drawn_plans_are_written_or_refused() -> None:
    """Each of many plans is refused in a sentence or written with known keys, the global batch and degrees whose product is the world."""
    written = exported_plans("axolotl")
    assert len(drawn()) >= 60 and len(written) >= 10
    for one, exported in written:
        d, read = degrees(one), yaml.safe_load(exported.files["axolotl.yaml"])
        assert all(KEYS[path].takes(value) for path, value in paths(read))
        assert read["micro_batch_size"] * read["gradient_accumulation_steps"] * d.dp == one.job.global_batch
        assert read["sequence_len"] == one.job.sequence
        dp = read["dp_shard_size"] * read["dp_replicate_size"] * read.get("expert_parallel_size", 1)
        assert dp == d.dp and dp * read["tensor_parallel_size"] * read["context_parallel_size"] == d.world


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_harms_nothing(name: str) -> None:
    """Any model name or description leaves the values of the file unchanged."""
    usual = GOLDEN["fsdp"]
    evil = Request(replace(usual.job, model=replace(usual.job.model, name=name)), usual.plan, (name,))
    values = [yaml.safe_load(export("axolotl", each).files["axolotl.yaml"]) for each in (evil, usual)]
    assert values[0] == values[1]


def test_unknown_values_are_marked_placeholders() -> None:
    """Model id and data set are placeholders in capitals, and a note says so."""
    exported = export("axolotl", GOLDEN["fsdp"])
    read = yaml.safe_load(exported.files["axolotl.yaml"])
    assert all(value.isupper() for value in (read["base_model"], read["datasets"][0]["path"]))
    assert any(read["base_model"] in note for note in exported.notes)
