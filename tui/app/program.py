"""Program: the objects of the terminal program, each with one subject, composed.

Each is given what it needs and calls only objects that are made before it. Messages in the other direction are callbacks, set here: answers
of the planner, the keyboard leaving and entering a pane, the end of the program.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App

from tui.app.actions import Actions
from tui.app.answer_display import AnswerDisplay
from tui.app.dialogs import Dialogs
from tui.app.document_display import DocumentDisplay
from tui.app.earlier_plans import EarlierPlans
from tui.app.editing import Editing
from tui.app.exporting import Exporting
from tui.app.external_editor import ExternalEditor
from tui.app.fields import Fields
from tui.app.jumps import Jumps
from tui.app.keyboard import Keyboard
from tui.app.layout import PaneLayout
from tui.app.loop import Loop
from tui.app.navigation import Navigation
from tui.app.pages import Pages
from tui.app.palette import Palette
from tui.app.panes import Panes
from tui.app.pictures import Pictures
from tui.app.pins import Pins
from tui.app.plan_file_opener import PlanFileOpener
from tui.app.plan_file_writer import PlanFileWriter
from tui.app.plan_questions import PlanQuestions
from tui.app.private_folder import PrivateFolder
from tui.app.quitting import Quitting
from tui.app.ranking import Ranking
from tui.app.session_keeper import SessionKeeper
from tui.app.stepping import Stepping
from tui.app.table_view import TableView
from tui.app.theme_choice import ThemeChoice
from tui.app.undo import Undo
from tui.app.unsaved import UnsavedEdits
from tui.settings.bindings import key_of
from tui.settings.themes import Look
from tui.state.planner_thread import Planner
from tui.state.prompt_texts import LEFT, PendingTexts
from tui.state.session import Session, State


class Program:
    """The terminal program on a state, drawn in `panes` by a Textual app. `leave` ends it."""

    def __init__(
        self,
        app: App[None],
        leave: Callable[[], None],
        panes: Panes,
        state: State,
        session: Session | None,
        planner: Planner,
        look: Look,
        notices: tuple[str, ...],
        settle: float,
    ) -> None:
        self.panes, self.history, self.session, self.planner = panes, state.history, session, planner
        self._restore(state)
        history, table = self.history, panes.table
        # what the others use
        self.loop = loop = Loop(app)
        self.layout = layout = PaneLayout(panes, lambda: app.screen, lambda: self.fields.close(), lambda pane: self.pages.entered(pane))
        self.dialogs = dialogs = Dialogs(panes, layout, PendingTexts(state.refused), session)
        # the plans and their display
        self.ranking = ranking = Ranking(planner, history, state.view, table, dialogs, loop, lambda answer: self.answers.show(answer))
        self.earlier = earlier = EarlierPlans(history, ranking, table, dialogs, loop)
        self.display = display = DocumentDisplay(history, ranking, panes, layout, session)
        self.pages = pages = Pages(panes, layout, ranking, history, state.pins, loop, settle)
        self.answers = AnswerDisplay(history, ranking, earlier, table, layout, display, pages, dialogs, notices)
        self.pins = Pins(state.pins, table, ranking, pages, dialogs)
        self.questions = PlanQuestions(history, ranking, pages, panes.detail, dialogs)
        self.view = TableView(ranking, table, dialogs)
        # the document and what changes it
        self.keeper = keeper = SessionKeeper(session, self.state, display, dialogs, loop)
        self.editing = editing = Editing(history, panes, ranking, earlier, display, keeper)
        self.fields = fields = Fields(layout, table, editing, ranking, dialogs)
        self.stepping = Stepping(layout, editing, dialogs, loop)
        self.undo = Undo(history, editing, fields, dialogs)
        # files
        self.folder = folder = PrivateFolder(session)
        self.unsaved = unsaved = UnsavedEdits(history, panes.forms, lambda: bool(self.state().refused))
        self.opener = PlanFileOpener(editing, fields, unsaved, dialogs)
        self.writer = writer = PlanFileWriter(history, ranking, earlier, display, fields, dialogs, folder, app.copy_to_clipboard)
        self.external_editor = ExternalEditor(editing, fields, table, writer, dialogs, folder, keeper, app.suspend, layout.repaint)
        self.exporting = Exporting(ranking, dialogs, loop)
        self.pictures = Pictures(dialogs, lambda: app.export_screenshot(title="tmplan"))
        # the screen and the keys
        self.theme = ThemeChoice(app, look, dialogs, layout.repaint)
        self.navigation = Navigation(panes, layout, pages)
        self.jumps = jumps = Jumps(panes, layout, pages, dialogs)
        self.quitting = quitting = Quitting(history, unsaved, keeper, dialogs, panes.small, leave)
        self.keyboard = keyboard = Keyboard(panes, layout, dialogs, fields, jumps, quitting, keeper, Actions(self))
        self.palette = Palette(layout, dialogs, loop, keyboard.perform)

    def _restore(self, state: State) -> None:
        """Show in the panes what a state holds of them."""
        for form in self.panes.forms.values():
            form.refused |= {entry.key: restored(*state.refused[entry.key]) for entry in form.entries if entry.key in state.refused}
        table = self.panes.table
        table.chosen = state.history.now.document.plan if state.chosen is None else state.chosen
        table.chosen_columns, table.pins = state.columns, tuple(state.pins)

    def state(self) -> State:
        """What is to outlive the program, with what is typed and not entered."""
        forms, table = self.panes.forms.values(), self.panes.table
        refused = {key: text for form in forms for key, text in form.refused.items()}
        refused |= {form.entry.key: (form.unentered, LEFT) for form in forms if form.unentered is not None}
        refused |= self.dialogs.unentered.stored(self.dialogs.being_typed())
        return State(self.history, list(self.pins.plans), self.ranking.view, table.chosen_columns, refused, table.chosen)

    def start(self) -> None:
        """Show the document, and its plans as soon as they are there."""
        self.keeper.begin()
        self.display.show()
        self.ranking.start()
        self.dialogs.say_all(self.session.note if self.session else "", *self.answers.assumed())

    def stop(self) -> None:
        """Give up planning, and write the session."""
        self.planner.stop()
        self.keeper.write()


def restored(typed: str, why: str) -> tuple[str, str]:
    """The text that a session holds of a field, and why it was refused; of text that was not entered, the key that takes it now."""
    return typed, f"{LEFT}; {key_of('edit')} takes it" if why.startswith(LEFT) else why
