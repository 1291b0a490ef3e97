"""Prompts of the message line: when they close, and what they report."""

from __future__ import annotations

from tests.tui.widgets.unmounted import plain, press
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt, Question


def refusing(text: str) -> str | None:
    """Refuse all but 'good'."""
    return None if text == "good" else f"no {text}"


def test_a_refused_text_stays_with_its_reason_until_it_is_changed() -> None:
    """Enter closes the prompt only where the text is accepted; the reason is shown until the next key that edits."""
    prompt = Prompt("name", refusing)
    assert press(prompt, *"bad", "enter") == [False] * 4
    assert plain(prompt.draw(60)[1]) == " ✗ no bad" and prompt.edit.text == "bad"
    assert press(prompt, "backspace") == [False] and plain(prompt.draw(60)[1]) == " enter accepts, esc cancels"
    press(prompt, "ctrl+u")
    assert press(prompt, *" good ", "enter")[-1] and not prompt.refusal


def test_escape_closes_a_prompt_without_taking_its_text() -> None:
    """Nothing is done with the text."""
    taken: list[str] = []
    prompt = Prompt("name", lambda text: taken.append(text))
    assert press(prompt, "x", "escape") == [False, True] and not taken


def test_a_prompt_is_touched_once_its_text_differs_from_the_one_offered() -> None:
    """The offered text and an empty one hold nothing to be restored."""
    prompt = Prompt("name", refusing, LineEdit.of("plan.toml"))
    assert not prompt.touched
    press(prompt, "x")
    assert prompt.touched
    press(prompt, "ctrl+u")
    assert not prompt.touched


def test_a_question_is_answered_yes_by_y_alone() -> None:
    """Every key closes it; of all only y and Y count as yes."""
    for name, yes in (("y", True), ("Y", True), ("n", False), ("enter", False), ("escape", False)):
        answers: list[str] = []
        assert press(Question("quit?", lambda text, answers=answers: answers.append(text)), name) == [True]  # type: ignore[misc]
        assert bool(answers) is yes
