"""The one table of keys. Dispatch, the hints line, the help screen and the palette all read it, through `active`.

Only keys that every terminal and tmux deliver over plain SSH: no alt, no ctrl or shift chords that arrive as something else.
"""

from __future__ import annotations

from dataclasses import dataclass

from tui.keynames import shown

FORM, PLANS, DETAIL = "form", "plans", "detail"
CONTEXTS = {FORM: "in the three input panes", PLANS: "in the plans", DETAIL: "in the detail", "": "everywhere"}
ALL = (FORM, PLANS, DETAIL)


@dataclass(frozen=True)
class Binding:
    """Keys for one action of the program (its method `action_<name>`), in the panes where they hold.

    `hint` places it on the hints line, the least first; 0 keeps it out of there. `name` is what a person's own keys call it
    (`tui.keymap`) where that is not its label.
    """

    action: str
    keys: tuple[str, ...]
    label: str
    help: str
    contexts: tuple[str, ...] = ALL
    hint: int = 0
    argument: str = ""
    name: str = ""

    @property
    def id(self) -> str:
        """What a person's own keys call it: no two are called the same."""
        return self.name or self.label.replace(" ", "-")

    @property
    def shown(self) -> str:
        """The keys as a person reads them."""
        return " ".join(map(shown, self.keys)) or "-"


BINDINGS: tuple[Binding, ...] = (
    Binding("pane", ("1",), "cluster", "go to the cluster", argument="cluster"),
    Binding("pane", ("2",), "model", "go to the model", argument="model"),
    Binding("pane", ("3",), "batch", "go to parallelism and batch", argument="batch"),
    Binding("pane", ("4",), "plans", "go to the plans", argument="plans"),
    Binding("pane", ("5",), "detail", "go to the detail of the plan under the cursor", argument="detail"),
    Binding("next", ("tab",), "next", "next field; behind the last one, the next pane", (FORM,), argument="1"),
    Binding("next", ("shift+tab",), "previous", "the field or pane before", (FORM,), argument="-1"),
    Binding("step_pane", ("tab",), "next pane", "next pane", (PLANS, DETAIL), argument="1"),
    Binding("step_pane", ("shift+tab",), "previous pane", "the pane before", (PLANS, DETAIL), argument="-1"),
    Binding("move", ("down", "j"), "down", "one line down", argument="1"),
    Binding("move", ("up", "k"), "up", "one line up", argument="-1"),
    Binding("page", ("pagedown",), "page down", "one page down", argument="1"),
    Binding("page", ("pageup",), "page up", "one page up", argument="-1"),
    Binding("edge", ("g", "home"), "first", "to the first line", argument="-1"),
    Binding("edge", ("G", "end"), "last", "to the last line", argument="1"),
    Binding("edit", ("enter",), "edit", "edit the field, or choose its preset from a list", (FORM,), hint=1),
    Binding("free", ("asterisk",), "free", "leave a degree to the search; a field goes back to its preset's value", (FORM,), hint=2),
    Binding("pane", ("enter",), "explain", "see what the plan's numbers come from", (PLANS,), hint=1, argument="detail"),
    Binding("columns", ("right", "l"), "more columns", "columns further right", (PLANS,), argument="1"),
    Binding("columns", ("left", "h"), "fewer columns", "columns further left", (PLANS,), argument="-1"),
    Binding("sort", ("s",), "sort", "choose the column to sort by", hint=3),
    Binding("reverse", ("S",), "reverse", "reverse the order"),
    Binding("filter", ("slash",), "filter", "show some plans only, like mem<72 tp=8", hint=4),
    Binding("unfit", ("exclamation_mark",), "misfits", "show the plans that do not fit, and by how much", hint=5),
    Binding("write", ("w",), "write", "write a plan file", hint=6),
    Binding("export", ("e",), "export", "write the plan for a framework or launcher", (PLANS,), hint=7),
    Binding(
        "ranks", ("m",), "ranks", "the plan laid out on ranks and nodes: which share a group, which leave a node", (PLANS, DETAIL), hint=8
    ),
    Binding("open", ("o",), "open", "open a plan file", hint=9),
    Binding("help", ("question_mark",), "help", "every key, and how to write fields and filters", hint=10),
    Binding("plans", ("escape",), "back", "cancel, or go back to the plans"),
    Binding("paint", ("ctrl+l",), "repaint", "paint the whole screen again"),
    Binding("leave", ("q", "ctrl+c"), "quit", "quit", hint=11),
)


_held: list[tuple[Binding, ...]] = [BINDINGS]


def active() -> tuple[Binding, ...]:
    """The bindings with the keys they have now: those above, or a person's own."""
    return _held[0]


def use(bindings: tuple[Binding, ...] = BINDINGS) -> None:
    """Give the bindings other keys (`tui.keymap` makes and checks them): dispatch, hints, help and palette follow."""
    _held[0] = bindings


def lookup(context: str, key: str) -> Binding | None:
    """What a key does in a pane, None where it does nothing."""
    return next((b for b in active() if key in b.keys and context in b.contexts), None)
