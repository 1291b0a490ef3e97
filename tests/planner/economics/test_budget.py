"""What training comes to, against published runs: FLOP, GPU-hours, energy, CO2, money; and how the numbers hang together."""

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
def test_published_trainings_take_six_flop_a_parameter_and_token(parameters: float, tokens: float, flops: float) -> None:
    """6 P D gives the FLOP published, a third of them forward."""
    forward, backward = b.forward_flops(parameters, tokens), b.backward_flops(parameters, tokens)
    assert b.train_flops(forward, backward) == pytest.approx(flops, rel=0.005)
    assert backward == 2 * forward


def test_the_presets_come_to_the_published_flop() -> None:
    """The parameters counted from the presets give the same: GPT-3 within 1 %, Llama 3 405B within half a per cent."""
    gpt = EXAMPLE.with_all({"model": "gpt3-175b", "train_tokens": 300_000_000_000, "sequence": 2048})
    assert of(gpt, 1.0).flops == pytest.approx(3.15e23, rel=0.01)
    assert of(LLAMA, 1.0).flops == pytest.approx(3.8e25, rel=0.005)


def test_llama_3_takes_the_gpu_hours_of_its_model_card() -> None:
    """30.84 million H100 hours for 405B, within a tenth, with the layout of its paper, its failures counted; CO2 8,930 t, from the boards
    alone at the 414 g a kWh that the card's own figures come to (8,930 t over 30.84e6 h of 700 W)."""
    step = float(evaluate(example(), replace(META)).step[0])
    known = of(LLAMA.with_all({"pue": 1.0, "co2_g_kwh": 414.0}), step)
    assert known.gpu_hours == pytest.approx(30.84e6, rel=0.1)
    assert known.co2_tonnes == pytest.approx(8930, rel=0.1)


def test_gpt_3_takes_the_published_energy() -> None:
    """10,000 V100 at 330 W for 14.8 days, PUE 1.10, 429 g a kWh: 1,287 MWh and 552 t (Patterson et al. 2021, Table 4)."""
    energy = b.energy_wh(b.gpu_hours(10_000.0, 14.8 * 86400), 330.0, 1.10)
    assert energy == pytest.approx(1287e6, rel=0.005)
    assert b.co2_tonnes(energy, 429.0) == pytest.approx(552, rel=0.005)


def test_deepseek_v3_costs_what_its_report_says() -> None:
    """2.788 million H800 hours at $2: $5.576 million (DeepSeek-AI 2024, Table 1)."""
    assert b.cost(2.788e6, 2.0) == 5_576_000.0


def test_the_rate_is_the_mfu_of_the_table() -> None:
    """TFLOP/s a GPU over the peak is the MFU that the table shows, and the exact FLOP are those of its steps."""
    job = example()
    estimate = evaluate(job, META)
    known = of(LLAMA, float(estimate.step[0]))
    assert known.achieved_flops / job.cluster.gpu.flops_bf16 == pytest.approx(float(BY_KEY["mfu"].values(estimate)[0]), rel=1e-12)
    seconds = known.exact_flops / (known.achieved_flops * job.cluster.gpus)
    assert seconds == pytest.approx(known.tokens / (job.global_batch * job.sequence) * known.step_seconds, rel=1e-12)


def test_experts_count_as_far_as_a_token_visits_them() -> None:
    """Tokens a parameter, and 6 P D, are of the 37 billion parameters of DeepSeek-V3 that a token visits."""
    inputs = EXAMPLE.with_all({"model": "deepseek-v3-671b", "gpus": 2048})
    known = of(inputs, 10.0)
    assert known.parameters == active_parameters(resolve(inputs).model)
    assert known.tokens == pytest.approx(20 * 37.55e9, rel=0.01)


@given(
    price=st.floats(0, 1000), step=st.floats(0.01, 100), tokens=st.integers(1, 10**14), gpus=st.sampled_from([8, 64, 1024, 16_384]),
    watts=st.floats(1, 2000), pue=st.floats(1, 3), intensity=st.floats(0, 1000),
)  # fmt: skip
def test_the_numbers_hang_together(
    price: float, step: float, tokens: int, gpus: int, watts: float, pue: float, intensity: float
) -> None:  # fmt: skip
    """Cost is GPU-hours times price to the cent; energy and CO2 follow the GPU-hours; no step is half."""
    told = {"train_tokens": tokens, "price_gpu_hour": price, "board_w": watts, "pue": pue, "co2_g_kwh": intensity, "gpus": gpus}
    known = of(EXAMPLE.with_all(told), step)
    assert known.cost is not None and known.energy_wh is not None and known.co2_tonnes is not None
    assert round(known.cost, 2) == round(known.gpu_hours * price, 2)
    assert known.energy_wh == pytest.approx(known.gpu_hours * watts * pue)
    assert known.co2_tonnes == pytest.approx(known.energy_wh / 1000 * intensity / 1e6)
    assert (known.steps - 1) * 2048 * 8192 < tokens <= known.steps * 2048 * 8192
    assert known.elapsed_seconds > known.train_seconds


def test_what_was_not_told_is_left_out() -> None:
    """Without a price there is no cost, without an intensity no CO2, without a board's power neither energy nor CO2."""
    known = of(EXAMPLE, 6.0)
    assert known.cost is None and known.co2_tonnes is None and known.energy_wh is not None
    assert "cost" not in b.explain(example(), run_of(EXAMPLE, example()), 6.0)
    quiet = EXAMPLE.with_all({"gpu": "h800-sxm", "co2_g_kwh": 100.0})
    assert of(quiet, 6.0).energy_wh is None and of(quiet, 6.0).co2_tonnes is None


def test_the_trees_give_the_numbers() -> None:
    """The root of each tree is the number of the budget, and leads down to what it rests on."""
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


def test_money_buys_the_training_it_pays_for() -> None:
    """What a training costs buys its own FLOP, and so its own parameters and tokens at its own tokens a parameter."""
    inputs = LLAMA.with_("price_gpu_hour", 3.0)
    job = resolve(inputs)
    known = of(inputs, 6.3)
    assert known.cost is not None
    model = by_money(known.cost, run_of(inputs, job), known).models[0]
    assert model.parameters == pytest.approx(known.parameters) and model.tokens == pytest.approx(known.tokens)
    assert by_money(2 * known.cost, run_of(inputs, job), known).flops == pytest.approx(2 * known.flops)


def test_another_gpu_brings_its_own_power() -> None:
    """The power told of one GPU's board is dropped with it; tokens and price stay when GPU and model change."""
    told = EXAMPLE.with_all({"board_w": 500.0, "price_gpu_hour": 2.0, "train_tokens": 10**12})
    other = told.with_("gpu", "a100-80gb-sxm").with_("model", "llama-3.1-70b")
    run = run_of(other, resolve(other))
    assert (run.power_w, run.price_gpu_hour, run.train_tokens) == (400, 2, 10**12)
    assert run_of(told, resolve(told)).power_w == 500


@pytest.mark.parametrize(("text", "tokens"), [("15.6t", 15_600_000_000_000), ("300B", 300_000_000_000), ("3e11", 3 * 10**11), ("8k", 8192)])
def test_tokens_are_written_as_people_say_them(text: str, tokens: int) -> None:
    """b is a billion and t a trillion; what is no whole number stays refused."""
    assert parse("train_tokens", text) == tokens
    for wrong in ("8.3k", "0.0000000001b"):
        with pytest.raises(FieldError):
            parse("train_tokens", wrong)


def test_what_is_left_open_follows_the_job() -> None:
    """Tokens follow the model, power the GPU, storage the number of GPUs; what is told stands."""
    nothing = {"pue": 1.1, "served_tokens": 0, "gpu_mtbf_s": 1e8, "restart_s": 600.0}
    run = resolved(small(), nothing)
    assert run.train_tokens == 20 * active_parameters(small().model) and run.power_w == 700 and run.shared
    assert run.storage_bytes_s == pytest.approx(2e12 * 16 / 16_384)
    told = resolved(small(), nothing | {"train_tokens": 5, "power_w": 400.0, "storage_bytes_s": 1e9})
    assert (told.train_tokens, told.power_w, told.storage_bytes_s, told.shared) == (5, 400, 1e9, False)
