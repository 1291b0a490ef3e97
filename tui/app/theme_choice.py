"""ThemeChoice: the theme of the screen."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App

from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.draw.lines import LinePane
from tui.settings import theme_files, themes
from tui.settings.themes import Look


def apply(app: App[None], look: Look) -> None:
    """Draw an app in a theme from now on."""
    LinePane.roles = look.roles
    app.register_theme(look.theme)
    app.ansi_color = look.theme.ansi or None
    app.theme = look.theme.name


class ThemeChoice:
    """The theme in use. `changed` is called after another was chosen."""

    def __init__(self, app: App[None], look: Look, dialogs: Dialogs, changed: Callable[[], None]) -> None:
        self._app, self.look, self._dialogs, self._changed = app, look, dialogs, changed

    @action
    def choose(self) -> None:
        """Choose a theme for now; config.toml keeps one."""
        choices = [(name, title(name)) for name in theme_files.names()]
        self._dialogs.pick("theme", choices, self._take, at=self.look.name)

    def _take(self, name: str) -> None:
        from tui.settings import config

        try:
            self.look = themes.load(name)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return
        apply(self._app, self.look)
        self._changed()
        self._dialogs.say(f'theme {name} for now; theme = "{name}" in {config.path()} keeps it')


def title(theme: str) -> str:
    """The title of a theme; of one that cannot be read, why."""
    try:
        return themes.load(theme).title
    except TmplanError as error:
        return f"✗ {error}"
