"""Host memory and PCIe of what is offloaded, in round figures by hand: a rank updates 1,000 parameters; sub-groups of 300; PCIe 1e6 B/s."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.cost import offload, states
from planner.cost.evaluate import evaluate
from planner.cost.optimizers import optimizer_width
from planner.dimensions import Bytes, Count, Number, Parameters, Seconds
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job
from tests.planner.jobs import small

FLAT = {"flat_states": True, "sub_group": 300.0}
OWNED, TABLE = Parameters(1000.0), Parameters(400.0)
ZERO_2, ZERO_3 = (Plan(dp=4, dp_shard=4, zero=zero).column() for zero in (2, 3))


def at(value: Any) -> float:
    """The one value of a column."""
    return float(np.asarray(value, float).reshape(-1)[0])


def test_pinned_memory_is_a_power_of_two() -> None:
    """CachingHostAllocator.h rounds 1,000 bytes to 1,024, 1,024 to itself, 1,025 to 2,048."""
    assert [offload.pinned(Bytes(float(size))) for size in (1000, 1024, 1025)] == [1024, 1024, 2048]


def test_offloaded_states_are_on_the_host_or_behind_buffers_on_nvme() -> None:
    """All of 12,000 bytes, none without; on NVMe four buffers for 4 · 300 bytes, 2,048 each; of paged states all but the maxima."""
    twelve = Bytes(12_000.0)
    assert offload.host_states(round_job(), twelve, OWNED) == 0
    assert offload.host_states(round_job(offload_optimizer=True), twelve, OWNED) == 12_000
    behind = round_job(offload_optimizer=True, offload_nvme=True, stack=FLAT)
    assert offload.host_states(behind, twelve, OWNED) == 4 * 2048
    paged = round_job(optimizer="adamw-8bit-paged", state_bytes=1, master_bytes=0)
    assert offload.host_states(paged, Bytes(optimizer_width(paged) * 1000), OWNED) == pytest.approx(2000)


def test_gradients_are_on_the_host_in_both_widths_under_deepspeed() -> None:
    """ZeRO-3: 2 · 1,000 in 2,048; 4 · 300 three times in 2,048 each, 4 · 100 in 512. Below it 2,048 for weights on their way, twice 4,096
    for gradients and the master copy in place of its 4,000, and 1,024 for one table of 400. Elsewhere 4 · 1,000."""
    moved = round_job(offload_optimizer=True, stack=FLAT)
    assert at(offload.host_gradients(moved, ZERO_3, OWNED, TABLE)) == 2048 + 3 * 2048 + 512
    assert at(offload.host_gradients(moved, ZERO_2, OWNED, TABLE)) == 2048 + 2 * 4096 - 4000 + 1024
    assert at(offload.host_gradients(round_job(offload_optimizer=True), ZERO_3, OWNED, TABLE)) == 4000
    assert at(offload.host_gradients(round_job(stack=FLAT), ZERO_3, OWNED, TABLE)) == 0
    behind = round_job(offload_optimizer=True, offload_nvme=True, stack=FLAT)
    assert at(offload.host_gradients(behind, ZERO_3, OWNED, TABLE)) == 2048


def test_offloaded_weights_leave_the_device() -> None:
    """2 · 1,000 bytes and a share of 8,000 frozen ones; pinned under DeepSpeed; fp32 parameters are counted as master copies, and their
    gradients go with them."""
    assert at(offload.moved_weights(ZERO_3, OWNED, Bytes(8000.0), Count(4))) == 2000 + 2000
    assert at(offload.moved_weights(ZERO_2, OWNED, Bytes(8000.0), Count(4))) == 2000 + 8000
    for stack, expected in ((FLAT, 4096), ({}, 4000), ({"master_is_parameter": True}, 0)):
        job = round_job(offload_parameters=True, stack=stack)
        assert at(offload.host_weights(job, Bytes(4000.0))) == expected
        assert at(states.parameter_bytes(job, ZERO_3, OWNED, Count(4))) == 0
    assert at(offload.host_weights(round_job(), Bytes(4000.0))) == 0
    fp32 = round_job(offload_parameters=True, stack={"master_is_parameter": True})
    assert at(states.gradient_memory(fp32, ZERO_3, OWNED, Count(4), TABLE)) == 0
    assert at(offload.host_gradients(fp32, ZERO_3, OWNED, TABLE)) == 4000
    assert states.resident_optimizer(fp32, Bytes(12.0)) == 0


def test_a_node_holds_what_its_ranks_offload() -> None:
    """60 + 20 + 5 bytes of each of eight ranks, of four where there are four GPUs."""
    parts = Bytes(60.0), Bytes(20.0), Bytes(5.0)
    assert offload.host_bytes(round_job(), *parts) == 8 * 85
    assert offload.host_bytes(round_job(cluster={"gpus": 4}), *parts) == 4 * 85


def test_weights_go_up_for_both_passes_and_gradients_down() -> None:
    """2 · 3,000 bytes of weights in a micro-batch; under DeepSpeed from ZeRO-2 on 2 · 1,000 bytes of gradients; added to the rest."""
    weights = Bytes(3000.0)
    assert at(offload.offload_each(round_job(offload_parameters=True), ZERO_3, weights, OWNED)) == pytest.approx(6e-3)
    both = round_job(offload_parameters=True, offload_optimizer=True, stack=FLAT)
    assert at(offload.offload_each(both, ZERO_3, weights, OWNED)) == pytest.approx(6e-3 + 2e-3)
    assert at(offload.offload_each(round_job(offload_optimizer=True, stack=FLAT), Plan(dp=4).column(), weights, OWNED)) == 0
    assert at(offload.offload_each(round_job(), ZERO_3, weights, OWNED)) == 0
    assert offload.moved_each(Seconds(5.0), Seconds(7.0)) == 12


def test_deepspeed_takes_18_bytes_of_host_memory_a_parameter() -> None:
    """12 of states, 4 and 2 of gradients, and what pinning them adds: at most as much again as the 6 of gradients."""
    job = small(stack="deepspeed", offload_optimizer=True, gpus=8, gpus_per_node=8)
    host = float(evaluate(job, Plan(dp=8, dp_shard=8, zero=3)).host[0])
    assert 17.99 < host / job.model.published_parameters < 24


def test_activations_wait_on_the_host_for_their_backward_pass() -> None:
    """Half of 1,000 and 200 bytes, of three checkpoints of 50 all; two micro-batches of eight ranks, of four with four GPUs."""
    half, stage = round_job(offload_activations=0.5), (Bytes(1000.0), Bytes(200.0), Number(3.0), Bytes(50.0))
    assert offload.moved_activations(half, *stage) == 600
    assert offload.moved_activations(round_job(offload_checkpoints=True), *stage) == 150
    assert offload.moved_activations(round_job(), *stage) == 0
    assert [offload.moves_activations(job) for job in (half, round_job(offload_checkpoints=True), round_job())] == [True, True, False]
    on_stages = np.array([[600.0], [500.0]])
    assert offload.host_activations(half, Number(2.0), Bytes(on_stages)) == 8 * 1200
    assert offload.host_activations(round_job(cluster={"gpus": 4}), Number(2.0), Bytes(on_stages)) == 4 * 1200
    assert offload.node_memory(Bytes(10.0), Bytes(5.0)) == 15


def test_a_stage_waits_for_transfers_that_it_does_not_hide() -> None:
    """2 · 3e6 bytes at 1e6 B/s behind 4 s of work leave 2 s, behind 7 s none; in addition to recomputation."""
    assert offload.transfer_wait(round_job(), Bytes(3e6), Seconds(4.0)) == 2
    assert offload.transfer_wait(round_job(), Bytes(3e6), Seconds(7.0)) == 0
    assert offload.repeat_or_wait(Seconds(3.0), Seconds(2.0)) == 5


def test_offloaded_activations_are_in_the_plan() -> None:
    """Half of the activations of a model fill host memory, and over a slow link lengthen the step."""
    plan = Plan(dp=16, micro_batch=1)
    resident, moved = (evaluate(small(offload_activations=100 * share), plan) for share in (0, 0.5))
    assert resident.host[0] == 0 < moved.host[0]
    assert moved.memory_parts.activations[0] < resident.memory_parts.activations[0]
    assert moved.step[0] >= resident.step[0]
    slow = small(offload_activations=50, pcie_gb_s=0.1)
    assert evaluate(slow, plan).step[0] > 2 * resident.step[0]
