"""What of sharded data parallelism is exposed: by hand, and as frameworks differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.cost import overlap, sharded_units
from planner.cost.evaluate import evaluate
from planner.cost.shard import layer_weights
from planner.dimensions import Number, Parameters, Seconds
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job
from tests.planner.jobs import small

UNITS = {"overlaps_units": True, "gather_copies": 4.0, "reduce_copies": 6.0}
PLAN = Plan(tp=8, dp=4, dp_shard=4, zero=3).column()  # four ranks, one on each of four nodes: 5e7 B/s and 0.018 s a message


def at(column: object) -> float:
    """The one value of a column."""
    return float(column[0]) if hasattr(column, "__len__") else float(column)  # type: ignore[arg-type,index]


def job_of(**stack: object) -> Job:
    """The job of round figures with units, and traits of its stack."""
    return round_job(stack=UNITS | stack)


def test_weights_are_gathered_as_often_as_they_are_released() -> None:
    """Twice under ZeRO-3, once by FSDP that keeps them, not by ZeRO-2 with 16-bit weights; a third time the part of a layer of 40,000
    parameters beyond half of a reuse distance of 20,000, three quarters of it."""
    job = job_of()
    layer = at(layer_weights(job, PLAN))
    assert at(sharded_units.weight_gathers(job, PLAN)) == 2
    assert at(sharded_units.weight_gathers(job_of(reuse_distance=layer / 2), PLAN)) == pytest.approx(2.75)
    assert at(sharded_units.weight_gathers(job, PLAN.with_(zero=2))) == 0
    assert at(sharded_units.weight_gathers(job_of(master_is_parameter=True), PLAN.with_(zero=2))) == 1


def test_a_layer_goes_in_a_message_or_matrix_by_matrix() -> None:
    """FSDP sends a layer at a time; DeepSpeed as many buckets as it fills, at most its matrices: four, and seven of Llama's layers."""
    assert at(sharded_units.messages_per_layer(job_of(), PLAN).gather) == 1
    job = job_of(prefetch_bucket=1.0, reduce_bucket=1.0)
    assert at(sharded_units.messages_per_layer(job, PLAN).gather) == at(sharded_units.messages_per_layer(job, PLAN).reduce) == 4
    layer = at(layer_weights(job, PLAN))
    few = sharded_units.messages_per_layer(job_of(prefetch_bucket=layer / 2.5, reduce_bucket=layer * 2), PLAN)
    assert (at(few.gather), at(few.reduce)) == (3, 0.5)
    assert sharded_units.matrices(job_of(separate_products=True)) == 7


def test_the_first_gather_and_the_last_reduction_are_exposed_by_hand() -> None:
    """An embedding of 1,000 x 100 / 8 parameters: 2 + 4 bytes of each, three quarters at 5e7 B/s, and two messages; with the head in the
    same unit twice as much; frozen the gather alone; without units none."""
    one = 1000 * 100 / 8 * 0.75 / 5e7
    assert at(overlap.ends_each(job_of(), PLAN)) == pytest.approx((2 + 4) * one + 2 * 0.018)
    assert at(overlap.ends_each(job_of(root_gathered=True), PLAN)) == pytest.approx(2 * (2 + 4) * one + 2 * 0.018)
    assert at(overlap.ends_each(replace(job_of(), tuning="lora", lora_rank=4), PLAN)) == pytest.approx(2 * one + 0.018)
    assert at(overlap.ends_each(job_of(), PLAN.with_(zero=1))) == 0
    assert not any(map(at, overlap.units(round_job(), PLAN, Parameters(1e6), Parameters(1e6))))


def test_copies_by_hand() -> None:
    """Of 1e6 parameters gathered twice and 5e5 reduced: 2 x 4 and 6 bytes, at half of 1e8 B/s."""
    weights = Parameters(1e6), Parameters(5e5)
    assert at(overlap.copies_each(job_of(), PLAN, *weights)) == pytest.approx((8e6 + 3e6) / 5e7)
    assert at(overlap.copies_each(job_of(), PLAN.with_(zero=1), *weights)) == 0
    assert at(overlap.shared(PLAN.with_(dp=1, dp_shard=1), Parameters(1e6))) == 0


def test_loops_over_ranks_by_hand() -> None:
    """0.001 s for each of four ranks, eight layers of four matrices, gathered twice and reduced at half of that."""
    job = job_of(rank_loop_s=0.001)
    assert at(overlap.loops_each(job, PLAN)) == pytest.approx(0.001 * 4 * 8 * 4 * 2.5)
    assert at(overlap.loops_each(job, PLAN.with_(zero=2))) == 0


@pytest.mark.parametrize(("steady", "beyond"), [(20.0, 0.25 * 4), (5.0, 2 + 0.25 * 2), (1.0, 4)])
def test_compute_hides_units_and_loses_a_share_by_hand(steady: float, beyond: float) -> None:
    """Four micro-batches of 1.5 s, 0.5 s of them at the ends, and of 0.25 s of copies: 3 s, and of the 4 s left a quarter of what 20 - 3,
    5 - 3 or no seconds of compute hide, and the rest."""
    job = job_of()
    seen = overlap.units_seen(job, Seconds(1.5), Seconds(0.5), Seconds(0.25), Number(4.0), Seconds(steady), Seconds(3.0))
    assert at(seen) == pytest.approx(3 + beyond)


def test_the_hosts_loops_overlap_the_device_by_hand() -> None:
    """Four loops of 6 s next to 7 + 3 s of device take 26 s, as the sides of a triangle: 16 s more than the device alone."""
    assert at(overlap.units_exposed(Seconds(3.0), Seconds(6.0), Number(4.0), Seconds(7.0))) == pytest.approx(3 + 16)


@pytest.mark.parametrize(("steady", "exposed"), [(20.0, 8 - 4.8), (5.0, 8 - 2), (1.0, 8)])
def test_a_share_is_hidden_behind_the_compute_that_is_left(steady: float, exposed: float) -> None:
    """Four times 2 s, six tenths of them hidden behind the compute less 3 s."""
    assert at(overlap.share_exposed(round_job(), Seconds(2.0), Number(4.0), Seconds(steady), Seconds(3.0))) == pytest.approx(exposed)


def test_deepspeed_slows_with_the_ranks_it_loops_over() -> None:
    """On a fast network ZeRO-3 over 16 times the ranks waits longer under DeepSpeed, whose host visits every rank, than under FSDP."""
    exposed = {}
    for stack in ("deepspeed", "transformers"):
        for gpus in (64, 1024):
            job = small(stack=stack, gpus=gpus, global_batch=gpus, nic_gbit_s=100_000.0)
            exposed[stack, gpus] = at(evaluate(job, Plan(dp=gpus, dp_shard=gpus, zero=3)).time_parts.dp)
    assert exposed["deepspeed", 1024] - exposed["deepspeed", 64] > 3 * (exposed["transformers", 1024] - exposed["transformers", 64])


def test_copies_of_torchtitan_are_fourteen_bytes_a_parameter() -> None:
    """FSDP2 copies weights out of a buffer twice, 4 bytes, and gradients into one in fp32, 6; FSDP1 puts gradients together, 4 bytes."""
    for stack, width in (("torchtitan", 14), ("pytorch-fsdp", 4), ("transformers", 4)):
        job = small(stack=stack, gpus=16)
        plan = Plan(dp=16, dp_shard=16, zero=3).column()
        seconds = at(overlap.copies_each(job, plan, Parameters(1e9), Parameters(1e9)))
        assert seconds == pytest.approx(width * 1e9 / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s))
