"""Pictures: the screen written as SVG."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from planner.errors import TmplanError
from planner.files import atomic, writer
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt


class Pictures:
    """Writes pictures. `screenshot` gives the screen as SVG."""

    def __init__(self, dialogs: Dialogs, screenshot: Callable[[], str]) -> None:
        self._dialogs, self._screenshot = dialogs, screenshot

    @action
    def write(self) -> None:
        """Ask for a path and write the screen there, without the prompt."""
        picture = self._screenshot()

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the picture"
            path = Path(os.path.expanduser(text))
            try:
                writer.write(path, picture, over=atomic.ABSENT)
            except atomic.Changed:
                return f"{path} exists; type another path"
            except TmplanError as error:
                return str(error)
            self._dialogs.say(f"wrote {path}", "good")
            return None

        self._dialogs.ask(Prompt("picture to", done, LineEdit.of("tmplan.svg")))
