"""accelerate: both files say the plan in their own keys, or it is refused."""

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
from tests.planner.exporters.drawn import HOSTILE, asked, drawn, taken

SMALL = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "stack": "torchtitan", "sequence": 4096}
MIXTURE = SMALL | {"model": "qwen3-30b-a3b"}
PLAIN = Plan(dp=16, dp_shard=16, zero=3, micro_batch=2)
GOLDEN = {
    "fsdp": asked(PLAIN, SMALL),
    "hybrid-tensor": asked(Plan(tp=4, dp=4, dp_shard=2, dp_replicate=2, zero=2, sequence_parallel=1, recompute=1), SMALL),
    "context": asked(Plan(cp=4, dp=4, dp_shard=4, zero=3, recompute=2), SMALL | {"offload_optimizer": True}),
    "replicas": asked(Plan(dp=16), SMALL | {"optimizer": "adamw-8bit", "state_bytes": 1, "precision": "fp16"}),
}
REFUSED = {
    "pipeline": (Plan(pp=2, dp=8, dp_shard=8, zero=3), SMALL),
    "no expert parallelism": (Plan(dp=16, dp_shard=16, ep=2, zero=3), MIXTURE),
    "set etp to 1": (Plan(tp=2, dp=8, dp_shard=8, ep=2, etp=2, zero=3, sequence_parallel=1), MIXTURE),
    "never shards the optimizer alone": (Plan(dp=16, dp_shard=16, zero=1), SMALL),
    "beside FSDP2 alone": (Plan(tp=2, dp=8, sequence_parallel=1), SMALL),
    "twice cp must divide": (Plan(cp=4, dp=4, dp_shard=4, zero=3), SMALL | {"sequence": 4100}),
    "key-value heads": (Plan(tp=16, dp=1), SMALL),
    "library and a recipe": (PLAIN, SMALL | {"precision": "fp8"}),
    "in 4 bits": (PLAIN, SMALL | {"precision": "fp4", "gpu": "b200"}),
    "without momentum": (PLAIN, SMALL | {"optimizer": "sgd"}),
    "set state_bytes to 1": (PLAIN, SMALL | {"optimizer": "adamw-8bit", "state_bytes": 4}),
    "offloads what FSDP2 shards": (Plan(dp=16), SMALL | {"offload_optimizer": True}),
    "set capacity to 0": (PLAIN, MIXTURE | {"capacity": 1.25}),
    "choose a GPU": (PLAIN, SMALL | {"gpu": "tpu-v5p"}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_files_read_as_their_golden_text(name: str, golden: Callable[[str, str], None]) -> None:
    """Each of these plans gives the two files that a person last looked at."""
    exported = export("accelerate", GOLDEN[name])
    golden(f"export/accelerate-{name}.yaml", exported.files["accelerate.yaml"])
    golden(f"export/accelerate-{name}.json", exported.files["trainer_args.json"])


@pytest.mark.parametrize("said", REFUSED)
def test_what_it_cannot_say_is_refused(said: str) -> None:
    """A plan that the files could not say is refused with a sentence that says why and what to change."""
    plan, changes = REFUSED[said]
    with pytest.raises(CannotExport, match=said):
        export("accelerate", asked(plan, changes))


def test_half_filled_nodes_are_refused() -> None:
    """A job whose GPUs do not fill its nodes is refused, for the launcher starts equally many processes on each."""
    usual = GOLDEN["fsdp"]
    job = replace(usual.job, global_batch=48, cluster=replace(usual.job.cluster, gpus=12))
    with pytest.raises(CannotExport, match="do not fill whole nodes of 8"):
        export("accelerate", Request(job, Plan(dp=12, dp_shard=12, zero=3)))


def test_drawn_plans_are_written_or_refused() -> None:
    """Of many plans, each is refused in a sentence or written: every key known, the batch whole, the degrees' product the world."""
    written = taken("accelerate")
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
    """Whatever the model is called, and whatever is said of the plan, the files hold the same values."""
    usual = GOLDEN["fsdp"]
    evil = export("accelerate", Request(replace(usual.job, model=replace(usual.job.model, name=name)), usual.plan, (name,)))
    assert yaml.safe_load(evil.files["accelerate.yaml"]) == yaml.safe_load(export("accelerate", usual).files["accelerate.yaml"])
    assert evil.files["trainer_args.json"] == export("accelerate", usual).files["trainer_args.json"]


def test_every_note_is_in_the_file_too() -> None:
    """What is told on the screen stands in the file as a comment, for the file outlives the screen."""
    for each in GOLDEN.values():
        exported = export("accelerate", each)
        assert all(f"# {note}\n" in exported.files["accelerate.yaml"] for note in exported.notes)


def test_divided_experts_are_told() -> None:
    """A mixture of experts under tensor parallelism is written with a note that its experts are divided too, and a dense model without."""
    tensor = Plan(tp=2, dp=8, dp_shard=8, zero=3, sequence_parallel=1)
    told = ["divide each expert" in " ".join(export("accelerate", asked(tensor, job)).notes) for job in (MIXTURE, SMALL)]
    assert told == [True, False]
