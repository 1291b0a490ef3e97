"""Files and what is typed are data, for the terminal too: whatever they hold, the screen gets no control sequence."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.events import Paste

from planner.document import planfile
from tests.hostile import HOSTILE, NAME, hidden, hostile_plan, written
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.pseudo_terminal import Terminal
from tui.draw.lines import drawn, fit
from tui.settings.bindings import BINDINGS, DETAIL, FORM, PLANS
from tui.state.history import History, Moment
from tui.state.session import State
from tui.state.view import View

TRIED = [binding for binding in BINDINGS if binding.id not in ("quit", "editor")]
PANES = {FORM: "2", PLANS: "4", DETAIL: "5"}
ACTS = [b"\x1b]52", b"\x1b]0;", *(c.encode() for c in NAME if hidden(c) and c > "\x7f"), "\u0335".encode(), b"\x7f"]


def harmless(it: Driver) -> None:
    """Every cell of the screen shows one character, and every line fills the width of the screen."""
    strips = it.app.screen._compositor.render_strips()
    for strip in strips:
        assert not hidden(strip.text) and "\n" not in strip.text and "\t" not in strip.text
        assert all(cell_len(char) for char in strip.text)
        assert cell_len(strip.text) == it.app.size.width
    ET.fromstring(it.app.export_screenshot(title="tmplan"))  # raises for a character that XML forbids


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with a preset and a theme of hostile names and titles, and an empty folder to write into."""
    folder = tmp_path / f"config{NAME}"
    monkeypatch.setenv("TMPLAN_CONFIG", str(folder))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    written(folder / "themes" / f"{NAME}.toml", {"title": NAME})
    written(folder / "presets" / "models" / f"{NAME}.toml", {NAME: NAME})
    return folder


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(1, 40))
def test_whatever_is_drawn_takes_the_cells_there_are(text: str, width: int) -> None:
    """A line of any text is of characters that have cells, exactly as many as fit; plain text does not change."""
    line = "".join(part for part, _ in fit([(text, "a"), (text, "b")], width))
    assert cell_len(line) == sum(map(cell_len, line)) == width
    assert not hidden(line) and all(map(cell_len, line)) and "\n" not in line
    assert drawn(drawn(text)) == drawn(text)
    assert not (text.isascii() and text.isprintable()) or drawn(text) == text


@pytest.mark.parametrize("size", [(120, 40), (200, 60), (80, 24)])
@pytest.mark.slow
def test_no_file_reaches_the_screen(size: tuple[int, int], tmp_path: Path, config: Path) -> None:
    """A plan file and a session of hostile texts, opened from a hostile path: whatever key is pressed, every cell is harmless."""
    path = Path(hostile_plan(SMALL, tmp_path / NAME / f"{NAME}.toml"))
    document = planfile.read(path)
    history = History([Moment.of(document, path)])
    history.push(Moment(history.now.stored, path, None, HOSTILE))
    state = State(history, [], View(filter=HOSTILE), refused=dict.fromkeys(("model", "gpu", "tp", "global_batch"), (HOSTILE, HOSTILE)))

    async def play(it: Driver) -> None:
        it.foot.say(HOSTILE, "bad")
        await it.pilot.pause()
        harmless(it)
        for binding in (
            TRIED
            if size == (120, 40)
            else [binding for binding in TRIED if binding.action in ("pages.turn", "fields.edit", "dialogs.help")]
        ):
            for context in binding.contexts[:2]:
                await it.send(*["escape"] * 3, PANES[context], binding.keys[0])
                await it.pilot.pause()
                harmless(it)
            await it.send("enter")
            await it.pilot.pause()
            harmless(it)

    drive(play, document, path, state=state, size=size)


@pytest.mark.slow
def test_what_is_pasted_is_drawn_and_taken_without_control_characters(config: Path) -> None:
    """Pasted into a field, a prompt and a list, a hostile text is drawn harmless, and what is entered of it holds none of it."""

    async def play(it: Driver) -> None:
        for way in (("2", "enter"), ("2", "tab", "enter"), ("3", "enter"), ("slash",), ("o",), ("w",), ("n",), ("colon",)):
            await it.press(*["escape"] * 3, *way)
            it.app.post_message(Paste(HOSTILE))
            await it.pilot.pause()
            harmless(it)
            edits = [it.foot.prompt and it.foot.prompt.edit, it.picker.edit, it.active_form.edit]
            assert any(edit and "zzz" not in edit.text and "]52;c;" in edit.text for edit in edits), way
            assert not any(hidden(edit.text) for edit in edits if edit)
            await it.press("enter")
            harmless(it)
        assert all(path.name == re.sub(r"[\x00-\x1f]", "", path.name) for path in Path().iterdir())

    drive(play)


@pytest.mark.slow
def test_no_file_reaches_the_terminal(tmp_path: Path, config: Path) -> None:
    """On a real terminal: a hostile plan file is opened, its pages are turned, its path is offered; nothing of it is sent raw."""
    path = hostile_plan(SMALL, tmp_path / f"{NAME}.toml")
    with Terminal(path, environment={"TMPLAN_CONFIG": str(config), "EDITOR": f"/nowhere/{NAME}"}) as it:
        it.until("Step s")
        it.press(*"2dprbFcV", "esc", "w", "esc", "T", "esc", "?", "esc", quiet=0.2)
        it.press("2", "enter", quiet=0.2)
        it.press("esc", "esc", "q")
        assert it.wait() == 0
        assert b".exe" in it.sent and not [acts for acts in ACTS if acts in it.sent]
