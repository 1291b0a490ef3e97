"""Every edit of the session: undo, redo, and nothing ever lost.

Each moment holds the document whole, with the file it belongs to. An edit made after an undo does not throw the undone edits away:
they stay in the past, where undo finds them again, as in Emacs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planner.document import planfile
from planner.document.planfile import Document
from planner.files import atomic

LIMIT = 200  # moments kept; the oldest are dropped


class Kept:
    """A document, or the text of its plan file until somebody wants to see it: a session of many edits opens at once."""

    def __init__(self, document: Document | None = None, text: str = "") -> None:
        self._document, self._text = document, text

    @property
    def document(self) -> Document:
        """The document; PlanFileError where its text cannot be read."""
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
        """What a file of that text is told by."""
        return atomic.digest(self.text.encode("utf-8"))


@dataclass(frozen=True)
class Moment:
    """The document after an edit, the file it is of, what that file holds (None: never written), and what the edit was.

    digest: what the file was told by (`atomic.fingerprint`) when the document was read from it or written to it; nothing: there was none.
    """

    kept: Kept
    path: Path | None = None
    saved: Kept | None = None
    label: str = ""
    digest: str = ""

    @classmethod
    def of(cls, document: Document, path: Path | None = None, label: str = "") -> Moment:
        """A document as it is opened, from a file or from none; what options set on top of a file is not in the file."""
        kept = Kept(document)
        if path is None:
            return cls(kept, label=label)
        source = document.source
        if source is None:
            return cls(kept, path, kept, label, kept.digest)
        return cls(kept, path, kept if source.document == document else Kept(source.document), label, source.digest)

    @property
    def document(self) -> Document:
        """The document."""
        return self.kept.document


class History:
    """Moments in their order, and the one at hand."""

    def __init__(self, moments: Sequence[Moment], at: int | None = None) -> None:
        self.moments = list(moments)
        self.at = len(self.moments) - 1 if at is None else min(max(0, at), len(self.moments) - 1)

    @property
    def now(self) -> Moment:
        """The moment at hand."""
        return self.moments[self.at]

    def push(self, moment: Moment) -> None:
        """An edit. What had been undone before it goes into the past: the undone edits, and the way back from them."""
        undone = self.moments[self.at + 1 :]
        if undone:
            self.moments += [*reversed(undone[:-1]), self.now]
        self.moments.append(moment)
        del self.moments[: max(0, len(self.moments) - LIMIT)]
        self.at = len(self.moments) - 1

    def wrote(self, moment: Moment) -> None:
        """The moment at hand was written to its file: no edit. Every moment of that file knows now what it holds."""
        self.moments[self.at] = moment
        self._tell(moment, digest=True)

    def opened(self, moment: Moment) -> None:
        """A file was opened: an edit. Earlier moments of that file know what it holds, but were not made of that."""
        self.push(moment)
        self._tell(moment, digest=False)

    def _tell(self, told: Moment, *, digest: bool) -> None:
        for number, moment in enumerate(self.moments):
            if told.path and moment.path and same(moment.path, told.path):
                self.moments[number] = replace(moment, saved=told.saved, digest=told.digest if digest else moment.digest)

    def before(self, steps: int) -> Moment | None:
        """The moment so many edits before the one at hand, None where there is none."""
        return self.moments[self.at - steps] if 0 <= steps <= self.at else None

    def undo(self) -> Moment | None:
        """Back by one edit; the edit undone, None where there is none."""
        if self.at == 0:
            return None
        self.at -= 1
        return self.moments[self.at + 1]

    def redo(self) -> Moment | None:
        """Forth by one edit; the edit done again, None where there is none."""
        if self.at == len(self.moments) - 1:
            return None
        self.at += 1
        return self.now


def same(a: Path, b: Path) -> bool:
    """Whether two paths are one, as they are written; not so where the folder they start from has gone."""
    try:
        return a == b or os.path.abspath(a) == os.path.abspath(b)
    except OSError:
        return False
