"""The hints line: the keys of the pane, the most important first."""

from __future__ import annotations

import pytest

from tests.tui.widgets.unmounted import plain
from tui.settings.bindings import ALL, DETAIL, FORM, PLANS, active
from tui.widgets.hints import hints


@pytest.mark.parametrize("context", ALL)
def test_hints_are_those_of_the_pane_in_their_order(context: str) -> None:
    """With room for all, every hint of the pane is there once, by its rank, and none of another pane."""
    labels = [text.strip() for text, role in hints(context, 1000) if role == "dim"]
    ranked = sorted((b for b in active() if b.hint and context in b.contexts), key=lambda b: b.hint)
    assert labels == [b.label for b in ranked]
    assert ("edit" in labels, "explain" in labels, "find" in labels) == (context == FORM, context == PLANS, context == DETAIL)


@pytest.mark.parametrize("width", [20, 30, 60, 100])
def test_help_and_quit_stay_in_little_room(width: int) -> None:
    """The hints fit the width; the last two, help and quit, are always there, and the others go from the last on."""
    line = hints(FORM, width)
    labels = [text.strip() for text, role in line if role == "dim"]
    every = [text.strip() for text, role in hints(FORM, 1000) if role == "dim"]
    assert labels[-2:] == ["help", "quit"] and labels[:-2] == every[: len(labels) - 2]
    assert len(plain(line)) <= width or len(labels) == 2
