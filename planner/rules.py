"""RULES: what makes a plan valid. Each is a sentence, the fields it reads, and a mask; the lattice applies it once they exist.

Sources name where the framework enforces the rule. To add one, add one Rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from planner.plan import Plan
from planner.shard import chunk_layers
from planner.specs import Job


class Rule(NamedTuple):
    """A reason to refuse a plan: key, the sentence a user reads, the fields it reads, where it is enforced, what it allows."""

    key: str
    sentence: str
    fields: tuple[str, ...]
    source: str
    allowed: Callable[[Job, Plan], Any]


def _divides(*names: str) -> Callable[[Job, Plan], Any]:
    def allowed(job: Job, plan: Plan) -> Any:
        product = np.ones(1, np.int64)
        for name in names:
            product = product * getattr(plan, name)
        return job.cluster.gpus % product == 0

    return allowed


def _kv_heads(job: Job, plan: Plan) -> Any:
    kv = job.model.kv_heads
    repeated = (plan.tp % kv == 0) if job.stack.kv_replication else False
    return (kv % plan.tp == 0) | repeated


def _stages(job: Job, plan: Plan) -> Any:
    layers, chunks = job.model.layers, plan.pp * plan.vpp
    even = layers % chunks == 0
    if job.stack.uneven_stages == "any":
        return chunks <= layers + 2
    if job.stack.uneven_stages == "flops":
        return chunks <= layers
    if job.stack.uneven_stages == "slots":
        return even | ((layers + 2) % chunks == 0) | ((layers + 1) % chunks == 0)
    return even


def _sequence_cp(job: Job, plan: Plan) -> Any:
    return (plan.cp == 1) | (job.sequence % (job.stack.sequence_rule * plan.cp) == 0)


def _sequence_sp(job: Job, plan: Plan) -> Any:
    return (plan.sequence_parallel == 0) | (job.sequence % (plan.cp * plan.tp) == 0)


def _sp_wanted(job: Job, plan: Plan) -> Any:
    on = plan.sequence_parallel == 1
    if job.stack.sequence_parallel == "never":
        return ~on
    if job.stack.sequence_parallel == "always":
        return on | (plan.tp == 1)
    return on | True


def _groups(job: Job, plan: Plan) -> Any:
    count = job.global_batch // (plan.dp * plan.micro_batch)
    if job.stack.interleaved_groups:
        return (plan.vpp == 1) | ((count >= plan.pp) & (count % plan.pp == 0))
    return (plan.vpp == 1) | (count % np.maximum(1, count // plan.pp) == 0)


def _zero_known(job: Job, plan: Plan) -> Any:
    alone = (plan.dp * plan.cp == 1) & (plan.zero == 0)
    return alone | np.isin(plan.zero, job.stack.zero_stages)


def _shards_left(job: Job, plan: Plan) -> Any:
    inside = (plan.dp % plan.dp_replicate == 0) & (plan.dp_replicate < plan.dp)
    return (plan.zero == 0) | (plan.dp_replicate == 1) | inside


ARGS = "Megatron-LM megatron/training/arguments.py"
RULES: tuple[Rule, ...] = (
    Rule("world", "tp must divide the GPUs", ("tp",), f"{ARGS}, world size", _divides("tp")),
    Rule("world", "tp x cp must divide the GPUs", ("tp", "cp"), f"{ARGS}, world size", _divides("tp", "cp")),
    Rule("world", "tp x cp x pp must divide the GPUs", ("tp", "cp", "pp"), f"{ARGS}, world size", _divides("tp", "cp", "pp")),
    Rule("tensor", "this stack has no tensor parallelism", ("tp",), "the stack's own documentation",
         lambda job, plan: (plan.tp == 1) | job.stack.tensor_parallel),
    Rule("heads", "tp must divide the attention heads", ("tp",), "megatron/core/transformer/transformer_config.py",
         lambda job, plan: job.model.heads % plan.tp == 0),
    Rule("kv_heads", "tp must divide the key-value heads, or be a multiple of them where the stack repeats heads", ("tp",),
         "megatron/core/transformer/transformer_config.py; torchtitan models/common/decoder.py", _kv_heads),
    Rule("ffn", "tp must divide the MLP width", ("tp",), "Shoeybi et al. 2019, Section 3: whole columns on each rank",
         lambda job, plan: job.model.ffn % plan.tp == 0),
    Rule("context", "this stack has no context parallelism", ("cp",), "the stack's own documentation",
         lambda job, plan: (plan.cp == 1) | job.stack.context_parallel),
    Rule("cp_attention", "context parallelism needs flash attention", ("cp",), "Liu et al. 2023: blockwise attention",
         lambda job, plan: (plan.cp == 1) | job.attention.startswith("flash")),
    Rule("sequence_cp", "cp (twice, for causal balance) must divide the sequence", ("cp",), f"{ARGS}, seq % (2 cp)", _sequence_cp),
    Rule("pipeline", "this stack has no pipelines", ("pp",), "the stack's own documentation",
         lambda job, plan: (plan.pp == 1) | (job.stack.pipeline_zero_most >= 0)),
    Rule("tied", "this stack cannot tie embedding and head across a pipeline", ("pp",), "torchtitan: tying not with PP",
         lambda job, plan: (plan.pp == 1) | job.stack.tied_pipeline | (not job.model.tied)),
    Rule("layers", "pp must not exceed the layers", ("pp",), f"{ARGS}", lambda job, plan: plan.pp <= job.model.layers),
    Rule("interleaving", "virtual stages need a pipeline, and a stack that interleaves", ("pp", "vpp"), f"{ARGS}, vpp needs pp > 1",
         lambda job, plan: (plan.vpp == 1) | ((plan.pp > 1) & job.stack.interleaved)),
    Rule("stages", "pp x vpp must divide the layers, or the layers with embedding and head where the stack counts those", ("pp", "vpp"),
         "megatron/core/transformer/transformer_block.py; torchtitan distributed/pipeline_parallel.py", _stages),
    Rule("batch", "dp x micro-batch must divide the global batch", ("dp", "micro_batch"), "megatron/core/num_microbatches_calculator.py",
         lambda job, plan: job.global_batch % (plan.dp * plan.micro_batch) == 0),
    Rule("groups", "interleaving needs micro-batches in whole groups of pp, or in equal rounds where the stack asks no more",
         ("pp", "vpp", "dp", "micro_batch"),
         "megatron/core/pipeline_parallel/schedules.py; torch 2.13.0 distributed/pipelining/schedules.py", _groups),
    Rule("sp_alone", "sequence parallelism needs tp above 1", ("tp", "sequence_parallel"), f"{ARGS}",
         lambda job, plan: (plan.sequence_parallel == 0) | (plan.tp > 1)),
    Rule("sp_stack", "this stack fixes sequence parallelism", ("tp", "sequence_parallel"), "the stack's own documentation", _sp_wanted),
    Rule("sequence_sp", "tp x cp must divide the sequence under sequence parallelism", ("tp", "cp", "sequence_parallel"),
         "Korthikanti et al. 2022, Section 4.2.2", _sequence_sp),
    Rule("first", "this stack cannot recompute the first N layers alone", ("recompute",), "the stack's own documentation",
         lambda job, plan: (plan.recompute != 3) | job.stack.first_recompute),
    Rule("first_layers", "the first N layers must be fewer than a virtual stage holds", ("pp", "vpp", "recompute", "recompute_layers"),
         f"{ARGS}, --recompute-num-layers",
         lambda job, plan: np.where(plan.recompute == 3, (plan.recompute_layers >= 1) & (plan.recompute_layers < chunk_layers(job, plan)),
                                    plan.recompute_layers == 0)),
    Rule("zero_known", "this stack does not have this ZeRO stage", ("dp", "cp", "zero"), "the stack's own documentation", _zero_known),
    Rule("zero_alone", "sharding needs more than one data or context parallel rank", ("dp", "cp", "zero"), "nothing to shard over",
         lambda job, plan: (plan.zero == 0) | (plan.dp * plan.cp > 1)),
    Rule("zero_pipeline", "this stack does not run so high a ZeRO stage in a pipeline", ("pp", "zero"),
         "DeepSpeed runtime/pipe/engine.py; Megatron-LM docs, Megatron-FSDP: integrated with TP, CP, EP",
         lambda job, plan: (plan.pp == 1) | (plan.zero <= max(job.stack.pipeline_zero_most, 0))),
    Rule("hsdp_stack", "this stack does not replicate sharded groups", ("zero", "dp_replicate"), "the stack's own documentation",
         lambda job, plan: (plan.zero == 0) | (plan.dp_replicate == 1) | job.stack.hsdp),
    Rule("hsdp_zero", "replicated groups need gradients or parameters sharded (ZeRO-2 or 3)", ("zero", "dp_replicate"),
         "torchtitan distributed/parallel_dims.py", lambda job, plan: (plan.zero != 1) | (plan.dp_replicate == 1)),
    Rule("hsdp_shard", "dp_replicate must divide dp and leave at least two ranks to shard over", ("dp", "zero", "dp_replicate"),
         "torchtitan distributed/parallel_dims.py",
         _shards_left),
)  # fmt: skip
SENTENCES = {rule.key: rule.sentence for rule in RULES} | {"bounds": "a degree lies outside the bounds you set"}
