"""Asked: what was typed at a prompt and not entered when the program was closed. A session keeps it beside what fields refused."""

from __future__ import annotations

from collections.abc import Mapping

LEFT = "typed when the program was closed"  # of a text that was not entered; the session keeps this
ASKED = "asked: "  # before a prompt's label: what a session keeps its text under


class Asked:
    """What was typed at prompts and not entered when the program was closed, by their labels, until they are asked again."""

    def __init__(self, refused: Mapping[str, tuple[str, str]]) -> None:
        self._texts = {key.removeprefix(ASKED): typed for key, (typed, _) in refused.items() if key.startswith(ASKED)}

    def take(self, label: str) -> str:
        """The text left at a prompt, once."""
        return self._texts.pop(label, "")

    def kept(self, now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """These texts and what is being typed now, by its labels, as a session keeps them."""
        return {ASKED + label: (text, LEFT) for label, text in (self._texts | dict(now)).items()}

    @property
    def told(self) -> str:
        """That they are there, as a sentence."""
        return f"{LEFT}, and there when asked for again: {', '.join(self._texts)}" if self._texts else ""
