"""Scaling laws, lifetime FLOP and plausibility of rates: published optima and savings, and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate
from planner.economics import lifetime_cost, sanity
from planner.economics.scaling_laws import LAWS, Law, by_ratio, estimated_loss, optimum
from planner.report.best import EvaluatedPlan
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

BESIROGLU, HOFFMANN = LAWS
laws = st.sampled_from(LAWS)


def test_chinchilla_has_twenty_tokens_per_parameter() -> None:
    """Its 5.88e23 FLOP at 20 tokens per parameter are 70 billion parameters and 1.4 trillion tokens (Hoffmann et al. 2022)."""
    parameters, tokens = by_ratio(5.88e23, 20)
    assert parameters == pytest.approx(70e9) and tokens == pytest.approx(1.4e12)


def test_the_replication_has_twenty_tokens_per_parameter() -> None:
    """At Chinchilla's budget the fit of Besiroglu et al. 2024 has about 20 tokens per parameter, Hoffmann's approach 3 far more; the
    exponent of compute in the optimal size is 0.51 for the former and 0.46 for the latter (their Table 2, their abstract)."""
    for law, ratio, power in ((BESIROGLU, 20, 0.513), (HOFFMANN, 55, 0.457)):
        parameters, tokens = optimum(law, 5.76e23)
        assert tokens / parameters == pytest.approx(ratio, rel=0.1)
        assert law.law_beta / (law.law_alpha + law.law_beta) == pytest.approx(power, abs=0.002)


def test_a_smaller_model_has_the_published_saving() -> None:
    """Instead of a 13B model that serves 2 trillion tokens, a 7B of equal loss trained longer saves 1.7e22 FLOP, 17 % (Sardana et al.
    2023, Figure 1 from memory, Chinchilla's coefficients)."""
    low, high = 1e20, 1e26
    while high / low > 1 + 1e-12:  # the budget at which 13B is the optimum
        middle = (low * high) ** 0.5
        low, high = (middle, high) if optimum(HOFFMANN, middle)[0] < 13e9 else (low, middle)
    loss = float(estimated_loss(HOFFMANN, *optimum(HOFFMANN, low)))
    large, small = (lifetime_cost.size(HOFFMANN, loss, parameters, 2e12) for parameters in (13e9, 7e9))
    saved = large.lifetime_flops - small.lifetime_flops
    assert saved == pytest.approx(1.7e22, rel=0.02)
    assert saved / large.lifetime_flops == pytest.approx(0.17, abs=0.005)


@given(laws, st.floats(1e8, 1e12), st.floats(1, 300), st.floats(0, 1e14))
def test_every_listed_size_has_the_same_loss(law: Law, parameters: float, ratio: float, served: float) -> None:
    """All listed models have the estimated loss of the planned one, and none has less lifetime FLOP than the optimum."""
    result = lifetime_cost.lifetime_optimum(law, parameters, ratio * parameters, int(served))
    for size in (*result.sizes, result.best, result.planned):
        assert float(estimated_loss(law, size.parameters, size.tokens)) == pytest.approx(result.loss, rel=1e-6)
        assert size.lifetime_flops >= result.best.lifetime_flops * (1 - 1e-6)
    assert result.planned.tokens == pytest.approx(ratio * parameters, rel=1e-6) and result.saved >= -1e-6


@given(laws, st.floats(1e20, 1e26), st.floats(1e10, 1e14))
def test_the_optimum_shrinks_with_the_tokens_served(law: Law, flops: float, served: float) -> None:
    """Without serving, the compute-optimal model is the optimum; the more tokens are served, the smaller is the optimum."""
    parameters, tokens = optimum(law, flops)
    none, some, more = (lifetime_cost.lifetime_optimum(law, parameters, tokens, int(n)).best.parameters for n in (0, served, 10 * served))
    assert none == pytest.approx(parameters, rel=0.02)
    assert more <= some <= none


def test_the_derivation_of_the_optimum_has_its_flop() -> None:
    """The derivation includes the coefficients of the law."""
    result = lifetime_cost.lifetime_optimum(BESIROGLU, 70e9, 1.4e12, 10**13)
    step = lifetime_cost.explain(result, 10**13)
    assert step.value == pytest.approx(result.best.lifetime_flops)
    loss = step.find("estimated_loss")
    assert loss is not None and "1.817" in loss.substituted and step.find("same_loss_tokens") is not None


def test_a_rate_below_115_tflops_per_a100_is_reported_with_its_largest_term() -> None:
    """115 of an A100's 312 TFLOP/s (Transformer Math 101) and the same share of an H100; the sentence names the largest term."""
    job = small(gpu="a100-80gb-sxm")
    assert sanity.flops_floor(job.cluster.gpu.flops_bf16) == pytest.approx(115e12)
    assert sanity.flops_floor(example().cluster.gpu.flops_bf16) == pytest.approx(364.5e12, rel=0.001)
    fast, slow = Plan(dp=16, dp_shard=16, zero=1), Plan(tp=16, dp=1, sequence_parallel=1)
    judged = []
    for plan in (fast, slow):
        evaluated = EvaluatedPlan(job, plan, evaluate(job, plan))
        judged.append(sanity.sanity(evaluated, evaluated.mfu * job.cluster.gpu.flops_bf16))
    well, badly = judged
    assert not well.wrong and "above" in well.sentence
    assert badly.wrong and badly.term == "tp" and "tensor-parallel" in badly.sentence and "something is wrong" in badly.sentence


def test_the_floor_of_dense_models_condemns_no_mixture_of_experts() -> None:
    """For a model with experts the sentence states that the floor is that of dense models, not that something is wrong."""
    job = small(model="mixtral-8x7b")
    evaluated = EvaluatedPlan(job, Plan(dp=16, dp_shard=16, zero=1), evaluate(job, Plan(dp=16, dp_shard=16, zero=1)))
    for rate in (1e12, 9e14):
        sentence = sanity.sanity(evaluated, rate).sentence
        assert "dense model" in sentence and "something is wrong" not in sentence


def test_terms_beyond_the_ideal_sum_to_the_step() -> None:
    """The ideal time, the excess of the kernels over it and the other parts sum to the step."""
    job, plan = small(), Plan(tp=2, pp=2, dp=4, sequence_parallel=1)
    evaluated = EvaluatedPlan(job, plan, evaluate(job, plan))
    judged = sanity.sanity(evaluated, evaluated.mfu * job.cluster.gpu.flops_bf16)
    excess = evaluated.parts["compute"] - evaluated.mfu * evaluated.step
    assert sum(evaluated.parts.values()) == pytest.approx(evaluated.step) and excess > 0
    assert judged.term_seconds == pytest.approx(max([excess, *(s for n, s in evaluated.parts.items() if n != "compute")]))
