"""The page of a plan that someone types."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.tui.pages.subjects import WIDTHS, subject, text
from tui.cli.main import run
from tui.pages import whynot

SMALL = ["--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_a_valid_plan(width: int, golden: Callable[[str, str], None]) -> None:
    """Its rank, what makes it slower, and term by term next to the best."""
    golden(f"page-whynot-{width}.txt", text(whynot.draw(whynot.work(subject(argument="tp=8,pp=2")), width), width))


def test_the_page_of_a_plan_that_breaks_rules(golden: Callable[[str, str], None]) -> None:
    """Each rule on its own line with a cross, and where it is enforced."""
    golden("page-whynot-broken.txt", text(whynot.draw(whynot.work(subject(argument="tp=3,pp=7,vpp=5,micro_batch=7")), 80), 80))


@pytest.mark.parametrize(
    ("typed", "output_of"), [("", "Type a plan, such as"), ("tp", "takes AXIS=VALUES"), ("foo=1", "no axis is called 'foo'")]
)
def test_what_cannot_be_read_is_a_sentence(typed: str, output_of: str) -> None:
    """Nothing typed, no pair, an unknown axis: the page says what would be right."""
    assert output_of in " ".join(text(whynot.draw(whynot.work(subject(argument=typed)), 80), 80).split())


def test_the_command_states_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 where the plan fits, 1 where it breaks a rule or does not fit, 2 where it cannot be read; JSON holds the answer."""
    assert run(["why-not", "tp=8,pp=2", *SMALL]) == 0
    assert capsys.readouterr().out == text(whynot.draw(whynot.work(subject(argument="tp=8,pp=2")), 80), 80)
    assert run(["why-not", "tp=3", *SMALL, "--format", "json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["asked"] == {"tp": "3"} and not result["valid"] and len(result["broken"]) == 4
    assert result["plan"] is None and result["rank"] is None and result["best"]["fits"]
    assert run(["why-not", "tp=1,pp=1,cp=1,micro_batch=4,recompute=none,zero=2", *SMALL]) == 1
    assert "none fits" in " ".join(capsys.readouterr().out.split())
    assert run(["why-not", "tp=banana", *SMALL]) == 2
    assert "banana" in capsys.readouterr().err
