"""The choices of measured runs that decide their memory: columns, words in notes, defaults of stacks and dates."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import TmplanError
from planner.runs.configure import configured
from planner.specs.job import RECOMPUTES
from tests.planner.runs.test_configure import SMALL, SPARSE, row


def job(**changes: str) -> Any:
    """The job of a row with some columns changed."""
    return configured(row(**changes)).job


@pytest.mark.parametrize(
    ("changes", "loss", "kernels"),
    [
        ({"loss_kernel": "fused linear cross-entropy"}, "fused-linear", None), ({"loss_kernel": "chunked"}, "chunked", None),
        ({"loss_kernel": "fused cross-entropy of the logits"}, "fused", None), ({"loss_kernel": "unfused"}, "plain", None),
        ({"note": "packed; Liger"}, "fused-linear", "fused"), ({"note": "x; chunked_nll loss"}, "chunked", None),
        ({"note": "cross-entropy-loss-fusion"}, "fused", None), ({"note": "eager HF kernels"}, None, "eager"),
        ({"note": "bf16, torch.compile"}, None, "compiled"), ({"note": "eager, no torch.compile"}, None, "eager"),
        ({"note": "without Liger-Kernel"}, None, None), ({"kernels": "eager", "note": "torch.compile"}, None, "eager"),
        ({"note": "fused kernels (RoPE, cross-entropy, RMSNorm)"}, "fused", "fused"),
    ],
)  # fmt: skip
def test_loss_and_kernels_are_those_of_columns_then_of_notes(changes: dict[str, str], loss: str | None, kernels: str | None) -> None:
    """A column counts before the words of a note; without either the choice is the stack's."""
    run, usual = job(**changes), job()
    assert (run.loss_kernel, run.kernels) == (loss or usual.loss_kernel, kernels or usual.kernels)


@pytest.mark.parametrize(("released", "loss"), [("2026-08", "chunked"), ("2026-01", "plain"), ("", "plain")])
def test_defaults_that_changed_are_those_of_the_date(released: str, loss: str) -> None:
    """torchtitan's loss is whole before the release that computes it in chunks, and for a blank date: its undated runs are of 2024."""
    assert job(released=released).loss_kernel == loss


@pytest.mark.parametrize(("released", "stack"), [("2022-05", "megatron-lm-2021"), ("2024-02", "megatron-core"), ("", "megatron-lm-2021")])
def test_megatron_lm_is_that_of_its_date(released: str, stack: str) -> None:
    """On A100, Megatron-LM is that of the papers before Megatron-Core's layers, and without a date; a date that is none is refused."""
    assert job(framework="Megatron-LM", gpu="a100-80gb-sxm", released=released).stack.name == stack
    with pytest.raises(TmplanError, match="released"):
        job(framework="Megatron-LM", gpu="a100-80gb-sxm", released="May")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"master_bytes": "0", "moment_bytes": "2", "gradient_bytes": "2"}, ("adamw", 0, 2, 2, 2)),
        ({"moment_bytes": "1"}, ("adamw-8bit", 4, 1, 4, 4)), ({"optimizer": "lion"}, ("lion", 4, 4, 4, 4)),
        ({"note": "8-bit paged AdamW"}, ("adamw-8bit-paged", 4, 1, 4, 4)), ({"note": "args: --optimizer=muon"}, ("muon", 4, 4, 4, 4)),
        ({"reduce_bytes": "2"}, ("adamw", 4, 4, 4, 2)), ({}, ("adamw", 4, 4, 4, 4)),
    ],
)  # fmt: skip
def test_optimizer_and_widths_are_read(changes: dict[str, str], expected: tuple[Any, ...]) -> None:
    """Master copy, states, gradients and their reduction have the widths of the columns, others those of stack and optimizer."""
    run = job(**changes)
    assert (run.optimizer, run.master_bytes, run.state_bytes, run.gradient_bytes, run.reduce_bytes) == expected


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"offload": "optimizer (AdamW states and step on the CPU)"}, {"offload_optimizer"}),
        ({"offload": "ZeRO-3 offload"}, {"offload_optimizer", "offload_parameters"}),
        ({"offload": "parameters"}, {"offload_optimizer", "offload_parameters"}),
        ({"offload": "gradient checkpoints to the host"}, {"offload_checkpoints"}),
        ({"offload": "decoder_layer_input offloaded to the host, the rest recomputed"}, {"offload_checkpoints"}),
        ({"offload": "activations of 8 layers"}, {"offload_activations"}), ({"offload": "nvme"}, {"offload_optimizer", "offload_nvme"}),
        ({"note": "activation offload to host, ratio alpha=0.25 of layers"}, {"offload_activations"}),
        ({"offload": "paged stash of expert inputs"}, set()), ({"note": "no activation offload"}, set()),
    ],
)  # fmt: skip
def test_what_is_offloaded_is_read_from_words(changes: dict[str, str], fields: set[str]) -> None:
    """Each part that the column names is in host memory, and no other; layers are a share of those of the model."""
    run = job(**changes)
    names = ("offload_optimizer", "offload_parameters", "offload_activations", "offload_checkpoints", "offload_nvme")
    assert {name for name in names if getattr(run, name)} == fields
    assert run.offload_activations in (0.0, 0.25)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lora_rank": "64", "lora_targets": "q,k,v,o"}, ("lora", 64, "attention")),
        ({"lora_targets": "c_attn,c_proj,w1,w2", "note": "LoRA r=8 on c_attn"}, ("lora", 8, "all")),
        ({"lora_targets": "query,value"}, ("lora", 16, "query-value")), ({"lora_targets": "all linear"}, ("lora", 16, "all")),
        ({"quantization": "gptq-int4"}, ("qlora", 16, "query-value")), ({"lora_targets": "q,v,o,mlp"}, ("lora", 16, "all")),
    ],
)  # fmt: skip
def test_adapters_are_those_of_the_columns(changes: dict[str, str], expected: tuple[str, int, str]) -> None:
    """Rank, targets and 4-bit weights of adapters are read; targets are the smallest known set that has all of those listed."""
    run = job(framework="llm-foundry", finetune="lora", **changes)
    assert (run.tuning, run.lora_rank, run.lora_targets) == expected
    assert job(**changes).tuning == "full"


def test_trainers_that_load_narrow_weights_have_no_master_copy() -> None:
    """The SFTTrainer trains whole in 16 bits where no column says otherwise, which is listed as assumed."""
    run = configured(row(framework="Hugging Face SFTTrainer + accelerate (PyTorch FSDP1)"))
    assert (run.job.master_bytes, run.job.state_bytes, run.job.gradient_bytes) == (0, 2, 2) and "master_bytes" in run.assumed
    assert job(framework="Hugging Face SFTTrainer", master_bytes="4").master_bytes == 4
    assert job(framework="Hugging Face Trainer").master_bytes == 4


def test_switches_are_flags() -> None:
    """Columns of flags set the fields of the same name, also to no against the note; other values are refused."""
    on = {"autocast": "1", "foreach": "1", "optimizer_in_backward": "yes", "expandable_segments": "true", "fp8_parameters": "0"}
    run = job(note="--fp8-param-gather=True", **on)
    assert run.autocast and run.foreach and run.optimizer_in_backward and run.expandable_segments and not run.fp8_parameters
    assert job(note="--fp8-param-gather=True", dtype="fp8").fp8_parameters and not job(note="--fp8-param-gather=True").fp8_parameters
    with pytest.raises(TmplanError, match="autocast"):
        job(autocast="maybe")


@pytest.mark.parametrize(
    ("recipe", "dtype", "precision"), [("mxfp8", "", "fp8"), ("nvfp4", "", "fp4"), ("", "", "bf16"), ("mxfp8", "bf16", "bf16")]
)
def test_a_recipe_gives_a_blank_precision(recipe: str, dtype: str, precision: str) -> None:
    """A recipe of 8 or 4 bits is the precision where dtype is blank."""
    assert job(gpu="b200", fp8_recipe=recipe, dtype=dtype).precision == precision


def test_routing_columns_count_before_notes() -> None:
    """Capacity, balance and overlap of experts are those of the columns, also against the words of a note."""
    run = configured(
        SMALL | {"capacity_factor": "2.5", "moe_balanced": "0", "moe_overlap": "0", "note": "EP overlap on; force-balanced"}
    ).job
    assert (run.capacity, run.imbalance, run.overlap_experts) == (2.5, 1.35, False)
    assert configured(SPARSE | {"mtp_layers": "0"}).job.model.mtp_layers == 0
    assert configured(SMALL | {"pp_layout": "Et*3|(tt|)*6mL"}).plan.vpp == 4
    sent = [configured(SMALL | {"moe_dispatcher": name}).job.dispatched_by for name in ("alltoall", "hybridep", "flex", "")]
    assert sent == ["alltoall", "hybridep", "deepep", "deepep"]


def test_graphs_and_modules_change_the_stack() -> None:
    """What runs in CUDA graphs is the column's, else the note's; modules of the column are repeated, whatever the note lists."""
    cells = ("", "none", "router", "attention and router", "layers", "full")
    graphs = [configured(SPARSE | {"cuda_graphs": text}).job.cuda_graphs for text in cells]
    assert graphs == ["none", "none", "router", "attention-router", "layers", "full"]
    assert configured(SPARSE | {"note": "TE graphs on"}).job.cuda_graphs == "router"
    stack = configured(SPARSE | {"recompute_modules": "mla_up_proj+moe_act", "note": "selective:mlp"}).job.stack
    assert stack.selective.keep == {"qkv": 0.0, "expert_act": 0.0}


@pytest.mark.parametrize(
    ("changes", "recompute"),
    [
        ({"offload": "decoder_layer_input, out offloaded"}, "full"), ({"offload": "context, mlpwo offloaded"}, "full"),
        ({"recompute_modules": "q, k, v, context and decoder_layer_input stored, MLP recomputed"}, "selective"),
        ({"recompute_modules": "mlp"}, "selective"), ({"recompute_modules": "mlp", "recompute": "none"}, "none"),
    ],
)  # fmt: skip
def test_policies_and_modules_imply_a_blank_recomputation(changes: dict[str, str], recompute: str) -> None:
    """Modules mean selective recomputation; tensors that MaxText offloads, full; a column counts before both."""
    run = configured(row(framework="MaxText", **{"recompute": "", **changes}))
    assert RECOMPUTES[run.plan.recompute] == recompute and run.recompute_given
    stored = run.job.stack.selective.keep
    assert stored.get("mlp_hidden", 1.0) == (0.0 if "recompute_modules" in changes else 1.0) and stored.get("qkv", 1.0) == 1.0


@pytest.mark.parametrize(("note", "every"), [("AC of every second layer", 2), ("AC of every 4th layer; x", 4), ("full AC", 1)])
def test_every_kth_layer_is_recomputed_whole(note: str, every: int) -> None:
    """Torchtitan's selective mode by layers is full recomputation of every k-th, whatever the column calls it."""
    run = configured(row(note=note, recompute="selective"))
    assert run.job.recompute_every == every and RECOMPUTES[run.plan.recompute] == ("full" if every > 1 else "selective")


@pytest.mark.parametrize(("framework", "zero"), [("DeepSpeed ZeRO-2", 2), ("PyTorch FSDP", 3), ("HF Trainer, DDP", 0)])
def test_a_blank_zero_is_in_the_name_of_the_framework(framework: str, zero: int) -> None:
    """ZeRO-2, FSDP and DDP in a name are the stage of a blank; Megatron-FSDP shards parameters."""
    assert configured(row(framework=framework, zero="", tp="1", dp="16")).plan.zero == zero
    assert configured(SMALL | {"fsdp_kind": "megatron-fsdp", "zero": ""}).plan.zero == 3


@pytest.mark.parametrize("trust", ["layout-differs", "text", "a guess"])
def test_settings_that_may_not_be_those_of_the_run_are_listed(trust: str) -> None:
    """Doubted settings are assumed; exact and release yaml are not."""
    assert configured(row(settings_trust=trust)).assumed["settings"] == trust
    assert "settings" not in configured(row(settings_trust="release yaml")).assumed
    assert "not modelled" in configured(row(note="LoRA r=64; embedding and head trained too")).assumed["settings"]


TRAINED = {"gpu": "a100-80gb-sxm", "gpus": "2", "dp": "2", "tp": "1", "pp": "1"}


@pytest.mark.parametrize(
    ("framework", "fields"),
    [
        ("torchtune (PyTorch)", {"loss_kernel": "chunked", "kernels": "compiled", "foreach": False}),
        ("Hugging Face SFTTrainer (PyTorch FSDP1)", {"master_bytes": 0, "gradient_bytes": 2, "state_bytes": 2, "foreach": True}),
        ("Hugging Face Trainer", {"master_bytes": 4, "gradient_bytes": 4, "state_bytes": 4, "foreach": True, "kernels": "eager"}),
    ],
)  # fmt: skip
def test_trainers_have_different_choices(framework: str, fields: dict[str, object]) -> None:
    """torchtune computes the loss in chunks; SFTTrainer trains weights in bf16 whole, whose states have their type; before 2025-09 the step
    works on lists of tensors."""
    run = job(framework=framework, **TRAINED)
    assert {key: getattr(run, key) for key in fields} == fields and run.stack.name == "transformers"


def test_steps_are_fused_since_they_are_by_default() -> None:
    """transformers' default optimizer is fused from 2025-09 on, and models no longer shift a copy of fp32 logits."""
    new = job(framework="Hugging Face Trainer", released="2025-10", **TRAINED)
    old = job(framework="Hugging Face Trainer", released="2024-10", **TRAINED)
    assert not new.foreach and old.foreach and (new.stack.fused_logits_bytes, old.stack.fused_logits_bytes) == (6, 8)


@pytest.mark.parametrize(("gpus", "autocast"), [("1", True), ("2", False)])
def test_models_in_4_bits_are_prepared_on_one_gpu(gpus: str, autocast: bool) -> None:
    """What is not quantized is in fp32 under autocast on one GPU, not where weights are sharded."""
    changes = TRAINED | {"gpus": gpus, "dp": gpus, "finetune": "qlora", "note": "framework_config baseline-peft-bnb"}
    assert job(framework="Hugging Face SFTTrainer", **changes).autocast == autocast


@pytest.mark.parametrize(
    ("cells", "recipe"),
    [
        ({"fp8_recipe": "tensorwise"}, "current"), ({"fp8_recipe": "delayed"}, "delayed"), ({"note": "float8 rowwise, slow"}, "rowwise"),
        ({"fp8_recipe": "current", "note": "float8 rowwise"}, "current"), ({}, "current"),
    ],
)  # fmt: skip
def test_a_recipe_is_taken_from_its_column_then_the_note_then_the_stack(cells: dict[str, str], recipe: str) -> None:
    """The column counts before words in a note; Megatron-Core of 2026 scales by the current maximum on Hopper."""
    assert job(gpu="h100-sxm", dtype="fp8", released="2026-01", **cells).recipe == recipe


def test_torchao_is_taken_to_be_compiled() -> None:
    """Runs in 8 bits on torchtitan that do not name their kernels are compiled, as all that torchao publishes; runs in 16 bits are not."""
    narrow, plain = ({"framework": "torchtitan", "gpu": "h100-sxm", "dtype": dtype} for dtype in ("fp8", "bf16"))
    assert job(**narrow).kernels == "compiled" and job(**plain).kernels == job(framework="torchtitan").stack.kernels
    assert job(**narrow, kernels="eager").kernels == "eager"
