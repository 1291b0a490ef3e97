"""`tmplan sensitivity`: charts, JSON and CSV of the same changes; readable at any width; refusals in a sentence."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from planner.document.inputs import EXAMPLE, resolve
from planner.document.planfile import Document
from planner.document.space import Space
from planner.search.search import search
from planner.specs.plan import Plan
from planner.whatif.sensitivity import sensitivity
from tests.tui.printing import output_of
from tui.cli.output import printed
from tui.pages.sensitivity import MANY, SensitivityPage, draw, times, work
from tui.pages.subject import Subject

COMMAND = ["sensitivity", "--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]
INPUTS = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096})


def test_all_formats_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The gains of each input are one number in the chart, the CSV and the JSON, in the same order."""
    data = json.loads(output_of(capsys, *COMMAND, "--by", "2", "--format", "json")[1])
    rows = list(csv.DictReader(io.StringIO(output_of(capsys, *COMMAND, "--by", "2", "--format", "csv")[1])))
    code, text, _ = output_of(capsys, *COMMAND, "--by", "2")
    assert code == 0 and len(rows) == len(data["changes"]) == 9
    order = [line.split("  ")[0].strip() for line in text.splitlines() if "│" in line]
    assert order[0] == "peak rate" and len(order) == 9
    for change, row in zip(data["changes"], rows, strict=True):
        assert row["input"] == change["input"] and float(row["best_gain"]) == change["best_gain"]
        assert change["best_plan"]["step_seconds"] == change["best_step_seconds"]
        assert f"{change['this_gain']:+.1%}" in text
    assert data["verdicts"][0]["verdict"] in " ".join(text.split())


@pytest.mark.parametrize("width", [56, 80, 110, 190])
@pytest.mark.parametrize("factor", [2.0, 1.1, 0.5])
def test_the_page_is_readable_at_any_width(width: int, factor: float) -> None:
    """No line is wider, few runs a line, and gains and losses differ without colour."""
    actual = sensitivity(INPUTS, Space(), Plan(tp=2, pp=2, dp=4, dp_shard=4, zero=1), factors=[factor])
    lines = draw(SensitivityPage(actual), width)
    text = printed(lines)
    assert max(map(len, text.splitlines())) <= width and max(len(line) for line in lines) <= 4
    assert ("█" in text) == (factor > 1) or "░" in text


def test_one_plan_is_named_and_the_best_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    """--plan says which plan; the best plan then is sought among all, unless --pin bounds it."""
    named = json.loads(output_of(capsys, *COMMAND, "--plan", "tp=4", "--by", "2", "--format", "json")[1])
    pinned = json.loads(output_of(capsys, *COMMAND, "--pin", "tp=4", "--by", "2", "--format", "json")[1])
    assert named["plan"]["tp"] == pinned["plan"]["tp"] == pinned["best"]["tp"] == 4
    assert named["best"]["tp"] != 4 and all(change["best_plan"]["tp"] == 4 for change in pinned["changes"])


def test_where_a_gain_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    """--explain prints the tree of both gains."""
    code, text, _ = output_of(capsys, *COMMAND, "--explain", "peak", "--depth", "2")
    assert code == 0 and "this plan" in text and "best plan" in text and "= tok_c / tok - 1" in text
    data = json.loads(output_of(capsys, *COMMAND, "--explain", "peak", "--depth", "1", "--format", "json")[1])
    assert set(data["steps"]) == {"this_plan", "best_plan"} and data["factor"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [(["--by", "1"], 2, "by must be a factor"), (["--explain", "colour"], 2, "no input is called 'colour'"),
     (["--format", "svg"], 2, "format must be one of"), (["--plan", "tp=3"], 1, "no plan is valid"),
     (["--by", "x"], 2, "Invalid value for '--by'")],
)  # fmt: skip
def test_what_cannot_be_requested_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str) -> None:
    """Nothing on stdout, one sentence on stderr."""
    actual, text, error = output_of(capsys, *COMMAND, *arguments)
    assert (actual, text) == (code, "") and sentence in error


def test_a_factor_has_words() -> None:
    """Factors as text."""
    assert [times(f) for f in (2.0, 0.5, 1.1, 0.9, 3.0, 1.0001)] == [
        "twice each input", "half of each input", "each input +10%", "each input -10%", "3 times each input", "each input +0.01%",
    ]  # fmt: skip


def test_a_page_that_leaves_a_factor_out_states_so() -> None:
    """If each search has very many plans a page only doubles each input and names the command for the rest; else it has both."""
    result = search(resolve(INPUTS), Space())
    for many in (MANY, MANY + 1):
        counted = replace(result, counts=replace(result.counts, evaluated=many))
        actual = work(Subject(Document(INPUTS), result.job, result.plan(int(result.order[0])), counted))
        text = " ".join(printed(draw(actual, 80)).split())
        assert ("Omitted: each input +10%, as each search has 1,000,001 plans" in text) == (many > MANY)
        assert ("each input +10%: tokens/s" in text) == (many <= MANY)
