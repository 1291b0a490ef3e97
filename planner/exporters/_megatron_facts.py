"""Values of options shared by both Megatron targets, architectures that neither can express, and common notes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from planner.cost.pipeline_split import virtual_layers
from planner.exporters._degrees import Degrees
from planner.exporters._options import chosen, offloaded_layers, option_notes
from planner.exporters.registry import Request
from planner.specs.job import Job
from planner.specs.model import Model

FLASH = {"flash-1": "flash", "flash-2": "flash", "flash-3": "fused", "fused-softmax": "unfused", "unfused": "unfused"}
OPTIMIZERS = {"adamw": "adam", "sgd": "sgd", "sgd-plain": "sgd", "lion": "lion", "muon": "muon", "muon-sharded": "dist_muon"}
FUSIONS = ("bias-swiglu-fusion", "bias-gelu-fusion", "bias-dropout-fusion", "rope-fusion")  # of element-wise operations
# Options of a job that Megatron has; kernels other than eager and fused are not among them.
WRITTEN = frozenset((
    "cuda_graphs", "state_bytes", "master_bytes", "offload_optimizer", "offload_activations", "recompute_modules", "fp8_parameters",
    "fp8_recipe", "expandable_segments", "tp_overlap", "pipeline_layout",
))  # fmt: skip
# What runs in CUDA graphs -> implementation and scopes (megatron-core 0.16.1, transformer_config.py).
GRAPHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "router": ("transformer_engine", ("moe_router", "moe_preprocess")),
    "attention-router": ("transformer_engine", ("attn", "moe_router", "moe_preprocess")), "layers": ("transformer_engine", ()),
    "full": ("local", ("full_iteration",)),
}  # fmt: skip
FP8_RECIPES = {"delayed": "delayed", "current": "tensorwise", "blockwise": "blockwise", "mxfp8": "mxfp8"}  # --fp8-recipe
CHOICES = {"kernels": ("eager", "fused"), "loss_kernel": ("plain", "fused")}  # those that Megatron has
MEGATRON_STACKS = ("megatron-core", "megatron-lm-2021", "nemo", "nemo-tuned")  # presets whose prediction is for Megatron-Core


def graphs(job: Job) -> tuple[str, tuple[str, ...]]:
    """Implementation and scopes of the job's CUDA graphs; those of experts only where the model has them."""
    kind, scopes = GRAPHS.get(job.cuda_graphs, ("none", ()))
    return kind, tuple(scope for scope in scopes if job.model.experts or not scope.startswith("moe"))


def ffn(model: Model) -> int:
    """Width of a dense MLP; the expert width where no layer is dense and the width is 0."""
    return model.ffn or model.expert_ffn


def grouped(model: Model) -> bool:
    """Whether query heads share key-value heads; not under latent attention."""
    return not model.kv_rank and model.kv_heads != model.heads


def windowed(model: Model) -> bool:
    """Whether some layers attend over a window only."""
    return bool(model.sliding_window) and model.global_every > 1


def positions(model: Model, sequence: int) -> int:
    """Positions of the model: learned ones are parameters, rotary ones must cover the sequence."""
    return model.max_positions if model.positions == "learned" else max(model.max_positions, sequence)


def sparse_pattern(model: Model) -> str:
    """The layers with routed experts as Megatron-LM's --moe-layer-freq evaluates them; empty where all have them."""
    if not model.dense_layers and model.moe_every == 1:
        return ""
    dense, every, periods = model.dense_layers, model.moe_every, model.sparse_layers
    rest = model.layers - dense - every * periods
    period = ",".join(["0"] * (every - 1) + ["1"])
    return "(" + "+".join(f"[{what}]*{count}" for what, count in (("0", dense), (period, periods), ("0", rest)) if count) + ")"


def sparse_list(model: Model) -> list[int]:
    """The same per layer: 1 sparse, 0 dense."""
    periods = ([0] * (model.moe_every - 1) + [1]) * model.sparse_layers
    layers = [0] * model.dense_layers + periods
    return layers + [0] * (model.layers - len(layers))


def chunks(request: Request) -> list[int]:
    """Layers of every virtual stage, in the order of the data flow, as tmplan splits them."""
    return [int(count) for count in virtual_layers(request.job, request.plan)]


def layout(counts: list[int], mtp: int) -> str:
    """The same in --pipeline-model-parallel-layout: embedding E, layers t, multi-token prediction m, loss L, stages between |."""
    if len(counts) == 1:
        return ""
    first, *middle, last = ["" if not n else "t" if n == 1 else f"t*{n}" for n in counts]
    runs = [(stage, len(list(run))) for stage, run in itertools.groupby(middle)]
    return f"E{first}|" + "".join(f"({stage}|)*{n}" if n > 1 else f"{stage}|" for stage, n in runs) + last + "m" * mtp + "L"


def laid_out(request: Request) -> str:
    """The layout to write: that of the job, or that of uneven stages as tmplan splits them; empty where Megatron splits evenly."""
    counts = chunks(request)
    return request.job.pipeline_layout or (layout(counts, request.job.model.mtp_layers) if len(set(counts)) > 1 else "")


def buffers(request: Request, d: Degrees) -> bool:
    """Whether user buffers overlap tensor-parallel communication with products: they need sequence parallelism."""
    return request.job.overlaps_tp == "products" and d.tp > 1 and d.sequence_parallel


def cp_traffic(model: Model, d: Degrees) -> str:
    """The --cp-comm-type of context parallelism: Transformer Engine's ring has no windows and no sinks."""
    divided = model.kv_heads % (d.tp * d.cp) == 0  # required by the all-to-all
    return "a2a" if model.sinks or (windowed(model) and divided) else "all_gather" if windowed(model) else "p2p"


def precision_aware(request: Request) -> bool:
    """Whether the precision-aware optimizer is needed: low-precision or offloaded states, halves of master copies where it can run."""
    job, plan = request.job, request.plan
    halves = job.master_bytes == 2 and job.optimizer == "adamw" and job.precision != "fp16"
    return job.state_bytes < 4 or job.offload_optimizer or (halves and bool(plan.zero or plan.dp * plan.cp == 1))


def sharded(request: Request, d: Degrees) -> bool:
    """Whether the distributed optimizer is needed: ZeRO-1 but for Muon, or a single rank (which shards nothing) for its other features."""
    layers = request.job.optimizer == "muon-sharded"  # distributes whole layers itself
    alone = d.dp * d.cp == 1 and (precision_aware(request) or request.job.fp8_parameters)
    return (d.zero == 1 and not layers) or alone


def modules(job: Job) -> tuple[str, ...]:
    """The recomputed modules: Megatron's usual one, or those selected."""
    return tuple(job.recompute_modules.split(",")) if job.recompute_modules else ("core_attn",)


def width(job: Job) -> str:
    """The dtype of a gradient in communication."""
    return "fp32" if job.reduce_bytes == 4 else "fp16" if job.precision == "fp16" else "bf16"


def written(request: Request, d: Degrees) -> frozenset[str]:
    """The fields of the job that the options set and the importer reads."""
    job = request.job
    halves = precision_aware(request) and not job.offload_optimizer and job.precision != "fp16"
    exact = job.offload_activations == offloaded_layers(request, d) / (job.model.layers / d.pp)
    cases = {
        "kernels": job.kernels == "eager", "loss_kernel": job.loss_kernel == "fused", "master_bytes": halves and job.master_bytes == 2,
        "recompute_modules": d.recompute == "selective" and job.recompute_modules != "core_attn", "offload_activations": exact,
        "overlap_experts": overlaps_experts(request, d),
    }  # fmt: skip
    return WRITTEN - cases.keys() | {key for key, holds in cases.items() if holds}


def overlaps(request: Request, d: Degrees) -> tuple[bool, bool]:
    """Whether the prediction overlaps gradient reduction, and parameter gathering, with compute."""
    stack = request.job.stack
    gradients = d.dp * d.cp > 1 and stack.dp_overlap > 0
    gathers = d.zero > 0 and request.job.optimizer != "muon-sharded"
    return gradients, gradients and gathers and stack.gather_overlap > 0


def overlaps_experts(request: Request, d: Degrees) -> bool:
    """Whether the experts' all-to-all overlaps another micro-batch, where Megatron-LM supports it."""
    allowed = d.ep > 1 and (d.pp == 1 or d.vpp > 1) and d.recompute in ("none", "selective") and request.job.model.mtp_layers <= 1
    return request.job.overlap_experts and allowed


def dispatcher(request: Request, d: Degrees) -> tuple[str, str]:
    """The type of token dispatcher, and the backend of a flexible one: DeepEP or HybridEP.

    DeepEP does not pad to a capacity (transformer_config.py).
    """
    name = request.job.dispatched_by if d.ep > 1 else "alltoall"
    if name == "deepep" and request.job.capacity:
        name = "alltoall"
    return ("flex", name) if name in ("deepep", "hybridep") else (name, "")


def fp8(job: Job) -> tuple[str, str]:
    """Format and recipe of fp8."""
    return ("hybrid" if job.recipe in ("delayed", "current") else "e4m3"), FP8_RECIPES.get(job.recipe, "tensorwise")


def backend(job: Job) -> str:
    """Transformer Engine's attention backend; flash attention has no sinks, and no values narrower than keys."""
    return "fused" if (job.model.sinks or job.model.kv_rank) and job.attention.startswith("flash") else FLASH[job.attention]


def connections(request: Request, d: Degrees) -> int:
    """CUDA_DEVICE_MAX_CONNECTIONS: 1 orders traffic before compute with tp or cp before Blackwell; 0: unset, as Megatron-FSDP requires."""
    if d.zero >= 2 or (d.tp == 1 and d.cp == 1 and not overlaps_experts(request, d)):
        return 0
    return 32 if overlaps_experts(request, d) or request.job.cluster.gpu.arch.startswith("blackwell") else 1


def notes(request: Request, d: Degrees, kernels: bool = True) -> list[str]:
    """Notes on what the files do not express, or express differently, where it affects only speed or memory or the user must choose.

    kernels: whether the files select the attention backend.
    """
    job, model = request.job, request.job.model
    traffic = cp_traffic(model, d)
    kind = "SwiGLU" if model.gated else "GELU"
    selective = not job.recompute_modules and dict(job.selective.keep) != {"scores": 0.0}
    aware, chose = precision_aware(request) and not job.offload_optimizer, chosen(job)
    known = WRITTEN | {"reduce_bytes"} | {key for key, values in CHOICES.items() if getattr(job, key) in values}
    not_overlapped = job.overlap_experts and bool(model.experts) and not overlaps_experts(request, d)
    cases = (
        (True, f"the plan does not specify the MLP activation: {kind} is written, change it if the model has another"),
        (model.positions == "rope", "the plan does not specify base and scaling of rotary positions: set them"),
        (model.dropout, "dropout is written as 0.1, the rate of GPT-3"),
        (
            model.experts,
            "the plan does not specify router scores and load balancing: set them (Megatron-LM: softmax, no balancing loss)",
        ),
        (model.sliding_window and model.global_every == 1, "the window is not written because every layer of the model is global"),
        (
            kernels and job.attention.startswith("flash") and backend(job) == "fused",
            f"{job.attention} is written as the fused attention backend (cuDNN)",
        ),
        (
            kernels and job.attention == "flash-1" and backend(job) == "flash",
            "flash attention 1 is written as the current flash backend, which is faster",
        ),
        (kernels and job.attention == "fused-softmax", "fused softmax is written as the unfused backend, with its fused mask and softmax"),
        (d.cp > 1 and traffic != "p2p", f"with windows or sinks context parallelism uses {traffic}; the prediction is for a ring"),
        (
            d.tp > 1 and d.sequence_parallel and not buffers(request, d),
            "overlap of tensor-parallel communication (tp_comm_overlap) is off: turn it on and measure",
        ),
        (
            d.tp > 1 and not d.sequence_parallel and job.tp_overlap == "products",
            "overlap of tensor-parallel communication (tp_comm_overlap) needs sequence parallelism, and is off",
        ),
        (not_overlapped, "the experts' all-to-all is not overlapped: needs ep above 1, virtual stages in a pipeline, no full recompute"),
        (model.experts and job.precision == "fp16", "experts run sequentially: grouped GEMMs have no fp16"),
        (job.offload_optimizer and job.state_bytes < 4, "offloaded states are fp32 for any state_bytes"),
        (d.recompute == "selective" and selective, f"selective recompute repeats core attention; {job.stack.title} repeats other parts"),
        (
            aware and job.master_bytes == 4 and job.precision != "fp16",
            "the precision-aware optimizer stores 2 bytes of a master copy, those that bf16 rounds off: less memory than predicted",
        ),
        (
            job.master_bytes == 2 and not precision_aware(request),
            "master copies are stored whole: 2 bytes need Adam, bf16 and the distributed optimizer; more memory than predicted",
        ),
        (
            {"reduce_bytes", "gradient_bytes"} & chose.keys() and d.zero < 2 and job.reduce_bytes != job.gradient_bytes,
            f"gradients are reduced in the {job.gradient_bytes} bytes that they are stored in",
        ),
        (job.optimizer.startswith("muon"), "Muon needs the package emerging_optimizers; embeddings, head and norms are trained by Adam"),
        (job.imbalance != 1 and model.experts, "the experts' imbalance is an assumption of the prediction, not a setting"),
        (job.headroom, "headroom is an assumption of the plan, not a setting"),
        (job.stack.name not in MEGATRON_STACKS, f"the prediction is for {job.stack.title}: time and memory of Megatron differ"),
        (job.cluster.gpu.vendor != "nvidia", "the options are those of Megatron-LM for NVIDIA GPUs; ports to other GPUs may lack some"),
    )
    return [*(sentence for applies, sentence in cases if applies), *option_notes(request, known)]


def comment(lines: Iterable[str]) -> str:
    """Lines as comments of bash and YAML, which no content can end."""
    plain = ["".join(c if c.isprintable() else " " for c in part) for line in lines for part in line.splitlines() or [""]]
    return "\n".join(f"# {line}".rstrip() for line in plain)


def architecture_refusals(model: Model) -> list[str]:
    """Refusals of architectures for which Megatron has no option."""
    dense_end = model.sparse_layers * model.moe_every + model.dense_layers < model.layers or not model.sparse_layers
    cases = (
        (model.positions == "alibi", "Megatron has no ALiBi positions: use a model with rope or learned positions"),
        (model.norms_per_layer != 2, f"Megatron's layers have 2 norms, not {model.norms_per_layer}: use a model with norms_per_layer 2"),
        (model.parallel_block, "Megatron runs attention and MLP sequentially: use a model without parallel_block"),
        (model.embedding_norm, "Megatron has no norm after the embedding: use a model without embedding_norm"),
        (model.qk_norm == "full", "Megatron normalizes queries and keys per head: use a model with qk_norm head or none"),
        (model.chunked, "Megatron-LM has no chunked attention: use a model with sliding windows, chunked off"),
        (model.kv_rank and not model.rope_dim, "Megatron's latent attention needs a rotary part: set rope_dim"),
        (model.kv_rank and (model.bias or model.qkv_bias), "Megatron's latent attention has no biases: use a model without them"),
        (model.kv_rank and model.positions != "rope", "Megatron's latent attention has only rotary positions: set positions to rope"),
        (model.kv_rank and model.qk_norm != "none", "Megatron's latent attention normalizes only the latent vectors: set qk_norm to none"),
        (model.mtp_layers and model.positions != "rope", "multi-token prediction needs rotary positions: set mtp_layers to 0"),
        (model.mtp_layers and dense_end, "multi-token prediction copies the last layer, which is dense here: set mtp_layers to 0"),
    )
    return [sentence for wrong, sentence in cases if wrong]
