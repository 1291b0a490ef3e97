"""Live tensors by phase, in round figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from planner.cost import peak, phases
from planner.cost.evaluate import evaluate, stages
from planner.cost.phases import PHASES
from planner.cost.stage_cost import edge_cost, edges
from planner.dimensions import Bytes, Flag, Number, Stage
from planner.document.inputs import EXAMPLE, resolve
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job
from tests.planner.jobs import small


def b(value: float) -> Bytes:
    """A number of bytes."""
    return Bytes(value)


def test_the_last_layer_of_a_virtual_stage_is_at_most_that_stage() -> None:
    """With 16 layers in 17 virtual stages, the last with the head alone, the end of a backward pass needs no more than its start."""
    plan, held, flight = Plan(pp=2, vpp=17), b(3400), Number(2.0)
    last = phases.last_activations(plan, held, flight, Number(16.0))
    assert float(last) == pytest.approx(100)
    others = phases.others_live(plan, held, flight)
    assert float(phases.end_live(others, last, b(30), b(4))) == pytest.approx(float(phases.backward_live(held, b(30), b(4))))


def test_gradients_live_with_all_activations_where_micro_batches_were_before() -> None:
    """Gradients set to None after a step: with 4 micro-batches and 4 in flight none was reduced before the peak, with 5 one; buffers are
    allocated for good. Behind the first stage the second of any micro-batches counts."""
    freed = round_job(stack={"gradients_stay": False})
    assert [bool(phases.gradients_live(freed, Stage(0), Number(m), Number(4.0))) for m in (1.0, 4.0, 5.0)] == [False, False, True]
    assert [bool(phases.gradients_live(freed, Stage(1), Number(m), Number(4.0))) for m in (1.0, 2.0)] == [False, True]
    assert bool(phases.gradients_live(round_job(), Stage(0), Number(1.0), Number(1.0)))


def test_each_phase_is_the_sum_of_what_lives_in_it() -> None:
    """100 of activations, 20 of logits, 30 of a layer, 4 of buffers; at the end one of five layers of one of two micro-batches."""
    assert phases.loss_live(b(100), b(20), b(4)) == 124
    assert phases.backward_live(b(100), b(30), b(4)) == 134
    assert phases.last_activations(Plan(), b(100), Number(2.0), Number(5.0)) == 10
    assert phases.last_activations(Plan(), b(100), Number(2.0), Number(0.0)) == 50
    assert phases.end_live(b(60), b(10), b(30), b(4)) == 104
    assert phases.embedding_live(b(60), b(7)) == 67
    assert phases.absent_bytes(b(7)) == 0
    assert phases.started_gathered(b(20), b(8), b(3)) == 17
    assert phases.started_gathered(b(20), b(8), b(30)) == 12
    assert [phases.backward_gathered(b(started)) for started in (5, -5)] == [5, 0]
    assert [phases.backward_working(b(30), b(started)) for started in (5, -5)] == [30, 25]
    assert phases.last_gradients(Flag(False), b(9), b(2)) == 7
    assert phases.last_gradients(Flag(True), b(9), b(2)) == 9
    assert phases.early_gradients(Flag(True), b(9), b(0)) == 9
    assert phases.first_gradients(Flag(False), b(9), b(0), b(2)) == 2
    assert phases.first_gradients(Flag(True), b(9), b(0), b(2)) == 9
    assert phases.early_gradients(Flag(False), b(9), b(7)) == 7
    assert phases.first_gradients(Flag(False), b(9), b(7), b(2)) == 7
    assert [phases.last_gradients(Flag(live), b(9), b(4)) for live in (False, True)] == [5, 9]
    assert phases.late_activations(b(9), b(4)) == 13


def test_other_micro_batches_stay_at_the_end_of_a_backward_pass() -> None:
    """Of 120 bytes in three micro-batches in flight one is freed; of a rank with two virtual stages, half of one; alone, nothing stays."""
    assert float(phases.others_live(Plan(), b(120), Number(3.0))) == pytest.approx(80)
    assert float(phases.others_live(Plan(vpp=2), b(120), Number(3.0))) == pytest.approx(100)
    assert float(phases.others_live(Plan(), b(120), Number(1.0))) == 0


@pytest.mark.parametrize(
    ("live", "changes", "expected"),
    [
        # 1,000 of states, 50 of gradients, 5 of them of the head; loss 300, start 200, end 100; gathered 10 (head) and 20 (layers)
        (True, {}, 1000 + 300 + 10 + 50), (False, {}, 1000 + 300 + 10), (False, {"backward_live": 400}, 1000 + 400 + 20 + 5),
        (True, {"backward_live": 400}, 1000 + 400 + 20 + 50), (False, {"end_live": 350}, 1000 + 350 + 20 + 50 - 4),
        (True, {"end_live": 350}, 1000 + 350 + 20 + 50),
        (False, {"embedding_gathered": 500}, 1000 + 40 + 500 + 50), (False, {"step_temporaries": 500}, 1000 + 500 + 50),
        (False, {"lasting_gradients": 50}, 1000 + 300 + 10 + 50),
        # 30 of the gradients are not made when the last layer runs; with gradients of earlier micro-batches all are there
        (False, {"end_live": 350, "late_gradients": 30}, 1000 + 350 + 20 + 20),
        (True, {"end_live": 350, "late_gradients": 30}, 1000 + 350 + 20 + 50), (True, {"end_live": 350, "end_gathered": 25}, 1425),
    ],
)  # fmt: skip
def test_the_fullest_phase_is_the_peak(live: bool, changes: dict[str, float], expected: float) -> None:
    """Each phase is the peak where it needs most; parts of different phases never meet."""
    given = {
        "static_bytes": 1000, "all_gradients": 50, "lasting_gradients": 0, "head_gradient": 5, "loss_live": 300, "backward_live": 200,
        "end_live": 100, "embedding_live": 40, "head_gathered": 10, "started_gathered": 20, "end_gathered": 20,
        "embedding_gathered": 1, "step_temporaries": 1, "late_gradients": 4,
    } | changes  # fmt: skip
    values = {name: b(float(value)) for name, value in given.items()}
    assert phases.allocated_bytes(**values, gradients_live=Flag(live)) == expected


@pytest.mark.parametrize("stack", ["megatron-core", "torchtitan", "pytorch-fsdp"])
def test_the_parts_of_the_peak_phase_sum_to_the_memory_of_the_plan(stack: str) -> None:
    """The parts shown are those of one phase, the fullest of the fullest stage, and no other phase has more."""
    job = small(stack=stack)
    plan = Plan(dp=8, dp_shard=8, zero=job.stack.zero_stages[-1], recompute=2)
    numbers = evaluate(job, plan)
    rows = stages(job, plan)
    row = rows[int(numbers.stage[0])]
    assert row.phase == list(PHASES)[int(numbers.phase[0])]
    assert row.device == pytest.approx(float(numbers.memory[0])) == pytest.approx(float(numbers.memory_parts.total[0]))
    live = {name: float(np.ravel(parts.total)[0]) for name, parts in row.phases.items()}
    assert max(live.values()) == live[row.phase]


@pytest.mark.parametrize("recompute", [0, 2])
@pytest.mark.parametrize("stack", ["torchtitan", "transformers", "deepspeed", "megatron-core"])
def test_no_part_of_memory_is_negative(stack: str, recompute: int) -> None:
    """A layer whose gradient is larger than its activations and the head: a model of 405 billion parameters on one GPU."""
    job, plan = resolve(EXAMPLE.with_all({"stack": stack, "gpus": 1})), Plan(recompute=recompute).column()
    each = peak.by_phase(job, plan, edges(job, plan), edge_cost(job, plan))
    assert [name for name, parts in each.items() for part in parts.named().values() if (np.asarray(part) < 0).any()] == []
