"""What a real terminal shows: the text at three sizes, and in every theme, without colour too, which cells show the state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import GOLDEN
from tests.tui.pseudo_terminal import Terminal
from tui.settings import theme_files

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")]
Golden = Callable[[str, str], None]
SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16", "--global-batch", "64", "--sequence", "4096")
# The program with made-up numbers, which never change.
MADE_UP = """
from planner.search import search as searching
import pytest
from tests.tui.fake import fake_search, make_up
searching.search = fake_search
make_up(pytest.MonkeyPatch())
from tui.cli.main import main
main()
"""


def made_up(columns: int, rows: int, **environment: str) -> Terminal:
    """The program with made-up numbers in a terminal of this size."""
    variables = {"PYTHONPATH": str(Path(__file__).parents[3]), **environment}
    return Terminal(*SMALL, columns=columns, rows=rows, environment=variables, program=MADE_UP)


def states(it: Terminal) -> Iterator[str]:
    """The texts that stand out otherwise than by colour: by weight, reversed or underlined."""
    for y, line in enumerate(it.screen.display):
        lines: list[tuple[str, str]] = []
        for x in range(it.screen.columns):
            cell = it.screen.buffer[y][x]
            kind = "".join(sign for sign, on in (("bold ", cell.bold), ("reverse ", cell.reverse), ("underline ", cell.underscore)) if on)
            if lines and lines[-1][1] == kind:
                lines[-1] = (lines[-1][0] + line[x], kind)
            else:
                lines.append((line[x], kind))
        for text, kind in lines:
            if kind and text.strip():
                yield f"{y:>2} {kind:<13}|{text.strip()}|"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_terminal_shows_what_the_program_drew(size: tuple[int, int]) -> None:
    """On a pseudo-terminal stands, byte by byte, the golden text of the same screen: nothing is left out of what is sent."""
    with made_up(*size) as it:
        it.until("24 fit / 75 plans")
        it.press("esc")
        it.quiet()
        expected = (GOLDEN / f"screen-plans-{size[0]}x{size[1]}.txt").read_text(encoding="utf-8")
        assert it.text().split("\n") == expected.removesuffix("\n").split("\n")


def test_every_theme_shows_the_state_without_colour(golden: Golden) -> None:
    """In every theme, and with NO_COLOR, the text is the same, and what marks cursor, pane, pin, order and a refused field is more than
    colour: a sign, weight, or reversed."""
    lines, texts = [], {}
    for name in (*theme_files.names(), "NO_COLOR"):
        environment = {"NO_COLOR": "1"} if name == "NO_COLOR" else {"TMPLAN_THEME": name}
        with made_up(80, 24, **environment) as it:
            it.until("24 fit / 75 plans")
            it.press("down", "m", "down", quiet=0.15)
            lines += [f"== {name}: plans", *states(it)]
            plans = it.text()
            it.press("3", "j", "j", "j", "enter", "x", "enter", quiet=0.15)
            it.until("✗Global batch")
            lines += [f"-- {name}: a refused field", *states(it)]
            texts[name] = plans + it.text()
    assert len(set(texts.values())) == 1
    assert "◆" in texts["dark"] and "▸" in texts["dark"] and "↑" in texts["dark"] and "✗" in texts["dark"]
    golden("terminal-themes-80x24.txt", "\n".join(lines) + "\n")
