"""Every allowed plan, and the rules that refuse the others."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from planner.lattice import divisors, grow
from planner.plan import FIELDS, Plan
from planner.rules import RULES
from planner.space import Space
from planner.specs import Job
from tests.planner.jobs import example, small


def plans(job: Job, space: Space | None = None) -> list[Plan]:
    """Every allowed plan, one by one."""
    lattice = grow(job, space or Space())
    found = []
    for row in range(len(lattice.pipeline)):
        for j in range(int(lattice.first[row]), int(lattice.first[row] + lattice.count[row])):
            one, side = lattice.pipeline.one(row), lattice.shardings.one(j)
            found.append(one.with_(zero=side.zero, dp_shard=side.dp_shard, dp_replicate=side.dp_replicate))
    return found


def allowed(job: Job, plan: Plan) -> bool:
    """Whether every rule allows one plan."""
    return all(bool(np.all(rule.allowed(job, plan.column()))) for rule in RULES)


def test_the_lattice_is_exactly_what_the_rules_allow() -> None:
    """Growing axis by axis finds the plans that a plain product filtered by every rule finds: none is lost, none is extra."""
    job = example(model="llama-3.2-1b", gpus=4, gpus_per_node=4, global_batch=4, sequence=512, layers=4)
    brute = set()
    for tp, cp, pp, vpp, b, sp, rec, n, zero, rep in itertools.product(
        (1, 2, 4), (1, 2, 4), (1, 2, 4), (1, 2, 3, 4, 5, 6), (1, 2, 4), (0, 1), range(4), range(5), range(4), (1, 2)
    ):
        if 4 % (tp * cp * pp):
            continue
        dp = 4 // (tp * cp * pp)
        replicas = rep if zero else dp
        if dp % replicas or (zero == 0 and rep > 1):
            continue
        plan = Plan(tp, pp, vpp, cp, dp, 1, dp // replicas if zero else 1, replicas, zero, sp, b, rec, n)
        if allowed(job, plan):
            brute.add(plan)
    assert set(plans(job)) == brute


def test_every_rule_refuses_something_and_says_why() -> None:
    """Each rule has a sentence and a source, reads fields that exist, and some job and plan breaks it alone or with others."""
    jobs = [small(), small(stack="deepspeed"), small(stack="torchtitan", model="llama-3.2-1b"), small(attention="unfused")]
    bare = small(stack="deepspeed")
    jobs.append(replace(bare, stack=replace(bare.stack, tensor_parallel=False, pipeline_zero_most=-1, hsdp=False, zero_stages=(0, 3))))
    broken = Plan(
        tp=3,
        pp=33,
        vpp=5,
        cp=7,
        dp=5,
        dp_shard=2,
        dp_replicate=3,
        zero=2,
        sequence_parallel=1,
        micro_batch=3,
        recompute=3,
        recompute_layers=99,
    )
    others = [
        broken,
        broken.with_(zero=1),
        broken.with_(tp=1, sequence_parallel=1),
        broken.with_(cp=1, dp=1, zero=1),
        Plan(pp=4, vpp=4, dp=2, micro_batch=16),
        Plan(tp=2, cp=4096, sequence_parallel=1),
        Plan(pp=2, zero=3, dp=8),
    ]
    for rule in RULES:
        assert rule.sentence and rule.source
        assert set(rule.fields) <= set(FIELDS)
        refused = any(not np.all(rule.allowed(job, plan.column())) for job in jobs for plan in others)
        assert refused, rule.key


@pytest.mark.parametrize(
    ("changes", "axis", "degree"),
    [
        ({"gpus": 14 * 64, "global_batch": 896}, "pp", "14"),  # 126 layers
        ({"gpus": 98, "gpus_per_node": 7, "global_batch": 98 * 7, "model": "qwen2.5-7b"}, "tp", "7"),  # nodes of seven, 28 heads
        ({"gpus": 24, "global_batch": 48, "model": "gpt2-124m", "sequence": 1024}, "tp", "3"),  # 12 heads
    ],
)
def test_degrees_need_not_be_powers_of_two(changes: dict[str, object], axis: str, degree: str) -> None:
    """Any divisor is tried: PP 14 of 126 layers, TP 7 on nodes of seven with heads repeated, TP 3 of 12 heads."""
    job = example(**changes)
    if degree == "7":
        job = replace(job, model=replace(job.model, kv_heads=7, ffn=18_928))
    assert grow(job, Space().with_(axis, degree)).allowed > 0


def test_uneven_stages_are_taken_only_as_the_stack_takes_them() -> None:
    """126 layers on 16 stages need embedding and head to count as layers: Megatron-Core and torchtitan do, DeepSpeed does not."""
    pinned = Space().with_("pp", "16")
    assert grow(example(), pinned).allowed > 0
    assert grow(example(stack="torchtitan"), pinned).allowed > 0
    refused = grow(example(stack="deepspeed"), pinned)
    assert refused.allowed == 0
    assert refused.refused["stages"] > 0


@pytest.mark.parametrize(
    ("stack", "batch", "valid"),
    [("megatron-core", 8, True), ("megatron-core", 10, False), ("torchtitan", 10, True), ("torchtitan", 9, False)],
)
def test_interleaved_micro_batches_come_in_the_groups_the_stack_takes(stack: str, batch: int, valid: bool) -> None:
    """With pp 4: Megatron-Core takes whole groups of 4 (8, not 10); PyTorch's schedule equal rounds (10 in 2 rounds of 5, not 9)."""
    job = small(stack=stack, gpus=4, gpus_per_node=4, global_batch=batch)
    space = Space().with_("pp", "4").with_("vpp", "2").with_("micro_batch", "1")
    assert (grow(job, space).allowed > 0) == valid


def test_a_pin_no_rule_allows_is_refused_by_name() -> None:
    """A pinned degree that does not divide the world is tried and refused by the world rule, not silently dropped."""
    assert grow(small(), Space().with_("tp", "5")).refused.get("world") == 1


def test_bounds_hold_and_pins_hold() -> None:
    """Every plan found lies within the bounds that were set, on tried and on derived axes."""
    space = (
        Space()
        .with_("tp", "2")
        .with_("pp", "<=4")
        .with_("dp", ">=2")
        .with_("recompute", "none,first")
        .with_("recompute_layers", "<=3")
        .with_("zero", "1,3")
    )
    found = plans(small(), space)
    assert found
    for plan in found:
        assert plan.tp == 2 and plan.pp <= 4 and plan.dp >= 2 and plan.zero in (1, 3)
        assert plan.recompute in (0, 3) and (plan.recompute == 0 or plan.recompute_layers <= 3)


def test_divisors_are_all_and_ascending() -> None:
    """divisors() lists each divisor once, ascending."""
    for n in (1, 7, 126, 16384, 9_999_360):
        found = divisors(n)
        assert (np.diff(found) > 0).all() and (n % found == 0).all()
        if n < 20_000:
            assert len(found) == sum(n % d == 0 for d in range(1, n + 1))
