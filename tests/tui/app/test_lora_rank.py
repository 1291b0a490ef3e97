"""A LoRA rank beyond the hidden size is refused alike wherever it is set: an option, a plan file, a field of the screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.document import planfile
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.printing import output_of
from tui.terminal.layout import PANES

MOST = "lora_rank must be at most 4,096, the hidden size of llama-3.1-8b, not 8,192: no matrix of it has a higher rank"
TUNED = replace(SMALL, inputs=SMALL.inputs.with_all({"tuning": "lora", "lora_rank": 4096}))
BEYOND = replace(SMALL, inputs=TUNED.inputs.with_("lora_rank", 8192))


@pytest.mark.parametrize("command", ["plan", "explain", "budget", "fit"])
def test_a_plan_file_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rank in a file ends the command with 2 and one sentence that names field, limit and model."""
    path = str(tmp_path / "plan.toml")
    planfile.write(path, BEYOND)
    assert output_of(capsys, command, path) == (2, "", f"tmplan: {MOST}\n")


@pytest.mark.parametrize("command", ["plan", "explain", "budget"])
def test_an_option_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """So does one behind --lora-rank; without adapters it says nothing, and is let be."""
    options = ("--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--lora-rank", "8192")
    assert output_of(capsys, command, *options, "--tuning", "lora") == (2, "", f"tmplan: {MOST}\n")
    assert output_of(capsys, command, *options)[0] == 0


def test_the_field_of_the_screen_is_marked() -> None:
    """Typed into its field a rank that is too high is reported there and in the table, the plans stay; a valid rank gives new plans."""

    async def play(it: Driver) -> None:
        await it.field("lora_rank", "8k")
        assert "✗LoRA rank" in it.text() and MOST in " ".join(it.text().split()) and it.table.result is not None
        await it.field("lora_rank", "512")
        assert "✗" not in it.text() and it.answer is not None and it.answer.job is not None
        assert it.answer.job.lora_rank == 512

    drive(play, TUNED)


def test_steps_stop_at_the_highest_rank() -> None:
    """+ goes no further than the hidden size."""

    async def play(it: Driver) -> None:
        await it.press(str(PANES.index("batch") + 1))
        it.forms["batch"].go("lora_rank")
        await it.press("+")
        assert it.foot.message == "LoRA rank has no legal value above" and it.document == TUNED

    drive(play, TUNED)


def test_a_document_with_such_a_rank_opens_with_a_message() -> None:
    """What a plan file holds is on the screen, its field marked, to be mended there."""

    async def play(it: Driver) -> None:
        assert "✗LoRA rank" in it.text() and MOST in " ".join(it.text().split())
        await it.field("lora_rank", "16")
        assert "✗" not in it.text() and it.plans

    drive(play, BEYOND)
