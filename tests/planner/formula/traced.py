"""Steps of every formula: jobs and plans that between them use every feature, traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from planner import presets
from planner.document.inputs import EXAMPLE, run_of
from planner.economics import affordable, lifetime_cost, scaling_laws, serving
from planner.economics.budget import budget
from planner.economics.budget import explain as explain_budget
from planner.formula.trace import Step, tracing
from planner.report.explain import explained
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan
from planner.whatif import scaling, sensitivity, versus
from tests.planner.jobs import every_schedule, example, korthikanti, mixture, small

META = Plan(tp=8, pp=16, vpp=8, dp=128, dp_shard=128, zero=1, sequence_parallel=1, recompute=1)
PIPED = Plan(tp=2, pp=4, dp=2, dp_shard=2, zero=1, sequence_parallel=1)
DUAL = Plan(tp=2, pp=4, vpp=2, dp=8, ep=8, dp_shard=8, zero=2, sequence_parallel=1, schedule=4)
FSDP = Plan(dp=16, dp_shard=16, zero=3)
HSDP = Plan(cp=2, tp=2, dp=4, dp_shard=2, dp_replicate=2, zero=3, sequence_parallel=1)
FIRST = Plan(tp=2, pp=4, vpp=2, dp=2, recompute=3, recompute_layers=2)
MIXED = every_schedule(mixture("deepseek-v3-671b", 13, stack="torchtitan", gpus=64, global_batch=256))
ALTERNATING = mixture("llama-4-maverick-17b-128e", 8)


def schedules() -> Iterator[tuple[str, Job, Plan]]:
    """Every pipeline schedule, of dense models and mixtures of experts."""
    for code, name in enumerate(SCHEDULES):
        vpp = 2 if name in ("zb-v", "dualpipev") else 1
        yield f"{name}-dense", every_schedule(small()), Plan(tp=2, pp=4, vpp=vpp, dp=2, schedule=code)
        yield f"{name}-experts", MIXED, Plan(tp=2, pp=4, vpp=vpp, dp=8, ep=8, schedule=code, sequence_parallel=1, recompute=1)


def cases() -> Iterator[tuple[str, Job, Plan]]:
    """A name, a job and a plan: every feature that a formula of planner/cost has a case for."""
    yield "meta", example(), META
    yield "context", example(sequence=131_072, global_batch=128), META.with_(cp=16, dp=8, dp_shard=8, micro_batch=1)
    yield "first", small(), FIRST
    laid = small(stack="megatron-core", pipeline_layout="Et*6|(t*9|)*2t*8L")
    yield "layout", laid, Plan(tp=2, pp=2, vpp=2, dp=4, sequence_parallel=1)
    ahead = replace(mixture("deepseek-v3-671b", 6, stack="megatron-core", mtp_layers=1), pipeline_layout="Et|(t|)*5m|L")
    yield "multi-token prediction apart", ahead, Plan(pp=8, dp=2)
    yield "replicated", small(), Plan(tp=4, dp=4)
    yield "more ranks than kv-heads", small(gpus=16, stack="megatron-core"), Plan(tp=16)
    yield "nodes", example(), Plan(tp=16, pp=16, dp=64, sequence_parallel=1)
    for stack in ("megatron-core", "torchtitan", "deepspeed"):
        for zero in range(4):
            yield f"{stack} zero {zero}", small(stack=stack), Plan(dp=16, dp_shard=16 if zero else 1, zero=zero)
    for stack in ("nanotron", "maxtext", "megatron-deepspeed"):
        yield f"{stack} pipeline", small(stack=stack), PIPED
    yield "fsdp in a pipeline", small(stack="torchtitan"), PIPED.with_(zero=3, vpp=2)
    for loss in ("plain", "chunked"):
        yield f"loss {loss}", small(stack="torchtitan", loss_kernel=loss), PIPED.with_(zero=3)
    one_each = small(model="llama-3.1-70b", stack="torchtitan", gpus=4, global_batch=4, sequence=512)
    yield "the end of a backward pass", one_each, Plan(dp=4, dp_shard=4, zero=3, recompute=2)
    yield "offload", small(offload_optimizer=True, stack="torchtitan"), HSDP
    yield "full recompute", korthikanti("gpt-1t", 512, 512), Plan(tp=8, pp=64, recompute=2)
    yield "selective with dropout", korthikanti("gpt3-175b", 64, 64), Plan(tp=8, pp=8, vpp=3, sequence_parallel=1, recompute=1)
    for attention in ("flash-1", "flash-3", "fused-softmax", "unfused"):
        yield attention, small(attention=attention), Plan(tp=2, dp=8)
    yield "fp8", small(precision="fp8"), Plan(tp=2, dp=8, sequence_parallel=1)
    yield "fp4", small(precision="fp4", cluster="dgx-b200", gpus=16), Plan(tp=2, dp=8)
    for zero, offload in ((1, False), (2, False), (2, True), (3, True)):
        sharded = Plan(dp=16, dp_shard=16, zero=zero)
        yield f"deepspeed, ZeRO-{zero}{', offloaded' if offload else ''}", small(stack="deepspeed", offload_optimizer=offload), sharded
    for stack in ("deepspeed", "pytorch-fsdp"):
        yield f"{stack}, weights on the host", small(stack=stack, offload_optimizer=True, offload_parameters=True), FSDP.with_(zero=3)
    yield "activations on the host", small(offload_activations=50, offload_checkpoints=True), Plan(tp=2, pp=2, dp=4, recompute=2)
    yield "states on NVMe", small(stack="deepspeed", offload_optimizer=True, offload_nvme=True), Plan(dp=16, dp_shard=16, zero=3)
    for loss in ("plain", "fused", "chunked", "fused-linear"):
        eager = small(stack="transformers", loss_kernel=loss, autocast=loss != "chunked")
        yield f"transformers, {loss} loss", eager, Plan(dp=16, recompute=2 if loss in ("plain", "fused") else 0)
        yield f"transformers, adapters, {loss} loss", replace(eager, tuning="lora"), Plan(dp=16)
    for zero in (2, 3):
        yield f"transformers, ZeRO-{zero}", small(stack="transformers", foreach=True), Plan(dp=16, dp_shard=16, zero=zero)
    yield "transformers, tied", small(stack="transformers", model="llama-3.2-1b", kernels="fused"), Plan(dp=16)
    yield "transformers, experts", mixture(stack="transformers"), Plan(dp=16, dp_shard=16, zero=3)
    for optimizer in ("muon", "sgd"):
        yield optimizer, small(optimizer=optimizer), FSDP
    for model in ("gpt2-124m", "gemma-2-9b", "falcon-7b", "qwen2.5-7b", "olmo-2-7b", "bloom-176b"):
        yield model, small(model=model, sequence=1024), Plan(dp=16)
    yield "tied", small(model="llama-3.2-1b"), Plan(tp=2, pp=4, dp=2)
    yield "measured links", measured(example()), META
    for tuning, stack in (("lora", "torchtitan"), ("qlora", "deepspeed")):
        yield f"{tuning} fsdp", replace(small(stack=stack), tuning=tuning, lora_targets="all"), FSDP
        yield f"{tuning} replicated", replace(small(stack=stack), tuning=tuning), Plan(dp=16)
    yield "lora in a pipeline", small(tuning="lora", stack="torchtitan"), PIPED
    yield "lora with experts", replace(mixture(stack="torchtitan"), tuning="lora"), Plan(dp=16, dp_shard=16, ep=8, zero=3)
    yield "experts", MIXED, DUAL
    yield "experts sharded", mixture(stack="torchtitan"), Plan(dp=16, dp_shard=16, ep=8, zero=3)
    yield "experts over tensor ranks", mixture(), Plan(tp=2, dp=8, ep=4, etp=2, sequence_parallel=1)
    yield "experts, full recompute", mixture(), Plan(dp=16, ep=8, recompute=2)
    yield "experts, first recompute", MIXED, Plan(tp=2, pp=4, vpp=2, dp=8, ep=8, recompute=3, recompute_layers=2)
    yield "experts, fp8", mixture(precision="fp8", capacity=1.25), Plan(dp=16, ep=8)
    yield "experts offloaded", mixture(offload_optimizer=True), Plan(dp=16, ep=8)
    yield "experts hidden", replace(mixture(), overlap_experts=True), Plan(dp=16, ep=8)
    yield "tokens gathered", replace(mixture(), moe_dispatcher="allgather"), Plan(dp=16, ep=8)
    yield "experts in every second layer", ALTERNATING, Plan(tp=2, pp=2, dp=4, ep=8, recompute=3, recompute_layers=1)
    yield "experts with biases", mixture("gpt-oss-20b", 8), Plan(dp=16, ep=8, recompute=1)
    yield "experts to a node once", mixture("deepseek-v3-671b", 8, stack="deepseek", cluster="hgx-h800"), Plan(dp=16, ep=16)
    yield from schedules()


def measured(job: Job) -> Job:
    """The same on a cluster whose collectives and paces were measured."""
    rates = {"measured_reduce_bytes_s": 5e9, "measured_gather_bytes_s": 5e9, "rank_check_s": 1e-4, "pace": 1.1, "host_pace": 1.3}
    return replace(job, cluster=replace(job.cluster, **rates))  # type: ignore[arg-type]


def walked(trees: dict[str, Step]) -> list[Step]:
    """Every step of some trees, each once."""
    steps: dict[int, Step] = {}
    waiting = list(trees.values())
    while waiting:
        step = waiting.pop()
        if id(step) not in steps:
            steps[id(step)] = step
            waiting += step.children
    return list(steps.values())


def economics() -> Iterator[dict[str, Step]]:
    """The trees of budgets, goodput, serving, scaling laws and questions about plans."""
    inputs = EXAMPLE.with_all({"price_gpu_hour": 2.5, "board_w": 700, "co2_g_kwh": 400})
    for job in (example(), small(tuning="lora"), mixture(), small(stack="torchtitan")):
        for step in (6.0, 0.25):
            run = run_of(inputs, job)
            yield explain_budget(job, run, step)
            yield explain_budget(job, replace(run, checkpoint_s=1800.0, gpu_mtbf_s=run.gpu_mtbf_s * 100), step)
        yield affordable.by_money(1e6, run, budget(job, run, 6.0)).steps
    room = serving.memory_budget(small())
    for name in ("llama-3.1-8b", "gemma-3-12b", "deepseek-v3-671b", "qwen3-30b-a3b"):
        for tp in (1, 4, 16):
            for context in (512, 65_536):
                yield serving.explain(presets.model(name), room, serving.Serving("int4", context=context, tp=tp))
    for law in scaling_laws.LAWS:
        yield {"lifetime": lifetime_cost.explain(lifetime_cost.lifetime_optimum(law, 70e9, 1.4e12, 1e13), 10**13)}
    yield {"serving": lifetime_cost.explain_serving(70e9, 1e13)}
    with tracing() as trace:
        rate, other = trace.held(trees_of_rate()), versus.other_seconds(6.0)
        values = (
            versus.speed_up(9.0, other), scaling.tokens_per_second(64.0, rate),
            scaling.scaling_efficiency(300.0, scaling.smallest_rate(rate)), sensitivity.rate_gain(sensitivity.changed_rate(330.0), rate),
        )  # fmt: skip
        yield {str(i): trace.of(value) for i, value in enumerate(values)}


def trees_of_rate() -> Step:
    """The tree of the tokens per second of a plan."""
    return explained(small(), FSDP)["tokens_per_second_per_gpu"]


@lru_cache(maxsize=1)
def steps() -> tuple[tuple[str, Step], ...]:
    """Every step of every case, with the name of the case."""
    steps = [(name, step) for name, job, plan in cases() for step in walked(explained(job, plan))]
    return (*steps, *(("economics", step) for trees in economics() for step in walked(trees)))
