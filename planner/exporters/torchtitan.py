"""torchtitan: a TOML file for 0.2.x; for 0.3, which reads no files, a Python module whose function returns Trainer.Config."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import tomli_w

from planner.cost.pipeline_split import stage_layers
from planner.dimensions import Stage
from planner.exporters import _annotation
from planner.exporters._common import EXPERTS, SIZES, comment, shape, unsupported_jobs
from planner.exporters._degrees import FILLED, Degrees, degrees, fills
from planner.exporters._keys_torchtitan import FLAVORS, Flavor
from planner.exporters._options import lacking, option_notes
from planner.exporters._torchtitan_03 import VERSION_03, module
from planner.exporters.registry import Exported, Request, Target, register
from planner.plaintext import escaped
from planner.specs.job import Job
from planner.specs.model import Model

VERSION = "0.2.2"
CUSTOM_FLAVOR = "tmplan"  # the flavor to register where torchtitan has none of this shape
SCHEDULES = {"1f1b": "1F1B", "zb-v": "ZBVZeroBubble", "dualpipev": "DualPipeV"}
NO_PIPELINE = ("qwen3", "gpt_oss")  # registered without a pipelining function in 0.2.2
NO_CONTEXT = ("deepseek_v3", "gpt_oss")  # 0.2.2: FlexAttention, without context parallelism
FP8_NAMES = {"current": "tensorwise", "rowwise": "rowwise"}  # recipes of Float8Linear
WRITTEN = frozenset(("fp8_recipe", "fp8_parameters", "foreach", "recompute_every", "optimizer_in_backward", "offload_parameters"))
CUSTOM = SIZES | EXPERTS | {"tied", "qk_norm"}  # fields that a custom flavor may set


def flavor(model: Model) -> Flavor | None:
    """The registered flavor of this shape, or one to register; None where torchtitan has no such layers."""
    fields = shape(model)
    for known in FLAVORS:
        if known.shape == fields:
            return known if known.flavor else known._replace(flavor=CUSTOM_FLAVOR, model="qwen3", module=known.model)
    if set(fields) - CUSTOM or model.qk_norm == "full":
        return None
    plain = not (model.tied or model.experts or model.qk_norm != "none") and model.heads * model.head_dim == model.hidden
    return Flavor("llama3" if plain else "qwen3", CUSTOM_FLAVOR, CUSTOM_FLAVOR, 0, fields)


def arguments(model: Model, name: str) -> str:
    """The ModelArgs of a custom flavor, as Python."""
    sizes = f"dim={model.hidden}, n_layers={model.layers}, n_heads={model.heads}, n_kv_heads={model.kv_heads}, vocab_size={model.vocab}"
    if name == "llama3":  # torchtitan rounds 8 / 3 x dim x multiplier up to a multiple: half the width rounds up to the width
        half = model.ffn / 2 / (8 * model.hidden // 3)
        return f"TransformerModelArgs({sizes}, multiple_of={model.ffn}, ffn_dim_multiplier={half:.6g})"
    more = f"head_dim={model.head_dim}, hidden_dim={model.ffn}, qk_norm={model.qk_norm == 'head'}, enable_weight_tying={model.tied}"
    if model.experts:
        experts = (
            f"num_experts={model.experts}, num_shared_experts=0, top_k={model.experts_per_token}, score_func='softmax', route_norm=True"
        )
        more += f", moe_enabled=True, moe_inter_dim={model.expert_ffn}, moe_args=MoEArgs({experts}, score_before_experts=False)"
    return f"Qwen3ModelArgs({sizes}, {more})"


def refusals(request: Request) -> list[str]:
    """Why torchtitan 0.2.2 would not train this plan, or would train something else."""
    job, model, d = request.job, request.job.model, degrees(request)
    kind = flavor(model)
    reasons = unsupported_jobs(job, "torchtitan")
    if kind is None:
        reasons.append("torchtitan has no model of such layers; use a registered model, or one with Llama's or Qwen3's layers")
    elif d.pp > 1 and kind.model in NO_PIPELINE:
        reasons.append(f"torchtitan {VERSION} has no pipeline parallelism for {kind.model}; set pp to 1")
    elif d.cp > 1 and kind.model in NO_CONTEXT:
        reasons.append(f"torchtitan {VERSION} has no context parallelism for {kind.model}; set cp to 1")
    if kind and kind.flavor_03 != CUSTOM_FLAVOR and kind.longest and job.sequence > kind.longest:
        reasons.append(f"the registered model has sequences of at most {kind.longest:,} tokens; shorten the sequence")
    if job.precision in ("fp16", "fp4"):
        reasons.append(f"torchtitan {VERSION} has no {job.precision}; use bf16 or fp8")
    if job.precision == "fp8" and job.recipe not in (*FP8_NAMES, "mxfp8"):
        reasons.append(f"torchtitan has no {job.recipe} recipe; set fp8_recipe to rowwise")
    if job.optimizer not in ("adamw", "adamw-8bit"):
        reasons.append(f"torchtitan {VERSION} has only Adam and AdamW, not {job.optimizer}; use adamw")
    if job.optimizer_in_backward and (d.ep > 1 or d.pp > 1):
        reasons.append("torchtitan runs the optimizer in the backward pass without ep and pp; set optimizer_in_backward to no")
    reasons += lacking(request, "torchtitan", WRITTEN)
    if overlapped_tp(request, d) and job.kernels != "compiled":
        reasons.append("torchtitan's asynchronous tensor parallelism needs torch.compile; set kernels to compiled")
    if job.capacity and model.experts:
        reasons.append("torchtitan does not drop tokens; set capacity to 0")
    return reasons + _degree_refusals(request, d)


def _degree_refusals(request: Request, d: Degrees) -> list[str]:
    """Refusals of the plan's degrees, sharding and schedule."""
    job, model = request.job, request.job.model
    shard = d.dp // d.dp_replicate
    pairs = (
        (fills(d), FILLED),
        (d.dp % d.dp_replicate == 0 and job.global_batch == d.dp * d.micro_batch * d.micro_batches, "dp must divide the batch evenly"),
        (d.zero != 1, "torchtitan shards gradients with the optimizer states; set zero to 2 or 3"),
        (d.zero > 0 or d.dp * d.cp == 1, "replication without sharding excludes other parallelism; set zero to 2 or 3"),
        (d.zero == 0 or shard * d.cp > 1, "nothing is sharded; lower dp_replicate or set zero to 0"),
        (shard * d.cp > 1 or d.tp * d.pp == 1, "with tp or pp torchtitan trains in bf16 only where dp or cp shards; raise dp or cp"),
        (d.sequence_parallel or d.tp == 1, "tensor parallelism comes with sequence parallelism; turn it on"),
        (d.sequence_parallel <= (d.tp > 1), "sequence parallelism needs tp above 1"),
        (model.heads % d.tp == 0 and model.kv_heads % d.tp == 0, "tp must divide the attention heads and the key-value heads"),
        (job.sequence % (d.tp * 2 * d.cp) == 0, f"tp x 2 x cp must divide the sequence, {d.tp * 2 * d.cp} does not divide {job.sequence}"),
        (d.pp == 1 or not model.tied, "embedding and head cannot be tied across a pipeline; set pp to 1"),
        (model.experts % d.ep == 0 if model.experts else d.ep * d.etp == 1, "ep must divide the experts, and is 1 for a dense model"),
        (shard * d.cp * d.tp % (d.ep * d.etp) == 0, "ep x etp must divide dp_shard x cp x tp"),
        (d.etp in (1, d.tp), "etp must be 1 or tp"),
        (d.schedule in SCHEDULES, f"torchtitan's schedules are not {d.schedule}; use 1f1b, zb-v or dualpipev"),
        (d.recompute != "first", "torchtitan recomputes all layers of a stage alike; set recompute to none, selective or full"),
        (d.pp == 1 or d.pp * d.vpp <= model.layers + 2, "pp x vpp must not exceed the layers + 2"),
        (d.pp > 1 or d.vpp == 1, "virtual stages need pp above 1"),
        (d.schedule == "1f1b" or (d.vpp == 2 and d.pp > 1), f"{d.schedule} needs pp above 1 and two virtual stages per rank"),
    )  # fmt: skip
    return [sentence for allowed, sentence in pairs if not allowed]


def parallelism(request: Request, d: Degrees) -> dict[str, Any]:
    """The table that both versions share; keys of one version are added there."""
    values: dict[str, Any] = {
        "data_parallel_replicate_degree": d.dp_replicate, "data_parallel_shard_degree": d.dp // d.dp_replicate,
        "fsdp_reshard_after_forward": {3: "always", 2: "never"}.get(d.zero, "default"), "tensor_parallel_degree": d.tp,
        "context_parallel_degree": d.cp, "pipeline_parallel_degree": d.pp, "expert_parallel_degree": d.ep,
    }  # fmt: skip
    if d.pp > 1:
        schedule = "Interleaved1F1B" if d.schedule == "1f1b" and d.vpp > 1 else SCHEDULES[d.schedule]
        values |= {"pipeline_parallel_schedule": schedule, "pipeline_parallel_microbatch_size": d.micro_batch}
        values |= {"pipeline_parallel_first_stage_less_layers": 1, "pipeline_parallel_last_stage_less_layers": 1}
        values |= _stages(request.job.model.layers, d)
    if overlapped_tp(request, d):
        values["enable_async_tensor_parallel"] = True
    return values


def _stages(layers: int, d: Degrees) -> dict[str, Any]:
    """The key that makes torchtitan build these virtual stages; it counts embedding and head as a layer each, as tmplan does for it."""
    chunks = d.pp * d.vpp
    layers_per_stage = -(-(layers + 2) // chunks)
    if -(-(layers + 2) // layers_per_stage) == chunks:
        return {"pipeline_parallel_layers_per_stage": layers_per_stage}
    if d.vpp == (1 if d.schedule == "1f1b" and d.vpp == 1 else 2):
        return {}  # its default
    return {"module_fqns_per_model_part": modules(layers, chunks, "output")}


def modules(layers: int, chunks: int, head: str) -> list[list[str]]:
    """The modules of each virtual stage, for numbers of stages that no number of layers per stage gives."""
    base, extra = divmod(layers + 2, chunks)
    slots = ["tok_embeddings", *(f"layers.{i}" for i in range(layers)), head]
    ends = [0]
    for stage in range(chunks):
        ends.append(ends[-1] + base + (stage < extra))
    parts = [slots[start:end] for start, end in pairwise(ends)]
    parts[-1].insert(-1, "norm")
    return parts


def write(request: Request) -> Exported:
    """train.toml for 0.2.x, and train.py for 0.3 where it can run the plan."""
    job, d, kind = request.job, degrees(request), flavor(request.job.model)
    assert kind is not None  # refused by refusals
    notes, missing = _notes(request, d, kind), _missing_in_03(request, d, kind)
    table: dict[str, Any] = {
        "job": {"description": description(request, d, kind)},
        "model": {"name": kind.model, "flavor": kind.flavor, "converters": [f"quantize.linear.{part}" for part in quantized(job)]},
        "optimizer": {
            "name": "AdamW", "implementation": "foreach" if job.foreach else "fused", "early_step_in_backward": job.optimizer_in_backward
        },
        "training": {
            "local_batch_size": d.micro_batch * (d.micro_batches if d.pp > 1 else 1), "global_batch_size": job.global_batch,
            "seq_len": job.sequence, "dtype": dtype(job), "mixed_precision_param": "bfloat16", "mixed_precision_reduce": "float32",
            "enable_cpu_offload": job.offload_optimizer or job.offload_parameters,
        },
        "parallelism": parallelism(request, d) | {
            "expert_tensor_parallel_degree": d.etp, "pipeline_parallel_expert_parallel_overlap": overlapped(request, d)
        } | ({"expert_parallel_comm_backend": job.dispatched_by} if dispatched(request, d) else {}),
        "activation_checkpoint": checkpointing(request, d),
    }  # fmt: skip
    if job.kernels == "compiled":
        table["compile"] = {"enable": True, "components": ["model", "loss"]}
    if narrow := quantized(job):
        table["quantize"] = {"linear": narrow}
    if missing:
        notes.append(f"no train.py for torchtitan {VERSION_03}: {missing}")
    header = comment([f"torchtitan {VERSION} (0.2.x): --job.config_file train.toml; 0.3 takes no such file", *request.about, *notes])
    files = {"train.toml": header + "\n" + escaped(tomli_w.dumps(table))}
    if not missing:
        split = parallelism(request, d)
        if "module_fqns_per_model_part" in split:
            split["module_fqns_per_model_part"] = modules(job.model.layers, d.pp * d.vpp, "lm_head")  # the name of the head in 0.3
        files["train.py"] = module(request, d, kind, split, notes)
    return Exported(files, tuple(notes))


def description(request: Request, d: Degrees, kind: Flavor) -> str:
    """The model's name, and for the importer what has no key: sizes of a custom flavor, assumptions of the job."""
    job = request.job
    sizes = _annotation.sizes(job) if kind.flavor == CUSTOM_FLAVOR else ""
    annotation = ", ".join(filter(None, (sizes, _annotation.assumptions(job, "torchtitan", written(request, d)))))
    return "; ".join((f"tmplan: {job.model.name}", *filter(None, (annotation,))))


def overlapped(request: Request, d: Degrees) -> bool:
    """Whether DualPipeV overlaps the experts' all-to-all; torchtitan does not support it with recomputation."""
    return request.job.overlap_experts and d.schedule == "dualpipev" and d.ep > 1 and d.recompute == "none"


def overlapped_tp(request: Request, d: Degrees) -> bool:
    """Whether products hide tensor-parallel communication: torch's asynchronous tensor parallelism."""
    return request.job.overlaps_tp == "products" and d.tp > 1


def dispatched(request: Request, d: Degrees) -> bool:
    """Whether DeepEP or HybridEP sends tokens to experts; torchtitan has neither with expert tensor parallelism."""
    return request.job.dispatched_by in ("deepep", "hybridep") and d.ep > 1 and d.etp == 1


def written(request: Request, d: Degrees) -> frozenset[str]:
    """The fields of the job that train.toml sets and the importer reads."""
    job = request.job
    cases = {
        "overlap_experts": overlapped(request, d), "moe_dispatcher": dispatched(request, d),
        "kernels": job.kernels == "compiled", "foreach": job.foreach,
        "recompute_every": d.recompute == "full" and job.recompute_every > 1, "master_bytes": job.master_bytes == 0,
        "optimizer_in_backward": True, "offload_optimizer": True,
        "fp8_recipe": bool(job.recipe), "fp8_parameters": job.fp8_parameters,
        "tp_overlap": overlapped_tp(request, d),
    }  # fmt: skip
    return frozenset(key for key, holds in cases.items() if holds)


def quantized(job: Job) -> dict[str, dict[str, Any]]:
    """The tables of 0.2.2's converter to 8 bits, by name; the head stays in 16 bits. Empty in bf16."""
    if job.recipe == "mxfp8":
        return {"mx": {"recipe_name": "mxfp8_cublas", "filter_fqns": ["output"]}}
    if job.recipe not in FP8_NAMES:
        return {}
    gathered = {"enable_fsdp_float8_all_gather": True, "precompute_float8_dynamic_scale_for_fsdp": True} if job.fp8_parameters else {}
    return {"float8": {"recipe_name": FP8_NAMES[job.recipe], "filter_fqns": ["output"], **gathered}}


def dtype(job: Job) -> str:
    """The dtype of the weights: fp32, or bf16 without master copies."""
    return "bfloat16" if job.master_bytes == 0 else "float32"


def checkpointing(request: Request, d: Degrees) -> dict[str, str]:
    """The activation checkpointing of 0.2.2, where a number instead of `op` selects every k-th layer, whole."""
    every = request.job.recompute_every
    if d.recompute == "full" and every > 1:
        return {"mode": "selective", "selective_ac_option": str(every)}
    return {"mode": d.recompute, "selective_ac_option": "op"}


def _missing_in_03(request: Request, d: Degrees, kind: Flavor) -> str:
    """Why 0.3 cannot run what 0.2.2 can; empty where it can."""
    if not kind.flavor_03:
        return f"it has no {kind.model} of this shape"
    if request.job.optimizer_in_backward:
        return "it has no optimizer in the backward pass"
    if request.job.recipe == "current":
        return "it has no scales per tensor"
    if d.recompute == "full" and request.job.recompute_every > 1:
        return "it recomputes every layer or none"
    return "it has no expert_tensor_parallel_degree" if d.etp > 1 else ""


def _notes(request: Request, d: Degrees, kind: Flavor) -> list[str]:
    """Notes on what the files do not express."""
    job = request.job
    layers = [int(stage_layers(job, request.plan, Stage(stage))) for stage in range(d.pp)]
    notes = [
        (kind.flavor == CUSTOM_FLAVOR, f"register the flavor '{CUSTOM_FLAVOR}' of {kind.model} first: {arguments(job.model, kind.model)}"),
        (kind.flavor == CUSTOM_FLAVOR, "set rope_theta, its scaling and norm_eps to the published values of the model"),
        (kind.flavor_03 == CUSTOM_FLAVOR, f"in {VERSION_03}, register a flavor of the same sizes under the name in train.py"),
        (True, "data set, tokenizer, learning rate and number of steps are torchtitan's defaults: set your own"),
        (d.pp > 1, f"layers of each pipeline rank: {', '.join(map(str, layers))}"),
        (bool(job.model.experts) and d.ep == 1 and d.tp > 1 and d.etp == 1, "without ep torchtitan splits experts over the tp ranks"),
        (job.gradient_bytes != 4, "torchtitan stores and reduces gradients in 32 bits: more memory than planned"),
        (job.state_bytes != 4, f"torchtitan {VERSION} stores optimizer states in 32 bits: more memory than planned"),
        (not job.attention.startswith("flash"), "torchtitan selects its attention kernels: faster and less memory than planned"),
        (job.offload_optimizer != job.offload_parameters,
         "parameters and gradients are offloaded with the optimizer states: slower than planned, less memory"),
        (job.loss_kernel == "chunked", f"{VERSION} computes the loss from whole logits: more memory than planned; {VERSION_03} in chunks"),
        (dispatched(request, d), f"{VERSION_03} takes moe_comm_backend=\"{job.dispatched_by}\" in the function of its model's registry"),
        (job.overlap_experts and not overlapped(request, d), "the experts' all-to-all is not overlapped: that needs dualpipev"),
        (bool(job.recipe) and job.stack.narrow_experts and bool(job.model.experts), "routed experts stay in bf16: slower than planned"),
        (bool(job.recipe) and job.kernels != "compiled", "casts to 8 bits are slow without torch.compile: set kernels to compiled"),
    ]  # fmt: skip
    return [*(sentence for holds, sentence in notes if holds), *option_notes(request, WRITTEN | {"tp_overlap"} | _had(job))]


def _had(job: Job) -> set[str]:
    """Options whose value both versions, or one of them, have."""
    values = {"kernels": ("fused", "compiled"), "loss_kernel": ("plain", "chunked"), "master_bytes": (0, 4), "autocast": (False,),
              "reduce_bytes": (4,)}  # fmt: skip
    return {key for key, known in values.items() if getattr(job, key) in known}


register(Target("torchtitan", "torchtitan", "train.toml", VERSION, refusals, write))
