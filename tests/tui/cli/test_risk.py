"""A plan at risk, whose memory fits while its 80 % band crosses the limit, is marked in every output."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given

from planner.cost import memory_band
from planner.cost.memory_band import MemoryBand
from planner.report.advice import Advice, nearest
from planner.report.best import EvaluatedPlan
from planner.report.columns import BY_KEY, RISK, at_risk, records
from planner.report.wording import in_words
from planner.search.search import Result, search
from tests.planner.jobs import example
from tests.properties.strategies import SETTINGS, any_result
from tui.cli.main import run
from tui.cli.plan import without_risk
from tui.state.filter import parse_filter
from tui.widgets.detail import Detail

# Two plans fit, of ZeRO-2 and of ZeRO-3: the band of the first crosses the limit, that of the second does not.
JOB = {"model": "llama-3.1-70b", "gpu": "a100-80gb-sxm", "gpus": 2, "global_batch": 16, "sequence": 2048, "stack": "pytorch-fsdp",
       "tuning": "qlora"}  # fmt: skip
ARGV = [word for key, value in JOB.items() for word in (f"--{key.replace('_', '-')}", str(value))]
REACHES = "at risk: the 80 % band of its memory reaches {high} GiB, the limit is {limit} GiB"


# A band that crosses the limit with the first plan alone: that of the runs changes with every refit.
EVERY = MemoryBand(-0.1, 0.0733, 900, 9, (256, 65_536), ("bf16",), ("full", "qlora"))


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """The band of memory of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_band, "shipped", lambda: {memory_band.ALL: EVERY})
        yield


@cache
def figures() -> dict[str, str]:
    """The figures of both plans as outputs write them."""
    result = search(example(**JOB))
    first, second = records(result.estimate(result.order[:2]))
    write, high, limit = BY_KEY["memory_gib"].write, first["memory_high_gib"], first["memory_limit_gib"]
    assert high > limit > second["memory_high_gib"]
    texts = {"first": write(first["memory_gib"]), "second": write(second["memory_gib"]), "mfu": BY_KEY["mfu"].write(first["mfu"])}
    return texts | {"high": f"{high:.1f}", "limit": f"{limit:.1f}", "of": write(limit)}


def test_of_plans_that_are_a_tie_the_fastest_without_risk_is_named() -> None:
    """The first plan is at risk, and the second is not: named with its place if they are a tie, and not if they are distinct."""
    result = search(example(**JOB))
    for alike, named in ((2, True), (1, False)):
        result.__dict__["alike"] = alike
        words = without_risk(result)
        plan = in_words(result.plan(int(result.order[1])))
        assert words == (
            f"; the fastest of them that is not at risk is number 2, {figures()['second'].strip()} GiB: {plan}" if named else ""
        )


@SETTINGS
@given(any_result())
def test_a_plan_fits_is_at_risk_or_does_not_fit(result: Result) -> None:
    """At risk are those that fit and whose high band does not, of any job; the sign stands before their memory alone, and takes no room."""
    rows = np.arange(len(result))[:: max(1, len(result) // 60)]
    estimate = result.estimate(rows)
    texts, memory = BY_KEY["memory_gib"].texts(estimate), BY_KEY["memory_gib"]
    for row, (reported, text) in enumerate(zip(records(estimate), texts, strict=True)):
        assert reported["at_risk"] == (reported["fits"] and reported["memory_high_gib"] > reported["memory_limit_gib"])
        assert text.replace(RISK, " ") in (plain := memory.text(reported["memory_gib"]), f" {plain}")
        assert (RISK in text) == reported["at_risk"]
        actual = EvaluatedPlan(result.job, result.plan(int(rows[row])), estimate.row(row))
        assert actual.fit == ("at risk" if reported["at_risk"] else "fits" if reported["fits"] else "does not fit")
        assert bool(actual.risk) == actual.at_risk == reported["at_risk"]


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_the_ranking_marks_them_and_states_how(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A sign before the figure of the one, none before the other's; on stderr how many, what the sign is, and what it means."""
    assert run(["plan", *ARGV, "--top", "2", "--format", format]) == 0
    out, err = capsys.readouterr()
    assert [line.count(RISK) for line in out.splitlines()[-2:]] == [1, 0]
    assert f"{RISK}{figures()['first']}" in out and f" {figures()['second']} " in out
    limit = figures()["limit"]
    assert f"1 of the 2 printed is at risk, marked ? before GiB: the 80 % band of memory crosses the limit of {limit} GiB" in err


def test_json_and_csv_show_them_by_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    """at_risk next to fits, true only for the first; the order is by step time."""
    assert run(["plan", *ARGV, "--format", "json", "--top", "2"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [(plan["fits"], plan["at_risk"]) for plan in plans] == [(True, True), (True, False)]
    assert [plan["fit"] for plan in plans] == ["at risk", "fits"]
    assert run(["plan", *ARGV, "--format", "csv", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    assert [row["at_risk"] for row in csv.DictReader(io.StringIO(out))] == ["true", "false"]
    assert "1 of the 2 printed is at risk: the 80 %" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["explain"], REACHES), (["explain"], "mfu {mfu}, at risk\n"), (["ranks"], REACHES), (["timeline"], REACHES),
        (["export", "--to", "axolotl"], REACHES), (["budget"], REACHES), (["budget"], "micro-batch 1 (at risk)"),
        (["sensitivity"], REACHES), (["sensitivity"], "s, at risk, the best plan"),
        (["sensitivity"], "? at risk: the 80 % band of memory crosses the limit"),
        (["compare", "--plan", "zero=3", "--plan", "zero=2"], "B is zero=2, which is at risk"),
        (["compare", "--plan", "zero=3", "--plan", "zero=2"], "GiB more than A and is at risk"),
        (["compare", "--plan", "zero=3", "--plan", "zero=2"], "fits     at risk"),
        (["pareto"], "? at risk: the 80 % band crosses it"), (["pareto"], "?{first}   dp 2, ZeRO-2"),
        (["why-not", "zero=2"], f"It is {REACHES}."), (["scale", "--from", "2", "--to", "2"], "on GPUs: 2."),
        (["versus", "--against", "gpus=4"], f"micro-batch 1; {REACHES}"),
    ],
)  # fmt: skip
def test_a_command_about_one_plan_states_that_it_is_at_risk(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a sentence, with the rest of the output."""
    wide = ["--width", "200"] if argv[0] not in ("explain", "export") else []
    assert run([*argv, *wide, *ARGV]) == 0
    assert message.format(**figures()) in "".join(capsys.readouterr())


@pytest.mark.parametrize("argv", [["explain"], ["budget"], ["compare", "--plan", "zero=3", "--plan", "zero=3,micro_batch=1"]])
def test_nothing_is_reported_of_a_plan_that_fits_with_its_band(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No sign and no mention of risk for the plan whose band is within the limit."""
    pinned = [] if argv[0] == "compare" else ["--pin", "zero=3"]
    assert run([*argv, *pinned, *ARGV]) == 0
    assert "at risk" not in "".join(capsys.readouterr())


def test_json_about_one_plan_has_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    """budget, why-not and sensitivity, whose objects have fits outside of the plan."""
    assert run(["budget", *ARGV, "--format", "json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["budget"]["fits"] is True and reported["budget"]["at_risk"] is True and reported["advice"] == []
    assert run(["why-not", "zero=2", *ARGV, "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["at_risk"] is True and answer["fit"] == "at risk" and reported["budget"]["fit"] == "at risk"
    assert run(["sensitivity", *ARGV, "--by", "2", "--format", "json"]) == 0
    changes = {change["input"]: change for change in json.loads(capsys.readouterr().out)["changes"]}
    assert changes["peak"]["this_at_risk"] is True and changes["memory"]["this_at_risk"] is False


def test_the_screen_shows_it_in_the_detail() -> None:
    """Next to the memory of the plan under the cursor; the other plan fits."""
    result = search(example(**JOB))
    for row, message in zip(result.order[:2], ("{first} of {of} GiB, at risk ", "{second} of {of} GiB, fits "), strict=True):
        head = next(iter(Detail()._bars(result.estimate(np.array([row])), 80)))
        assert "".join(text for text, _ in head).startswith(f" memory {message.format(**figures())}")


def test_a_filter_takes_them_out() -> None:
    """!risk leaves the plans whose band fits too, risk those at risk."""
    result = search(example(model="llama-3.1-8b", gpus=8, global_batch=64))
    estimate = result.estimate(result.order)
    (risky,), (safe,) = parse_filter("risk"), parse_filter("!risk")
    assert (risky.mask(estimate) == at_risk(estimate)).all() and (safe.mask(estimate) == ~at_risk(estimate)).all()
    assert 0 < int(at_risk(estimate).sum()) < len(estimate.plan)
    assert estimate.memory[at_risk(estimate)].min() * estimate.memory_band.high > estimate.memory_limit


def test_advice_whose_best_plan_is_at_risk_states_so() -> None:
    """Where a change makes plans fit, the fastest of them may be at risk."""
    near = nearest(search(example(model="llama-3.1-8b", gpus=1, global_batch=8, sequence=2048)))
    assert near is not None and near.advice
    for advice in near.advice:
        assert ("(at risk)" in advice.sentence) == advice.at_risk
    assert Advice("Use 2 GPUs", 3, 1.5, at_risk=True).sentence == "Use 2 GPUs: 3 plans fit, the fastest at 1.5 s per step (at risk)."
    assert any(advice.at_risk for advice in near.advice)
