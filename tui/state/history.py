"""The edits of the session: undo, redo, and no edit is ever lost.

Each moment holds the complete document, with the file it belongs to. An edit after an undo does not discard the undone edits: they
stay in the history, where undo reaches them again, as in Emacs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planner.document import planfile
from planner.document.planfile import Document
from planner.files import atomic

LIMIT = 200  # moments stored; the oldest are dropped


class StoredDocument:
    """A document, parsed lazily from the text of its plan file, so that a session of many edits opens at once."""

    def __init__(self, document: Document | None = None, text: str = "") -> None:
        self._document, self._text = document, text

    @property
    def document(self) -> Document:
        """The document; PlanFileError if its text cannot be read."""
        if self._document is None:
            self._document = planfile.loads(self._text, where="session")
        return self._document

    @property
    def text(self) -> str:
        """The text of its plan file."""
        if not self._text and self._document is not None:
            self._text = planfile.dumps(self._document)
        return self._text

    @property
    def digest(self) -> str:
        """The digest that identifies a file with that text."""
        return atomic.digest(self.text.encode("utf-8"))


@dataclass(frozen=True)
class Moment:
    """The document after an edit, its file, the content of that file (None: never written), and the label of the edit.

    digest: fingerprint of the file (`atomic.fingerprint`) when the document was read from it or written to it; empty: there was no file.
    """

    stored: StoredDocument
    path: Path | None = None
    saved: StoredDocument | None = None
    label: str = ""
    digest: str = ""

    @classmethod
    def of(cls, document: Document, path: Path | None = None, label: str = "") -> Moment:
        """A newly opened document, with or without a file; changes by options are not part of the file's content."""
        stored = StoredDocument(document)
        if path is None:
            return cls(stored, label=label)
        source = document.source
        if source is None:
            return cls(stored, path, stored, label, stored.digest)
        return cls(stored, path, stored if source.document == document else StoredDocument(source.document), label, source.digest)

    @property
    def document(self) -> Document:
        """The document."""
        return self.stored.document

    @property
    def unsaved(self) -> bool:
        """Whether the document holds inputs or bounds that the file does not."""
        saved, document = self.saved, self.document
        return saved is None or (document.inputs, document.space) != (saved.document.inputs, saved.document.space)


class History:
    """Moments in order, and the current one."""

    def __init__(self, moments: Sequence[Moment], at: int | None = None) -> None:
        self.moments = list(moments)
        self.at = len(self.moments) - 1 if at is None else min(max(0, at), len(self.moments) - 1)

    @property
    def now(self) -> Moment:
        """The current moment."""
        return self.moments[self.at]

    def push(self, moment: Moment) -> None:
        """Add an edit. Edits undone before it become part of the past: first the undone edits, then the way back from them."""
        undone = self.moments[self.at + 1 :]
        if undone:
            self.moments += [*reversed(undone[:-1]), self.now]
        self.moments.append(moment)
        del self.moments[: max(0, len(self.moments) - LIMIT)]
        self.at = len(self.moments) - 1

    def wrote(self, moment: Moment) -> None:
        """Record that the current moment was written to its file. Not an edit; updates the file content of all moments of that file."""
        self.moments[self.at] = moment
        self._update_file(moment, digest=True)

    def opened(self, moment: Moment) -> None:
        """Record that a file was opened, an edit. Earlier moments of that file get its content, but keep their digests."""
        self.push(moment)
        self._update_file(moment, digest=False)

    def _update_file(self, latest: Moment, *, digest: bool) -> None:
        for number, moment in enumerate(self.moments):
            if latest.path and moment.path and same(moment.path, latest.path):
                self.moments[number] = replace(moment, saved=latest.saved, digest=latest.digest if digest else moment.digest)

    def before(self, steps: int) -> Moment | None:
        """The moment `steps` edits before the current one, None if there is none."""
        return self.moments[self.at - steps] if 0 <= steps <= self.at else None

    def undo(self) -> Moment | None:
        """Go back by one edit; returns the edit undone, None if there is none."""
        if self.at == 0:
            return None
        self.at -= 1
        return self.moments[self.at + 1]

    def redo(self) -> Moment | None:
        """Go forward by one edit; returns the edit redone, None if there is none."""
        if self.at == len(self.moments) - 1:
            return None
        self.at += 1
        return self.now


def same(a: Path, b: Path) -> bool:
    """Whether two paths are lexically equal; false if relative paths cannot be resolved because the current folder is gone."""
    try:
        return a == b or os.path.abspath(a) == os.path.abspath(b)
    except OSError:
        return False
