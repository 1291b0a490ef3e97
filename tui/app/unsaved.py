"""UnsavedEdits: whether there are edits that no file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui.state.history import History
from tui.widgets.form import Form


class UnsavedEdits:
    """Edits that no file holds. `unentered`: whether text was typed that is neither refused nor entered."""

    def __init__(self, history: History, forms: Mapping[str, Form], unentered: Callable[[], bool]) -> None:
        self._history, self._forms, self._unentered = history, forms, unentered
        self._first = history.now.document  # the document that the program began with
        self._left_behind = False  # whether a file was opened while there were such edits, which an undo restores

    def leave_behind(self) -> None:
        """Another document is about to be opened."""
        self._left_behind |= self._present()

    def any(self) -> bool:
        """Whether there are edits or texts that only a session would store."""
        return self._left_behind or self._present() or self._unentered()

    def _present(self) -> bool:
        """Whether the present document holds edits that no file has, or the forms refused text."""
        now, document, first = self._history.now, self._history.now.document, self._first
        changed = now.path is not None or (document.inputs, document.space) != (first.inputs, first.space)
        return (changed and now.unsaved) or any(form.refused for form in self._forms.values())
