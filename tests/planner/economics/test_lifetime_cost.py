"""Scaling laws and serving: published optima and savings, and what must hold of any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate
from planner.economics import lifetime_cost as lifetime
from planner.economics import sanity
from planner.economics.scaling_laws import LAWS, Law, by_ratio, estimated_loss, optimum
from planner.report.best import EvaluatedPlan
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

BESIROGLU, HOFFMANN = LAWS
laws = st.sampled_from(LAWS)


def test_chinchilla_is_twenty_tokens_a_parameter() -> None:
    """Its 5.88e23 FLOP at 20 tokens a parameter are 70 billion parameters and 1.4 trillion tokens (Hoffmann et al. 2022)."""
    parameters, tokens = by_ratio(5.88e23, 20)
    assert parameters == pytest.approx(70e9) and tokens == pytest.approx(1.4e12)


def test_the_replication_finds_twenty_tokens_a_parameter() -> None:
    """At Chinchilla's budget the fit of Besiroglu et al. 2024 has about 20 tokens a parameter, where Hoffmann's approach 3 has far more;
    the power of compute in the optimal size is 0.51 for the one and 0.46 for the other (their Table 2, their abstract)."""
    for law, ratio, power in ((BESIROGLU, 20, 0.513), (HOFFMANN, 55, 0.457)):
        parameters, tokens = optimum(law, 5.76e23)
        assert tokens / parameters == pytest.approx(ratio, rel=0.1)
        assert law.law_beta / (law.law_alpha + law.law_beta) == pytest.approx(power, abs=0.002)


def test_serving_saves_what_sardana_says() -> None:
    """A 13B model to serve 2 trillion tokens: a 7B of the same loss trained longer saves 1.7e22 FLOP, 17 % (Sardana et al. 2023,
    Figure 1 from memory, Chinchilla's coefficients)."""
    low, high = 1e20, 1e26
    while high / low > 1 + 1e-12:  # the budget at which 13B is the optimum
        middle = (low * high) ** 0.5
        low, high = (middle, high) if optimum(HOFFMANN, middle)[0] < 13e9 else (low, middle)
    loss = float(estimated_loss(HOFFMANN, *optimum(HOFFMANN, low)))
    large, small = (lifetime.size(HOFFMANN, loss, parameters, 2e12) for parameters in (13e9, 7e9))
    saved = large.lifetime_flops - small.lifetime_flops
    assert saved == pytest.approx(1.7e22, rel=0.02)
    assert saved / large.lifetime_flops == pytest.approx(0.17, abs=0.005)


@given(laws, st.floats(1e8, 1e12), st.floats(1, 300), st.floats(0, 1e14))
def test_every_size_shown_comes_to_the_same_loss(law: Law, parameters: float, ratio: float, served: float) -> None:
    """The models beside the planned one have its estimated loss, and none costs less than the one called cheapest."""
    found = lifetime.serving(law, parameters, ratio * parameters, int(served))
    for size in (*found.sizes, found.best, found.planned):
        assert float(estimated_loss(law, size.parameters, size.tokens)) == pytest.approx(found.loss, rel=1e-6)
        assert size.lifetime_flops >= found.best.lifetime_flops * (1 - 1e-6)
    assert found.planned.tokens == pytest.approx(ratio * parameters, rel=1e-6) and found.saved >= -1e-6


@given(laws, st.floats(1e20, 1e26), st.floats(1e10, 1e14))
def test_the_more_is_served_the_smaller_the_cheapest(law: Law, flops: float, served: float) -> None:
    """Of a model at its optimum none of the same loss trains for less; serving makes a smaller one cheaper, serving more a yet smaller."""
    parameters, tokens = optimum(law, flops)
    none, some, more = (lifetime.serving(law, parameters, tokens, int(n)).best.parameters for n in (0, served, 10 * served))
    assert none == pytest.approx(parameters, rel=0.02)
    assert more <= some <= none


def test_the_tree_of_the_cheapest_gives_its_flop() -> None:
    """The tree ends in the law's coefficients."""
    found = lifetime.serving(BESIROGLU, 70e9, 1.4e12, 10**13)
    step = lifetime.explain(found, 10**13)
    assert step.value == pytest.approx(found.best.lifetime_flops)
    loss = step.find("estimated_loss")
    assert loss is not None and "1.817" in loss.substituted and step.find("same_loss_tokens") is not None


def test_a_rate_below_115_tflops_an_a100_is_told_with_its_largest_term() -> None:
    """115 of an A100's 312 TFLOP/s (Transformer Math 101) and the same share of an H100; the sentence names what takes the time."""
    job = small(gpu="a100-80gb-sxm")
    assert sanity.flops_floor(job.cluster.gpu.flops_bf16) == pytest.approx(115e12)
    assert sanity.flops_floor(example().cluster.gpu.flops_bf16) == pytest.approx(364.5e12, rel=0.001)
    fast, slow = Plan(dp=16, dp_shard=16, zero=1), Plan(tp=16, dp=1, sequence_parallel=1)
    judged = []
    for plan in (fast, slow):
        found = EvaluatedPlan(job, plan, evaluate(job, plan))
        judged.append(sanity.sanity(found, found.mfu * job.cluster.gpu.flops_bf16))
    well, badly = judged
    assert not well.wrong and "above" in well.sentence
    assert badly.wrong and badly.term == "tp" and "tensor-parallel" in badly.sentence and "something is wrong" in badly.sentence


def test_the_floor_of_dense_models_condemns_no_mixture_of_experts() -> None:
    """Of experts it is said that the floor is of dense models, not that something is wrong."""
    job = small(model="mixtral-8x7b")
    found = EvaluatedPlan(job, Plan(dp=16, dp_shard=16, zero=1), evaluate(job, Plan(dp=16, dp_shard=16, zero=1)))
    for rate in (1e12, 9e14):
        said = sanity.sanity(found, rate).sentence
        assert "dense model" in said and "something is wrong" not in said


def test_terms_beyond_the_ideal_sum_to_the_step() -> None:
    """The parts, the kernels' excess in place of compute, and the ideal are the whole step."""
    job, plan = small(), Plan(tp=2, pp=2, dp=4, sequence_parallel=1)
    found = EvaluatedPlan(job, plan, evaluate(job, plan))
    judged = sanity.sanity(found, found.mfu * job.cluster.gpu.flops_bf16)
    assert sum(found.parts.values()) == pytest.approx(found.step) and found.parts["compute"] > found.mfu * found.step
    assert judged.term_seconds == pytest.approx(
        max([found.parts["compute"] - found.mfu * found.step, *(s for n, s in found.parts.items() if n != "compute")])
    )
