"""How a plan turns into the values of options that both Megatron targets write; what neither can express, and what both leave open."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from planner.cost.pipeline_split import virtual_layers
from planner.exporters._degrees import Degrees
from planner.exporters.registry import Request
from planner.specs.job import Job
from planner.specs.model import Model

FLASH = {"flash-1": "flash", "flash-2": "flash", "flash-3": "fused", "fused-softmax": "unfused", "unfused": "unfused"}
OWN_STACKS = ("megatron-core", "megatron-lm-2021", "nemo", "nemo-tuned")  # presets that predict Megatron-Core itself


def ffn(model: Model) -> int:
    """Width of a dense MLP; of an expert where no layer is dense and none is told."""
    return model.ffn or model.expert_ffn


def grouped(model: Model) -> bool:
    """Whether heads of queries share heads of keys and values; latent attention does without them."""
    return not model.kv_rank and model.kv_heads != model.heads


def windowed(model: Model) -> bool:
    """Whether some layers look back over a window alone."""
    return bool(model.sliding_window) and model.global_every > 1


def positions(model: Model, sequence: int) -> int:
    """Positions of the model: learned ones are parameters, rotary ones must reach the sequence."""
    return model.max_positions if model.positions == "learned" else max(model.max_positions, sequence)


def sparse_pattern(model: Model) -> str:
    """Which layers have routed experts, as Megatron-LM's --moe-layer-freq evaluates it; empty where all do."""
    if not model.dense_layers and model.moe_every == 1:
        return ""
    dense, every, turns = model.dense_layers, model.moe_every, model.sparse_layers
    rest = model.layers - dense - every * turns
    turn = ",".join(["0"] * (every - 1) + ["1"])
    return "(" + "+".join(f"[{what}]*{count}" for what, count in (("0", dense), (turn, turns), ("0", rest)) if count) + ")"


def sparse_list(model: Model) -> list[int]:
    """The same layer by layer: 1 with routed experts, 0 dense."""
    turns = ([0] * (model.moe_every - 1) + [1]) * model.sparse_layers
    found = [0] * model.dense_layers + turns
    return found + [0] * (model.layers - len(found))


def chunks(request: Request) -> list[int]:
    """Layers of every virtual stage, in the order that data flows through them, as tmplan splits them."""
    return [int(count) for count in virtual_layers(request.job, request.plan)]


def layout(counts: list[int], mtp: int) -> str:
    """The same as --pipeline-model-parallel-layout writes it: embedding E, layers t, prediction ahead m, loss L, stages between |."""
    if len(counts) == 1:
        return ""
    first, *middle, last = ["" if not n else "t" if n == 1 else f"t*{n}" for n in counts]
    runs = [(stage, len(list(run))) for stage, run in itertools.groupby(middle)]
    return f"E{first}|" + "".join(f"({stage}|)*{n}" if n > 1 else f"{stage}|" for stage, n in runs) + last + "m" * mtp + "L"


def cp_traffic(model: Model, d: Degrees) -> str:
    """How context parallel ranks exchange keys and values: Transformer Engine has windows and sinks without the ring alone."""
    divided = model.kv_heads % (d.tp * d.cp) == 0  # which the all-to-all needs
    return "a2a" if model.sinks or (windowed(model) and divided) else "all_gather" if windowed(model) else "p2p"


def precision_aware(request: Request) -> bool:
    """Whether the optimizer must be the one that keeps narrow states, or states on the host."""
    return request.job.state_bytes < 4 or request.job.offload_optimizer


def sharded(request: Request, d: Degrees) -> bool:
    """Whether the distributed optimizer is needed: ZeRO-1, or one rank alone (which shards nothing) for what that optimizer can do."""
    return d.zero == 1 or (d.dp * d.cp == 1 and precision_aware(request))


def overlaps(request: Request, d: Degrees) -> tuple[bool, bool]:
    """Whether the reduction of gradients, and the gathering of parameters, hide behind compute in the prediction."""
    stack = request.job.stack
    gradients = d.dp * d.cp > 1 and stack.dp_overlap > 0
    return gradients, gradients and d.zero > 0 and stack.gather_overlap > 0


def overlaps_experts(request: Request, d: Degrees) -> bool:
    """Whether the experts' all-to-all hides behind another micro-batch, where Megatron-LM can."""
    allowed = d.ep > 1 and (d.pp == 1 or d.vpp > 1) and d.recompute in ("none", "selective") and request.job.model.mtp_layers <= 1
    return request.job.overlap_experts and allowed


def deepep(request: Request, d: Degrees) -> bool:
    """Whether tokens travel by DeepEP: to a node once."""
    return request.job.stack.once_a_node and d.ep > 1 and not request.job.capacity


def fp8(job: Job) -> tuple[str, str]:
    """Format and recipe of fp8 that a GPU has kernels for."""
    if job.cluster.gpu.arch.startswith("blackwell"):
        return "e4m3", "mxfp8"
    return "hybrid", "tensorwise" if job.cluster.gpu.arch == "hopper" else "delayed"


def backend(job: Job) -> str:
    """Transformer Engine's backend for attention; flash attention has no sinks, and no values narrower than keys."""
    return "fused" if (job.model.sinks or job.model.kv_rank) and job.attention.startswith("flash") else FLASH[job.attention]


def connections(request: Request, d: Degrees) -> int:
    """CUDA_DEVICE_MAX_CONNECTIONS: 1 orders traffic before compute with tp or cp until Hopper; Megatron-FSDP refuses it. 0: not set."""
    if d.zero >= 2 or (d.tp == 1 and d.cp == 1 and not overlaps_experts(request, d)):
        return 0
    return 32 if overlaps_experts(request, d) or request.job.cluster.gpu.arch.startswith("blackwell") else 1


def notes(request: Request, d: Degrees, kernels: bool = True) -> list[str]:
    """What the files do not say of the plan, or say otherwise, where only speed or memory change or the user must choose.

    kernels: whether the files choose the backend of attention.
    """
    job, model = request.job, request.job.model
    traffic = cp_traffic(model, d)
    kind = "SwiGLU" if model.gated else "GELU"
    selective = dict(job.stack.selective.keep) != {"scores": 0.0}
    aside = job.overlap_experts and bool(model.experts) and not overlaps_experts(request, d)
    said = (
        (True, f"the activation of the MLP is no part of a plan: {kind} is written, change it where the model has another"),
        (model.positions == "rope", "the base and the scaling of rotary positions are no part of a plan: set them"),
        (model.dropout, "dropout is written as 0.1, the rate of GPT-3"),
        (
            model.experts,
            "how the router scores and balances experts is no part of a plan: set it (Megatron-LM: softmax, no balancing loss)",
        ),
        (model.sliding_window and model.global_every == 1, "the window is not written, because every layer of the model is global"),
        (
            kernels and job.attention.startswith("flash") and backend(job) == "fused",
            f"{job.attention} is written as the fused backend of attention (cuDNN)",
        ),
        (
            kernels and job.attention == "flash-1" and backend(job) == "flash",
            "flash attention 1 is written as the flash backend of today, which is faster",
        ),
        (kernels and job.attention == "fused-softmax", "fused softmax is written as the unfused backend, with its fused mask and softmax"),
        (d.cp > 1 and traffic != "p2p", f"with windows or sinks context parallelism runs by {traffic}; predicted is a ring"),
        (d.tp > 1 and d.sequence_parallel, "the overlap of tensor parallel traffic (tp_comm_overlap) is left off: turn it on and measure"),
        (aside, "experts' all-to-all is not overlapped: that needs ep above 1, virtual stages in a pipeline and no full recompute"),
        (job.precision == "fp8", f"fp8 runs by the recipe {fp8(job)[1]}, the one for this GPU"),
        (model.experts and job.precision == "fp16", "experts run one by one: grouped products have no fp16"),
        (job.offload_optimizer and job.state_bytes < 4, "states on the host stay in fp32, whatever state_bytes says"),
        (d.recompute == "selective" and selective, f"selective recompute repeats core attention; {job.stack.title} repeats other parts"),
        (job.imbalance != 1 and model.experts, "the experts' imbalance is an assumption of the prediction, not a setting"),
        (job.headroom, "headroom is an assumption of the plan, not a setting"),
        (job.stack.name not in OWN_STACKS, f"the prediction is for {job.stack.title}: time and memory of Megatron differ"),
        (job.cluster.gpu.vendor != "nvidia", "these options were read in Megatron-LM for NVIDIA GPUs; ports to others may lack some"),
    )
    return [sentence for wanted, sentence in said if wanted]


def comment(lines: Iterable[str]) -> str:
    """Lines as a comment of bash and YAML: none can leave it, whatever it holds."""
    plain = ["".join(c if c.isprintable() else " " for c in part) for line in lines for part in line.splitlines() or [""]]
    return "\n".join(f"# {line}".rstrip() for line in plain)


def architecture_refusals(model: Model) -> list[str]:
    """Sentences on what Megatron has no option for."""
    dense_end = model.sparse_layers * model.moe_every + model.dense_layers < model.layers or not model.sparse_layers
    said = (
        (model.positions == "alibi", "Megatron has no ALiBi positions: take a model with rope or learned positions"),
        (model.norms_per_layer != 2, f"Megatron's layers have 2 norms, not {model.norms_per_layer}: take a model with norms_per_layer 2"),
        (model.parallel_block, "Megatron runs attention and MLP one after the other: take a model without parallel_block"),
        (model.embedding_norm, "Megatron has no norm behind the embedding: take a model without embedding_norm"),
        (model.qk_norm == "full", "Megatron norms queries and keys head by head: take a model with qk_norm head or none"),
        (model.chunked, "Megatron-LM has no attention over chunks: take a model whose local layers slide, chunked off"),
        (model.kv_rank and not model.rope_dim, "Megatron's latent attention needs a part with positions: set rope_dim"),
        (model.kv_rank and (model.bias or model.qkv_bias), "Megatron's latent attention has no biases: take a model without them"),
        (model.kv_rank and model.positions != "rope", "Megatron's latent attention has rotary positions alone: set positions to rope"),
        (model.kv_rank and model.qk_norm != "none", "Megatron's latent attention norms what it compresses alone: set qk_norm to none"),
        (model.mtp_layers and model.positions != "rope", "multi-token prediction needs rotary positions: set mtp_layers to 0"),
        (model.mtp_layers and dense_end, "multi-token prediction copies the last layer, which has no experts here: set mtp_layers to 0"),
    )
    return [sentence for wrong, sentence in said if wrong]
