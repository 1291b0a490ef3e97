"""Stepping: a field or degree at the legal value before or after its present one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.document.inputs import Inputs
from planner.document.space import AXES, Bounds, Space
from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.editing import Editing
from tui.app.layout import PaneLayout
from tui.app.loop import Loop
from tui.settings.bindings import key_of
from tui.state import edits
from tui.state.threads import error_text

MOST = 32  # axes whose legal values are remembered
PATIENCE = 0.3  # seconds after which a message is shown while values are computed


@dataclass(frozen=True)
class Place:
    """An axis, and all that decides which of its values are legal: the inputs, and the space with the axis freed."""

    inputs: Inputs
    space: Space
    axis: str


@dataclass(frozen=True)
class Legal:
    """The legal values at a place, or the reason why they cannot be computed."""

    place: Place
    values: tuple[int, ...] = ()
    fault: str = ""


class Stepping:
    """Steps through legal values, which are computed on a thread once per place."""

    def __init__(self, layout: PaneLayout, editing: Editing, dialogs: Dialogs, loop: Loop) -> None:
        self._layout, self._editing, self._dialogs, self._loop = layout, editing, dialogs, loop
        self.values: dict[Place, tuple[int, ...]] = {}
        self.pending: dict[Place, int] = {}  # steps pressed while the values are being computed

    @action
    def step(self, by: int) -> None:
        """The previous or next legal value of the field under the cursor."""
        key = self._layout.active_form.entry.key
        if key not in AXES:
            self._step_field(key, by)
            return
        place = self.place(key)
        if place in self.values:
            self.step_axis(place, by)
            return
        waiting = place in self.pending
        self.pending[place] = self.pending.get(place, 0) + by
        if not waiting:
            self._loop.after(PATIENCE, lambda: self._say_waiting(place))
            self._loop.start(lambda: legal_values(place), self.receive)

    def place(self, axis: str) -> Place:
        """The place that an axis of the present document is at."""
        document = self._editing.document
        return Place(document.inputs, document.space.with_(axis, None), axis)

    def _say_waiting(self, place: Place) -> None:
        if place in self.pending:
            self._dialogs.say("computing the legal values …")

    def receive(self, legal: Legal) -> None:
        """Take the steps that were pressed while the values were computed."""
        place = legal.place
        steps = self.pending.pop(place, 0)
        if legal.fault:
            self._dialogs.say(legal.fault, "bad")
            return
        self._dialogs.say("")
        self.values = {**dict(list(self.values.items())[1 - MOST :]), place: legal.values}
        for _ in range(abs(steps)):
            if self.place(place.axis) == place:
                self.step_axis(place, 1 if steps > 0 else -1)

    def step_axis(self, place: Place, by: int) -> None:
        """An axis at the legal value before or after what it is bounded to."""
        from planner.search.legal_values import step_axis

        axis, values = place.axis, self.values[place]
        value = step_axis(values, self._editing.document.space[axis], by)
        if value is None:
            end = "the last legal value" if by > 0 else "the first legal value"
            sentence = end if values else "no value is legal with the other bounds"
            self._dialogs.say(f"{edits.BY_KEY[axis].label}: {sentence}; {key_of('free')} frees it")
            return
        self._editing.edit(lambda document: replace(document, space=document.space.with_(axis, Bounds((value,)))), axis)

    def _step_field(self, key: str, by: int) -> None:
        """A field at the nearest value that the job can take."""
        from planner.search.legal_values import step_field

        try:
            value = step_field(self._editing.document.inputs, key, by)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return
        if value is None:
            self._dialogs.say(f"{edits.BY_KEY[key].label} has no legal value {'above' if by > 0 else 'below'}")
            return
        self._editing.edit(lambda document: replace(document, inputs=document.inputs.with_(key, value)), key)


def legal_values(place: Place) -> Legal:
    """The legal values at a place, computed on a thread."""
    from planner.document.inputs import resolve
    from planner.search.legal_values import axis_values

    try:
        return Legal(place, axis_values(resolve(place.inputs), place.space, place.axis))
    except Exception as error:  # a thread has no other way to report it
        return Legal(place, fault=error_text(error))
