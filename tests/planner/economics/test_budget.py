"""Training budgets against published runs: FLOP, GPU-hours, energy, CO2, cost; and the consistency of the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate
from planner.document.inputs import EXAMPLE, Inputs, parse, resolve, run_of
from planner.document.training_run import resolved
from planner.economics import budget as b
from planner.economics.affordable import by_money
from planner.errors import FieldError
from planner.report.columns import BY_KEY
from planner.specs.parameters import active_parameters
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

META = Plan(tp=8, pp=16, vpp=8, dp=128, dp_shard=128, zero=1, sequence_parallel=1)
LLAMA = EXAMPLE.with_("train_tokens", parse("train_tokens", "15.6t"))


def of(inputs: Inputs, step_seconds: float) -> b.Budget:
    job = resolve(inputs)
    return b.budget(job, run_of(inputs, job), step_seconds)


@pytest.mark.parametrize(
    ("parameters", "tokens", "flops"),
    [
        (175e9, 300e9, 3.15e23),  # GPT-3: Brown et al. 2020, Appendix D, 3.14e23
        (70e9, 1.4e12, 5.88e23),  # Chinchilla, Hoffmann et al. 2022; the budget of Gopher, 5.76e23
        (405e9, 15.6e12, 3.8e25),  # Llama 3 2024, Section 1: 3.8e25 on 15.6T tokens
    ],
)
def test_published_trainings_take_six_flop_per_parameter_and_token(parameters: float, tokens: float, flops: float) -> None:
    """6 P D is the published FLOP, a third of it in forward passes."""
    forward, backward = b.forward_flops(parameters, tokens), b.backward_flops(parameters, tokens)
    assert b.train_flops(forward, backward) == pytest.approx(flops, rel=0.005)
    assert backward == 2 * forward


def test_presets_take_the_published_flop() -> None:
    """The parameters counted from the presets give the published FLOP: GPT-3 within 1 %, Llama 3 405B within 0.5 %."""
    gpt = EXAMPLE.with_all({"model": "gpt3-175b", "train_tokens": 300_000_000_000, "sequence": 2048})
    assert of(gpt, 1.0).flops == pytest.approx(3.15e23, rel=0.01)
    assert of(LLAMA, 1.0).flops == pytest.approx(3.8e25, rel=0.005)


def test_llama_3_takes_the_gpu_hours_of_its_model_card() -> None:
    """30.84 million H100 hours for 405B, within 10 %, with the layout of its paper, failures included; CO2 8,930 t, from the boards only at
    the 414 g/kWh that follow from the figures of the card (8,930 t over 30.84e6 h of 700 W)."""
    step = float(evaluate(example(), replace(META)).step[0])
    known = of(LLAMA.with_all({"pue": 1.0, "co2_g_kwh": 414.0}), step)
    assert known.gpu_hours == pytest.approx(30.84e6, rel=0.1)
    assert known.co2_tonnes == pytest.approx(8930, rel=0.1)


def test_gpt_3_takes_the_published_energy() -> None:
    """10,000 V100 at 330 W for 14.8 days, PUE 1.10, 429 g/kWh: 1,287 MWh and 552 t (Patterson et al. 2021, Table 4)."""
    energy = b.energy_wh(b.gpu_hours(10_000.0, 14.8 * 86400), 330.0, 1.10)
    assert energy == pytest.approx(1287e6, rel=0.005)
    assert b.co2_tonnes(energy, 429.0) == pytest.approx(552, rel=0.005)


def test_deepseek_v3_has_the_published_cost() -> None:
    """2.788 million H800 hours at $2: $5.576 million (DeepSeek-AI 2024, Table 1)."""
    assert b.cost(2.788e6, 2.0) == 5_576_000.0


def test_the_rate_is_the_mfu_of_the_table() -> None:
    """TFLOP/s per GPU over the peak is the MFU column of the table, and the exact FLOP are those of the steps."""
    job = example()
    estimate = evaluate(job, META)
    known = of(LLAMA, float(estimate.step[0]))
    assert known.achieved_flops / job.cluster.gpu.flops_bf16 == pytest.approx(float(BY_KEY["mfu"].values(estimate)[0]), rel=1e-12)
    seconds = known.exact_flops / (known.achieved_flops * job.cluster.gpus)
    assert seconds == pytest.approx(known.tokens / (job.global_batch * job.sequence) * known.step_seconds, rel=1e-12)


def test_only_active_experts_count() -> None:
    """Tokens per parameter, and 6 P D, refer to the 37 billion active parameters of DeepSeek-V3."""
    inputs = EXAMPLE.with_all({"model": "deepseek-v3-671b", "gpus": 2048})
    known = of(inputs, 10.0)
    assert known.parameters == active_parameters(resolve(inputs).model)
    assert known.tokens == pytest.approx(20 * 37.55e9, rel=0.01)


@given(
    price=st.floats(0, 1000), step=st.floats(0.01, 100), tokens=st.integers(1, 10**14), gpus=st.sampled_from([8, 64, 1024, 16_384]),
    watts=st.floats(1, 2000), pue=st.floats(1, 3), intensity=st.floats(0, 1000),
)  # fmt: skip
def test_the_numbers_are_consistent(
    price: float, step: float, tokens: int, gpus: int, watts: float, pue: float, intensity: float
) -> None:  # fmt: skip
    """Cost is GPU-hours times price to the cent; energy and CO2 are proportional to the GPU-hours; the number of steps is rounded up."""
    values = {"train_tokens": tokens, "price_gpu_hour": price, "board_w": watts, "pue": pue, "co2_g_kwh": intensity, "gpus": gpus}
    known = of(EXAMPLE.with_all(values), step)
    assert known.cost is not None and known.energy_wh is not None and known.co2_tonnes is not None
    assert round(known.cost, 2) == round(known.gpu_hours * price, 2)
    assert known.energy_wh == pytest.approx(known.gpu_hours * watts * pue)
    assert known.co2_tonnes == pytest.approx(known.energy_wh / 1000 * intensity / 1e6)
    assert (known.steps - 1) * 2048 * 8192 < tokens <= known.steps * 2048 * 8192
    assert known.elapsed_seconds > known.train_seconds


def test_numbers_without_inputs_are_none() -> None:
    """Without a price there is no cost, without a CO2 intensity no CO2, without the power of the board neither energy nor CO2."""
    known = of(EXAMPLE, 6.0)
    assert known.cost is None and known.co2_tonnes is None and known.energy_wh is not None
    assert "cost" not in b.explain(example(), run_of(EXAMPLE, example()), 6.0)
    quiet = EXAMPLE.with_all({"gpu": "h800-sxm", "co2_g_kwh": 100.0})
    assert of(quiet, 6.0).energy_wh is None and of(quiet, 6.0).co2_tonnes is None


def test_derivations_have_the_values_of_the_budget() -> None:
    """The root of each derivation is the number of the budget, and its subtrees include the numbers that it depends on."""
    inputs = LLAMA.with_all({"price_gpu_hour": 2.5, "co2_g_kwh": 400.0})
    job = resolve(inputs)
    known, trees = of(inputs, 6.3), b.explain(job, run_of(inputs, job), 6.3)
    for name, attribute in b.NUMBERS.items():
        assert trees[name].value == getattr(known, attribute), name
    for name in b.LOSSES:
        assert trees[name].value == getattr(known.goodput, name), name
    for name in ("elapsed_seconds", "goodput", "daly_seconds", "saved_bytes", "train_steps"):
        assert trees["cost"].find(name) is not None, name
    floor = trees["flops_floor"]
    assert floor.substituted == "115 / 312 · 989 TFLOP/s"


def test_the_cost_of_a_training_buys_that_training() -> None:
    """The cost of a training buys its FLOP, and therefore its parameters and tokens at its ratio of tokens to parameters."""
    inputs = LLAMA.with_("price_gpu_hour", 3.0)
    job = resolve(inputs)
    known = of(inputs, 6.3)
    assert known.cost is not None
    model = by_money(known.cost, run_of(inputs, job), known).models[0]
    assert model.parameters == pytest.approx(known.parameters) and model.tokens == pytest.approx(known.tokens)
    assert by_money(2 * known.cost, run_of(inputs, job), known).flops == pytest.approx(2 * known.flops)


def test_another_gpu_has_its_preset_power() -> None:
    """A board power that was set is reset when the GPU changes; tokens and price stay when GPU and model change."""
    inputs = EXAMPLE.with_all({"board_w": 500.0, "price_gpu_hour": 2.0, "train_tokens": 10**12})
    other = inputs.with_("gpu", "a100-80gb-sxm").with_("model", "llama-3.1-70b")
    run = run_of(other, resolve(other))
    assert (run.power_w, run.price_gpu_hour, run.train_tokens) == (400, 2, 10**12)
    assert run_of(inputs, resolve(inputs)).power_w == 500


@pytest.mark.parametrize(("text", "tokens"), [("15.6t", 15_600_000_000_000), ("300B", 300_000_000_000), ("3e11", 3 * 10**11), ("8k", 8192)])
def test_tokens_have_suffixes_for_billions_and_trillions(text: str, tokens: int) -> None:
    """b is a billion and t a trillion; a value that is not an integer is refused."""
    assert parse("train_tokens", text) == tokens
    for wrong in ("8.3k", "0.0000000001b"):
        with pytest.raises(FieldError):
            parse("train_tokens", wrong)


def test_defaults_follow_the_job() -> None:
    """Default tokens depend on the model, power on the GPU, storage bandwidth on the number of GPUs; given values are used unchanged."""
    defaults = {"pue": 1.1, "served_tokens": 0, "gpu_mtbf_s": 1e8, "restart_s": 600.0}
    run = resolved(small(), defaults)
    assert run.train_tokens == 20 * active_parameters(small().model) and run.power_w == 700 and run.shared
    assert run.storage_bytes_s == pytest.approx(2e12 * 16 / 16_384)
    given_run = resolved(small(), defaults | {"train_tokens": 5, "power_w": 400.0, "storage_bytes_s": 1e9})
    assert (given_run.train_tokens, given_run.power_w, given_run.storage_bytes_s, given_run.shared) == (5, 400, 1e9, False)
