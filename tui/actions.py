"""What the keys do: one method `action_<name>` for every action named in tui.bindings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from planner import planfile, presets
from planner.columns import COLUMNS, predictions
from planner.errors import TmplanError
from planner.planfile import Document
from tui import document as edits
from tui.editor import LineEdit
from tui.exportkey import Exporting
from tui.filter import parse_filter
from tui.layout import FORMS, PANES
from tui.prompt import Prompt, Question
from tui.rows import View
from tui.tablekeys import MORE, TABLE


class Tmplan(Exporting):
    """The program with its actions; each is a few lines on the state that Program holds."""

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self.go(name)

    def action_step_pane(self, by: str) -> None:
        """Go to the next pane, or the one before."""
        self.go(PANES[(PANES.index(self.pane) + int(by)) % len(PANES)])

    def action_plans(self) -> None:
        """Back to the plans."""
        self.go("plans")

    def action_next(self, by: str) -> None:
        """The next field, in the next pane if this one has no more."""
        form = self.active_form
        if form.move(int(by)):
            self.show_foot()
            return
        self.action_step_pane(by)
        if self.pane in FORMS:
            self.active_form.move(-len(form.entries) * 9 if by == "1" else len(form.entries) * 9)
            self.show_foot()

    def action_move(self, by: str) -> None:
        """Up or down in the pane."""
        self.move(int(by))

    def action_page(self, by: str) -> None:
        """A page up or down in the pane."""
        room = self.detail.body if self.pane == "detail" else self.table.body if self.pane == "plans" else self.active_form.size.height
        self.move(int(by) * max(2, room - 1))

    def action_edge(self, by: str) -> None:
        """To the first line or the last."""
        self.move(int(by) * 2**31)

    def move(self, by: int) -> None:
        """Move the cursor of the pane that has the keyboard."""
        if self.pane == "plans":
            self.table.move(by)
            self.cursor_moved()
        elif self.pane == "detail":
            self.detail.move(by)
        else:
            self.active_form.move(by)
            self.show_foot()

    def action_edit(self) -> None:
        """Edit the field under the cursor; a preset or a choice is picked from a list."""
        form, entry = self.active_form, self.active_form.entry
        if entry.kind not in ("preset", "choice", "bool") or entry.key in form.refused:
            form.begin()
            return
        names = presets.names(entry.preset_kind) if entry.kind == "preset" else entry.choices
        choices = [(name, edits.about(entry.key, name) if entry.kind == "preset" else "") for name in names]

        def done(name: str) -> None:
            self.edit(lambda document: edits.set_text(document, entry.key, name), entry.key, name)

        self.pick(entry.label, choices, done, at=form.texts[entry.key][0], freely=entry.kind == "preset")

    def action_free(self) -> None:
        """Leave a degree to the search, or a field to its preset."""
        key = self.active_form.entry.key
        self.edit(lambda document: edits.free(document, key), key)

    def action_sort(self) -> None:
        """Choose the column to sort by."""
        first = (*TABLE, *MORE)
        keys = (*first, *(column.key for column in COLUMNS if column.key not in first))
        about = {column.key: column.help for column in COLUMNS}
        self.pick(
            "sort by",
            [(key, about[key]) for key in keys],
            lambda key: self.look_at(replace(self.view, sort=key, reverse=False)),
            at=self.view.column,
        )

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.look_at(replace(self.view, reverse=not self.view.reverse))

    def action_columns(self, by: str) -> None:
        """Columns further right or left."""
        self.table.scroll_columns(int(by))

    def action_unfit(self) -> None:
        """The plans that do not fit, or those that do."""
        self.look_at(View(filter=self.view.filter, unfit=not self.view.unfit))

    def action_filter(self) -> None:
        """Ask for a filter."""

        def done(text: str) -> str | None:
            try:
                parse_filter(text)
            except TmplanError as error:
                return str(error)
            self.look_at(replace(self.view, filter=" ".join(text.split())))
            return None

        self.ask(
            Prompt("filter", done, LineEdit.of(self.view.filter), "like mem<72 tp=8 recompute=full fits; empty shows all; ? tells more")
        )

    def action_write(self) -> None:
        """Ask for a path and write the plan file there; another file is overwritten only after a yes."""
        self.close_editor()
        offered = str(self.path) if self.path else f"{self.name_offered()}.toml"

        def done(text: str) -> str | None:
            path = Path(os.path.expanduser(text))
            if not text:
                return "type the path of the plan file"
            if path.exists() and (self.path is None or path.absolute() != self.path.absolute()):
                self.ask(Question(f"{path} exists; overwrite it?", lambda yes: self.write_to(path)))
                return None
            return self.write_to(path)

        self.ask(Prompt("write to", done, LineEdit.of(offered)))

    def name_offered(self) -> str:
        """A file name for a plan nobody has named."""
        job = self.answer.job if self.answer else None
        return f"{job.model.name}-{job.cluster.gpus}" if job else "plan"

    def write_to(self, path: Path) -> str | None:
        """Write the document with the plan under the cursor; a sentence if it cannot be."""
        try:
            written = self.document_written()
            planfile.write(path, written)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return str(error)
        self.path, self.document, self.saved = path, written, written
        self.show_status()
        self.foot.say(f"wrote {path}", "good")
        return None

    def document_written(self) -> Document:
        """The document as it goes into a file: with the plan under the cursor and what is predicted for it."""
        current = self.current_plan()
        if current is None:
            return replace(self.document, plan=None, predictions=None)
        from planner.evaluate import evaluate

        return replace(self.document, plan=current[1], predictions=predictions(evaluate(*current)))

    def action_export(self) -> None:
        """Choose what to write the plan under the cursor for, then where."""
        self.ask_target()

    def action_open(self) -> None:
        """Ask for a plan file and open it."""
        self.close_editor()

        def done(text: str) -> str | None:
            if not text:
                return "type the path of a plan file"
            path = Path(os.path.expanduser(text))
            if self.unsaved:
                self.ask(Question("the changes here are not written; open another file all the same?", lambda yes: self.open_from(path)))
                return None
            return self.open_from(path)

        self.ask(Prompt("open", done))

    def open_from(self, path: Path) -> str | None:
        """Open a plan file in place of the document; a sentence if it cannot be."""
        try:
            opened = planfile.read(path)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return str(error)
        for form in self.forms.values():
            form.refused.clear()
        self.path, self.document, self.saved = path, opened, opened
        self.table.chosen = opened.plan
        self.view = View()
        self.plan()
        self.show_document()
        self.foot.say(f"opened {path}", "good")
        return None

    def action_ranks(self) -> None:
        """The ranks of the plan under the cursor: which share a group, on which nodes they lie."""
        self.show_ranks()

    def action_help(self) -> None:
        """Every key, and how things are written."""
        self.help.open, self.help.top = True, 0
        self.arrange()

    def action_paint(self) -> None:
        """Paint the whole screen, whatever line noise did to it."""
        self.screen.refresh()

    def action_leave(self) -> None:
        """Quit; plans that were not written are asked about."""
        if self.path is not None and self.unsaved:
            self.ask(Question(f"the changes to {self.path.name} are not written; quit all the same?", lambda yes: self.leave()))
            return
        self.leave()
