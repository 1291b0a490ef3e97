"""The ladder of sizes: each size is a search of its own, and what keeps more GPUs from training faster is said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.document.inputs import EXAMPLE, Inputs, resolve, run_of
from planner.document.space import Space
from planner.economics.budget import budget
from planner.errors import FieldError
from planner.report.wording import STEP
from planner.search.search import Cancelled, search
from planner.whatif.scaling import PAYS, explain, gain, ladder, sizes

EIGHT = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 64, "sequence": 4096})
MIXTURE = EXAMPLE.with_all({"model": "mixtral-8x7b", "gpus": 64, "global_batch": 64, "sequence": 4096})


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    """Small jobs on several GPUs, links, batches and stacks."""
    return EXAMPLE.with_all({
        "model": draw(st.sampled_from(["llama-3.2-1b", "llama-3.1-8b", "qwen2.5-7b"])),
        "gpu": draw(st.sampled_from(["h100-sxm", "a100-80gb-sxm", "rtx-4090"])),
        "gpus": 16,
        "stack": draw(st.sampled_from(["megatron-core", "torchtitan", "deepspeed"])),
        "global_batch": draw(st.sampled_from([8, 24, 64, 256])),
        "sequence": draw(st.sampled_from([1024, 4096])),
        "nic_gbit_s": draw(st.sampled_from([1.0, 25.0, 400.0])),
    })  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(inputs(), st.booleans(), st.sampled_from([50_000.0, 200.0]))
def test_doubling_never_takes_longer_unless_it_is_said_what_stopped_it(given_: Inputs, weak: bool, mtbf: float) -> None:
    """From each size to twice the size, time to train on the same tokens falls, or a sentence names both sizes and what stopped it: a part
    of the step that grew, or failures."""
    found = ladder(given_.with_("gpu_mtbf_hours", mtbf), Space(), [8, 16, 32, 64, 128], weak=weak)
    said = found.slower()
    longer = [(a, b) for a, b in pairwise(found.trained) if b.budget.elapsed_seconds > a.budget.elapsed_seconds]
    assert len(said) == len(longer)
    for (a, b), sentence in zip(longer, said, strict=True):
        assert sentence.startswith(f"{b.gpus:,} GPUs take ") and f"longer to train than {a.gpus:,}: " in sentence
        assert any(part in sentence for part in (*STEP.values(), "failures and checkpoints leave"))


def test_a_doubling_that_takes_longer_is_explained() -> None:
    """Beyond one node of a slow network more GPUs take longer: the sentence names the traffic that grew and the batch that is used up;
    where it is failures that stop them, it names those."""
    flat = Space().with_("tp", "1").with_("pp", "1").with_("cp", "1")
    slow = EIGHT.with_all({"nic_gbit_s": 1.0, "global_batch": 16, "gpus": 8})
    found = ladder(slow, flat, [8, 16, 32])
    assert len(found.slower()) == 1 and STEP["dp"] in found.slower()[0] and "one micro-batch" in found.slower()[0]
    assert found.verdict().startswith("Scaling stops paying at 8 GPUs") and "tp cannot be 1 with 32 GPUs" in found.rungs[2].why
    frail = ladder(EIGHT.with_all({"gpu_mtbf_hours": 40.0, "restart_minutes": 30.0}), Space(), [8, 16, 64, 128, 4096])
    assert any("failures and checkpoints leave" in sentence for sentence in frail.slower())
    assert "failures and checkpoints leave" in frail.verdict()
    assert frail.rungs[-1].found is not None and frail.rungs[-1].why == "Failures leave no time to train."


@pytest.mark.parametrize("base", [EIGHT, MIXTURE], ids=["dense", "mixture"])
def test_each_size_is_the_search_of_that_size(base: Inputs) -> None:
    """Step, plan and figures of a size are those of a search with that many GPUs set."""
    space = Space().with_("tp", "<=4")
    for rung in ladder(base, space, [16, 64]).rungs:
        result = search(resolve(base.with_("gpus", rung.gpus)), space)
        assert rung.found is not None
        assert rung.found.step == pytest.approx(float(result.step_seconds[result.order[0]]), rel=1e-12)
        assert rung.found.plan == result.plan(int(result.order[0]))


def test_a_pinned_axis_stays_pinned_and_where_it_cannot_hold_is_said() -> None:
    """Every plan keeps dp at 16; sizes below that name the axis."""
    found = ladder(EIGHT, Space().with_("dp", "16"), [8, 16, 32, 64])
    assert all(best.plan.dp == 16 for _, best in found.fitted) and len(found.fitted) == 3
    assert found.rungs[0].why == "No plan is valid: dp cannot be 16 with 8 GPUs."


def test_sizes_that_cannot_be_say_why() -> None:
    """A size that fills no whole nodes, one at which nothing fits, and a batch that does not divide each have their sentence."""
    odd, small, _ = ladder(EIGHT, Space(), [12, 1, 64]).rungs[1], ladder(EXAMPLE, Space(), [8]).rungs[0], None
    assert "do not fill nodes of 8" in odd.why
    assert small.why.startswith("Nothing fits: the nearest plan needs")
    weak = ladder(EIGHT.with_("global_batch", 65), Space(), [8, 64], weak=True)
    assert weak.rungs[0].why == "The batch would be 8.125 sequences, no whole number."


def test_weak_scaling_keeps_the_tokens_of_each_gpu() -> None:
    """The batch grows with the GPUs from that of the document, so that a step takes about as long at every size."""
    found = ladder(EIGHT, Space(), [8, 16, 64, 128], weak=True)
    assert [rung.global_batch for rung in found.rungs] == [8, 16, 64, 128]
    steps = [best.step for _, best in found.fitted]
    assert max(steps) < 1.3 * min(steps)


def test_the_verdict_names_the_first_size_that_does_not_pay() -> None:
    """Up to the size named each enlargement brought at least half of what it could; the next did not."""
    found = ladder(EIGHT, Space(), sizes(EIGHT, 8, 2048))
    gains = [(a.gpus, gain(a, b)) for a, b in pairwise(found.trained)]
    first = next(size for size, gained in gains if gained < PAYS)
    assert found.verdict().startswith(f"Scaling stops paying at {first:,} GPUs: twice the GPUs")


def test_a_size_that_divides_badly_does_not_end_scaling() -> None:
    """Of 405B on 18,432 GPUs the pipeline divides badly; 32,768 train 1.7 times as fast as 16,384, so scaling still pays there."""
    found = ladder(EXAMPLE.with_all({"gpus": 16384, "global_batch": 2048}), Space(), [16384, 18432, 32768])
    assert gain(*found.trained[:2]) < 0
    assert found.verdict().startswith("Scaling still pays at 32,768 GPUs: from 16,384, twice the GPUs")
    assert any(sentence.startswith("18,432 GPUs take") for sentence in found.slower())


def test_one_gpu_is_no_plural() -> None:
    """Where the last size is one GPU, the verdict says so."""
    found = ladder(EIGHT.with_all({"gpus": 1, "gpus_per_node": 1}), Space(), [1])
    assert "1 GPU: Nothing fits" in found.verdict() and "1 GPUs" not in found.verdict()


def test_time_and_cost_are_those_of_the_budget() -> None:
    """What training comes to at a size is the budget of its plan, with the run as told at that size."""
    told = EIGHT.with_all({"train_tokens": 10**12, "price_gpu_hour": 2.5})
    rung = ladder(told, Space(), [8, 64]).rungs[1]
    job = resolve(told)
    assert rung.found is not None and rung.budget == budget(job, run_of(told, job), rung.found.step)
    assert rung.budget.cost == pytest.approx(2.5 * rung.budget.gpu_hours)


def test_the_trees_give_the_ladders_numbers() -> None:
    """Each number of a size has a tree with a source, whose root is the number, down to the formulas of the step."""
    told = EIGHT.with_("price_gpu_hour", 2.5)
    found = ladder(told, Space(), [8, 64])
    rung = found.rungs[1]
    assert rung.found is not None and rung.budget is not None
    trees = explain(found, told, rung)
    expected = {"step": rung.found.step, "mfu": rung.found.mfu, "tokens_per_second": rung.found.tokens_per_second,
                "efficiency": found.efficiency(rung.found), "gpu_hours": rung.budget.gpu_hours, "cost": rung.budget.cost}  # fmt: skip
    assert {name: tree.value for name, tree in trees.items()} == pytest.approx(expected, rel=1e-9)
    assert trees["cost"].find("gemm_seconds") is not None and trees["efficiency"].find("smallest_rate") is not None
    assert all(tree.source for tree in trees.values())


def test_the_sizes_are_doublings_with_the_ends_and_the_documents_own() -> None:
    """From 8, or whole nodes of at least 8 GPUs, or 1 for what is smaller; refused where there is none."""
    assert sizes(EIGHT.with_("gpus", 48), None, 100) == [8, 16, 32, 48, 64, 100]
    assert sizes(EIGHT) == [8, 16, 32, 64, 128, 256]
    assert sizes(EIGHT.with_all({"gpus": 72, "gpus_per_node": 72})) == [72, 144, 288]
    assert sizes(EIGHT.with_all({"gpus": 64, "gpus_per_node": 4}), None, 16) == [8, 16]
    assert sizes(EIGHT, None, 4) == [1, 2, 4]
    with pytest.raises(FieldError, match="no more than to"):
        sizes(EIGHT, 64, 8)
    with pytest.raises(FieldError, match="between 1 and"):
        sizes(EIGHT, 0)


def test_a_ladder_can_be_stopped() -> None:
    """It ends with Cancelled once asked to."""
    with pytest.raises(Cancelled):
        ladder(EIGHT, Space(), [8], cancelled=lambda: True)
