"""Megatron-LM: a bash script that starts pretrain_gpt.py under torchrun with all options of the plan and the model."""

from __future__ import annotations

import shlex

from planner.degrees import EXPERTS, STAGE, WORLD, expert_ranks, stage_ranks, text, world
from planner.exporters import _megatron_facts as facts
from planner.exporters._annotation import READ_BACK, assumptions
from planner.exporters._degrees import Degrees, degrees, fills
from planner.exporters._megatron_keys import VERSION
from planner.exporters._options import ALLOCATOR, lacking, offloaded_layers
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "train.sh"
WIDTHS = {4: "fp32", 2: "bf16", 1: "fp8"}  # dtype of a state by its bytes
SHARDING = {2: "optim_grads", 3: "optim_grads_params"}
Option = tuple[str, ...]  # name and values


def option(name: str, *values: object) -> Option:
    """An option as words of a command line."""
    return (name, *(f"{v:g}" if isinstance(v, float) else str(v) for v in values))


def when(condition: object, name: str, *values: object) -> list[Option]:
    """An option as a list of one, or an empty list."""
    return [option(name, *values)] if condition else []


def model_options(request: Request) -> list[Option]:
    """The architecture, without experts."""
    model, sequence = request.job.model, request.job.sequence
    latent, rope = bool(model.kv_rank), model.positions == "rope"
    drop = 0.1 if model.dropout else 0.0
    return [
        option("--num-layers", model.layers), option("--hidden-size", model.hidden), option("--ffn-hidden-size", facts.ffn(model)),
        option("--num-attention-heads", model.heads), option("--kv-channels", model.head_dim),
        *when(facts.grouped(model), "--group-query-attention"), *when(facts.grouped(model), "--num-query-groups", model.kv_heads),
        *when(latent, "--multi-latent-attention"), *when(latent and model.q_rank, "--q-lora-rank", model.q_rank),
        *when(latent, "--kv-lora-rank", model.kv_rank), *when(latent, "--qk-head-dim", model.head_dim),
        *when(latent, "--qk-pos-emb-head-dim", model.rope_dim), *when(latent, "--v-head-dim", model.value_dim),
        *when(latent, "--rope-type", "rope"), *when(latent, "--no-rope-fusion"),  # the fused kernel of latent attention supports only YaRN
        *when(facts.windowed(model), "--window-size", f"{model.sliding_window},0"),
        *when(facts.windowed(model), "--window-attn-skip-freq", model.global_every), *when(model.sinks, "--softmax-type", "learnable"),
        *when(model.gated, "--swiglu"), option("--normalization", "RMSNorm" if model.norm == "rmsnorm" else "LayerNorm"),
        *when(latent or model.qk_norm == "head", "--qk-layernorm"), *when(not model.bias, "--disable-bias-linear"),
        *when(model.qkv_bias and not model.bias, "--add-qkv-bias"),
        option("--position-embedding-type", "rope" if rope else "learned_absolute"),
        option("--max-position-embeddings", facts.positions(model, sequence)),
        *when(not model.tied, "--untie-embeddings-and-output-weights"), option("--vocab-size", model.vocab),
        option("--make-vocab-size-divisible-by", max(request.job.stack.vocab_multiple, 1)), option("--hidden-dropout", drop),
        option("--attention-dropout", drop), *when(model.mtp_layers, "--mtp-num-layers", model.mtp_layers),
    ]  # fmt: skip


def expert_options(request: Request, d: Degrees) -> list[Option]:
    """The routed experts; empty for a dense model."""
    model, job = request.job.model, request.job
    if not model.experts:
        return []
    dispatcher, backend = facts.dispatcher(request, d)
    return [
        option("--num-experts", model.experts), option("--moe-router-topk", model.experts_per_token),
        option("--moe-ffn-hidden-size", model.expert_ffn),
        *when(model.shared_ffn, "--moe-shared-expert-intermediate-size", model.shared_ffn),
        *when(model.shared_ffn and model.shared_gate, "--moe-shared-expert-gate"),
        option("--moe-layer-freq", facts.sparse_pattern(model) or 1),
        *when(model.router_groups, "--moe-router-num-groups", model.router_groups),
        *when(model.router_groups, "--moe-router-group-topk", model.groups_per_token),
        *when(model.experts_per_token == 1, "--moe-router-pre-softmax"),  # the softmax over a single expert is constant
        *when(job.precision != "fp16", "--moe-grouped-gemm"),
        option("--moe-token-dispatcher-type", dispatcher),
        *when(backend, "--moe-flex-dispatcher-backend", backend), *when(backend, "--moe-router-dtype", "fp32"),
        *when(job.capacity, "--moe-expert-capacity-factor", float(job.capacity)),
        *when(job.capacity, "--moe-pad-expert-input-to-capacity"),
        *when(job.precision in ("fp8", "fp4") and not job.capacity, "--moe-router-padding-for-quantization"),
    ]  # fmt: skip


def parallel_options(request: Request, d: Degrees) -> list[Option]:
    """Parallel degrees, sharding and overlap of communication."""
    laid, fsdp = facts.laid_out(request), d.zero >= 2
    return [
        option("--tensor-model-parallel-size", d.tp), *when(d.sequence_parallel, "--sequence-parallel"),
        option("--pipeline-model-parallel-size", d.pp),
        *when(not laid and d.vpp > 1, "--num-virtual-stages-per-pipeline-rank", d.vpp),
        *when(laid, "--pipeline-model-parallel-layout", laid), *when(facts.buffers(request, d), "--tp-comm-overlap"),
        option("--context-parallel-size", d.cp), *when(d.cp > 1, "--cp-comm-type", facts.cp_traffic(request.job.model, d)),
        option("--expert-model-parallel-size", d.ep), option("--expert-tensor-parallel-size", d.etp),
        *when(facts.sharded(request, d) or fsdp, "--use-distributed-optimizer"), *when(fsdp, "--use-megatron-fsdp"),
        *when(fsdp, "--data-parallel-sharding-strategy", SHARDING.get(d.zero)), *when(fsdp, "--no-gradient-accumulation-fusion"),
        *when(d.zero and d.dp_replicate > 1, "--num-distributed-optimizer-instances", d.dp_replicate),
        *when(d.zero and d.dp_replicate > 1, "--outer-dp-sharding-strategy", "no_shard"),
        *when(facts.overlaps(request, d)[0], "--overlap-grad-reduce"), *when(facts.overlaps(request, d)[1], "--overlap-param-gather"),
        *when(facts.overlaps_experts(request, d), "--overlap-moe-expert-parallel-comm"),
    ]  # fmt: skip


def training_options(request: Request, d: Degrees) -> list[Option]:
    """Batch, recomputation, precision, optimizer and kernels."""
    job = request.job
    fp16, wide, fsdp, aware = job.precision == "fp16", job.gradient_bytes == 4, d.zero >= 2, facts.precision_aware(request)
    gradients = "fp32" if wide else "fp16" if fp16 else "bf16"
    whole = d.recompute in ("full", "first")
    backend = facts.backend(job)
    return [
        option("--micro-batch-size", d.micro_batch), option("--global-batch-size", job.global_batch), option("--seq-length", job.sequence),
        *when(d.recompute != "none", "--recompute-granularity", "full" if whole else "selective"),
        *when(d.recompute == "selective", "--recompute-modules", *facts.modules(job)),
        *when(whole, "--recompute-method", "uniform" if d.recompute == "full" else "block"),
        *when(whole, "--recompute-num-layers", 1 if d.recompute == "full" else d.recompute_layers),
        option("--fp16" if fp16 else "--bf16"),
        *[o for o in (("--fp8-format", facts.fp8(job)[0]), ("--fp8-recipe", facts.fp8(job)[1])) if job.precision == "fp8"],
        *[o for o in (("--fp4-format", "e2m1"), ("--fp4-recipe", "nvfp4")) if job.precision == "fp4"],
        *when(wide, "--accumulate-allreduce-grads-in-fp32"), *when(not wide and not fp16, "--grad-reduce-in-bf16"),
        *when(fsdp, "--megatron-fsdp-main-grads-dtype", gradients),
        *when(fsdp, "--megatron-fsdp-grad-comm-dtype", gradients if job.reduce_bytes == job.gradient_bytes else facts.width(job)),
        *when(job.fp8_parameters, "--fp8-param-gather"),
        option("--optimizer", facts.OPTIMIZERS[job.optimizer]), *when(job.optimizer == "sgd-plain", "--sgd-momentum", 0.0),
        *when(aware, "--use-precision-aware-optimizer"),
        *when(aware and not wide and not fp16, "--main-grads-dtype", "bf16"),
        *when(aware, "--exp-avg-dtype", WIDTHS[job.state_bytes]), *when(aware, "--exp-avg-sq-dtype", WIDTHS[job.state_bytes]),
        *when(job.offload_optimizer, "--optimizer-cpu-offload"), *when(job.offload_optimizer, "--optimizer-offload-fraction", 1.0),
        option("--attention-backend", backend),
        *when(backend == "flash" and job.attention == "flash-2", "--flash-attention-version", 2),
        *when(job.attention == "unfused", "--no-masked-softmax-fusion"), option("--ckpt-format", "fsdp_dtensor" if fsdp else "torch_dist"),
    ]  # fmt: skip


def memory_options(request: Request, d: Degrees) -> list[Option]:
    """Fusion of kernels and of the loss, offloading of activations."""
    job = request.job
    kind, scopes = facts.graphs(job)
    fusions = facts.FUSIONS[: -1 if job.model.kv_rank else None] if job.kernels == "eager" else ()
    return [
        *when(job.loss_kernel == "fused", "--cross-entropy-loss-fusion"),
        *when(kind != "none", "--cuda-graph-impl", kind),
        *when(scopes, "--cuda-graph-scope", *scopes),
        *when(kind != "none", "--te-rng-tracker"),
        *(option(f"--no-{name}") for name in fusions),
        *when(job.offload_activations, "--cpu-offloading-num-layers", offloaded_layers(request, d)),
    ]


def array(name: str, options: list[Option]) -> str:
    """A bash array with one option per line, each word quoted."""
    return "\n".join([f"{name}=(", *("    " + " ".join(map(shlex.quote, words)) for words in options), ")"])


def script(request: Request, d: Degrees, notes: tuple[str, ...]) -> str:
    """The complete script."""
    groups = {
        "MODEL": model_options(request), "EXPERTS": expert_options(request, d),
        "PARALLEL": parallel_options(request, d),
        "TRAINING": [*training_options(request, d), *memory_options(request, d)],
    }  # fmt: skip
    groups = {name: options for name, options in groups.items() if options}
    head = [
        f"{request.job.model.name} on {d.world:,} GPUs, for Megatron-LM {VERSION}",
        *request.about,
        *([READ_BACK + fields] if (fields := assumptions(request.job, "megatron-core", facts.written(request, d))) else []),
        *(f"Note: {note}" for note in notes),
    ]
    rope = request.job.model.positions == "rope"
    connections = facts.connections(request, d)
    lines = [
        "#!/usr/bin/env bash", facts.comment(head), "set -euo pipefail", "", *FILL_IN, *([ROTARY] if rope else []), "",
        "# ---- the plan: change it in tmplan ----",
        f"export CUDA_DEVICE_MAX_CONNECTIONS={connections}" if connections else "unset CUDA_DEVICE_MAX_CONNECTIONS",
        *([f"export {ALLOCATOR}"] if request.job.expandable_segments else []),
        *(array(name, options) for name, options in groups.items()), "", *DATA, *(['DATA+=(--rotary-base "$ROTARY_BASE")'] if rope else []),
        "", f"exec torchrun --nnodes {d.nodes} --nproc-per-node {d.gpus_per_node} \\", *RUN,
        *(f'    "${{{name}[@]}}" \\' for name in groups), *END,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


ROTARY = 'ROTARY_BASE="${ROTARY_BASE:-10000}"  # base of rotary positions; Llama 3: 500000'
FILL_IN = (
    "# ---- settings: here or in the environment; arguments of the script are passed to Megatron-LM last and take precedence ----",
    'MEGATRON="${MEGATRON:-.}"  # folder of Megatron-LM',
    'DATA_PATH="${DATA_PATH:-}"  # prefix of the tokenized data; empty: random tokens',
    'TOKENIZER_TYPE="${TOKENIZER_TYPE:-NullTokenizer}"',
    'TOKENIZER_MODEL="${TOKENIZER_MODEL:-}"',
    'CHECKPOINTS="${CHECKPOINTS:-}"  # folder; empty: no checkpoints',
    'TRAIN_ITERS="${TRAIN_ITERS:-1000}"',
    'LR="${LR:-3e-4}"',
    'MIN_LR="${MIN_LR:-3e-5}"',
    'NODE_RANK="${NODE_RANK:-0}"  # 0 on the node of MASTER_ADDR',
    'MASTER_ADDR="${MASTER_ADDR:-127.0.0.1}"',
    'MASTER_PORT="${MASTER_PORT:-29500}"',
)
DATA = (
    'DATA=(--tokenizer-type "$TOKENIZER_TYPE")',
    'if [[ -n "$TOKENIZER_MODEL" ]]; then DATA+=(--tokenizer-model "$TOKENIZER_MODEL"); fi',
    'if [[ -n "$DATA_PATH" ]]; then DATA+=(--data-path "$DATA_PATH" --split 99,1,0); else DATA+=(--mock-data); fi',
    'if [[ -n "$CHECKPOINTS" ]]; then DATA+=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval 1000); fi',
)
RUN = (
    '    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \\',
    '    "$MEGATRON/pretrain_gpt.py" \\',
)
END = (
    '    --train-iters "$TRAIN_ITERS" --lr "$LR" --min-lr "$MIN_LR" --lr-decay-style cosine \\',
    "    --eval-interval 1000 --eval-iters 10 --log-interval 1 --log-throughput \\",
    '    "${DATA[@]}" "$@"',
)


def refusals(request: Request) -> list[str]:
    """Why Megatron cannot train this plan; each sentence says what would be right."""
    job, plan, model, d = request.job, request.plan, request.job.model, degrees(request)
    latent, ranks, kv = bool(model.kv_rank), stage_ranks(d), model.kv_heads
    cases = (
        (job.cluster.gpu.vendor == "google", "Megatron runs on GPUs, not on TPUs: choose a GPU"),
        (d.nodes * d.gpus_per_node != d.world, f"{d.world:,} GPUs do not fill nodes of {d.gpus_per_node}: use whole nodes"),
        (not fills(d), f"{text(WORLD)} is {world(d):,}, not the {d.world:,} GPUs: make them equal"),
        (ranks % expert_ranks(d), f"{text(EXPERTS[::-1])} must divide {text(STAGE)} = {ranks:,}, {expert_ranks(d):,} does not"),
        (d.schedule != "1f1b", f"Megatron-LM has the schedule 1f1b (interleaved with virtual stages), not {d.schedule}: use 1f1b"),
        (model.heads % d.tp, f"tp must divide the {model.heads} heads, {d.tp} does not"),
        (not latent and kv % d.tp and d.tp % kv, f"tp and the {kv} key-value heads: one must divide the other"),
        (facts.ffn(model) % d.tp, f"tp must divide the MLP width of {facts.ffn(model):,}, {d.tp} does not"),
        (model.shared_ffn % d.tp, f"tp must divide the width of the shared experts, {model.shared_ffn:,}, {d.tp} does not"),
        (model.experts and model.experts % d.ep, f"ep must divide the {model.experts} experts, {d.ep} does not"),
        (not model.experts and expert_ranks(d) > 1, "a dense model has no experts: set ep and etp to 1"),
        (model.experts and model.expert_ffn % d.etp, f"etp must divide the expert width of {model.expert_ffn:,}, {d.etp} does not"),
        (model.experts and model.bias and d.etp > 1, "experts with biases cannot be split over ranks: set etp to 1"),
        (model.experts and d.tp > 1 and not d.sequence_parallel, "experts with tp above 1 need sequence parallelism: turn it on"),
        (d.sequence_parallel and d.tp == 1, "sequence parallelism needs tp above 1: turn it off"),
        (d.sequence_parallel and job.sequence % (d.tp * d.cp), "tp x cp must divide the sequence under sequence parallelism"),
        (d.cp > 1 and job.sequence % (2 * d.cp), f"2 x cp = {2 * d.cp} must divide the sequence of {job.sequence:,}"),
        (d.cp > 1 and model.sinks and kv % (d.tp * d.cp), f"attention sinks under cp need tp x cp to divide the {kv} key-value heads"),
        (d.cp > 1 and not job.attention.startswith("flash"), "context parallelism needs flash attention: use flash-2 or flash-3"),
        (d.vpp > 1 and d.pp == 1, "virtual stages need a pipeline: set vpp to 1"),
        (job.global_batch % (d.dp * d.micro_batch), f"dp x micro-batch = {d.dp * d.micro_batch} must divide the global batch"),
        (d.vpp > 1 and d.micro_batches % d.pp, f"virtual stages need micro-batches in groups of pp = {d.pp}, not {d.micro_batches}"),
        (job.layout and job.layout.stages != d.pp * d.vpp,
         f"the layout has {job.layout.stages if job.layout else 0} stages, pp x vpp is {d.pp * d.vpp}: make them equal"),
        (d.schedule == "1f1b" and min(facts.chunks(request)) < 0, "a stage has no room for its layers: use fewer stages"),
        (d.recompute == "first" and not 1 <= d.recompute_layers <= max(facts.chunks(request)),
         "recompute_layers must lie from 1 to the layers of a virtual stage"),
        (d.zero >= 2 and d.pp > 1, f"ZeRO-{d.zero} is Megatron-FSDP, which runs without a pipeline: set pp to 1, or zero to 1"),
        (d.zero == 1 and d.dp_replicate > 1, "replicated groups are exported only with ZeRO-2 or 3: set dp_replicate to 1"),
        (d.zero and d.dp_shard * d.dp_replicate != d.dp, "dp_shard x dp_replicate must be dp"),
        (d.zero and (ranks // (d.ep * d.etp)) % d.dp_replicate, "dp_replicate must divide the replicas of an expert"),
        (job.optimizer.startswith("adamw-8bit"), f"Megatron has no optimizer {job.optimizer}: use adamw with state_bytes 1"),
        (job.optimizer == "adafactor", "Megatron has no optimizer adafactor: use adamw"),
        (job.optimizer not in ("adamw", "muon-sharded") and d.zero == 1,
         "Megatron's distributed optimizer supports only Adam: use adamw, or zero 0"),
        (job.optimizer not in ("adamw", "sgd", "sgd-plain") and d.zero >= 2, "Megatron-FSDP supports only Adam and SGD: use adamw"),
        (job.optimizer.startswith("muon") and job.precision == "fp16", "Megatron's Muon has no fp16: use bf16"),
        (job.optimizer != "adamw" and facts.precision_aware(request), "low-precision or offloaded states need Adam: use adamw"),
        (job.precision == "fp16" and d.recompute == "selective" and "moe_act" in facts.modules(job),
         "recomputation of moe_act needs grouped GEMMs, which have no fp16: use bf16"),
        (job.offload_activations and (d.pp > 1 or d.recompute != "none"),
         "Megatron offloads activations of whole layers only without a pipeline and without recomputation: set offload_activations to 0"),
        (facts.precision_aware(request) and not d.zero and not facts.sharded(request, d),
         "low-precision or offloaded optimizer states need the distributed optimizer: set zero to 1"),
        (job.offload_optimizer and d.zero >= 2, "the optimizer is offloaded under ZeRO-1, not under Megatron-FSDP: set zero to 1"),
        (job.precision == "fp16" and d.ep > 1, "expert parallelism has no fp16: use bf16"),
        (job.precision == "fp8" and job.recipe not in facts.FP8_RECIPES, f"Megatron has no {job.recipe} recipe: set fp8_recipe to current"),
        (job.precision == "fp4" and not job.cluster.gpu.arch.startswith("blackwell"), "NVFP4 needs a Blackwell GPU: use bf16 or fp8"),
        (job.frozen, "Megatron is exported for full training, without adapters on frozen weights (LoRA): set tuning to full"),
        (int(plan.zero) and d.dp * d.cp == 1, "sharding needs more than one data or context parallel rank: set zero to 0"),
    )  # fmt: skip
    missing = lacking(request, "Megatron", facts.WRITTEN)
    return [*facts.architecture_refusals(model), *(sentence for wrong, sentence in cases if wrong), *missing]


def write(request: Request) -> Exported:
    """The script, and notes on what it does not express."""
    d = degrees(request)
    notes = tuple(facts.notes(request, d))
    return Exported({MAIN: script(request, d, notes)}, notes)


register(Target("megatron-lm", "Megatron-LM", MAIN, VERSION, refusals, write))
