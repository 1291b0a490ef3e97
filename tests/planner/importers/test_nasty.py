"""A valid file of each framework with any value in any place is read, or refused in one sentence; it never causes an internal error."""

from __future__ import annotations

import datetime
import json
import tomllib
from typing import Any

import pytest
import yaml

from planner.document.inputs import resolve
from planner.document.planfile import dumps, loads
from planner.errors import TmplanError
from planner.importers import huggingface, torchtitan
from planner.importers.formats import read_text
from planner.importers.imported import Imported, document_of, inputs_of
from planner.search.search import search
from tests.nasty import HUGE, NASTY, changed, readable
from tests.planner.importers.test_formats import ACCELERATE, DEEPSPEED, MEGATRON

TITAN = tomllib.loads("""
[job]
description = "tmplan: llama-3.1-8b"
[model]
name = "llama3"
flavor = "8B"
converters = ["quantize.linear.float8"]
[training]
local_batch_size = 8
global_batch_size = 64
seq_len = 8192
enable_cpu_offload = true
[parallelism]
data_parallel_replicate_degree = 2
data_parallel_shard_degree = 4
tensor_parallel_degree = 2
pipeline_parallel_degree = 2
context_parallel_degree = 1
expert_parallel_degree = 1
expert_tensor_parallel_degree = 1
fsdp_reshard_after_forward = "never"
pipeline_parallel_schedule = "Interleaved1F1B"
pipeline_parallel_microbatch_size = 2
pipeline_parallel_layers_per_stage = 8
module_fqns_per_model_part = [["tok_embeddings"], ["layers.0", "output"]]
pipeline_parallel_expert_parallel_overlap = false
[activation_checkpoint]
mode = "full"
""")
DEEP: dict[str, Any] = DEEPSPEED | {
    "tensor_parallel": {"autotp_size": 2}, "expert_parallel": {"enabled": True, "autoep_size": 2, "expert_tensor_parallel_size": 1},
    "fp16": {"enabled": False}, "data_types": {"grad_accum_dtype": "fp32"}, "optimizer": {"type": "AdamW"},
    "zero_optimization": {"stage": 3, "zero_hpz_partition_size": 8, "offload_optimizer": {"device": "cpu"}},
}  # fmt: skip
FAST: dict[str, Any] = ACCELERATE | {
    "parallelism_config": {f"parallelism_config_{axis}_size": 2 for axis in ("tp", "cp", "dp_replicate", "dp_shard")},
    "fsdp_config": {"fsdp_reshard_after_forward": "FULL_SHARD", "fsdp_activation_checkpointing": True, "fsdp_offload_params": True},
}  # fmt: skip
WRITTEN = [*(value for value in NASTY if value is not HUGE), None]  # values that JSON and YAML can express
WORDS = (
    "0", "-1", "1", "3", "9" * 12, "9" * 13, "9" * 5000, "1.5", "1e9", "nan", "", "x", "'a b'", "$X", "${X:-0}", "--", "--x", "()",
    "(|*9999)*9999", "é", "١٢", "\x1b]0;x\x07", "a" * 3000, "true", "full", "block",
)  # fmt: skip
LAYOUT = " --pipeline-model-parallel-layout 'E|(t|)*30mL' --num-experts 8 --moe-router-topk 2 --num-distributed-optimizer-instances 2 " \
         "--use-megatron-fsdp --data-parallel-sharding-strategy optim --moe-expert-capacity-factor 1.0 --multi-latent-attention " \
         "--kv-lora-rank 8 --expert-tensor-parallel-size 1 --expert-model-parallel-size 2 --exp-avg-dtype bf16\n"  # fmt: skip


def imports_to(imported: Imported, where: str, model: str = "", *, more: bool = False) -> None:
    """Assert that an imported file gives a document, and its job plans and a plan file, or a refusal."""
    assert all(isinstance(line, str) and readable(line, 500) for line in imported.not_understood)
    document = document_of(imported, inputs_of(imported, where, model))
    job = resolve(document.inputs)
    if more:
        len(search(job, document.space))
        assert loads(dumps(document)).plan == document.plan


def accepted(text: str | dict[str, Any], where: str, model: str = "", *, more: bool = False) -> None:
    """Assert that a file is imported or refused in a readable sentence."""
    try:
        imported = torchtitan.read(text, where) if isinstance(text, dict) else read_text(text, where)
        imports_to(imported, where, model, more=more)
    except TmplanError as error:
        assert readable(str(error)) and " … " not in str(error), str(error)


@pytest.mark.parametrize("new", NASTY, ids=range(len(NASTY)))
def test_any_value_in_any_place_of_a_torchtitan_configuration(new: Any) -> None:
    """Each place of its tables has each odd value once."""
    for number, tables in enumerate(changed(TITAN, new)):
        accepted(tables, "x.toml", "" if number % 3 else "llama-3.1-8b", more=number % 5 == 0)


@pytest.mark.parametrize("new", WRITTEN, ids=range(len(WRITTEN)))
def test_any_value_in_any_place_of_a_deepspeed_configuration(new: Any) -> None:
    """Each place of its object has each odd value once, null included."""
    for number, config in enumerate(changed(DEEP, new)):
        accepted(json.dumps(config), "x.json", "llama-3.1-8b", more=number % 5 == 0)
    accepted(json.dumps(new), "x.json")


@pytest.mark.parametrize("new", [*WRITTEN, datetime.date(2024, 1, 1)], ids=range(len(WRITTEN) + 1))
def test_any_value_in_any_place_of_an_accelerate_configuration(new: Any) -> None:
    """Each place of its YAML has each odd value once, null and a date included."""
    for number, config in enumerate(changed(FAST, new)):
        accepted(yaml.safe_dump(config, allow_unicode=False), "x.yaml", "llama-3.1-8b", more=number % 5 == 0)
    accepted(yaml.safe_dump(new), "x.yaml")


@pytest.mark.parametrize("new", WORDS, ids=range(len(WORDS)))
def test_any_word_in_any_place_of_a_megatron_script(new: str) -> None:
    """Each word of a script is each odd word once."""
    words = (MEGATRON.rstrip() + LAYOUT).split(" ")
    for number in range(len(words)):
        text = " ".join([*words[:number], new, *words[number + 1 :]])
        accepted(text, "x.sh", "" if number % 3 else "mixtral-8x7b", more=number % 5 == 0)


@pytest.mark.parametrize("value", [*WRITTEN, datetime.date(2024, 1, 1)], ids=range(len(WRITTEN) + 1))
def test_any_value_in_any_place_of_the_trainer_arguments(value: Any) -> None:
    """Each place of trainer_args.json has each odd value once."""
    imported = read_text(yaml.safe_dump(ACCELERATE), "x.yaml")
    for arguments in changed(
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "gradient_checkpointing": True, "optim": "x"}, str(value)
    ):
        try:
            imports_to(huggingface.with_trainer(imported, json.dumps(arguments), "trainer_args.json"), "x.yaml", "llama-3.1-8b")
        except TmplanError as error:
            assert readable(str(error))


@pytest.mark.parametrize(
    "digits", ["9" * 5000, "0x" + "f" * 3600, "-0x" + "f" * 3600, "1:" * 3000 + "1", "1e99999", "9" * 1_000_000], ids=len
)
@pytest.mark.parametrize("where", ["x.toml", "x.json", "x.yaml"])
def test_a_number_of_any_length_is_read_or_refused(digits: str, where: str) -> None:
    """A number of thousands of digits, in any base of a format, is read or refused in one sentence."""
    text = {
        "x.toml": f"[parallelism]\ntensor_parallel_degree = {digits}\n[training]\n",
        "x.json": f'{{"train_batch_size": {digits}}}',
        "x.yaml": f"num_processes: {digits}\n",
    }[where]
    accepted(text, where, "llama-3.1-8b")
