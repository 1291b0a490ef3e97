"""The options that decide memory: written in the keys of each framework and read back, noted, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.document.inputs import Inputs, Value, resolve
from planner.exporters._options import NEEDED, OPTIONS, PHRASES, chosen
from planner.exporters.registry import CannotExport, Request, export
from planner.importers.formats import read
from planner.importers.imported import inputs_of
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Plan

SELECTIVE, FULL = RECOMPUTES.index("selective"), RECOMPUTES.index("full")
STACKS = {"megatron-lm": "megatron-core", "megatron-bridge": "megatron-core", "torchtitan": "torchtitan", "deepspeed": "deepspeed",
          "accelerate": "pytorch-fsdp", "axolotl": "pytorch-fsdp", "nanotron": "nanotron", "maxtext": "maxtext",
          "slurm": "pytorch-fsdp", "skypilot": "pytorch-fsdp"}  # fmt: skip
ZERO = {"torchtitan": 3, "accelerate": 3, "axolotl": 3, "deepspeed": 3, "maxtext": 3, "slurm": 3, "skypilot": 3}
TENSOR = {"tp": 2, "dp": 8, "dp_shard": 8, "sequence_parallel": 1}
PIPED = {"pp": 2, "dp": 8, "dp_shard": 8}
Changes = dict[str, Value]


def request(target: str, changes: Changes, **plan: int) -> Request:
    """A plan of 16 H100 with sharded states, on the stack of a target, with fields of job and plan changed."""
    usual: Changes = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 16, "sequence": 4096, "stack": STACKS[target]}
    job = resolve(Inputs().with_all(usual | changes))
    return Request(job, Plan(**({"dp": 16, "dp_shard": 16, "zero": ZERO.get(target, 1), "micro_batch": 1} | plan)))


def text_of(target: str, changes: Changes, **plan: int) -> str:
    """All files of an export as one text."""
    return "\n".join(export(target, request(target, changes, **plan)).files.values())


WRITTEN: list[tuple[str, Changes, dict[str, int], str]] = [
    ("megatron-lm", {"loss_kernel": "fused"}, {}, "--cross-entropy-loss-fusion"),
    ("megatron-lm", {"kernels": "eager"}, {}, "--no-bias-swiglu-fusion"),
    ("megatron-lm", {"optimizer": "muon-sharded"}, {}, "--optimizer dist_muon"),
    ("megatron-lm", {"optimizer": "muon"}, {"zero": 0}, "--optimizer muon"),
    ("megatron-lm", {"optimizer": "lion"}, {"zero": 0}, "--optimizer lion"),
    ("megatron-lm", {"optimizer": "sgd-plain"}, {"zero": 0}, "--sgd-momentum 0"),
    ("megatron-lm", {"master_bytes": "2"}, {}, "--use-precision-aware-optimizer"),
    ("megatron-lm", {"model": "deepseek-v2-lite-16b", "recompute_modules": "moe_act,mla_up_proj"}, {"recompute": SELECTIVE},
     "--recompute-modules moe_act mla_up_proj"),
    ("megatron-lm", {"precision": "fp8", "fp8_parameters": True, "fp8_recipe": "current"}, {}, "--fp8-param-gather"),
    ("megatron-lm", {"precision": "fp8", "fp8_recipe": "delayed"}, {}, "--fp8-recipe delayed"),
    ("megatron-lm", {"precision": "fp8", "fp8_recipe": "blockwise"}, {}, "--fp8-recipe blockwise"),
    ("torchtitan", {"precision": "fp8", "fp8_recipe": "current"}, {}, 'recipe_name = "tensorwise"'),
    ("torchtitan", {"precision": "fp8", "fp8_recipe": "current", "fp8_parameters": True}, {}, "enable_fsdp_float8_all_gather = true"),
    ("megatron-lm", {"offload_activations": 25.0}, {}, "--cpu-offloading-num-layers 8"),
    ("megatron-lm", {"expandable_segments": True}, {}, "export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"),
    ("megatron-lm", {"tp_overlap": "products"}, TENSOR, "--tp-comm-overlap"),
    ("megatron-lm", {"pipeline_layout": "Et*15|t*17L"}, PIPED, "--pipeline-model-parallel-layout 'Et*15|t*17L'"),
    ("megatron-bridge", {"tp_overlap": "products"}, TENSOR, "tp_comm_overlap: true"),
    ("megatron-bridge", {"pipeline_layout": "Et*15|t*17L"}, PIPED, "pipeline_model_parallel_layout: Et*15|t*17L"),
    ("torchtitan", {"tp_overlap": "products", "kernels": "compiled"}, TENSOR, "enable_async_tensor_parallel = true"),
    ("torchtitan", {"foreach": True}, {}, 'implementation = "foreach"'),
    ("torchtitan", {"kernels": "compiled"}, {}, "[compile]\nenable = true"),
    ("torchtitan", {"optimizer_in_backward": True}, {}, "early_step_in_backward = true"),
    ("torchtitan", {"recompute_every": 3}, {"recompute": FULL}, 'selective_ac_option = "3"'),
    ("torchtitan", {"master_bytes": "0"}, {}, 'dtype = "bfloat16"'),
    ("deepspeed", {"offload_optimizer": True, "offload_nvme": True}, {}, '"device": "nvme"'),
    ("deepspeed", {"offload_optimizer": True, "offload_parameters": True}, {}, '"offload_param"'),
    ("deepspeed", {"offload_checkpoints": True}, {"recompute": FULL}, '"cpu_checkpointing": true'),
    ("deepspeed", {"optimizer": "lion"}, {}, '"type": "Lion"'),
    ("deepspeed", {"optimizer": "muon-sharded"}, {}, '"type": "Muon"'),
    ("deepspeed", {"optimizer": "sgd-plain"}, {}, '"type": "SGD"'),
    ("deepspeed", {"autocast": True}, {}, '"torch_autocast"'),
    ("deepspeed", {"master_bytes": "0", "state_bytes": "2"}, {}, '"bf16_optimizer_states": true'),
    ("deepspeed", {"master_bytes": "2"}, {"zero": 2}, '"bf16_master_weights_and_grads": true'),
    ("accelerate", {"foreach": True}, {}, '"optim": "adamw_torch"'),
    ("accelerate", {"optimizer": "adafactor"}, {}, '"optim": "adafactor"'),
    ("accelerate", {"optimizer": "sgd-plain"}, {}, '"optim": "sgd"'),
    ("accelerate", {"optimizer": "adamw-8bit-paged"}, {"zero": 0, "dp_shard": 1}, '"optim": "paged_adamw_8bit"'),
    ("accelerate", {"optimizer": "lion"}, {"zero": 0, "dp_shard": 1}, '"optim": "lion_32bit"'),
    ("accelerate", {"loss_kernel": "fused-linear"}, {}, '"fused_linear_cross_entropy": true'),
    ("accelerate", {"loss_kernel": "fused"}, {}, '"cross_entropy": true'),
    ("accelerate", {"kernels": "compiled"}, {}, '"torch_compile": true'),
    ("accelerate", {"offload_optimizer": True, "offload_parameters": True}, {}, "fsdp_offload_params: true"),
    ("axolotl", {"loss_kernel": "fused-linear"}, {}, "liger_fused_linear_cross_entropy: true"),
    ("axolotl", {"loss_kernel": "chunked"}, {}, "chunked_cross_entropy: true"),
    ("axolotl", {"offload_checkpoints": True}, {"recompute": FULL}, "activation_offloading: hidden_states"),
    ("maxtext", {"offload_parameters": True}, {}, "parameter_memory_host_offload: true"),
    ("maxtext", {"loss_kernel": "chunked"}, {}, "num_vocab_tiling: 8"),
    ("maxtext", {"offload_checkpoints": True}, {"recompute": FULL}, "decoder_layer_input: offload"),
    ("slurm", {"expandable_segments": True}, {}, "export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"),
    ("skypilot", {"expandable_segments": True}, {}, "PYTORCH_CUDA_ALLOC_CONF: expandable_segments:True"),
]  # fmt: skip
READABLE = ("megatron-lm", "torchtitan", "deepspeed", "accelerate")
IDS = [f"{target}-{'-'.join(map(str, changes))}-{number}" for number, (target, changes, _, _) in enumerate(WRITTEN)]


@pytest.mark.parametrize(("target", "changes", "plan", "text"), WRITTEN, ids=IDS)
def test_an_option_is_written_in_the_framework_s_key(target: str, changes: Changes, plan: dict[str, int], text: str) -> None:
    """The files of a plan with an option have its key, and those without it have not."""
    assert text in text_of(target, changes, **plan)
    assert text not in text_of(target, {key: value for key, value in changes.items() if key in ("model", "precision")}, **plan)


@pytest.mark.parametrize(("target", "changes", "plan", "text"), [case for case in WRITTEN if case[0] in READABLE])
def test_an_option_is_read_back(target: str, changes: Changes, plan: dict[str, int], text: str, tmp_path: Path) -> None:
    """The job read from an export has the options of the exported one."""
    given = request(target, changes, **plan)
    for name, content in (files := export(target, given).files).items():
        (tmp_path / name).write_text(content)
    path = tmp_path / next(iter(files))
    imported = read(path)
    inputs = inputs_of(imported, str(path), "" if imported.sizes else given.job.model.name).with_all({"gpus": 16, "sequence": 4096})
    assert options_of(resolve(inputs)) == options_of(given.job), path.read_text()
    assert not imported.not_understood


def options_of(job: Job) -> dict[str, object]:
    """The options of a job and its optimizer."""
    return {f.key: getattr(job, f.attribute) for f in OPTIONS if f.key != "attention"} | {"optimizer": job.optimizer}


@pytest.mark.parametrize("target", ["megatron-lm", "torchtitan"])
def test_what_has_no_key_is_in_the_annotation(target: str, tmp_path: Path) -> None:
    """Options without a key of the framework are in the line for tmplan, and read back."""
    changes: dict[str, Changes] = {
        "megatron-lm": {"reduce_bytes": "2", "foreach": True, "recompute_modules": "mlp layernorm", "kernels": "compiled"},
        "torchtitan": {"reduce_bytes": "2", "loss_kernel": "fused", "expandable_segments": True, "autocast": True},
    }
    given = request(target, changes[target])
    path = tmp_path / next(iter(files := export(target, given).files))
    path.write_text(next(iter(files.values())))
    imported = read(path)
    assert options_of(resolve(inputs_of(imported, str(path)).with_("gpus", 16))) == options_of(given.job)
    assert not imported.not_understood


REFUSED: list[tuple[str, Changes, dict[str, int], str]] = [
    ("megatron-lm", {"optimizer": "adafactor", "stack": "deepspeed"}, {}, "no optimizer adafactor"),
    ("megatron-lm", {"optimizer": "muon-sharded", "precision": "fp16"}, {}, "no fp16"),
    ("megatron-lm", {"optimizer": "lion"}, {}, "supports only Adam"),
    ("megatron-lm", {"offload_activations": 50.0}, {"pp": 2, "dp": 8, "dp_shard": 8}, "set offload_activations to 0"),
    ("megatron-lm", {"offload_checkpoints": True}, {"recompute": FULL}, "set offload_checkpoints to no"),
    ("megatron-lm", {"pipeline_layout": "Et*15|t*17L"}, {"pp": 4, "dp": 4, "dp_shard": 4}, "has 2 stages, pp x vpp is 4"),
    ("torchtitan", {"stack": "megatron-core", "pipeline_layout": "Et*15|t*17L"}, PIPED, "free pipeline_layout"),
    ("torchtitan", {"tp_overlap": "products"}, TENSOR, "set kernels to compiled"),
    ("torchtitan", {"optimizer": "muon-sharded"}, {}, "has only Adam and AdamW, not muon-sharded"),
    ("torchtitan", {"offload_activations": 50.0}, {}, "set offload_activations to 0"),
    ("deepspeed", {"optimizer": "adafactor"}, {}, "cannot create adafactor from a file"),
    ("deepspeed", {"optimizer": "muon-sharded", "offload_optimizer": True}, {}, "no Muon on the host"),
    ("accelerate", {"optimizer": "lion"}, {}, "fails under FSDP2"),
    ("accelerate", {"optimizer": "muon"}, {"zero": 0, "dp_shard": 1}, "no optimizer muon"),
    ("accelerate", {"optimizer_in_backward": True}, {}, "set optimizer_in_backward to no"),
    ("axolotl", {"offload_activations": 50.0}, {}, "set offload_activations to 0"),
    ("nanotron", {"offload_parameters": True}, {}, "set offload_parameters to no"),
    ("maxtext", {"optimizer": "sgd"}, {}, "only without momentum"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "changes", "plan", "reason"), REFUSED)
def test_what_a_framework_lacks_is_refused(target: str, changes: Changes, plan: dict[str, int], reason: str) -> None:
    """An option without which the plan would not fit, or would train otherwise, is refused with what to change."""
    with pytest.raises(CannotExport, match=reason):
        export(target, request(target, changes, **plan))


NOTED: list[tuple[str, Changes, dict[str, int], str]] = [
    ("megatron-lm", {"kernels": "compiled"}, {}, "does not select compiled element-wise kernels"),
    ("megatron-lm", {"recompute_every": 2}, {"recompute": FULL}, "does not select one layer in 2 for recomputation"),
    ("megatron-lm", {"gradient_bytes": "2"}, {}, "reduced in the 2 bytes"),
    ("torchtitan", {"loss_kernel": "fused-linear"}, {}, "does not select the fused-linear loss kernel"),
    ("torchtitan", {"expandable_segments": True}, {}, "expandable_segments:True in the environment"),
    ("deepspeed", {"loss_kernel": "chunked"}, {}, "select the chunked loss kernel: your script must"),
    ("accelerate", {"offload_checkpoints": True}, {"recompute": FULL}, "offload the inputs of recomputed layers: your script must"),
    ("nanotron", {"foreach": True}, {}, "set the foreach step"),
    ("maxtext", {"foreach": True}, {}, "set the foreach step of the optimizer to yes"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "changes", "plan", "note"), NOTED)
def test_what_is_not_in_the_file_is_noted(target: str, changes: Changes, plan: dict[str, int], note: str) -> None:
    """An option that the files do not set is noted; nothing is noted without it, nor where the plan does not use it."""
    assert any(note in each for each in export(target, request(target, changes, **plan)).notes)
    assert not any(note in each for each in export(target, request(target, {}, **plan)).notes)


def test_no_option_is_chosen_by_default() -> None:
    """A job of any stack has none of the options unless one is set, and every option has a phrase or is handled by each target."""
    for target in STACKS:
        assert chosen(request(target, {}).job) == {}
    apart = {"attention", "gradient_bytes", "state_bytes", "offload_optimizer"}
    assert {f.key for f in OPTIONS} == set(PHRASES) | apart and set(NEEDED) <= set(PHRASES)
