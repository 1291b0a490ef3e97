"""The registry of numbers: how values are written, and that every format has the same numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from planner import presets
from planner.cost.error_band import Band
from planner.dimensions import Seconds
from planner.document.inputs import EXAMPLE, resolve, run_of
from planner.economics.budget import budget
from planner.errors import FieldError, UnknownName
from planner.report.choice_text import schedule_code, write_schedule, write_sharding
from planner.report.columns import BY_KEY, COLUMNS, Column, columns_for, find, records, value_of
from planner.report.explain import explained, named
from planner.report.number_text import write_size
from planner.report.sort import RowFigures, ordered
from planner.search.search import Estimate, evaluate, search
from planner.specs.job import SCHEDULES
from planner.specs.plan import FIELDS, Plan


@cache
def estimate() -> Estimate:
    """Numbers of three plans: one that fits, one over the limit, one with HSDP and partial recompute."""
    job = resolve(EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64}))
    plans = (
        Plan(tp=2, dp=8, dp_shard=8, zero=1, sequence_parallel=1, recompute=2),
        Plan(dp=16, dp_replicate=16, micro_batch=4),
        Plan(dp=16, dp_shard=8, dp_replicate=2, zero=3, recompute=3, recompute_layers=5),
    )
    return evaluate(job, Plan(**{name: np.array([getattr(plan, name) for plan in plans]) for name in FIELDS}))


@cache
def mixture() -> Estimate:
    """Numbers of three plans of a mixture of experts."""
    job = resolve(EXAMPLE.with_all({"model": "mixtral-8x7b", "gpus": 64, "global_batch": 64}))
    plans = (
        Plan(pp=4, dp=16, ep=8, dp_shard=16, zero=1, recompute=2),
        Plan(tp=4, dp=16, ep=8, etp=4, dp_shard=16, zero=1, sequence_parallel=1),
        Plan(pp=4, vpp=2, dp=16, dp_shard=16, zero=1),
    )
    return evaluate(job, Plan(**{name: np.array([getattr(plan, name) for plan in plans]) for name in FIELDS}))


ESTIMATES = pytest.mark.parametrize("numbers", [estimate, mixture])


@ESTIMATES
def test_every_column_has_one_value_for_each_plan(numbers: Callable[[], Estimate]) -> None:
    assert all(len(column.values(numbers())) == 3 for column in columns_for(numbers()))


def test_no_key_and_no_heading_stands_for_two_columns() -> None:
    keys = [c.key for c in columns_for(estimate())]
    assert len(set(keys)) == len(keys) and len({c.heading for c in COLUMNS}) == len(COLUMNS)


@ESTIMATES
def test_titles_and_values_are_as_wide_as_their_column(numbers: Callable[[], Estimate]) -> None:
    for column in COLUMNS:
        assert len(column.title) == column.width
        assert all(len(column.text(value)) == column.width for value in column.values(numbers()))


def test_experts_and_their_traffic_are_columns_of_a_mixture_of_experts_alone() -> None:
    """The parts `experts` of memory and `ep` of time have columns where there are experts, and none for a dense model."""
    parts = {"memory_experts_gib", "time_ep_seconds", "hidden_ep_seconds"}
    assert parts <= {c.key for c in columns_for(mixture())} and not parts & {c.key for c in columns_for(estimate())}


def test_expert_parallelism_is_written_and_exported_as_any_degree() -> None:
    for key, expected in (("ep", [8, 8, 1]), ("etp", [1, 4, 1])):
        column = BY_KEY[key]
        assert [column.plain(value) for value in column.values(mixture())] == expected
        assert [column.write(value) for value in column.values(mixture())] == [str(value) for value in expected]


def test_the_size_of_a_mixture_of_experts_names_what_a_token_visits() -> None:
    sizes = [write_size(presets.model(name)) for name in ("deepseek-v3-671b", "llama-3.1-405b", "gpt2-124m", "kimi-k2-1t")]
    assert sizes == ["671.0B, 37.6B active", "405.9B", "124M", "1.03T, 32.9B active"]


def test_a_schedule_is_written_as_papers_call_it_and_exported_by_its_name() -> None:
    """1F1B over virtual stages reads interleaved; what JSON holds is the name that --schedule takes."""
    plan = Plan(**{name: np.array([getattr(Plan(), name)] * 6) for name in FIELDS})
    plan = plan.with_(schedule=np.array([0, 0, 1, 2, 3, 4]), vpp=np.array([1, 2, 1, 1, 2, 2]))
    codes = schedule_code(plan).tolist()
    assert [write_schedule(code) for code in codes] == ["1F1B", "interleaved", "ZB-H1", "ZB-H2", "ZB-V", "DualPipeV"]
    assert [BY_KEY["schedule"].plain(code) for code in codes] == ["1f1b", *SCHEDULES]
    assert max(map(len, map(write_schedule, codes))) <= BY_KEY["schedule"].width


def test_sharding_reads_as_people_call_it() -> None:
    column = BY_KEY["sharding"]
    assert [column.plain(v) for v in column.values(estimate())] == ["ZeRO-1", "none", "HSDP x2"]
    assert [write_sharding(zero) for zero in range(4)] == ["none", "ZeRO-1", "ZeRO-2", "FSDP"]


def test_recompute_is_short_in_the_table_and_whole_in_the_export() -> None:
    column = BY_KEY["recompute"]
    assert [column.write(v) for v in column.values(estimate())] == ["full", "none", "first 5"]
    assert [column.plain(v) for v in column.values(estimate())] == ["full", "none", "first"]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("step_seconds", 0.0123, "0.012"),
        ("step_seconds", 37.83, "37.83"),
        ("step_seconds", 1234.5, "1234"),
        ("tokens_per_second_per_gpu", 9698.0, "9698"),
        ("memory_gib", 79.65, "79.7"),
        ("mfu", 0.4321, "43.2%"),
        ("memory_fill", 0.995, "100%"),
        ("memory_fill", 1.0001, "101%"),
        ("over_gib", 0.0, "-"),
        ("over_gib", 0.01, "+0.1"),
        ("over_gib", 11.8, "+11.8"),
    ],
)
def test_a_value_is_written_as_a_person_reads_it(key: str, value: float, text: str) -> None:
    assert BY_KEY[key].write(value) == text


def test_records_hold_the_keys_of_the_contract_as_plain_json_values() -> None:
    expected = (
        "tp pp vpp schedule cp dp ep etp dp_shard dp_replicate zero sequence_parallel micro_batch recompute recompute_layers memory_gib "
        "memory_limit_gib fits step_seconds tokens_per_second_per_gpu mfu memory_fill over_gib"
    )
    for record in records(estimate()):
        assert set(expected.split()) <= set(record)
        assert json.loads(json.dumps(record)) == record
        assert math.copysign(1, record["over_gib"]) == 1


@ESTIMATES
def test_the_parts_of_a_record_sum_to_its_totals(numbers: Callable[[], Estimate]) -> None:
    for record in records(numbers()):
        assert sum(record["memory_parts_gib"].values()) == pytest.approx(record["memory_gib"], rel=1e-12)
        assert sum(record["time_parts_seconds"].values()) == pytest.approx(record["step_seconds"], rel=1e-12)


def test_the_record_of_a_row_is_the_row_of_the_columns() -> None:
    rows = records(estimate())
    for column in COLUMNS:
        assert [row[column.key] for row in rows] == [column.plain(v) for v in column.values(estimate())]


def test_over_is_what_memory_exceeds_the_limit_by() -> None:
    e = estimate()
    assert np.array_equal(BY_KEY["over_gib"].values(e) > 0, e.memory > e.memory_limit)


def test_find_takes_a_key_or_heading_and_offers_the_nearest() -> None:
    assert find("mfu") is find("MFU".lower()) and find("step s").key == "step_seconds"
    with pytest.raises(UnknownName, match="memory_gib"):
        find("memory")


def test_a_number_that_follows_from_others_is_computed_from_their_columns() -> None:
    """64 sequences of 8,192 tokens in a step of 2 s on 16 GPUs: 16,384 tokens per second on each; a band of 0.9 to 1.2: 1.8 to 2.4 s."""
    e = replace(estimate(), step=Seconds(np.array([2.0])), step_band=Band(0.9, 1.2, 20, "all runs", 1.1), derived={})
    keys = ("tokens_per_second_per_gpu", "step_low_seconds", "step_high_seconds")
    assert [BY_KEY[key].values(e).tolist() for key in keys] == [[16_384.0], [1.8], [2.4]]


def test_every_argument_is_a_column_or_a_figure() -> None:
    """Each name among the arguments of a column has a value, for an Estimate as for the rows of a search."""
    result = search(resolve(EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64})))
    rows = result.order[:3]
    whole, part = result.estimate(rows), RowFigures(result, rows)
    for column in COLUMNS:
        assert np.array_equal(column.values(whole), column.values(part)), column.key
        assert all(value_of(part, name) is not None for name in column.args), column.key


def test_a_column_computes_only_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by the step, nothing of memory, host or plan is gathered, and no other column is computed."""
    result = search(resolve(EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64})))
    figures = RowFigures(result, result.order)
    monkeypatch.setattr(type(result), "field", lambda *_: pytest.fail("a field of the plans was gathered"))
    monkeypatch.setattr(type(result), "host_bytes", lambda *_: pytest.fail("host memory was gathered"))
    BY_KEY["step_high_seconds"].values(figures)
    assert set(figures.derived) == {"step_high_seconds"} and "memory" not in vars(figures)


def known_only_with(requires: str) -> Column:
    """A column that needs a figure of the job."""
    return Column("need", "Need", "", 6, "a test", ("step",), requires=requires)


def test_a_number_whose_input_is_missing_is_not_shown() -> None:
    """Zero of a figure that a column requires means not known: the table has a dash, and reading its values is refused."""
    e = estimate()
    without = replace(e, job=replace(e.job, cluster=replace(e.job.cluster, gpu=replace(e.job.cluster.gpu, board_w=0.0))), derived={})
    column = known_only_with("job.cluster.gpu.board_w")
    assert column.known(e) and column.texts(e) != ["     -"] * 3
    assert not column.known(without) and column.texts(without) == ["     -"] * 3
    with pytest.raises(FieldError, match="need is not known for this job: the gpu's preset has no board_w"):
        column.values(without)


def power_known(watts: float) -> Estimate:
    """The numbers of the first of the three plans at 2 s per step, on GPUs of a board power."""
    e = estimate()
    gpu = replace(e.job.cluster.gpu, board_w=watts)
    return replace(e.row(0), job=replace(e.job, cluster=replace(e.job.cluster, gpu=gpu)), step=Seconds(np.array([2.0])), derived={})


def test_tokens_per_joule_are_those_of_a_board_and_the_building() -> None:
    """16,384 tokens per second per GPU on boards of 700 W at PUE 1.1: 16,384 / 770, or 21.28 tokens per joule."""
    column = BY_KEY["tokens_per_joule"]
    assert column.values(power_known(700.0))[0] == pytest.approx(21.2779, abs=5e-5)
    assert column.texts(power_known(700.0)) == ["  21.28"]


def test_tokens_per_joule_agree_with_the_energy_of_the_budget() -> None:
    """Tokens over the energy of `tmplan budget` are tokens per joule times the goodput, since failures take power too."""
    inputs = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "train_tokens": 64 * 8192 * 10_000})
    job = resolve(inputs)
    e = evaluate(job, estimate().plan.one(0))
    known = budget(job, run_of(inputs, job), float(e.step[0]))
    assert known.energy_wh is not None
    per_joule = known.tokens / (known.energy_wh * 3600)
    assert BY_KEY["tokens_per_joule"].values(e)[0] * known.goodput.goodput == pytest.approx(per_joule, rel=1e-12)


def test_without_a_board_power_there_are_no_tokens_per_joule() -> None:
    """A GPU whose preset gives no power has no such number in JSON, CSV or explanations; the table has a dash, sorting is refused."""
    inputs = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpu": "h800-sxm", "gpus": 16, "global_batch": 64})
    job = resolve(inputs)
    e = evaluate(job, estimate().plan.one(0))
    assert "tokens_per_joule" in {c.key for c in columns_for(estimate())} - {c.key for c in columns_for(e)}
    assert "tokens_per_joule" not in records(e)[0] and BY_KEY["tokens_per_joule"].texts(e) == ["      -"]
    result = search(job)
    with pytest.raises(FieldError, match="tokens_per_joule is not known for this job: the gpu's preset has no board_w"):
        ordered(result, result.order, BY_KEY["tokens_per_joule"])
    with pytest.raises(FieldError, match="tokens_per_joule is not known for this job"):
        named(explained(job, e.plan.one(0)), "tokens_per_joule")


def test_a_fit_is_one_of_three_words() -> None:
    """A plan fits, is at risk where the band of its memory crosses the limit, or does not fit; sorted, those that fit come first."""
    base = replace(estimate(), memory_band=Band(0.9, 1.1, 10, "these", 1.0), derived={})
    memory = np.asarray(base.memory)
    limits = memory * np.array([0.5, 1.2, 1.05])
    numbers = replace(base, memory_limit=limits, fits=memory <= limits)
    assert [record["fit"] for record in records(numbers)] == ["does not fit", "fits", "at risk"]
    assert [(record["fits"], record["at_risk"]) for record in records(numbers)] == [(False, False), (True, False), (True, True)]
    assert np.argsort(BY_KEY["fit"].values(numbers)).tolist() == [1, 2, 0] and BY_KEY["fit"].ascending
