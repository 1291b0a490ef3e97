"""Every number explains itself, and the explanation cannot disagree with the table."""

from __future__ import annotations

import math

import pytest

from planner.cost.evaluate import evaluate
from planner.cost.memory import layer_activations
from planner.dimensions import Tokens
from planner.formula.bibliography import SOURCES
from planner.formula.quantities import QUANTITIES
from planner.formula.trace import FORMULAS, Step, is_tracing, tracing
from planner.formula.units import write
from planner.report.columns import BY_KEY
from planner.report.explain import headlines
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, example, korthikanti, mixture, small

META = Plan(tp=8, pp=16, vpp=8, dp=128, dp_shard=128, zero=1, sequence_parallel=1, recompute=1)
MIXED = every_schedule(mixture("deepseek-v3-671b", 13, stack="torchtitan", gpus=64, global_batch=256))
DUAL = Plan(tp=2, pp=4, vpp=2, dp=8, ep=8, dp_shard=8, zero=2, sequence_parallel=1, schedule=4)


def walk(step: Step) -> list[Step]:
    return [step, *(inner for child in step.children for inner in walk(child))]


@pytest.mark.parametrize(
    ("job", "plan"),
    [(example(), META), (small(), Plan(dp=16, dp_shard=16, zero=3)), (korthikanti("gpt-1t", 512, 512), Plan(tp=8, pp=64, recompute=2)),
     (small(offload_optimizer=True, stack="torchtitan"), Plan(cp=2, tp=2, dp=4, dp_shard=2, dp_replicate=2, zero=3, sequence_parallel=1)),
     (MIXED, DUAL)],
    ids=["meta", "fsdp", "full", "offload", "mixture"],
)  # fmt: skip
def test_the_trees_give_the_tables_numbers(job: Job, plan: Plan) -> None:
    """The roots of the trees are the numbers evaluate gives, to the last bit but rounding."""
    numbers = evaluate(job, plan)
    trees = headlines(job, plan)
    assert trees["memory"].value == pytest.approx(numbers.memory[0], rel=1e-12)
    assert trees["step"].value == pytest.approx(numbers.step[0], rel=1e-12)
    assert trees["mfu"].value == pytest.approx(BY_KEY["mfu"].values(numbers)[0], rel=1e-12)


def test_a_tree_reaches_down_to_the_formulas_of_the_papers() -> None:
    """Memory leads to activations, optimizer states and weights; time to matrix products, traffic and the bubble; in a mixture of experts
    to those of both kinds of layer and to the all-to-all; all with sources."""
    memory = ["activation_bytes", "layer_activations", "optimizer_bytes", "tokens", "in_flight"]
    step = ["bubble_seconds", "linear_forward", "gemm_seconds", "tp_forward", "dp_seconds", "optimizer_seconds"]
    sparse_memory = ["expert_states", "stage_experts", "expert_weights", "sparse_activations", "dense_stage_layers", "mixed_weights"]
    sparse_step = ["mixed_compute", "sparse_forward", "experts_linear", "ep_layer", "exchange_seconds", "mtp_seconds", "bubble_left"]
    for trees, names in (
        (headlines(example(), META), {"memory": [*memory, "stage_weights"], "step": [*step, "stage_compute"]}),
        (headlines(MIXED, DUAL), {"memory": [*memory, *sparse_memory], "step": [*step, *sparse_step]}),
    ):
        for tree, expected in names.items():
            for name in expected:
                node = trees[tree].find(name)
                assert node is not None, name
                assert node.source and node.meaning and node.text


def test_numbers_are_put_into_the_notation() -> None:
    """The substituted notation of micro-batches, B / (D · b), holds the numbers of the plan."""
    step = headlines(example(), META)["step"].find("micro_batches")
    assert step is not None
    assert step.substituted == "2,048 / (128 · 1)"
    assert step.value == 16


def test_every_formula_is_declared_once_and_sourced() -> None:
    """Each formula yields a quantity with a symbol and names a source of the bibliography; symbols are unique."""
    symbols = [quantity.symbol for quantity in QUANTITIES.values()]
    assert len(symbols) == len(set(symbols))
    shorts = {source.short for source in SOURCES.values()}
    for declared in FORMULAS.values():
        assert any(declared.source.startswith(short) for short in shorts), declared.name
        assert declared.sentence.endswith("."), declared.name


def test_nothing_is_recorded_outside_tracing() -> None:
    """Outside tracing() a formula is a plain function; inside records one step a call."""
    job, plan = small(), Plan(tp=2).column()
    assert not is_tracing()
    plain = layer_activations(job, plan, Tokens(4096.0))
    with tracing() as trace:
        assert is_tracing()
        traced = layer_activations(job, plan, Tokens(4096.0))
        assert trace.of(traced).name == "layer_activations"
    assert float(plain[0]) == float(traced[0])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(85_521_000_000.0, "B", "79.65 GiB"), (0.0123, "s", "12.3 ms"), (12.3, "s", "12.3 s"), (989e12, "FLOP/s", "989 TFLOP/s"),
     (16384, "", "16,384"), (0.5, "", "0.5"), (3e-6, "s", "3 µs"), (0.0, "s", "0 s"), (0.0, "B", "0 B")],
)  # fmt: skip
def test_values_are_written_in_units_people_read(value: float, unit: str, text: str) -> None:
    """Bytes in powers of 1024, FLOP/s and bytes per second in powers of 1000, seconds down to microseconds."""
    assert write(value, unit) == text


def test_every_step_of_a_tree_has_a_finite_value() -> None:
    """No step of any tree is NaN or infinite."""
    for tree in (*headlines(example(), META).values(), *headlines(MIXED, DUAL).values()):
        assert all(math.isfinite(step.value) for step in walk(tree))
