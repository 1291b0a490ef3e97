"""accelerate: both files express the plan in accelerate's keys, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml

from planner.exporters._degrees import degrees
from planner.exporters._keys import paths
from planner.exporters._keys_accelerate import KEYS, TRAINER_KEYS
from planner.exporters.registry import CannotExport, Request, export
from planner.specs.plan import Plan
from tests.planner.exporters.drawn import HOSTILE, drawn, exported_plans, request_of

SMALL = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "stack": "torchtitan", "sequence": 4096}
MIXTURE = SMALL | {"model": "qwen3-30b-a3b"}
PLAIN = Plan(dp=16, dp_shard=16, zero=3, micro_batch=2)
GOLDEN = {
    "fsdp": request_of(PLAIN, SMALL),
    "hybrid-tensor": request_of(Plan(tp=4, dp=4, dp_shard=2, dp_replicate=2, zero=2, sequence_parallel=1, recompute=1), SMALL),
    "context": request_of(Plan(cp=4, dp=4, dp_shard=4, zero=3, recompute=2), SMALL | {"offload_optimizer": True}),
    "replicas": request_of(Plan(dp=16), SMALL | {"optimizer": "adamw-8bit", "state_bytes": 1, "precision": "fp16"}),
}
REFUSED = {
    "pipeline stages in code": (Plan(pp=2, dp=8, dp_shard=8, zero=3), SMALL),
    "no expert parallelism": (Plan(dp=16, dp_shard=16, ep=2, zero=3), MIXTURE),
    "set etp to 1": (Plan(tp=2, dp=8, dp_shard=8, ep=2, etp=2, zero=3, sequence_parallel=1), MIXTURE),
    "never shards only the optimizer": (Plan(dp=16, dp_shard=16, zero=1), SMALL),
    "only with FSDP2: choose": (Plan(tp=2, dp=8, sequence_parallel=1), SMALL),
    "2 x cp must divide": (Plan(cp=4, dp=4, dp_shard=4, zero=3), SMALL | {"sequence": 4100}),
    "key-value heads": (Plan(tp=16, dp=1), SMALL),
    "library and a recipe": (PLAIN, SMALL | {"precision": "fp8"}),
    "4-bit training": (PLAIN, SMALL | {"precision": "fp4", "gpu": "b200"}),
    "only without momentum": (PLAIN, SMALL | {"optimizer": "sgd"}),
    "set state_bytes to 1": (PLAIN, SMALL | {"optimizer": "adamw-8bit", "state_bytes": 4}),
    "offloads only with FSDP2": (Plan(dp=16), SMALL | {"offload_optimizer": True}),
    "set capacity to 0": (PLAIN, MIXTURE | {"capacity": 1.25}),
    "choose a GPU": (PLAIN, SMALL | {"gpu": "tpu-v5p"}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_their_golden_text(name: str, golden: Callable[[str, str], None]) -> None:
    """Each of these plans gives the two golden files."""
    exported = export("accelerate", GOLDEN[name])
    golden(f"export/accelerate-{name}.yaml", exported.files["accelerate.yaml"])
    golden(f"export/accelerate-{name}.json", exported.files["trainer_args.json"])


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_inexpressible_plan_is_refused(sentence: str) -> None:
    """A plan that the files cannot express is refused with the reason and what to change."""
    plan, changes = REFUSED[sentence]
    with pytest.raises(CannotExport, match=sentence):
        export("accelerate", request_of(plan, changes))


def test_half_filled_nodes_are_refused() -> None:
    """GPUs that do not fill nodes are refused, because the launcher starts equally many processes on each node."""
    usual = GOLDEN["fsdp"]
    job = replace(usual.job, global_batch=48, cluster=replace(usual.job.cluster, gpus=12))
    with pytest.raises(CannotExport, match="do not fill whole nodes of 8"):
        export("accelerate", Request(job, Plan(dp=12, dp_shard=12, zero=3)))


def test_drawn_plans_are_written_or_refused() -> None:
    """Each of many plans is refused in a sentence or written with known keys, the global batch and degrees whose product is the world."""
    written = exported_plans("accelerate")
    assert len(drawn()) >= 60 and len(written) >= 10
    for one, exported in written:
        d, read, args = degrees(one), yaml.safe_load(exported.files["accelerate.yaml"]), json.loads(exported.files["trainer_args.json"])
        assert all(KEYS[path].takes(value) for path, value in paths(read))
        assert all(TRAINER_KEYS[path].takes(value) for path, value in paths(args))
        assert args["per_device_train_batch_size"] * args["gradient_accumulation_steps"] * d.dp == one.job.global_batch
        assert read["num_processes"] == d.world and d.world % read["num_machines"] == 0
        if d.zero:
            sizes = [read["parallelism_config"][f"parallelism_config_{axis}_size"] for axis in ("dp_replicate", "dp_shard", "tp", "cp")]
            assert sizes == [d.dp_replicate, d.dp_shard, d.tp, d.cp] and d.dp_replicate * d.dp_shard * d.tp * d.cp == d.world
            assert read["fsdp_config"]["fsdp_reshard_after_forward"] == args["fsdp_config"]["reshard_after_forward"] == (d.zero == 3)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_harms_nothing(name: str) -> None:
    """Any model name or description leaves the values of the files unchanged."""
    usual = GOLDEN["fsdp"]
    evil = export("accelerate", Request(replace(usual.job, model=replace(usual.job.model, name=name)), usual.plan, (name,)))
    assert yaml.safe_load(evil.files["accelerate.yaml"]) == yaml.safe_load(export("accelerate", usual).files["accelerate.yaml"])
    assert evil.files["trainer_args.json"] == export("accelerate", usual).files["trainer_args.json"]


def test_every_note_is_in_the_file_too() -> None:
    """Every note shown is also a comment in the file."""
    for each in GOLDEN.values():
        exported = export("accelerate", each)
        assert all(f"# {note}\n" in exported.files["accelerate.yaml"] for note in exported.notes)


def test_a_note_reports_split_experts() -> None:
    """With a mixture of experts under tensor parallelism a note reports that experts are split too; not with a dense model."""
    tensor = Plan(tp=2, dp=8, dp_shard=8, zero=3, sequence_parallel=1)
    noted = ["split each expert" in " ".join(export("accelerate", request_of(tensor, job)).notes) for job in (MIXTURE, SMALL)]
    assert noted == [True, False]
