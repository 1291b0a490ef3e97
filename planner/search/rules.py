"""RULES: the conditions of a valid plan. The lattice applies each rule as soon as the fields that it reads exist.

The source names where a framework enforces the rule. A new rule is one more Rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from planner import degrees
from planner.cost.pipeline_split import DUALPIPE_V, chunk_layers, in_v, stage_layers
from planner.dimensions import Count, Flag, Stage, maximum, where
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan


class Rule(NamedTuple):
    """A condition of a valid plan: key, sentence for the user, fields that it reads, where it is enforced, its function."""

    key: str
    sentence: str
    fields: tuple[str, ...]
    source: str
    allowed: Callable[[Job, Plan], Flag]


def _divides(keys: tuple[str, ...]) -> Rule:
    """The rule that a product of degrees divides the GPUs; dp takes what the others leave."""
    sentence, source = f"{degrees.text(keys)} must divide the GPUs", f"{ARGS}, world size"
    return Rule("world", sentence, keys, source, lambda job, plan: job.cluster.gpus % degrees.product(plan, keys) == 0)


def _kv_heads(job: Job, plan: Plan) -> Flag:
    kv = job.model.kv_heads
    replicates = job.stack.kv_replication or (kv == 1 and job.stack.one_kv_replicated)
    repeated = (plan.tp % kv == 0) if replicates else False
    return (kv % plan.tp == 0) | repeated


def _stages(job: Job, plan: Plan) -> Flag:
    layers, chunks = job.model.layers, plan.pp * plan.vpp
    if job.layout is not None:
        return chunks >= 1  # as the layout says
    even = layers % chunks == 0
    room = Flag(stage_layers(job, plan, Stage(where(in_v(plan), 0, plan.pp - 1))) >= 0)  # in addition to the head
    if job.stack.uneven_stages == "any":
        return (chunks <= layers + 2) & room
    if job.stack.uneven_stages == "flops":
        return chunks <= layers
    if job.stack.uneven_stages == "slots":
        alone = ~_splits(job, plan.pp)  # a layout with one entry per chunk if no number of chunks divides evenly
        return (_splits(job, chunks) | (alone & (chunks <= layers))) & room
    return even


def _layout(job: Job, plan: Plan) -> Flag:
    if job.layout is None:
        return plan.pp >= 1
    last = (job.layout.ahead_stage >= job.layout.stages - plan.pp) | (job.layout.ahead == 0)
    return (plan.pp * plan.vpp == job.layout.stages) & last


def _splits(job: Job, chunks: Count) -> Flag:
    """Whether the layers divide evenly over the chunks, alone, with the head, or with embedding and head counted as layers."""
    layers, behind = job.model.layers, job.model.mtp_layers
    return (layers % chunks == 0) | ((layers + 2 + behind) % chunks == 0) | ((layers + 1 + behind) % chunks == 0)


def _sequence_cp(job: Job, plan: Plan) -> Flag:
    return (plan.cp == 1) | (job.sequence % (job.stack.sequence_rule * plan.cp) == 0)


def _sequence_sp(job: Job, plan: Plan) -> Flag:
    return (plan.sequence_parallel == 0) | (job.sequence % (plan.cp * (1 if job.stack.pads_sequence else plan.tp)) == 0)


def _sequence_parallel_choice(job: Job, plan: Plan) -> Flag:
    on = plan.sequence_parallel == 1
    if job.stack.sequence_parallel == "never":
        return ~on
    if job.stack.sequence_parallel == "always":
        return on | (plan.tp == 1)
    return on | True


def _groups(job: Job, plan: Plan) -> Flag:
    count = job.global_batch // (plan.dp * plan.micro_batch)
    plain = (plan.vpp == 1) | (plan.schedule > 0)
    if job.stack.interleaved_groups:
        return plain | ((count >= plan.pp) & (count % plan.pp == 0))
    return plain | (count % maximum(1, count // plan.pp) == 0)


def _expert_world(job: Job, plan: Plan) -> Flag:
    return degrees.stage_ranks(plan) % degrees.expert_ranks(plan) == 0


def _expert_shard(job: Job, plan: Plan) -> Flag:
    sharded = plan.dp // maximum(plan.dp_replicate, 1) * (1 if job.stack.experts_in_shard else plan.cp * plan.tp)
    return (plan.zero == 0) | (sharded % degrees.expert_ranks(plan) == 0)


def _expert_tensor(job: Job, plan: Plan) -> Flag:
    allowed = {"never": plan.etp == 1, "tp": (plan.etp == 1) | (plan.etp == plan.tp), "any": plan.etp >= 1}
    return allowed[job.stack.expert_tensor]


def _schedule_stack(job: Job, plan: Plan) -> Flag:
    return Flag(np.isin(plan.schedule, [SCHEDULES.index(name) for name in job.stack.schedules]))


def _schedule_stages(job: Job, plan: Plan) -> Flag:
    code = plan.schedule
    return (code == 0) | ((plan.pp > 1) & where(in_v(plan), plan.vpp == 2, plan.vpp == 1))


def _dual_batches(job: Job, plan: Plan) -> Flag:
    count = job.global_batch // (plan.dp * plan.micro_batch)
    return (plan.schedule != DUALPIPE_V) | (count >= 2 * plan.pp)


def _pipeline_batches(job: Job, plan: Plan) -> Flag:
    count = job.global_batch // (plan.dp * plan.micro_batch)
    allowed = {"any": plan.pp >= 1, "fill": count >= plan.pp - 1, "stages": count % plan.pp == 0}
    return (plan.pp == 1) | allowed[job.stack.micro_batches]


def _zero_known(job: Job, plan: Plan) -> Flag:
    alone = (plan.dp * plan.cp == 1) & (plan.zero == 0)
    if job.stack.unsharded_alone:
        alone = alone & (plan.tp * plan.pp == 1)
    return alone | Flag(np.isin(plan.zero, job.stack.zero_stages))


def _in_backward(job: Job, plan: Plan) -> Flag:
    return Flag(job.global_batch == plan.dp * plan.micro_batch) | (not job.optimizer_in_backward)


def _muon(job: Job, plan: Plan) -> Flag:
    sharded = (plan.zero > 0) | (plan.dp * plan.cp == 1)
    return {"muon": plan.zero == 0, "muon-sharded": sharded}.get(job.optimizer, plan.zero >= 0)


def _shards_left(job: Job, plan: Plan) -> Flag:
    inside = (plan.dp % plan.dp_replicate == 0) & (plan.dp_replicate < plan.dp)
    return (plan.zero == 0) | (plan.dp_replicate == 1) | inside


ARGS = "Megatron-LM megatron/training/arguments.py"
STAGE, EXPERTS = degrees.text(degrees.STAGE), degrees.text(degrees.EXPERTS[::-1])
RULES: tuple[Rule, ...] = (
    *(_divides(degrees.MODEL_PARALLEL[:count]) for count in range(1, len(degrees.MODEL_PARALLEL) + 1)),
    Rule("tensor", "this stack has no tensor parallelism", ("tp",), "documentation of the stack",
         lambda job, plan: (plan.tp == 1) | job.stack.tensor_parallel),
    Rule("heads", "tp must divide the attention heads", ("tp",), "megatron/core/transformer/transformer_config.py",
         lambda job, plan: job.model.heads % plan.tp == 0),
    Rule("kv_heads", "tp must divide the key-value heads, or be a multiple of them where the stack repeats heads", ("tp",),
         "megatron/core/transformer/transformer_config.py; torchtitan models/common/decoder.py", _kv_heads),
    Rule("ffn", "tp must divide the MLP width", ("tp",), "Shoeybi et al. 2019, Section 3: whole columns on each rank",
         lambda job, plan: job.model.ffn % plan.tp == 0),
    Rule("quantized", "QLoRA runs without tensor parallelism and without pipelines: no stack divides matrices in 4 bits", ("tp",),
         "bitsandbytes docs/source/fsdp_qlora.md; PEFT docs/source/accelerate: data parallelism alone",
         lambda job, plan: (plan.tp == 1) | (job.tuning != "qlora")),
    Rule("quantized", "QLoRA runs without tensor parallelism and without pipelines: no stack divides matrices in 4 bits", ("pp",),
         "bitsandbytes docs/source/fsdp_qlora.md; PEFT docs/source/accelerate: data parallelism alone",
         lambda job, plan: (plan.pp == 1) | (job.tuning != "qlora")),
    Rule("context", "this stack has no context parallelism", ("cp",), "documentation of the stack",
         lambda job, plan: (plan.cp == 1) | job.stack.context_parallel),
    Rule("cp_attention", "context parallelism needs flash attention", ("cp",), "Liu et al. 2023: blockwise attention",
         lambda job, plan: (plan.cp == 1) | job.attention.startswith("flash")),
    Rule("sequence_cp", "cp (twice, for causal balance) must divide the sequence", ("cp",), f"{ARGS}, seq % (2 cp)", _sequence_cp),
    Rule("pipeline", "this stack has no pipelines", ("pp",), "documentation of the stack",
         lambda job, plan: (plan.pp == 1) | (job.stack.pipeline_zero_most >= 0)),
    Rule("tied", "this stack cannot tie embedding and head across a pipeline", ("pp",), "torchtitan: tying not with PP",
         lambda job, plan: (plan.pp == 1) | job.stack.tied_pipeline | (not job.model.tied)),
    Rule("layers", "pp must not exceed the layers", ("pp",), f"{ARGS}", lambda job, plan: plan.pp <= job.model.layers),
    Rule("moe_stack", "this stack does not train mixtures of experts", ("tp",), "documentation of the stack",
         lambda job, plan: (plan.tp > 0) & (job.stack.expert_parallel or not job.model.experts)),
    Rule("experts", "ep must divide the routed experts, and is 1 for a dense model", ("ep",),
         f"{ARGS}; megatron/core/transformer/moe/moe_layer.py",
         lambda job, plan: (plan.ep == 1) if not job.model.experts else job.model.experts % plan.ep == 0),
    Rule("expert_world", f"{EXPERTS} must divide {STAGE}, the ranks of a stage", (*degrees.STAGE, "ep"),
         "megatron/core/parallel_state.py, expert parallel groups", lambda job, plan: degrees.stage_ranks(plan) % plan.ep == 0),
    Rule("expert_world", f"{EXPERTS} must divide {STAGE}, the ranks of a stage", (*degrees.STAGE, "ep", "etp"),
         "megatron/core/parallel_state.py, expert parallel groups", _expert_world),
    Rule("expert_tensor", "this stack does not support this degree of expert tensor parallelism", ("tp", "etp"),
         "torchtitan distributed/parallel_dims.py; documentation of the stack", _expert_tensor),
    Rule("expert_ffn", "etp must divide the width of an expert, and is 1 for a dense model", ("etp",), "Shoeybi et al. 2019, Section 3",
         lambda job, plan: (job.model.expert_ffn % plan.etp == 0) if job.model.experts else plan.etp == 1),
    Rule("expert_bias", "experts with biases are not divided: etp must be 1", ("etp",),
         "megatron/core/transformer/transformer_config.py", lambda job, plan: (plan.etp == 1) | (not job.model.bias)),
    Rule("schedule_stack", "this stack has no such pipeline schedule", ("schedule",), "documentation of the stack", _schedule_stack),
    Rule("schedule_stages", "zero-bubble schedules need a pipeline: ZB-V and DualPipeV with two virtual stages per rank, others with one",
         ("pp", "schedule", "vpp"), "torch 2.13.0 distributed/pipelining/schedules.py: V schedules hold two stages", _schedule_stages),
    Rule("dual_batches", "DualPipeV needs at least as many micro-batches as stages, 2 x pp", ("pp", "schedule", "dp", "micro_batch"),
         "torch 2.13.0 distributed/pipelining/schedules.py; DualPipe dualpipe/dualpipev.py", _dual_batches),
    Rule("interleaving", "virtual stages need a pipeline, and a stack that interleaves", ("pp", "schedule", "vpp"),
         f"{ARGS}, vpp needs pp > 1", lambda job, plan: (plan.vpp == 1) | ((plan.pp > 1) & (job.stack.interleaved | in_v(plan)))),
    Rule("stages", "pp x vpp must divide the layers, or the layers with embedding and head where the stack counts those",
         ("pp", "schedule", "vpp"),
         "megatron/core/transformer/transformer_block.py; torchtitan distributed/pipeline_parallel.py", _stages),
    Rule("layout", "pp x vpp must be the stages of pipeline_layout, with multi-token prediction in the last virtual stage of its rank",
         ("pp", "schedule", "vpp"), "megatron/core/transformer/pipeline_parallel_layer_layout.py", _layout),
    Rule("batch", "dp x micro-batch must divide the global batch", ("dp", "micro_batch"), "megatron/core/num_microbatches_calculator.py",
         lambda job, plan: job.global_batch % (plan.dp * plan.micro_batch) == 0),
    Rule("pipeline_batches", "this stack fills a pipeline with at least pp - 1 micro-batches, or with whole multiples of pp",
         ("pp", "dp", "micro_batch"), "nanotron parallel/pipeline_parallel/engine.py; MaxText configs/types.py", _pipeline_batches),
    Rule("groups", "interleaving needs micro-batches in whole groups of pp, or in equal rounds if the stack allows them",
         ("pp", "schedule", "vpp", "dp", "micro_batch"),
         "megatron/core/pipeline_parallel/schedules.py; torch 2.13.0 distributed/pipelining/schedules.py", _groups),
    Rule("sp_alone", "sequence parallelism needs tp above 1", ("tp", "sequence_parallel"), f"{ARGS}",
         lambda job, plan: (plan.sequence_parallel == 0) | (plan.tp > 1)),
    Rule("sp_stack", "this stack fixes sequence parallelism", ("tp", "sequence_parallel"), "documentation of the stack",
         _sequence_parallel_choice),
    Rule("expert_sp", "with experts this stack needs sequence parallelism for tensor parallelism", ("tp", "sequence_parallel"),
         "megatron/core/transformer/moe/moe_layer.py, forward",
         lambda job, plan: (plan.tp == 1) | (plan.sequence_parallel == 1) | (not (job.model.experts and job.stack.expert_needs_sp))),
    Rule("sequence_sp", "tp x cp must divide the sequence under sequence parallelism, unless the stack pads it",
         ("tp", "cp", "sequence_parallel"), "Korthikanti et al. 2022, Section 4.2.2", _sequence_sp),
    Rule("first", "this stack cannot recompute only the first N layers", ("recompute",), "documentation of the stack",
         lambda job, plan: (plan.recompute != 3) | job.stack.first_recompute),
    Rule("first_layers", "the first N layers must be fewer than a virtual stage holds", ("pp", "vpp", "recompute", "recompute_layers"),
         f"{ARGS}, --recompute-num-layers",
         lambda job, plan: where(plan.recompute == 3, (plan.recompute_layers >= 1) & (plan.recompute_layers < chunk_layers(job, plan)),
                                    plan.recompute_layers == 0)),
    Rule("zero_known", "this stack does not support this ZeRO stage with these degrees", (*degrees.WORLD, "zero"),
         "documentation of the stack; torchtitan distributed/parallel_dims.py", _zero_known),
    Rule("zero_alone", "sharding needs more than one data- or context-parallel rank", ("dp", "cp", "zero"), "nothing to shard over",
         lambda job, plan: (plan.zero == 0) | (plan.dp * plan.cp > 1)),
    Rule("zero_pipeline", "this stack does not support this ZeRO stage in a pipeline", ("pp", "zero"),
         "DeepSpeed runtime/pipe/engine.py; Megatron-LM docs, Megatron-FSDP: integrated with TP, CP, EP",
         lambda job, plan: (plan.pp == 1) | (plan.zero <= max(job.stack.pipeline_zero_most, 0))),
    Rule("hsdp_stack", "this stack does not replicate sharded groups", ("zero", "dp_replicate"), "documentation of the stack",
         lambda job, plan: (plan.zero == 0) | (plan.dp_replicate == 1) | job.stack.hsdp),
    Rule("hsdp_zero", "replicated groups need ZeRO-2 or 3, with DeepSpeed ZeRO-3", ("zero", "dp_replicate"),
         "torchtitan distributed/parallel_dims.py; DeepSpeed runtime/zero/config.py, zero_hpz_partition_size",
         lambda job, plan: (plan.zero == 0) | (plan.zero >= job.stack.hsdp_least) | (plan.dp_replicate == 1)),
    Rule("hsdp_shard", "dp_replicate must divide dp and leave at least two ranks to shard over", ("dp", "zero", "dp_replicate"),
         "torchtitan distributed/parallel_dims.py",
         _shards_left),
    Rule("expert_shard", "ep x etp must divide the ranks of a sharded group, dp_shard x cp x tp, in MaxText dp_shard",
         (*degrees.STAGE, *degrees.EXPERTS, "zero", "dp_replicate"),
         "torchtitan distributed/parallel_dims.py; MaxText configs/types.py", _expert_shard),
    Rule("in_backward", "the optimizer in the backward pass (optimizer_in_backward) needs one micro-batch per step: gradients of several"
         " are summed before the step", ("dp", "micro_batch"), "torchtune recipes/full_finetune_single_device.py: optimizer_in_bwd not with"
         " gradient_accumulation_steps", _in_backward),
    Rule("in_backward_pipeline", "the optimizer in the backward pass (optimizer_in_backward) needs a single pipeline stage", ("pp",),
         "torchtitan 0.2.2 components/optimizer.py: early_step_in_backward not with pipeline parallelism",
         lambda job, plan: (plan.pp == 1) | (not job.optimizer_in_backward)),
    Rule("offload_parameters", "weights in host memory (offload_parameters) need ZeRO-3", ("dp", "cp", "zero"),
         "DeepSpeed runtime/zero/offload_config.py: offload_param only with stage 3",
         lambda job, plan: (plan.zero == 3) | (plan.dp * plan.cp == 1) | (not job.offload_parameters)),
    Rule("fp8_parameters", "weights in 8 bits (fp8_parameters) need their master copies sharded: ZeRO-1, 2 or 3", ("dp", "cp", "zero"),
         f"{ARGS}, --fp8-param-gather", lambda job, plan: (plan.zero > 0) | (plan.dp * plan.cp == 1) | (not job.fp8_parameters)),
    Rule("muon", "muon updates whole matrices and needs ZeRO-0; muon-sharded needs sharded states", ("dp", "cp", "zero"),
         "megatron/core/optimizer/muon.py: muon not with a distributed optimizer", _muon),
    Rule("expert_zero", "this stack does not support this ZeRO stage with experts", ("ep", "zero"),
         "DeepSpeed runtime/engine.py: native mixtures of experts not with ZeRO-3",
         lambda job, plan: (plan.zero <= job.stack.expert_zero_most) | (not job.model.experts)),
)  # fmt: skip
SENTENCES = {rule.key: rule.sentence for rule in RULES} | {
    "bounds": "a degree lies outside the bounds you set",
    "states": "weights, gradients and optimizer states alone are more than the memory of a GPU",
    "activations": "one micro-batch needs more than the memory the smallest states leave, whatever is recomputed",
}
