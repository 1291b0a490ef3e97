"""Driving the program in tests: open it, press keys, wait for its plans, read its screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.events import Key
from textual.pilot import Pilot

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from tui.app.program import Program
from tui.app.textual_app import Tmplan
from tui.settings.key_names import CHARACTERS
from tui.state import edits
from tui.state.planner_thread import Answer, Planner
from tui.state.session import Session, State
from tui.terminal.layout import PANES
from tui.widgets.detail import Detail
from tui.widgets.form import Form
from tui.widgets.picker import Picker
from tui.widgets.status import Foot
from tui.widgets.table import Table

SMALL = Document(EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096}))
CHARS = {name: char for char, name in CHARACTERS.items()} | {"space": " ", "enter": "\r", "tab": "\t"}
Play = Callable[["Driver"], Awaitable[None]]


class Driver:
    """The program under test, and the hands on its keyboard."""

    def __init__(self, app: Tmplan, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait for the plans they ask for."""
        await self.pilot.press(*keys)
        await self.ready()

    async def send(self, *keys: str) -> None:
        """Press keys as fast as they come, without waiting for what they do; then let the program take them."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            char = key if len(key) == 1 else CHARS.get(key)
            driver.send_message(Key(key, char))
        await self.pilot.pause(0.0)

    async def type(self, text: str) -> None:
        """Type a text and enter."""
        await self.press(*(NAMES.get(char, char) for char in text), "enter")

    async def field(self, key: str, text: str) -> None:
        """Go to a field and type a value into it."""
        name = next(name for name, form in self.forms.items() if any(entry.key == key for entry in form.entries))
        await self.press(str(PANES.index(name) + 1))
        self.forms[name].go(key)
        self.forms[name].begin()
        await self.type(text)

    async def edit(self, key: str, text: str) -> None:
        """Set a field without going to it."""
        self.program.editing.edit(lambda document: edits.set_text(document, key, text), key)
        await self.ready()

    async def ready(self) -> None:
        """Wait until the newest question is answered, including advice, the visible pages and the comparison pane."""
        for _ in range(1000):
            await self.pilot.pause()
            ranking, panes = self.program.ranking, self.program.panes
            newest = ranking.newest
            begun = not self.program.layout.shows("compare") or ranking.answer is None or panes.comparison.content(80)
            working = panes.detail.working or panes.comparison.working
            if newest is not None and newest.generation == ranking.generation and not newest.thinking and begun and not working:
                await self.pilot.pause()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the planner, or a page, has not answered in ten seconds")

    def text(self) -> str:
        """The screen as plain text."""
        strips: list[Any] = self.app.screen._compositor.render_strips()
        return "".join(f"{strip.text.rstrip()}\n" for strip in strips)

    def svg(self) -> str:
        """The screen as a picture, in the viewer's default monospaced font: none is fetched."""
        return re.sub(r"\s*@font-face \{.*?\}", "", self.app.export_screenshot(title="tmplan"), flags=re.DOTALL)

    @property
    def plans(self) -> list[str]:
        """The lines of the plans pane below its heading."""
        return [line for line in self.table.lines()[2:] if line.strip()]

    @property
    def program(self) -> Program:
        """The objects of the program."""
        return self.app.program

    @property
    def document(self) -> Document:
        """The present document."""
        return self.program.history.now.document

    @property
    def answer(self) -> Answer | None:
        """The planner's newest answer that was no refusal."""
        return self.program.ranking.answer

    @property
    def pane(self) -> str:
        """The pane that has the keyboard."""
        return self.program.layout.pane

    @property
    def active_form(self) -> Form:
        """The form that has the keyboard, or had it last."""
        return self.program.layout.active_form

    @property
    def forms(self) -> dict[str, Form]:
        """The forms by the names of their panes."""
        return self.program.panes.forms

    @property
    def table(self) -> Table:
        """The plans."""
        return self.program.panes.table

    @property
    def detail(self) -> Detail:
        """The detail."""
        return self.program.panes.detail

    @property
    def foot(self) -> Foot:
        """The message line and the hints."""
        return self.program.panes.foot

    @property
    def picker(self) -> Picker:
        """The list over the panes."""
        return self.program.panes.picker


NAMES = {" ": "space", "*": "asterisk", "=": "equals_sign", "<": "less_than_sign", ">": "greater_than_sign", ".": "full_stop", "/": "slash",
         "-": "minus", "_": "underscore", "!": "exclamation_mark", ",": "comma", "?": "question_mark", "%": "percent_sign",
         "+": "plus", ":": "colon", "[": "left_square_bracket", "]": "right_square_bracket"}  # fmt: skip


def drive(
    play: Play,
    document: Document = SMALL,
    path: Path | None = None,
    *,
    size: tuple[int, int] = (120, 40),
    search: Any = None,
    theme: str = "dark",
    state: State | None = None,
    session: Session | None = None,
) -> None:
    """Open the program on a document, or with the state of a session, in a terminal of this size, play, and close it."""

    async def run() -> None:
        app = Tmplan(document, path, planner=Planner(search, burst=0.0), settle=0.001, theme=theme, state=state, session=session)
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, pilot)
            await driver.ready()
            await play(driver)
            app.program.planner.stop()

    asyncio.run(run())
