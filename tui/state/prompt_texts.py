"""PendingTexts: texts typed at prompts but not entered when the program was closed. A session stores them with refused field texts."""

from __future__ import annotations

from collections.abc import Mapping

LEFT = "typed when the program was closed"  # the reason stored with a text that was not entered
PREFIX = "asked: "  # of a prompt's label, the key of its text in a session file


class PendingTexts:
    """Texts typed at prompts but not entered when the program was closed, by label, until the prompt opens again."""

    def __init__(self, refused: Mapping[str, tuple[str, str]]) -> None:
        self._texts = {key.removeprefix(PREFIX): typed for key, (typed, _) in refused.items() if key.startswith(PREFIX)}

    def take(self, label: str) -> str:
        """Remove and return the text left at a prompt."""
        return self._texts.pop(label, "")

    def get(self, label: str) -> str:
        """The text left at a prompt, without removing it."""
        return self._texts.get(label, "")

    def put(self, label: str, text: str) -> None:
        """Store a text for the prompt of a label."""
        self._texts[label] = text

    def stored(self, now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """These texts and those being typed now, in the form of a session file."""
        return {PREFIX + label: (text, LEFT) for label, text in (self._texts | dict(now)).items()}

    @property
    def notice(self) -> str:
        """A notice that such texts exist; empty if there are none."""
        return f"{LEFT}, restored when the prompt opens again: {', '.join(self._texts)}" if self._texts else ""
