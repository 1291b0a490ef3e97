"""`tmplan versus`: a table and JSON of the same pair, readable at any width."""

from __future__ import annotations

import json

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.other_cluster import against
from planner.document.space import Space
from planner.whatif.versus import versus
from tests.tui.printing import output_of
from tui.cli.output import printed
from tui.pages.versus import draw

COMMAND = ["versus", "--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]
INPUTS = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096})


def test_table_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, tokens and the verdict are the same in both."""
    code, text, _ = output_of(capsys, *COMMAND, "--against", "dgx-b200,gpus=8")
    data = json.loads(output_of(capsys, *COMMAND, "--against", "dgx-b200,gpus=8", "--format", "json", "--explain", "--depth", "1")[1])
    assert code == 0 and [side["job"]["gpus"] for side in data["clusters"]] == [16, 8]
    steps = [side["plan"]["step_seconds"] for side in data["clusters"]]
    line = next(line for line in text.splitlines() if line.startswith("step s"))
    assert line.split()[2:4] == [f"{step:.3f}" for step in steps] and data["speed_up"] == pytest.approx(steps[0] / steps[1])
    assert data["verdict"] in " ".join(text.split()) and set(data["steps"]) == {"step", "other_step", "speed_up"}
    for name in (0, 1):
        assert sum(part["seconds"][name] for part in data["parts"]) == pytest.approx(steps[name])


@pytest.mark.parametrize("width", [56, 80, 190])
@pytest.mark.parametrize("other", ["gb200-nvl72,gpus=72", "gpus=8", "rtx-4090,gpus=1"])
def test_the_page_is_readable_at_any_width(width: int, other: str) -> None:
    """No line is wider; one style a line."""
    lines = draw(versus(INPUTS, Space(), against(INPUTS, other)), width)
    assert max(map(len, printed(lines).splitlines())) <= width and max(map(len, lines)) <= 1


def test_a_side_without_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the reason in place of the plan, and no figures of it."""
    code, text, _ = output_of(capsys, *COMMAND, "--against", "rtx-4090,gpus=1")
    assert code == 1 and "rtx-4090 x1: Nothing fits" in text and "time by part" not in text


def test_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    """Without another cluster, or with one nobody knows: a sentence."""
    for arguments in ([], ["--against", "nowhere"], ["--against", "dgx-b200", "--format", "csv"]):
        code, text, error = output_of(capsys, *COMMAND, *arguments)
        assert (code, text) == (2, "") and error.count("\n") == 1
