"""Every allowed plan, and the rules that refuse the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import pipeline_split as split
from planner.cost import stage_cost as stagecosts
from planner.dimensions import Stage
from planner.document.space import Space
from planner.search.axes import divisors
from planner.search.rules import RULES, SENTENCES
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Column, Plan, columns_of
from tests.planner.jobs import allowed, every_schedule, example, mixture, small

EVERY_N = Space().with_("recompute_layers", "1..99")
FEW = Space().with_("vpp", "1,2,3,6").with_("micro_batch", "1,8")


def table(plans: Plan) -> Column:
    """Plans as a sorted table, a line each; no two alike."""
    lines = np.stack([np.broadcast_to(v, plans.tp.shape) for v in columns_of(plans).values()], axis=1)
    rows = np.unique(lines, axis=0)
    assert len(rows) == len(lines)
    return rows


def valid(job: Job, plan: Plan) -> Column:
    """Whether every rule allows each plan."""
    return np.asarray(np.logical_and.reduce([np.broadcast_to(rule.allowed(job, plan), plan.tp.shape) for rule in RULES]))


def product(job: Job, *, every_n: bool, **axes: Any) -> Plan:
    """All plans with some values of the axes: dp follows from the other degrees, groups from dp; without ZeRO all are replicas."""
    names = tuple(axes)
    columns = dict(zip(names, (column.reshape(-1) for column in np.meshgrid(*axes.values(), indexing="ij")), strict=True))
    plan = Plan(**{name: np.zeros_like(columns["tp"]) + getattr(Plan(), name) for name in FIELDS} | columns)
    degrees = plan.tp * plan.cp * plan.pp
    dp = job.cluster.gpus // degrees
    valid_rows = (job.cluster.gpus % degrees == 0) & (dp % plan.dp_replicate == 0) & ((plan.zero > 0) | (plan.dp_replicate == 1))
    valid_rows &= every_n | (plan.recompute_layers <= 1)
    replicas = np.where(plan.zero > 0, plan.dp_replicate, dp)
    shard = np.where(plan.zero > 0, dp // np.maximum(replicas, 1), 1)
    return plan.with_(dp=dp, dp_replicate=replicas, dp_shard=shard).take(np.flatnonzero(valid_rows))


DEGREES = (1, 2, 4)
DENSE = example(model="llama-3.2-1b", gpus=4, gpus_per_node=4, global_batch=4, sequence=512, layers=4)
SPARSE = every_schedule(mixture("deepseek-v2-lite-16b", 4, gpus=4, gpus_per_node=4, global_batch=8, sequence=512))
TITAN = every_schedule(mixture("qwen3-30b-a3b", 6, stack="torchtitan", gpus=4, gpus_per_node=4, global_batch=8, sequence=512))
TITAN = replace(TITAN, stack=replace(TITAN.stack, first_recompute=True, expert_tensor="tp"))


@pytest.mark.parametrize(
    ("job", "space", "vpp"),
    [(DENSE, Space(), range(1, 7)), (DENSE, EVERY_N, range(1, 7)), (SPARSE, FEW, (1, 2, 3, 6)),
     (TITAN, FEW.with_("recompute_layers", "1..99"), (1, 2, 3, 6))],
    ids=["dense", "dense, every N", "mixture", "mixture, torchtitan, every N"],
)  # fmt: skip
def test_the_lattice_is_exactly_what_the_rules_allow(job: Job, space: Space, vpp: Any) -> None:
    """Growing axis by axis finds the plans that a plain product filtered by every rule finds: none is lost, none is extra. Of `first`
    it holds every N that the user's bounds name, and one in place of all where they name none."""
    mixed = job.model.experts > 0
    experts: dict[str, Any] = {"ep": DEGREES, "etp": DEGREES, "schedule": range(5 if mixed else 2)}
    brute = product(
        job, every_n="recompute_layers" in space.bounds, tp=DEGREES, cp=DEGREES, pp=DEGREES, vpp=vpp, sequence_parallel=(0, 1),
        micro_batch=(1, 8) if mixed else DEGREES, recompute=range(4), recompute_layers=range(6), zero=range(4),
        dp_replicate=DEGREES, **experts,
    )  # fmt: skip
    expected = table(brute.take(np.flatnonzero(valid(job, brute))))
    assert len(expected) > 400
    assert (table(allowed(job, space)[0]) == expected).all()


# a job and a plan that each rule refuses
BARE = small(stack="deepspeed")
POOR = replace(BARE, stack=replace(BARE.stack, tensor_parallel=False, pipeline_zero_most=-1, hsdp=False, zero_stages=(0, 3)))
TIED = small(stack="torchtitan", model="llama-3.2-1b")
MOE, GPT_OSS = mixture(), mixture("gpt-oss-20b")
V, DUAL = 3, 4
REFUSED: dict[str, tuple[Job, Plan]] = {
    "world": (small(), Plan(tp=3)),
    "tensor": (POOR, Plan(tp=2)),
    "heads": (small(), Plan(tp=3)),
    "kv_heads": (small(), Plan(tp=3)),
    "ffn": (small(), Plan(tp=3)),
    "context": (BARE, Plan(cp=2)),
    "cp_attention": (small(attention="unfused"), Plan(cp=2)),
    "sequence_cp": (small(), Plan(cp=7)),
    "pipeline": (POOR, Plan(pp=2)),
    "tied": (TIED, Plan(pp=2)),
    "layers": (small(), Plan(pp=33)),
    "moe_stack": (replace(MOE, stack=replace(MOE.stack, expert_parallel=False)), Plan()),
    "experts": (MOE, Plan(ep=3)),
    "expert_world": (MOE, Plan(tp=2, dp=2, ep=4, etp=2)),
    "expert_tensor": (replace(MOE, stack=replace(MOE.stack, expert_tensor="tp")), Plan(tp=4, etp=2)),
    "expert_ffn": (MOE, Plan(etp=7)),
    "expert_bias": (GPT_OSS, Plan(tp=2, etp=2)),
    "schedule_stack": (replace(MOE, stack=replace(MOE.stack, schedules=("1f1b",))), Plan(pp=2, schedule=1)),
    "schedule_stages": (every_schedule(small()), Plan(pp=2, schedule=V)),
    "dual_batches": (every_schedule(small()), Plan(pp=8, vpp=2, dp=2, schedule=DUAL, micro_batch=16)),
    "pipeline_batches": (small(stack="nanotron"), Plan(pp=16, micro_batch=16)),
    "interleaving": (BARE, Plan(pp=4, vpp=4)),
    "stages": (small(), Plan(pp=33, vpp=5)),
    "layout": (small(pipeline_layout="Et*16|t*16L"), Plan(pp=2, vpp=2)),
    "batch": (small(), Plan(dp=5)),
    "groups": (small(), Plan(pp=4, vpp=4, dp=2, micro_batch=16)),
    "sp_alone": (small(), Plan(sequence_parallel=1)),
    "sp_stack": (TIED, Plan(tp=2)),
    "expert_sp": (replace(MOE, stack=replace(MOE.stack, expert_needs_sp=True)), Plan(tp=2)),
    "sequence_sp": (small(), Plan(tp=2, cp=4096, sequence_parallel=1)),
    "first": (small(stack="torchtitan"), Plan(recompute=3, recompute_layers=1)),
    "first_layers": (small(), Plan(pp=4, recompute=3, recompute_layers=8)),
    "zero_known": (BARE, Plan(dp=2, zero=4)),
    "zero_alone": (small(), Plan(zero=1)),
    "quantized": (replace(small(stack="deepspeed"), tuning="qlora"), Plan(tp=2)),
    "zero_pipeline": (small(), Plan(pp=2, dp=8, zero=3)),
    "hsdp_stack": (POOR, Plan(dp=4, zero=3, dp_shard=2, dp_replicate=2)),
    "hsdp_zero": (small(), Plan(dp=4, zero=1, dp_shard=2, dp_replicate=2)),
    "hsdp_shard": (small(), Plan(dp=5, zero=2, dp_shard=2, dp_replicate=3)),
    "expert_shard": (MOE, Plan(dp=16, ep=16, zero=2, dp_shard=4, dp_replicate=4)),
    "in_backward": (small(stack="pytorch-fsdp", optimizer_in_backward=True), Plan(dp=16, dp_shard=16, zero=3)),
    "in_backward_pipeline": (small(stack="torchtitan", optimizer_in_backward=True), Plan(pp=2, dp=8)),
    "offload_parameters": (small(stack="pytorch-fsdp", offload_parameters=True), Plan(dp=16, dp_shard=16, zero=2)),
    "fp8_parameters": (small(precision="fp8", fp8_parameters=True), Plan(dp=16)),
    "muon": (small(optimizer="muon"), Plan(dp=16, dp_shard=16, zero=1)),
    "expert_zero": (replace(MOE, stack=replace(MOE.stack, expert_zero_most=2)), Plan(dp=16, dp_shard=16, zero=3)),
}


@pytest.mark.parametrize("key", [*dict.fromkeys(rule.key for rule in RULES)])
def test_every_rule_refuses_a_plan_with_its_sentence(key: str) -> None:
    """Each rule has a sentence and a source, reads fields that exist, and some job and plan breaks it."""
    job, plan = REFUSED[key]
    rules = [rule for rule in RULES if rule.key == key]
    for rule in rules:
        assert rule.sentence and rule.source and SENTENCES[key]
        assert set(rule.fields) <= set(FIELDS)
    assert not all(np.all(rule.allowed(job, plan.column())) for rule in rules)


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.key} {','.join(rule.fields)}" for rule in RULES])
def test_a_rule_reads_no_field_but_those_it_names(rule: Any) -> None:
    """What a rule allows does not change with the fields it does not name, so that it may be applied before those are known."""
    for job in (SPARSE, DENSE, TITAN):
        plan = product(job, every_n=True, tp=DEGREES, cp=(1, 2), pp=(1, 2), vpp=(1, 2), ep=(1, 2), etp=(1, 2), schedule=(0, 3), zero=(0, 2),
                       dp_replicate=(1, 2), micro_batch=(1, 8), sequence_parallel=(0, 1))  # fmt: skip
        known = Plan(**{name: getattr(plan if name in rule.fields else Plan(), name) for name in FIELDS})
        assert (np.broadcast_to(rule.allowed(job, plan), plan.tp.shape) == rule.allowed(job, known)).all()


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
    assert len(allowed(job, Space().with_(axis, degree), hopeless=False)[0]) > 0


def test_uneven_stages_are_taken_only_as_the_stack_takes_them() -> None:
    """126 layers on 16 stages need embedding and head to count as layers: Megatron-Core and torchtitan do, DeepSpeed does not."""
    pinned = Space().with_("pp", "16")
    assert len(allowed(example(), pinned, hopeless=False)[0]) > 0
    assert len(allowed(example(stack="torchtitan"), pinned, hopeless=False)[0]) > 0
    plans, refused = allowed(example(stack="deepspeed"), pinned, hopeless=False)
    assert len(plans) == 0
    assert refused["stages"] > 0


def test_ranks_looked_at_follow_from_the_job_alone() -> None:
    """Ten layers, the first three dense, and a head worth two, split by FLOPs: five ranks reach 2.4, 4.8, 7.2, 9.6, 12 layers' worth and
    hold 3, 2, 3, 2, 0, two hold 6 and 4. Looked at are the first, the second, the first of the longest behind dense layers, the last
    with a dense one, the next and the last: six of every plan, however many ranks the deepest has."""
    whole = mixture("deepseek-v3-671b", 10, stack="nanotron")
    model = replace(whole.model, hidden=64, heads=1, kv_heads=1, head_dim=64, kv_rank=0, q_rank=0, rope_dim=0, v_dim=0, ffn=64, vocab=896)
    job = replace(whole, model=model)
    plans = Plan(**{name: np.array([getattr(Plan(), name)] * 3) for name in FIELDS} | {"pp": np.array([5, 2, 1])})
    assert split.stage_layers(job, plans, Stage(np.arange(5)[:, None]))[:, :2].T.tolist() == [[3, 2, 3, 2, 0], [6, 4, 0, 0, 0]]
    assert split.dense_on(job, plans, Stage(np.arange(2)[:, None])).T.tolist() == [[3, 0], [3, 0], [3, 0]]
    assert split.edge_stages(job, plans).T.tolist() == [[0, 1, 2, 0, 1, 4], [0, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]]
    assert split.edge_stages(job, plans.take(np.array([1, 2]))).tolist() == split.edge_stages(job, plans)[:, 1:].tolist()


@pytest.mark.parametrize("stack", ["megatron-core", "torchtitan", "deepspeed", "nanotron"])
@pytest.mark.parametrize(
    ("model", "layers"), [("deepseek-v3-671b", 4), ("deepseek-v3-671b", 10), ("glm-4.5-air-106b-a12b", 6), ("mixtral-8x7b", 7)]
)
def test_no_stage_holds_fewer_than_no_layers(stack: str, model: str, layers: int) -> None:
    """However stages share embedding, head, layers of prediction and dense layers, each holds none or more of each kind, all of them the
    model's; a split that would leave the last stage less than none is refused."""
    job = every_schedule(mixture(model, layers, stack=stack, gpus=720, gpus_per_node=1, global_batch=720 * 60))
    listed_plans, _ = allowed(job, Space().with_("tp", "1").with_("cp", "1").with_("ep", "1").with_("micro_batch", "1"))
    assert len(listed_plans)
    plans = listed_plans.take(np.unique(np.stack([listed_plans.pp, listed_plans.vpp, listed_plans.schedule]), axis=1, return_index=True)[1])
    stage = Stage(np.arange(int(plans.pp.max()))[:, None])
    held = stagecosts.stage_kinds(job, plans, stage)
    assert held.sparse is not None
    kinds = [np.where(stage < plans.pp, kind, 0) for kind in (held.all, held.dense, held.sparse)]
    assert all((kind >= 0).all() for kind in kinds)
    sparse = job.model.sparse_layers
    for kind, total in zip(kinds, (layers, layers - sparse, sparse + job.model.mtp_layers), strict=True):
        assert kind.sum(axis=0) == pytest.approx(total)


@pytest.mark.parametrize(
    ("stack", "batch", "valid"),
    [("megatron-core", 8, True), ("megatron-core", 10, False), ("torchtitan", 10, True), ("torchtitan", 9, False)],
)
def test_interleaved_micro_batches_come_in_the_groups_the_stack_takes(stack: str, batch: int, valid: bool) -> None:
    """With pp 4: Megatron-Core takes whole groups of 4 (8, not 10); PyTorch's schedule equal rounds (10 in 2 rounds of 5, not 9)."""
    job = small(stack=stack, gpus=8, global_batch=2 * batch)
    space = Space().with_("pp", "4").with_("dp", "2").with_("vpp", "2").with_("micro_batch", "1").with_("schedule", "1f1b")
    assert (len(allowed(job, space, hopeless=False)[0]) > 0) == valid


def test_a_pin_no_rule_allows_is_refused_by_name() -> None:
    """A pinned degree that does not divide the world is tried and refused by the world rule, not silently dropped."""
    assert allowed(small(), Space().with_("tp", "5"), hopeless=False)[1].get("world") == 1


def test_bounds_hold_and_pins_hold() -> None:
    """Every plan listed_plans lies within the bounds that were set, on tried and on derived axes."""
    space = (
        Space()
        .with_("tp", "2")
        .with_("pp", "<=4")
        .with_("dp", ">=2")
        .with_("recompute", "none,first")
        .with_("recompute_layers", "<=3")
        .with_("zero", "1,3")
    )
    listed_plans = [*allowed(small(), space, hopeless=False)[0].rows()]
    assert listed_plans
    for plan in listed_plans:
        assert plan.tp == 2 and plan.pp <= 4 and plan.dp >= 2 and plan.zero in (1, 3)
        assert plan.recompute in (0, 3) and (plan.recompute == 0 or plan.recompute_layers <= 3)


def test_divisors_are_all_and_ascending() -> None:
    """divisors() lists each divisor once, ascending."""
    for n in (1, 7, 126, 16384, 9_999_360):
        listed = divisors(n)
        assert (np.diff(listed) > 0).all() and (n % listed == 0).all()
        if n < 20_000:
            assert len(listed) == sum(n % d == 0 for d in range(1, n + 1))
