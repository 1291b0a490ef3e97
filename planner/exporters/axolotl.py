"""axolotl with FSDP2: `axolotl.yaml`; model and data set are placeholders, since tmplan knows no Hugging Face ids."""

from __future__ import annotations

from typing import Any

from planner.exporters._degrees import Degrees, degrees
from planner.exporters._huggingface import (
    HAD,
    common_refusals,
    fsdp_notes,
    fsdp_settings,
    liger_kernels,
    optimizer_name,
    performance_notes,
    sharded_by_fsdp,
    yaml_file,
)
from planner.exporters._options import lacking, option_notes
from planner.exporters.registry import Exported, Request, Target, register
from planner.specs.job import Job

MAIN = "axolotl.yaml"
TITLE = "axolotl"
BASE_MODEL = "PUT-YOUR-MODEL-HERE"
DATASET = "PUT-YOUR-DATASET-HERE"
WRITTEN = frozenset(("offload_parameters", "offload_checkpoints", "expandable_segments"))
LIGER = "axolotl.integrations.liger.LigerPlugin"
PLUGIN = "axolotl.integrations.expert_parallel.ExpertParallelPlugin"
ATTENTIONS = {"flash-1": "flash_attention_2", "flash-2": "flash_attention_2", "flash-3": "flash_attention_3"}
MODEL = (
    f"base_model and the data set are placeholders ({BASE_MODEL}, {DATASET}): set the Hugging Face id of the planned model, "
    "which determines architecture and dropout"
)
RING = "axolotl's context parallelism needs ring-flash-attn and FlashAttention-2"
DEEP_EP = "expert parallelism needs deep_ep installed"
EIGHT_BITS = "fp8 is torchao's and speeds up only with torch_compile"
LORA = "lora_alpha is a placeholder; target modules have the names of Llama, Qwen and DeepSeek, and other models have other names"
# Attention modules in transformers: models/llama/modeling_llama.py, models/deepseek_v3/modeling_deepseek_v3.py.
PLAIN = {"query-value": ["q_proj", "v_proj"], "attention": ["q_proj", "k_proj", "v_proj", "o_proj"]}
LATENT = ["kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]
RATE = "the learning rate in the file is a placeholder, and the number of steps is missing: tmplan does not plan them; set your own"


def refusals(request: Request) -> list[str]:
    """Why axolotl cannot run this plan."""
    job, d = request.job, degrees(request)
    reasons = [*common_refusals(request, TITLE), *sharded_by_fsdp(request, TITLE)]
    if d.cp > 1 and not job.attention.startswith("flash"):
        reasons.append("axolotl's context parallelism needs flash attention: set attention to flash-2, or cp to 1")
    reasons += lacking(request, TITLE, {*WRITTEN, "optimizer_in_backward"})
    if d.ep == 1:
        return reasons
    if d.zero == 0:
        reasons.append("axolotl's expert parallelism is exported only with FSDP2: choose ZeRO-2 or 3, or set ep to 1")
    elif d.tp > 1 or d.dp_replicate > 1:
        reasons.append("axolotl combines ep with neither tp nor dp_replicate: set those to 1, or ep to 1")
    elif d.dp_shard % d.ep:
        reasons.append(f"in axolotl ep must divide dp_shard, and {d.ep} does not divide {d.dp_shard}: choose another ep")
    elif d.dp_shard * d.cp == d.ep:
        reasons.append("axolotl does not shard where ep takes every rank: choose a smaller ep")
    return reasons


def config(request: Request) -> dict[str, Any]:
    """The file as nested values."""
    job, d = request.job, degrees(request)
    recomputes = d.recompute != "none"
    attention = "flash_attention_2" if d.cp > 1 else ATTENTIONS.get(job.attention, "eager")
    values: dict[str, Any] = {
        "base_model": BASE_MODEL,
        "datasets": [{"path": DATASET, "type": "completion"}],
        "output_dir": "./outputs",
        "sequence_len": job.sequence,
        "pad_to_sequence_len": True,  # so that a micro-batch has the planned tokens
        "sample_packing": False,
        "attn_implementation": attention,
        "micro_batch_size": d.micro_batch,
        "gradient_accumulation_steps": d.micro_batches,
        "learning_rate": 1e-4,
        "optimizer": optimizer_name(job),
        "bf16": job.precision in ("bf16", "fp8"),
        "fp16": job.precision == "fp16",
        "gradient_checkpointing": recomputes and not d.zero,  # under FSDP the Trainer requires FSDP's setting
        "tensor_parallel_size": d.tp,
        "context_parallel_size": d.cp,
        "dp_shard_size": d.dp_shard // d.ep if d.zero else 1,  # axolotl's dp_shard excludes ep, tmplan's includes it
        "dp_replicate_size": d.dp_replicate,
    }
    if job.precision == "fp8":
        values["fp8"] = True
    if job.precision == "fp8" or job.kernels == "compiled":
        values["torch_compile"] = True
    values |= adapter(job) | memory(job, d)
    if d.ep > 1:
        values |= {
            "plugins": [*values.get("plugins", []), PLUGIN],
            "expert_parallel_size": d.ep,
            "expert_parallel_fallback_on_unsupported": False,
        }
    if d.zero:
        values["fsdp_version"] = 2
        values["fsdp_config"] = fsdp_settings(request, "offload_params")
    return values


def memory(job: Job, d: Degrees) -> dict[str, Any]:
    """Liger's kernels, the loss in chunks, and offloading of checkpointed activations."""
    values: dict[str, Any] = {}
    if kernels := liger_kernels(job):
        names = {"swiglu": "glu_activation"}
        kernels["rms_norm"] = kernels["rms_norm"] and d.tp == 1  # axolotl refuses it with tensor parallelism
        values = {"plugins": [LIGER]} | {f"liger_{names.get(name, name)}": on for name, on in kernels.items()}
    if job.loss_kernel == "chunked":
        values["chunked_cross_entropy"] = True
    if job.offload_checkpoints and d.recompute != "none":
        values["activation_offloading"] = "hidden_states"
    return values


def adapter(job: Job) -> dict[str, Any]:
    """The adapters, and 4-bit weights under them: NF4 with double quantization unless bnb_config_kwargs overrides it."""
    if not job.frozen:
        return {}
    values: dict[str, Any] = {"adapter": job.tuning, "lora_r": job.lora_rank, "lora_alpha": 2 * job.lora_rank}
    if job.lora_targets == "all":
        values["lora_target_linear"] = True
    elif job.model.kv_rank:
        values["lora_target_modules"] = [*(["q_a_proj", "q_b_proj"] if job.model.q_rank else ["q_proj"]), *LATENT]
    else:
        values["lora_target_modules"] = PLAIN[job.lora_targets]
    return values | ({"load_in_4bit": True} if job.tuning == "qlora" else {})


def written(job: Job) -> set[str]:
    """Options that the file sets; axolotl itself enables expandable segments."""
    had = {**HAD, "loss_kernel": ("chunked", *HAD["loss_kernel"])}
    return {key for key, values in had.items() if getattr(job, key) in values} | WRITTEN


def notes(request: Request) -> list[str]:
    """Notes on what the file does not express."""
    job, d = request.job, degrees(request)
    sentences = [MODEL, RATE, f"start {d.world:,} processes, {d.gpus_per_node:,} per node: the launcher sets their number, not the file"]
    if d.cp > 1:
        sentences.append(RING)
    if d.ep > 1:
        sentences.append(DEEP_EP)
    if job.precision == "fp8":
        sentences.append(EIGHT_BITS)
    if job.attention not in ("flash-2", "flash-3", "unfused") or (d.cp > 1 and job.attention != "flash-2"):
        sentences.append(f"axolotl runs {config(request)['attn_implementation']}, the plan has {job.attention}: the speed differs")
    if job.frozen:
        sentences.append(LORA)
    return [*sentences, *fsdp_notes(request, d), *performance_notes(request, d), *option_notes(request, written(job))]


def write(request: Request) -> Exported:
    """The file with its notes as comments."""
    sentences = tuple(notes(request))
    return Exported({MAIN: yaml_file(config(request), (f"axolotl {TARGET.version}", *request.about, *sentences))}, sentences)


TARGET = register(Target("axolotl", TITLE, MAIN, "0.19.0", refusals, write))
