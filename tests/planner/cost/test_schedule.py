"""Pipeline schedules against the papers and programs they come from: what they hold, what they idle, where stages lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.cost import pipeline_split as split
from planner.cost import schedule, shard
from planner.cost.evaluate import evaluate, stages
from planner.dimensions import Number, Stage
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import CLUSTER, DENSE, SPARSE, given_plain_numbers, round_job
from tests.planner.jobs import every_schedule, example, korthikanti, mixture, small

CODE = {name: code for code, name in enumerate(SCHEDULES)}
V_SHAPED = ("zb-v", "dualpipev")
by_hand = given_plain_numbers(schedule)


def plan_of(name: str, pp: int, **changes: int) -> Plan:
    """A plan of this schedule, with the virtual stages it asks for."""
    return Plan(pp=pp, schedule=CODE[name], vpp=2 if name in V_SHAPED else 1, **changes)


@pytest.mark.parametrize("pp", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("1f1b", lambda p: p, lambda p: 1), ("zb-h1", lambda p: p, lambda p: p), ("zb-h2", lambda p: 2 * p - 1, lambda p: 2 * p - 1),
     ("zb-v", lambda p: p, lambda p: p), ("dualpipev", lambda p: p + 0.5, lambda p: p + 0.5)],
    ids=SCHEDULES,
)  # fmt: skip
def test_a_schedule_holds_the_micro_batches_of_its_paper(
    name: str, pp: int, first: Callable[[int], float], last: Callable[[int], float]
) -> None:
    """1F1B holds p - i micro-batches, ZB-H1 and ZB-V p, ZB-H2 2 p - 1 (Qi et al. 2023, Sections 2.3 and 6), DualPipeV 2 p + 1 chunks of
    half a rank's layers (DeepSeek's DualPipe, README), and none more than there are."""
    stage, plan = Stage(np.array([[0], [pp - 1]])), plan_of(name, pp).column()
    assert split.in_flight(plan, stage, Number(64))[:, 0].tolist() == [first(pp), last(pp)]
    for there in (1, 2, pp):
        assert split.in_flight(plan, stage, Number(there))[:, 0].tolist() == [min(first(pp), there), min(last(pp), there)]


def test_one_f_one_b_holds_what_a_simulation_of_it_holds() -> None:
    """A rank that runs p - i forward passes before its first backward one, then one of each, holds p - i micro-batches at most."""
    pp, there = 4, 9
    for rank in range(pp):
        warm = min(pp - rank - 1, there)
        held, most = 0, 0
        for step in ["F"] * warm + ["F", "B"] * (there - warm) + ["B"] * warm:
            held += 1 if step == "F" else -1
            most = max(most, held)
        assert most == split.in_flight(plan_of("1f1b", pp).column(), Stage(np.array([[rank]])), Number(there))[0, 0]


@pytest.mark.parametrize(
    ("name", "left"), [("1f1b", 1), ("zb-h1", 1 / 3), ("zb-h2", 0), ("zb-v", 0), ("dualpipev", (2 - 1 / 3 - 3 / 3) / 2)]
)
def test_with_passes_that_take_alike_the_bubble_is_the_papers(name: str, left: float) -> None:
    """Where forward, input and weight gradients take a third each, ZB-H1 leaves a third of the bubble, ZB-H2 and ZB-V none (Qi et al.,
    Section 2), DualPipeV (p - 1)(F&B + B - 3 W) of half-sized chunks: a third."""
    third = np.array([1 / 3])
    assert by_hand.bubble_left(plan_of(name, 4).column(), third, third, 1.0)[0] == pytest.approx(left, abs=1e-12)


@pytest.mark.parametrize(("weights", "h1", "h2"), [(0.2, 0.6, 0.4), (0.3, 0.4, 0.1), (0.4, 0.2, 0.0)])
def test_the_bubble_shrinks_by_what_weight_gradients_fill(weights: float, h1: float, h2: float) -> None:
    """ZB-H1 leaves (p - 1)(F + B - W), ZB-V (p - 1)(F + B - 2 W), never less than none, ZB-H2 a share of that where found by search."""
    share = np.array([weights])
    for name, left in (("zb-h1", h1), ("zb-v", h2), ("zb-h2", schedule.AUTOMATIC * h2)):
        assert by_hand.bubble_left(plan_of(name, 4).column(), share, share, 1.0)[0] == pytest.approx(left)


def test_interleaving_divides_the_bubble_and_zero_bubble_leaves_less_for_more_memory() -> None:
    """For one plan, time falls and memory grows from 1F1B to ZB-H1 to ZB-H2."""
    job = every_schedule(small(global_batch=64))
    schedules = [evaluate(job, plan_of(name, 4, dp=4)) for name in ("1f1b", "zb-h1", "zb-h2")]
    bubbles = [float(e.time_parts.bubble[0]) for e in schedules]
    assert bubbles[0] > bubbles[1] > bubbles[2] >= 0
    assert schedules[0].step[0] > schedules[1].step[0] > schedules[2].step[0]
    # the last rank, with the head, is the fullest: it holds one micro-batch under 1F1B, p under ZB-H1
    device = [[row.device for row in stages(job, plan_of(name, 4, dp=4))] for name in ("1f1b", "zb-h1", "zb-h2")]
    assert all(a <= b <= c for a, b, c in zip(*device, strict=True)) and max(device[0]) < max(device[1]) < max(device[2])


@pytest.mark.parametrize("name", V_SHAPED)
def test_stages_of_a_v_run_down_the_ranks_and_back_up(name: str) -> None:
    """Rank i holds virtual stages i and 2 p - 1 - i: the first holds embedding and head, and gives up a layer for each."""
    job = every_schedule(small(stack="torchtitan"))
    job = replace(job, model=replace(job.model, layers=8))
    rows = stages(job, plan_of(name, 2, dp=8))
    assert [row.layers for row in rows] == [3, 5]  # of ten slots in stages of 3, 3, 2, 2 the first and the last hold one layer less
    assert [row.parts.logits > 0 for row in rows] == [True, False]
    ten = replace(job, model=replace(job.model, layers=10))
    assert [row.layers for row in stages(ten, plan_of(name, 3, dp=4))] == [2, 4, 4]  # twelve slots in six stages of two


def test_a_tied_embedding_needs_no_copy_in_a_v() -> None:
    """Where the first rank holds embedding and head, a tied head is the embedding itself: no second copy and no sum of gradients."""
    job = every_schedule(example(model="llama-3.2-1b", gpus=4, gpus_per_node=4, global_batch=16))
    plain, v = (plan_of(name, 4) for name in ("1f1b", "zb-v"))
    assert shard.head_weights(job, plain.column())[0] == 128_256 * 2048
    assert shard.head_weights(job, v.column())[0] == 0
    assert evaluate(job, plain).time_parts.dp[0] > evaluate(job, v).time_parts.dp[0] == 0


@pytest.mark.parametrize("pp", [2, 4])
def test_dense_layers_come_first_in_a_v_too(pp: int) -> None:
    """The first layers, whose MLP is dense, lie on the first ranks of the way down."""
    job = every_schedule(mixture("deepseek-v3-671b", 4 * pp - 3, stack="torchtitan"))
    plan, stage = plan_of("zb-v", pp).column(), Stage(np.arange(pp)[:, None])
    layers = split.stage_layers(job, plan, stage)
    sparse = split.sparse_stage_layers(job, plan, stage, layers)
    dense = split.dense_stage_layers(job, plan, stage, layers, sparse)
    # two slots a stage: embedding and a layer, then two layers each; at the end prediction and head
    assert dense[:, 0].tolist() == [1, 2, 0, 0][:pp]
    assert layers.sum() == job.model.layers and sparse.sum() + dense.sum() == job.model.layers + 1


def test_dualpipe_hides_the_experts_traffic_unasked() -> None:
    """DualPipeV runs one micro-batch's passes during another's all-to-all and hides all but the share of the
    multiprocessors that send, 24 of 132; others hide none unasked."""
    job = every_schedule(mixture(gpus=32, global_batch=256))
    job = replace(job, stack=replace(job.stack, overlaps_experts=True))
    numbers = {name: evaluate(job, plan_of(name, 4, dp=8, ep=8)) for name in SCHEDULES}
    both = {name: (float(e.hidden.named()["ep"][0]), float(e.time_parts.named()["ep"][0])) for name, e in numbers.items()}
    hidden = {name: behind / (behind + exposed) for name, (behind, exposed) in both.items()}
    assert hidden == pytest.approx({"dualpipev": 1 - 24 / 132} | dict.fromkeys(SCHEDULES[:-1], 0.0), abs=1e-9)


# values computed by hand

FOUR = np.arange(4)[:, None]


def listed(column: object) -> list[float]:
    """A column of stages x 1 as a plain list."""
    return [float(value) for value in np.ravel(np.asarray(column))]


def test_a_stage_computes_its_layers_and_the_edges_it_holds() -> None:
    """Three layers of 2 s forward and 5 s backward take 21 s; the embedding adds 11 s to the first stage, the head 13 s to the last."""
    given = (3, 2.0, 5.0, 11.0, 13.0)
    assert listed(by_hand.stage_compute(plan_of("1f1b", 4), FOUR, *given)) == [21 + 11, 21, 21, 21 + 13]
    assert listed(by_hand.stage_compute(plan_of("zb-v", 4), FOUR, *given)) == [21 + 11 + 13, 21, 21, 21]
    assert listed(by_hand.stage_compute(Plan(), np.array([[0]]), *given)) == [21 + 11 + 13]


def test_a_stage_waits_for_the_host_of_each_layer_and_of_the_micro_batch() -> None:
    """Three layers that wait 0.5 s each, and 0.25 s a micro-batch on a host that takes twice as long: 3 x 0.5 + 2 x 0.25 = 2 s."""
    assert by_hand.stage_host(round_job(), 3, 0.5) == 3 * 0.5 + 2 * 0.25


def test_a_stage_takes_the_sum_of_its_parts() -> None:
    """Compute 1, host 2, tensor 4 and context 8 s are 15 s; 3 of 8 layers repeat 7 s, all of them 0.5 s more; both add up."""
    assert by_hand.stage_work(1.0, 2.0, 4.0, 8.0) == 15
    assert by_hand.stage_repeat(8, 3, 7.0, 0.5) == 3 * 7 + 8 * 0.5
    assert by_hand.stage_seconds(15.0, 25.0) == 40


def test_the_slowest_stage_sets_the_pace_of_every_micro_batch() -> None:
    """Of stages of 5, 9 and 6 s the pace is 9 s; 12 micro-batches take 108 s."""
    assert listed(by_hand.slowest_stage(np.array([[5.0], [9.0], [6.0]]))) == [9]
    assert by_hand.steady_seconds(12.0, 9.0) == 108


@pytest.mark.parametrize(("pp", "through"), [(1, 5), (2, 5 + 9), (4, 5 + 6 * (10 - 2 - 2) / 3 + 9)])
def test_a_micro_batch_runs_through_the_first_the_last_and_the_stages_between(pp: int, through: float) -> None:
    """Of 10 layers the first and the last of four stages hold 2 each (5 s, 9 s); the other 6 take 6 s for every 3: 5 + 12 + 9 s."""
    layers, seconds = np.array([[2], [3], [2]]), np.array([[5.0], [6.0], [9.0]])
    assert listed(by_hand.all_stages(round_job(), Plan(pp=pp).column(), layers, seconds)) == [through]


def test_stages_without_layers_between_are_no_division_by_zero() -> None:
    """Where the second stage holds no layer the edges hold all of them: 5 + 9 s."""
    layers, seconds = np.array([[5], [0], [5]]), np.array([[5.0], [6.0], [9.0]])
    assert listed(by_hand.all_stages(round_job(), Plan(pp=3).column(), layers, seconds)) == [5 + 9]


def test_shares_of_a_layer_and_of_a_stage() -> None:
    """Gradients of weights are 3 of 8 + 4 s, the forward pass 2 of 8 s; of stages that repeat 2 of 4 and 2 of 5 s
    half works on the one that repeats most of its time."""
    assert by_hand.weight_share(3.0, 8.0, 4.0) == 3 / 12
    assert by_hand.forward_share(8.0, 2.0) == 2 / 8
    assert listed(by_hand.working_share(np.array([[2.0], [2.0]]), np.array([[4.0], [5.0]]))) == [1 - 0.5]


@pytest.mark.parametrize(
    ("name", "vpp", "left"),
    [("1f1b", 1, 1), ("1f1b", 4, 1 / 4), ("zb-h1", 1, 1 - 2 * 0.1), ("zb-h2", 1, 0.5 * (1 - 3 * 0.1)), ("zb-v", 2, 1 - 3 * 0.1),
     ("dualpipev", 2, (2 - 0.2 - 3 * 0.1) / 2)],
)  # fmt: skip
def test_what_recomputation_repeats_fills_no_bubble(name: str, vpp: int, left: float) -> None:
    """Where half of a micro-batch works, gradients of weights that take 0.2 of a layer fill as 0.1 does, a forward pass of 0.4 as 0.2."""
    plan = Plan(pp=4, vpp=vpp, schedule=CODE[name]).column()
    assert listed(by_hand.bubble_left(plan, np.array([0.2]), np.array([0.4]), 0.5)) == [pytest.approx(left)]


def test_the_bubble_is_what_the_other_stages_take() -> None:
    """Half of (26 - 9) s; none where the slowest stage is the only one."""
    assert by_hand.bubble_seconds(0.5, 26.0, 9.0) == 8.5
    assert by_hand.bubble_seconds(0.5, 9.0, 9.0) == by_hand.bubble_seconds(0.5, 8.0, 9.0) == 0


def test_a_step_is_the_sum_of_its_parts() -> None:
    """Parts of 1, 2, 4, 8, 16 and 32 s are 63 s, and with 64 s for the slowest rank 127 s."""
    assert by_hand.even_seconds(1.0, 2.0, 4.0, 8.0, 16.0, 32.0) == 63
    assert by_hand.step_seconds(63.0, 64.0) == 127


def test_the_host_takes_its_time_once_a_step_at_the_clusters_pace() -> None:
    """3 s on a host that takes twice as long."""
    assert listed(by_hand.fixed_seconds(round_job())) == [6]


@pytest.mark.parametrize(("gpus", "seconds"), [(64, 10 * 0.01 * 3), (16, 10 * 0.01), (8, 0), (4, 0)])
def test_the_slowest_rank_is_waited_for_with_every_doubling_of_the_nodes(gpus: int, seconds: float) -> None:
    """1 % of an even step of 10 s for each doubling: three of eight nodes of eight GPUs, one of two, none of one or half a node."""
    job = round_job(cluster=replace(CLUSTER, gpus=gpus))
    assert by_hand.straggler_seconds(job, 10.0) == pytest.approx(seconds)


def test_model_flops_of_the_round_model() -> None:
    """A layer has 3 M weights in attention and 6 M in its MLP, the head 5 M: 6 x 95 M FLOPs per token; scores and values 6 x 10 layers x
    10 heads x 200 x 1,000."""
    attention, mlp, head = 1000 * (2 * 1000 + 2 * 500), 3 * 1000 * 2000, 1000 * 5000
    per_token = 6 * (10 * (attention + mlp) + head) + 6 * 10 * 10 * 200 * 1000
    assert per_token == 690e6
    assert by_hand.model_flops(round_job()) == pytest.approx(690e6 * 64 * 1000)


def test_model_flops_of_the_round_mixture_with_multi_token_prediction() -> None:
    """Two dense layers and nine sparse ones, one of them ahead, where a token visits two experts and the router; two heads and the
    projection of two hidden states into one."""
    attention, mlp, expert, router = 3_000_000, 6_000_000, 3 * 1000 * 500, 1000 * 8
    weights = 11 * attention + 2 * mlp + 9 * (2 * expert + router) + 2 * 5_000_000 + 2 * 1000 * 1000
    assert weights == 84_072_000
    ahead = replace(SPARSE, mtp_layers=1)
    assert by_hand.matrices(ahead) == 84_072_000
    assert by_hand.model_flops(round_job(ahead)) == pytest.approx((6 * 84_072_000 + 6 * 11 * 10 * 200 * 1000) * 64_000)


@pytest.mark.parametrize(("model", "gpus", "batch"), [("gpt-22b", 8, 4), ("gpt3-175b", 64, 64), ("mt-nlg-530b", 280, 280)])
def test_model_flops_are_korthikantis(model: str, gpus: int, batch: int) -> None:
    """72 B L s h^2 (1 + s / 6 h + V / 12 h L): Korthikanti et al. 2022, Equation 7."""
    job = korthikanti(model, gpus, batch)
    layers, h, v, s = job.model.layers, job.model.hidden, job.model.vocab, 2048
    assert by_hand.model_flops(job) == pytest.approx(72 * batch * layers * s * h**2 * (1 + s / (6 * h) + v / (12 * h * layers)), rel=1e-6)


def test_frozen_weights_need_four_flops_and_adapters_six() -> None:
    """Rank 4 on queries and values: 4 x (1000 + 1000 + 1000 + 500) weights a layer; 690 M - 2 x 95 M + 6 x 140,000 FLOPs per token."""
    job = replace(round_job(), tuning="lora", lora_rank=4, lora_targets="query-value")
    whole = 690e6 * 64_000
    assert by_hand.adapter_flops(job, whole) == pytest.approx((690e6 - 2 * 95e6 + 6 * 10 * 4 * 3500) * 64_000)
    assert by_hand.needed_flops(job) == by_hand.adapter_flops(job, whole)
    assert by_hand.needed_flops(round_job()) == pytest.approx(whole)


def test_utilization_is_of_the_peak_that_the_precision_uses() -> None:
    """3.2 x 10^11 FLOP in 10 s on 64 GPUs of 10^9 FLOP/s: a half; in 8 bits of twice the peak a quarter; never above 1."""
    job = round_job()
    assert (by_hand.precision_flops(job), by_hand.precision_flops(replace(job, precision="fp8"))) == (1e9, 2e9)
    assert by_hand.mfu(job, 3.2e11, 10.0) == 0.5
    assert by_hand.mfu(replace(job, precision="fp8"), 3.2e11, 10.0) == 0.25
    assert by_hand.mfu(job, 3.2e11, 1.0) == 1


def test_the_utilization_of_palm_is_met() -> None:
    """Chowdhery et al. 2022, Table 3 and Appendix B: PaLM 540B (118 layers, 48 heads of 256) at 238.3 K tokens per second on 6,144 chips of
    275 TFLOP/s reaches 46.2 %. Its FLOPs per token are 6 N + 12 L H Q T."""
    needed = 6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048
    gpu = replace(CLUSTER.gpu, flops_bf16=275e12)
    job = round_job(cluster=replace(CLUSTER, gpu=gpu, gpus=6144))
    assert by_hand.mfu(job, needed * 238.3e3, 1.0) == pytest.approx(0.462, abs=0.001)


def test_tokens_are_counted_per_gpu() -> None:
    """64 sequences of 1,000 tokens in 10 s on 64 GPUs: 100 tokens per second on each."""
    assert by_hand.tokens_per_second_per_gpu(round_job(DENSE), 10.0) == 100
