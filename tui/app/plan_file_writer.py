"""PlanFileWriter: plan files written and copied. A file that another program wrote is overwritten only after a yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from textual.events import Key

from planner.document import planfile
from planner.document.planfile import Document
from planner.errors import TmplanError
from planner.files import atomic, reader, writer
from planner.plaintext import named
from planner.report.columns import predictions
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.document_display import DocumentDisplay
from tui.app.earlier_plans import EarlierPlans
from tui.app.fields import Fields
from tui.app.private_folder import PrivateFolder
from tui.app.ranking import Ranking
from tui.draw.lines import Line
from tui.state.history import History, StoredDocument, same
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt, Question

COPIED = "copied.toml"  # in the private folder


@dataclass
class OverwriteQuestion(Question):
    """Whether a file is overwritten, or another path taken. A long path is cut to leave room for the `sentence`."""

    sentence: str = ""
    elsewhere: Callable[[], None] = lambda: None
    help: str = "y: overwrite it, w: write elsewhere, any other key: do not overwrite it"

    def take(self, event: Key) -> bool:
        if event.key == "w":
            self.elsewhere()
        return super().take(event)

    def draw(self, width: int) -> list[Line]:
        room = max(12, width - len(self.sentence) - 4)
        return [[(f" {named(self.label, room)} {self.sentence}", "bad")], [(f" {self.help}", "dim")]]


class PlanFileWriter:
    """Writes the document as a plan file. `clipboard` copies a text to the clipboard of the terminal."""

    def __init__(
        self,
        history: History,
        ranking: Ranking,
        earlier: EarlierPlans,
        display: DocumentDisplay,
        fields: Fields,
        dialogs: Dialogs,
        folder: PrivateFolder,
        clipboard: Callable[[str], None],
    ) -> None:
        self._history, self._ranking, self._earlier, self._display = history, ranking, earlier, display
        self._fields, self._dialogs, self._folder, self._clipboard = fields, dialogs, folder, clipboard

    @action
    def write(self) -> None:
        """Ask for a path and write the plan file there."""
        self._fields.close()
        path, job = self._history.now.path, self._ranking.job
        name = f"{job.model.name}-{job.cluster.gpus}" if job else "plan"
        self._ask_path(str(path) if path else f"{name}.toml")

    def _ask_path(self, offered: str) -> None:
        """Ask where to write the plan file."""

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the plan file"
            path, now = Path(reader.expand_home(text)), self._history.now
            opened = now.path is not None and same(path, now.path)
            return self._write_to(path, now.digest if opened else atomic.ABSENT)

        self._dialogs.ask(Prompt("write to", done, LineEdit.of(offered)))

    def _write_to(self, path: Path, over: str) -> str | None:
        """Write the document with the plan under the cursor; a sentence where it cannot be written.

        over: the fingerprint of the file that may be overwritten (`atomic.fingerprint`). Any other file at the path requires a yes.
        """
        try:
            document = self.document()
            digest = planfile.write(path, document, over=over)
            is_file = writer.replaces(path)
        except atomic.Changed as changed:
            self._dialogs.ask(self._question(path, over, changed.current))
            return None
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return str(error)
        if is_file:
            self._record(StoredDocument(document), path, digest)
        self._dialogs.say(f"wrote {path}" if is_file else f"wrote to {path}, which stores nothing", "good")
        return None

    def _record(self, document: StoredDocument, path: Path, digest: str) -> None:
        """The document was written to a file, and belongs to it from now on."""
        self._earlier.rename(document)
        self._history.wrote(replace(self._history.now, stored=document, path=path, saved=document, digest=digest))
        self._display.show_status()

    def _question(self, path: Path, over: str, present: str) -> OverwriteQuestion:
        """The question whether the file at a path may be overwritten, if its fingerprint is still `present`."""
        sentence = "exists; overwrite it?"
        if over and present:
            sentence = "was changed by another program since it was opened; overwrite it?"
        elif over:
            sentence = "was removed; write it again?"
        question = OverwriteQuestion(str(path), lambda yes: self._write_to(path, present), sentence=sentence)
        question.elsewhere = lambda: self._ask_path(str(path))
        if not present:
            question.help = "y: write it, w: write elsewhere, any other key: do not write it"
        return question

    def document(self) -> Document:
        """The document as a file holds it: with the plan under the cursor and the predictions for it."""
        document, current = self._history.now.document, self._ranking.current()
        if current is None:
            return replace(document, plan=None, predictions=None)
        from planner.cost.evaluate import evaluate

        return replace(document, plan=current[1], predictions=predictions(evaluate(*current)))

    @action
    def copy(self) -> None:
        """Copy the plan file: to the clipboard of the terminal (OSC 52), and to a file, since not every terminal takes that."""
        if self._ranking.current_to("copy") is None:
            return
        try:
            text = planfile.dumps(self.document())
            path = self._folder.path(COPIED)
            writer.write(path, text, private=True)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return
        self._clipboard(text)
        self._dialogs.say(f"copied to the clipboard, where the terminal takes OSC 52, and to {path}", "good")
