"""What-if by keyboard alone: step a field through its legal values, lock it, adopt a plan, undo and redo, compare with edits before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.message import Message

from planner.document.space import AXES, Bounds
from planner.errors import TmplanError
from tui.app.exporting import Exporting
from tui.settings.bindings import key_of
from tui.state import edits
from tui.state.before import Before
from tui.state.history import Moment, StoredDocument
from tui.state.threads import begin, error_text

Place = tuple[Any, Any, str]  # inputs, the space with the axis freed, the axis: what decides which values are legal


class Legal(Message):
    """The legal values of an axis have been found."""

    def __init__(self, place: Place, values: tuple[int, ...], fault: str = "") -> None:
        super().__init__()
        self.place, self.values, self.fault = place, values, fault


class Recalled(Message):
    """The plans of an older moment have been worked out again, to compare with."""

    def __init__(self, kept: StoredDocument, before: Before) -> None:
        super().__init__()
        self.kept, self.before = kept, before


class WhatIf(Exporting):
    """The program with what-if."""

    def start(self) -> None:
        self._legal: dict[Place, tuple[int, ...]] = {}
        self._steps: dict[Place, int] = {}  # steps pressed while their values are being looked for
        super().start()

    def action_step(self, by: str) -> None:
        """The previous or next legal value of the field under the cursor."""
        key, sign = self.active_form.entry.key, int(by)
        if key not in AXES:
            self.step_field(key, sign)
            return
        place: Place = (self.document.inputs, self.document.space.with_(key, None), key)
        if place in self._legal:
            self.step_axis(place, sign)
            return
        waiting = place in self._steps
        self._steps[place] = self._steps.get(place, 0) + sign
        if not waiting:
            self.set_timer(0.3, lambda: self.foot.say("looking for the legal values …") if place in self._steps else None)
            begin(lambda: self.post(_legal(place)))

    def on_legal(self, message: Legal) -> None:
        """Step as often as was pressed meanwhile."""
        place = message.place
        steps = self._steps.pop(place, 0)
        if message.fault:
            self.foot.say(message.fault, "bad")
            return
        self.foot.say("")
        self._legal = {**dict(list(self._legal.items())[-31:]), place: message.values}
        for _ in range(abs(steps)):
            if (self.document.inputs, self.document.space.with_(place[2], None)) == place[:2]:
                self.step_axis(place, 1 if steps > 0 else -1)

    def step_axis(self, place: Place, sign: int) -> None:
        """An axis at the legal value before or after what it is bounded to."""
        from planner.search.legal_values import step_axis

        axis, values = place[2], self._legal[place]
        value = step_axis(values, self.document.space[axis], sign)
        if value is None:
            told = "no value is legal beside the other bounds" if not values else f"{'the last' if sign > 0 else 'the first'} legal value"
            self.foot.say(f"{edits.BY_KEY[axis].label}: {told}; {key_of('free')} frees it")
            return
        self.edit(lambda document: replace(document, space=document.space.with_(axis, Bounds((value,)))), axis)

    def step_field(self, key: str, sign: int) -> None:
        """A field at the nearest value that the job can take."""
        from planner.search.legal_values import step_field

        try:
            value = step_field(self.document.inputs, key, sign)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return
        if value is None:
            self.foot.say(f"{edits.BY_KEY[key].label} has no legal value {'above' if sign > 0 else 'below'}")
            return
        self.edit(lambda document: replace(document, inputs=document.inputs.with_(key, value)), key)

    def action_lock(self) -> None:
        """Lock the degree under the cursor to the selected plan's value."""
        key = self.active_form.entry.key
        if key not in AXES:
            self.foot.say("only what the search tries can be locked to a plan: degrees, sharding, micro-batch, recompute", "bad")
        elif current := self.plan_to("lock to"):
            from planner.search.legal_values import bounded

            value = int(bounded(current[1], key))
            self.edit(lambda document: replace(document, space=document.space.with_(key, Bounds((value,)))), key)

    def action_adopt(self) -> None:
        """Lock every degree to the selected plan's values."""
        current = self.plan_to("adopt")
        if current is None:
            return
        self.table.chosen = current[1]
        self.replace(edits.adopted(self.document, *current), "a plan adopted")
        self.show_document()

    # ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_undo(self) -> None:
        """Take the last edit back."""
        self.close_editor()
        at, undone = self.history.at, self.history.undo()
        if undone is None:
            self.foot.say("there is no edit to take back")
            return
        self.moved(at, f"took back: {undone.label}; {key_of('redo')} does it again")

    def action_redo(self) -> None:
        """Do an edit again that was taken back."""
        self.close_editor()
        at, done = self.history.at, self.history.redo()
        if done is None:
            self.foot.say("there is no edit to do again")
            return
        self.moved(at, f"did again: {done.label}")

    def moved(self, before: int, told: str) -> None:
        """Another moment of the history is at hand; where its document cannot be read, the one before again."""
        try:
            self.history.now.document  # noqa: B018  (one of an old session is read now)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            self.history.at = before
            return
        self.back = 0
        self.changed()
        self.show_document()
        self.foot.say(told)

    def action_compare_edit(self, by: str) -> None:
        """Compare the table with the edit before, or with a later one."""
        back = self.back + int(by)
        moment = self.history.before(back) if back > 0 else None
        if back > 0 and moment is None:
            self.foot.say("there is no edit before that" if self.history.at else "nothing was edited yet; compare after an edit")
            return
        self.back = max(0, back)
        if moment is not None and moment.stored not in self.befores:
            begin(lambda: self.recall(moment))
        self.show_before()

    def show_before(self) -> None:
        """The table beside what it is compared with."""
        self.table.before = self.before()
        self.table.redraw()
        if not self.back:
            self.foot.say(f"compared with nothing; {key_of('edit-before')} compares with the edit before")
            return
        after = self.history.before(self.back - 1)
        told = f"compared with before: {after.label if after else ''}"
        ready = self.table.before and self.answer and self.answer.result
        self.foot.say(f"{told}: {self.table.before.summary(self.answer.result)}" if ready else f"{told} …")  # type: ignore[union-attr,arg-type]

    def recall(self, moment: Moment) -> None:
        """Plan an older moment again, in a thread."""
        from planner.document.inputs import resolve
        from planner.search.search import search

        try:
            document = moment.document
            before = Before.of(search(resolve(document.inputs), document.space))
        except TmplanError:  # that moment had no plans: there is nothing to compare with
            return
        self.post(Recalled(moment.stored, before))

    def on_recalled(self, message: Recalled) -> None:
        """What an older moment came to is known again."""
        self.befores[message.kept] = message.before
        moment = self.history.before(self.back) if self.back else None
        if moment is not None and moment.stored is message.kept:
            self.show_before()


def _legal(place: Place) -> Legal:
    """The legal values at a place, or why there are none."""
    from planner.document.inputs import resolve
    from planner.search.legal_values import axis_values

    try:
        return Legal(place, axis_values(resolve(place[0]), place[1], place[2]))
    except Exception as error:  # on a thread nobody else would hear of it
        return Legal(place, (), error_text(error))
