"""Mixtures of experts on the command line: every axis has its option, EP like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.document.planfile import read
from planner.document.space import AXES
from planner.specs.plan import FIELDS
from tui.cli import main
from tui.cli.app import help_of
from tui.state.axes import AXIS_HELP, label
from tui.widgets.form import LABEL

SMALL = ("--model", "mixtral-8x7b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096")


def planned(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """The JSON of `tmplan plan` on a small mixture of experts."""
    assert main.run(["plan", *SMALL, "--format", "json", *argv]) == code
    return json.loads(capsys.readouterr().out)


def test_every_axis_has_an_option_and_a_label_that_fits_the_form() -> None:
    reported = help_of("plan")
    assert set(AXIS_HELP) == set(AXES)
    assert all(f"--{axis.replace('_', '-')} " in reported for axis in AXES)
    assert all(len(label(axis)) <= LABEL for axis in AXES)


@pytest.mark.parametrize(("bounds", "values"), [("8", {8}), ("<=2", {1, 2}), ("2..4", {2, 4}), ("1,8", {1, 8})])
def test_ep_is_pinned_and_bounded_by_its_option_and_by_pin(bounds: str, values: set[int], capsys: pytest.CaptureFixture[str]) -> None:
    """--ep takes what --pin ep= takes, and every plan keeps to it."""
    result = planned(capsys, "--ep", bounds, "--top", "100000")
    assert {plan["ep"] for plan in result["plans"]} == values and result["space"] == {"ep": bounds}
    assert planned(capsys, "--pin", f"ep={bounds}", "--top", "3")["plans"] == result["plans"][:3]


def test_degrees_of_options_of_their_custom_hold_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of axes, --pin, --max and --min all bound; a plan has ep x etp of the ranks of its stage."""
    result = planned(capsys, "--ep", "4", "--etp", "2", "--tp", "2", "--max", "pp=2", "--zero", "1", "--recompute", "none,full")
    assert result["space"] == {"tp": "2", "pp": "<=2", "ep": "4", "etp": "2", "zero": "1", "recompute": "none,full"}
    for plan in result["plans"]:
        assert (plan["tp"], plan["ep"], plan["etp"], plan["zero"]) == (2, 4, 2, 1) and plan["recompute"] in ("none", "full")
        assert (plan["tp"] * plan["cp"] * plan["dp"]) % (plan["ep"] * plan["etp"]) == 0


def test_plans_are_sorted_by_ep(capsys: pytest.CaptureFixture[str]) -> None:
    result = [plan["ep"] for plan in planned(capsys, "--sort", "ep", "--top", "100000")["plans"]]
    assert result == sorted(result) and len(set(result)) > 1


def test_the_table_has_the_columns_of_experts_where_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", *SMALL, "--top", "1"]) == 0
    assert {"EP", "ETP"} <= set(capsys.readouterr().out.splitlines()[0].split())
    assert main.run(["plan", *SMALL, "--model", "llama-3.1-8b", "--top", "1"]) == 0
    assert not {"EP", "ETP", "Schedule"} & set(capsys.readouterr().out.splitlines()[0].split())


def test_parts_of_a_plan_of_experts_sum_to_its_totals(capsys: pytest.CaptureFixture[str]) -> None:
    for plan in planned(capsys, "--top", "5")["plans"]:
        assert sum(plan["memory_parts_gib"].values()) == pytest.approx(plan["memory_gib"], rel=1e-12)
        assert sum(plan["time_parts_seconds"].values()) == pytest.approx(plan["step_seconds"], rel=1e-12)
        assert plan["memory_parts_gib"]["experts"] > 0 and "ep" in plan["time_parts_seconds"]


def test_explain_shows_a_plan_of_experts_with_the_numbers_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The tree of a plan pinned by --ep ends in the table's numbers; its headline is a valid --plan argument."""
    plan = planned(capsys, "--ep", "8", "--tp", "2", "--top", "1")["plans"][0]
    assert main.run(["explain", *SMALL, "--ep", "8", "--tp", "2", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["plan"] == plan
    assert result["steps"]["memory"]["value"] == pytest.approx(plan["memory_gib"] * 2**30, rel=1e-12)
    assert main.run(["explain", *SMALL, "--ep", "8", "--tp", "2", "--depth", "1"]) == 0
    headline = capsys.readouterr().out.split("  ")[0]
    assert "ep=8,etp=" in headline and "schedule" not in headline
    assert main.run(["explain", *SMALL, "--plan", headline, "--format", "json", "--depth", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["plan"] == plan


def test_the_headline_of_a_dense_plan_shows_no_degree_of_experts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", *SMALL, "--model", "llama-3.1-8b", "--depth", "1", "--of", "mfu"]) == 0
    assert "ep=" not in capsys.readouterr().out.splitlines()[0].replace("step_", "")


def test_a_saved_plan_of_experts_opens_as_the_same_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "plan.toml")
    options = ("--stack", "torchtitan", "--schedule", "dualpipev", "--ep", "8", "--imbalance", "1.2")
    first = planned(capsys, *options, "--save", path)["plans"][0]
    document = read(path)
    assert document.plan is not None and set(document.plan.named()) == set(FIELDS)
    assert document.plan.named().items() <= first.items() and first["schedule"] == "dualpipev"
    assert main.run(["plan", path, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["plans"][0] == first
    assert main.run(["plan", path, "--schedule", "", "--ep", "*", "--format", "json", "--top", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["space"] == {}


def test_models_are_listed_with_the_parameters_that_a_token_visits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["models"]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line.split() for line in out.splitlines()}
    assert (rows["mixtral-8x7b"][1:3], rows["llama-3.1-405b"][1:3]) == (["46.70B", "12.88B"], ["405.85B", "-"]) and err == ""
    assert main.run(["models", "--format", "json"]) == 0
    result = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert (result["mixtral-8x7b"]["active"], result["mixtral-8x7b"]["experts"]) == (12_879_925_248, 8)
    assert result["llama-3.1-405b"]["active"] is None


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--ep", "0"], "ep must lie between 1 and"),
        (["--ep", "x"], "ep takes *, 8, 1,2,4"),
        (["--ep", "8,tp=2"], "ep takes *, 8, 1,2,4"),
        (["--ep", "8", "--max", "ep=4"], "no ep is both 8 and <=4"),
        (["--schedule", "gpipe"], "schedule takes 1f1b, zb-h1"),
        (["--schedule", ">=zb-v"], "schedule has no order"),
        (["--experts", "-1"], "experts must be a whole number from 0"),
        (["--experts-per-token", "9"], "from 1 to the 8 experts, not 9"),
        (["--model", "llama-3.1-8b", "--experts", "8"], "needs experts_per_token and expert_ffn too"),
        (["--imbalance", "0.5"], "imbalance must be a number from 1"),
        (["--capacity", "-1"], "capacity must be a number from 0"),
        (["--kv-rank", "none"], "kv_rank must be a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_with_one_sentence(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", *SMALL, *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"), [(["--ep", "3"], "ep must divide the routed experts"), (["--schedule", "zb-v"], "no such pipeline schedule")]
)
def test_degrees_that_no_plan_has_name_the_rule_that_refused(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = planned(capsys, *argv, code=1)
    assert result["counts"]["evaluated"] == 0 and any(message in sentence for sentence in result["advice"])


def test_when_nothing_fits_the_nearest_plan_and_what_would_help_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """A mixture of experts too large for its GPUs gets the same advice as any model."""
    result = planned(capsys, "--gpus", "8", code=1)
    assert "the nearest plan needs" in result["advice"][0] and any("GPUs: " in sentence for sentence in result["advice"][1:])
