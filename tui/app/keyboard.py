"""Keyboard: hands every key to whoever is typing, else to the action that tui.settings.bindings gives it."""

from __future__ import annotations

from textual import events

from planner.errors import TmplanError
from tui.app.keeping import Quit
from tui.app.paging import Paging
from tui.settings.bindings import FORM, Binding, lookup
from tui.state import edits
from tui.state.threads import SCARCE, error_text
from tui.widgets.line_edit import LineEdit
from tui.widgets.overlay import Overlay
from tui.widgets.picker import Picker
from tui.widgets.prompt import Prompt
from tui.widgets.welcome import Welcome


class Keyboard(Paging):
    """The program with keys: prompts first, then what lies over the panes, then an open editor, then the bindings."""

    def start(self) -> None:
        self.jumps: dict[str, tuple[str, str]] = {}  # the letters of a jump being made: the pane and the field or place each goes to
        super().start()

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.left:
            return
        try:
            if event.key == "ctrl+c":
                self.action_leave()
                return
            self.take(event)
        except (TmplanError, OSError) as error:  # such as a folder that has gone meanwhile
            self.foot.say(str(error), "bad")
        except SCARCE as error:
            self.foot.say(f"{error_text(error)} for this", "bad")
        self.touch()

    def take(self, event: events.Key) -> None:
        """Hand a key to whoever it is for; where the terminal is too small to show anything, only the one that quits is for anybody."""
        binding = lookup(self.context, event.key)
        if self.shows("small") and not isinstance(self.foot.prompt, Quit):
            if binding and binding.action == "leave":
                self.action_leave()
        elif self.foot.prompt:
            self._take_prompt(self.foot.prompt, event)
        elif over := self.topmost:
            self._take_over(over, event)
        elif self.jumps:
            self.jump(event.character or event.key)
        elif not (self.context == FORM and self.active_form.edit and self._take_editor(event)):
            if self.foot.message:
                self.foot.say("")
            if binding:
                self.perform(binding)

    @property
    def topmost(self) -> Picker | Overlay | Welcome | None:
        """What lies over the panes, if anything; the first lines of all give way to any key."""
        if self.welcome.open:
            self.welcome.open = False
            self.arrange()
        return next((over for over in self.overs if over.open), None)

    def perform(self, binding: Binding) -> None:
        """Do what a binding says."""
        getattr(self, f"action_{binding.action}")(*([binding.argument] if binding.argument else []))
        self.touch()

    def jump(self, key: str) -> None:
        """A letter of a jump was pressed (tui.app.reaching)."""
        raise NotImplementedError

    def _take_prompt(self, prompt: Prompt, event: events.Key) -> None:
        over = prompt.take(event)
        if over and self.foot.prompt is prompt:
            self.foot.prompt = None
        self.foot.redraw()

    def _take_over(self, over: Picker | Overlay | Welcome, event: events.Key) -> None:
        if over.take(event):
            over.open = False
            self.arrange()

    def _take_editor(self, event: events.Key) -> bool:
        """Use a key for the open editor; not so one that leaves the line, which is then looked up as ever."""
        if event.key == "escape":
            self.active_form.end()
            self.show_foot()
        elif event.key in ("enter", "tab", "shift+tab", "up", "down"):
            self.commit()
            return event.key == "enter"
        else:
            self.active_form.take(event)
            self._say_fault(self.active_form.edit)
        return True

    def _say_fault(self, edit: LineEdit | None) -> None:
        """Say that an open editor has not taken all; a prompt says it itself."""
        if edit is not None and edit.fault:
            self.foot.say(edit.fault, "bad")

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text goes where typed text would."""
        picked = self.picker.edit if self.picker.open else None
        prompted = self.foot.prompt.edit if self.foot.prompt else None
        for owner, edit in ((self.foot, prompted), (self.picker, picked), (self.active_form, self.active_form.edit)):
            if edit is not None:
                edit.insert(event.text)
                self.picker.at = 0  # another list
                owner.redraw()
                self._say_fault(edit)
                self.touch()
                return

    def close_editor(self) -> None:
        """What is typed in an open editor counts as entered: nothing typed is lost."""
        if self.active_form.edit:
            self.commit()

    def commit(self) -> None:
        """Take over what the open editor holds."""
        form = self.active_form
        typed, key = form.edit.text if form.edit else "", form.entry.key
        unchanged = form.edit is not None and (form.edit.fresh or typed == form.texts.get(key, ("", False))[0]) and key not in form.refused
        form.end()
        if not unchanged:
            self.edit(lambda document: edits.set_text(document, key, typed), key, typed)

    def go(self, pane: str) -> None:
        """Give a pane the keyboard; what is typed in an open editor counts as entered."""
        if pane != self.pane:
            self.close_editor()
        super().go(pane)
