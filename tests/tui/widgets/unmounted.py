"""Widgets without a screen: of a given size, so that they are tested without the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Key
from textual.geometry import Size

from tests.tui.driving import CHARS
from tui.draw.lines import Line, LinePane

Resize = Callable[[int, int], None]


@pytest.fixture
def resize(monkeypatch: pytest.MonkeyPatch) -> Resize:
    """Sets the size of every widget; they have a title line, and what they repaint is not sent."""

    def set_size(width: int, height: int) -> None:
        monkeypatch.setattr(LinePane, "size", Size(width, height))

    monkeypatch.setattr(LinePane, "titled", True)
    monkeypatch.setattr(LinePane, "refresh", lambda *regions, **how: None)
    set_size(60, 14)
    return set_size


def key(name: str) -> Key:
    """The event of a key."""
    return Key(name, name if len(name) == 1 else CHARS.get(name))


def press(widget: Any, *names: str) -> list[bool]:
    """Give keys to a widget; what it returns for each."""
    return [widget.take(key(name)) for name in names]


def plain(line: Line) -> str:
    """The text of a line."""
    return "".join(text for text, _ in line)


def roles(line: Line) -> dict[str, str]:
    """The role of each text of a line, without the spaces around it."""
    return {text.strip(): role for text, role in line}
