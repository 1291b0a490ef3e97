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
from tui.app.actions import Tmplan
from tui.settings.key_names import CHARACTERS
from tui.state.planner_thread import Planner
from tui.state.session import Session, State
from tui.terminal.layout import PANES

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
        name = next(name for name, form in self.app.forms.items() if any(entry.key == key for entry in form.entries))
        await self.press(str(PANES.index(name) + 1))
        self.app.forms[name].go(key)
        self.app.forms[name].begin()
        await self.type(text)

    async def ready(self) -> None:
        """Wait until the newest question is answered, advice and the pages in view included, the comparison beside the table too."""
        for _ in range(1000):
            await self.pilot.pause()
            app, heard = self.app, self.app.heard
            begun = not app.shows("compare") or app.answer is None or app.aside.content(80)
            working = app.detail.working or app.aside.working
            if heard is not None and heard.generation == app.generation and not heard.thinking and begun and not working:
                await self.pilot.pause()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the planner, or a page, has not answered in ten seconds")

    def text(self) -> str:
        """The screen as plain text."""
        strips: list[Any] = self.app.screen._compositor.render_strips()
        return "".join(f"{strip.text.rstrip()}\n" for strip in strips)

    def svg(self) -> str:
        """The screen as a picture, in the reader's own monospaced font: none is fetched."""
        return re.sub(r"\s*@font-face \{.*?\}", "", self.app.export_screenshot(title="tmplan"), flags=re.DOTALL)

    @property
    def plans(self) -> list[str]:
        """The lines of the plans pane below its heading."""
        return [line for line in self.app.table.lines()[2:] if line.strip()]


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
            app.planner.stop()

    asyncio.run(run())
