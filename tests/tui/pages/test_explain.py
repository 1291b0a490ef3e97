"""The pages of where numbers come from, and of what symbols stand for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from planner.formula.bibliography import SOURCES
from planner.formula.citations import works_cited
from planner.formula.quantities import QUANTITIES
from planner.formula.trace import FORMULAS
from planner.report.columns import HEADLINES
from tests.tui.pages.subjects import PIPED, WIDTHS, subject, text
from tui.cli.main import run
from tui.pages import explain, nomenclature

SMALL = ["--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]
THIS = ["--plan", "tp=2,pp=4,vpp=1,cp=1,dp=2,zero=1,sequence_parallel=yes,micro_batch=1,recompute=none"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_two_numbers(width: int, golden: Callable[[str, str], None]) -> None:
    """A part of memory and one of time, their trees, and the works to look up with their titles."""
    result = explain.work(subject(PIPED, argument="memory_activations, bubble"))
    golden(f"page-explain-{width}.txt", text(explain.draw(result, width), width))


def test_without_a_name_the_headline_numbers_are_explained() -> None:
    """Memory, step, utilisation and tokens; every other number is named at the end."""
    result = explain.work(subject(PIPED))
    assert list(result.trees) == [column.key for column in HEADLINES]
    lines = " ".join(text(explain.draw(result, 80), 80).split())
    assert "Reducing Activation Recomputation in Large Transformer Models. arXiv 2205.05198" in lines
    assert all(key in lines for key in result.known)


@pytest.mark.parametrize(("name", "output_of"), [("tq", "no number is called 'tq'"), ("zero", "zero is a choice of the plan")])
def test_an_unknown_number_is_a_sentence(name: str, output_of: str) -> None:
    """An unknown name is reported, and the available names are listed."""
    lines = " ".join(text(explain.draw(explain.work(subject(PIPED, argument=name)), 80), 80).split())
    assert output_of in lines and "time_bubble_seconds" in lines


def test_every_source_of_a_formula_is_a_work_that_can_be_looked_up() -> None:
    """What a tree cites is found in the bibliography by its short name, works named in passing too."""
    trees = explain.work(subject(PIPED)).trees
    for step in explain._steps(trees.values()):
        assert works_cited(step.source), step.source
    bubble = explain.work(subject(PIPED, argument="activations")).trees["memory_activations_gib"].find("in_flight")
    assert bubble is not None
    assert {source.short for source in works_cited(bubble.source)} >= {"Korthikanti et al. 2022", "Narayanan et al. 2021", "Qi et al. 2023"}


def test_the_command_takes_the_same_names(capsys: pytest.CaptureFixture[str]) -> None:
    """--of names any number; JSON has its tree under the column's key, the headline ones under their own."""
    assert run(["explain", *SMALL, *THIS, "--of", "bubble", "--of", "memory", "--format", "json", "--depth", "1"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert list(steps) == ["time_bubble_seconds", "memory"]
    assert steps["time_bubble_seconds"]["symbol"] == "t_u" and steps["memory"]["name"] == "device_bytes"
    assert run(["explain", *SMALL, *THIS, "--of", "memory_fill", "--depth", "1"]) == 0
    assert "= M_d / M_o" in capsys.readouterr().out
    assert run(["explain", *SMALL, *THIS, "--of", "bubbl"]) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_symbols_has_every_one(width: int) -> None:
    """Every symbol, its meaning, every formula and every work, in lines that keep to the width."""
    lines = text(nomenclature.draw(nomenclature.work(subject()), width), width)
    words = "".join(lines.split())  # a line may break behind a hyphen
    for name, quantity in QUANTITIES.items():
        assert f"\n{quantity.symbol} " in lines and "".join(quantity.meaning.split()) in words, name
    assert all("".join(declared.notation.split()) in words for declared in FORMULAS.values())
    assert all("".join(source.title.split()) in words for source in SOURCES.values())


def test_symbols_are_matched_by_themselves_or_by_a_word(golden: Callable[[str, str], None]) -> None:
    """A word in a meaning, and a symbol alone; nothing found is a sentence."""
    golden("page-nomenclature-bubble.txt", text(nomenclature.draw(nomenclature.work(subject(argument="bubble")), 80), 80))
    assert list(nomenclature.symbols("τ_s").quantities) == ["all_stages"]
    assert "No match" in text(nomenclature.draw(nomenclature.symbols("qwertz"), 80), 80)


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    """`tmplan symbols` prints the page; its JSON has every symbol with its formula."""
    assert run(["symbols", "bubble"]) == 0
    assert capsys.readouterr().out == text(nomenclature.draw(nomenclature.symbols("bubble"), 80), 80)
    assert run(["symbols", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in result["symbols"]} == set(QUANTITIES)
    assert {entry["key"] for entry in result["sources"]} == set(SOURCES)
    bubble = next(entry for entry in result["symbols"] if entry["name"] == "bubble_seconds")
    assert bubble["symbol"] == "t_u" and bubble["notation"] == "β · max(τ_s - τ, 0)" and bubble["unit"] == "s"
