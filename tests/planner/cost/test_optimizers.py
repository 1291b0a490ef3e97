"""Bytes of optimizer states per parameter against the optimizers' code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.cost import optimizers, states
from planner.dimensions import Bytes, Count, Parameters, Stage
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job

BLOCKS = 2 * (1 + 4 / 256)  # two moments of 8 bits, an fp32 maximum for each 256 values of either
WIDTHS = [
    # optimizer, bytes of a state; bytes per parameter of a layer, of the embedding, of the head: h = 100, V = 1,000
    ("adamw", 4, 8, 8, 8), ("adamw", 2, 4, 4, 4), ("adamw-8bit", 1, BLOCKS, 8, BLOCKS), ("adamw-8bit-paged", 1, BLOCKS, 8, BLOCKS),
    ("adafactor", 4, 4 * 2 / 100, 4 * (1 / 100 + 1 / 1000), 4 * (1 / 100 + 1 / 1000)), ("lion", 4, 4, 4, 4), ("lion", 2, 2, 2, 2),
    ("sgd", 4, 4, 4, 4), ("sgd-plain", 4, 0, 0, 0), ("muon", 4, 4, 8, 8), ("muon-sharded", 2, 2, 4, 4),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "state", "layer", "embedding", "head"), WIDTHS)
def test_each_optimizer_has_the_states_of_its_code(optimizer: str, state: int, layer: float, embedding: float, head: float) -> None:
    """8-bit AdamW leaves the embedding in fp32, Adafactor has a row and a column per matrix, Muon AdamW's two moments off the layers."""
    job = round_job(optimizer=optimizer, state_bytes=state)
    assert optimizers.states(job) == pytest.approx((layer, embedding, head))
    assert optimizers.optimizer_width(job) == pytest.approx(4 + layer)


def test_a_tied_head_is_the_embedding_and_flat_buffers_have_no_exceptions() -> None:
    """With 8-bit states a tied head is in fp32 as the embedding is; where the optimizer sees flat buffers all is in 8 bits."""
    job = round_job(optimizer="adamw-8bit", state_bytes=1, model={"tied": True})
    assert optimizers.states(job) == pytest.approx((BLOCKS, 8, 8))
    flat = replace(job, stack=replace(job.stack, flat_states=True))
    assert optimizers.states(flat) == pytest.approx((BLOCKS, BLOCKS, BLOCKS))


def test_the_edges_of_a_pipeline_hold_the_states_of_the_tables() -> None:
    """Muon, 10 parameters a stage, 3 in the embedding and 2 in the head: 8 bytes each with the master copy, 4 more for the latter."""
    job, columns = round_job(optimizer="muon"), Plan(pp=3).column()
    at = [states.optimizer_bytes(job, columns, Stage(i), Parameters(10.0), Count(1), Parameters(3.0), Parameters(2.0)) for i in range(3)]
    assert [float(value[0]) for value in at] == [80 + 12, 80, 80 + 8]


def test_paged_states_leave_the_maxima_on_the_device() -> None:
    """Of 4 + 2 · (1 + 4 / 256) bytes the master copy and the maxima are resident, without a master copy the maxima alone."""
    for master in (4, 0):
        job = round_job(optimizer="adamw-8bit-paged", state_bytes=1, master_bytes=master)
        whole = Bytes(master + BLOCKS)
        assert states.resident_optimizer(job, whole) == pytest.approx(master + 2 * 4 / 256)
    assert states.resident_optimizer(round_job(offload_optimizer=True), whole) == 0
