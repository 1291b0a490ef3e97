"""The table of key bindings. Dispatch, hints, help and palette read it through `active`, messages through `key_of`.

It has only keys that every terminal and tmux deliver over plain SSH: no alt, no ctrl or shift chords that arrive as another key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tui.settings.key_names import shown

FORM, PLANS, DETAIL = "form", "plans", "detail"
CONTEXTS = {FORM: "in the input panes", PLANS: "in the plans", DETAIL: "in the detail", "": "everywhere"}
ALL = (FORM, PLANS, DETAIL)


@dataclass(frozen=True)
class Binding:
    """Keys for one action of the program, `<object>.<method>` (tui.app.actions), and the panes in which they apply.

    The method is called with `argument`, if there is one.
    `hint` orders the hints line, smallest first; 0 excludes the binding from it. `name` is its id in the user's key table
    (`tui.settings.keymap`) if that differs from the label.
    """

    action: str
    keys: tuple[str, ...]
    label: str
    help: str
    contexts: tuple[str, ...] = ALL
    hint: int = 0
    argument: str | int = ""
    name: str = ""

    @property
    def id(self) -> str:
        """The unique name of the binding in the user's key table."""
        return self.name or self.label.replace(" ", "-")

    @property
    def arguments(self) -> tuple[str | int, ...]:
        """The arguments of the call."""
        return (self.argument,) if self.argument else ()

    @property
    def shown(self) -> str:
        """The keys as displayed."""
        return " ".join(map(shown, self.keys)) or "-"


SECTIONS: tuple[tuple[str, tuple[Binding, ...]], ...] = (
    ("Panes and moving", (
        Binding("navigation.pane", ("1",), "cluster", "go to the cluster", argument="cluster"),
        Binding("navigation.pane", ("2",), "model", "go to the model", argument="model"),
        Binding("navigation.pane", ("3",), "batch", "go to parallelism and batch", argument="batch"),
        Binding("navigation.pane", ("4",), "plans", "go to the plans", argument="plans"),
        Binding("navigation.pane", ("5",), "detail", "go to the detail of the plan under the cursor", argument="detail"),
        Binding("navigation.pane", ("6",), "run", "go to the training run: tokens, price, deadline, failures", argument="run"),
        Binding("navigation.pane", ("7",), "options", "go to the memory options: kernels, gradients, states, offload", argument="options"),
        Binding("navigation.next_field", ("tab",), "next", "next field; after the last one, the next pane", (FORM,), argument=1),
        Binding("navigation.next_field", ("shift+tab",), "previous", "previous field or pane", (FORM,), argument=-1),
        Binding("navigation.next_pane", ("tab",), "next pane", "next pane", (PLANS, DETAIL), argument=1),
        Binding("navigation.next_pane", ("shift+tab",), "previous pane", "previous pane", (PLANS, DETAIL), argument=-1),
        Binding("navigation.move", ("down", "j"), "down", "one line down", argument=1),
        Binding("navigation.move", ("up", "k"), "up", "one line up", argument=-1),
        Binding("navigation.scroll", ("pagedown", "space"), "page down", "one page down", argument=1),
        Binding("navigation.scroll", ("pageup",), "page up", "one page up", argument=-1),
        Binding("navigation.edge", ("g", "home"), "first", "to the first line", argument=-1),
        Binding("navigation.edge", ("G", "end"), "last", "to the last line", argument=1),
        Binding("jumps.begin", ("f",), "jump", "show a letter at every visible field and plan; type it to go there"),
        Binding("layout.zoom", ("z",), "zoom", "show this pane alone, or all panes again"),
        Binding("pages.back", ("escape",), "back", "close the page, and go back to the plans", (DETAIL,), hint=1),
        Binding("pages.back", ("escape",), "to plans", "cancel, or go back to the plans", (FORM, PLANS)),
    )),
    ("What if", (
        Binding("fields.edit", ("enter",), "edit", "edit the field, or choose its preset from a list", (FORM,), hint=1),
        Binding("stepping.step", ("minus",), "less", "the previous legal value of the field", (FORM,), hint=2, argument=-1),
        Binding("stepping.step", ("plus",), "more", "the next legal value of the field", (FORM,), hint=3, argument=1),
        Binding("fields.free", ("asterisk",), "free", "leave a degree to the search; reset a field to its preset's value", (FORM,),
                hint=4),
        Binding("fields.lock", ("equals_sign",), "lock", "lock the degree to the selected plan's value", (FORM,), hint=5),
        Binding("fields.adopt", ("a",), "adopt", "lock every degree to the selected plan's values"),
        Binding("undo.undo", ("u",), "undo", "undo the last edit", hint=8),
        Binding("undo.redo", ("U",), "redo", "redo the last undone edit"),
        Binding("earlier.compare", ("left_square_bracket",), "edit before", "compare the plans with an earlier edit", argument=1),
        Binding("earlier.compare", ("right_square_bracket",), "edit after", "compare with a later edit, finally with none", argument=-1),
    )),
    ("The plans", (
        Binding("navigation.pane", ("enter",), "explain", "show how the plan's numbers are derived", (PLANS,), hint=1, argument="detail"),
        Binding("view.scroll_columns", ("right", "l"), "more columns", "scroll to columns on the right", (PLANS,), argument=1),
        Binding("view.scroll_columns", ("left", "h"), "fewer columns", "scroll to columns on the left", (PLANS,), argument=-1),
        Binding("view.choose_columns", ("C",), "columns", "choose the columns of the table"),
        Binding("view.sort", ("s",), "sort", "choose the column to sort by", hint=6),
        Binding("view.reverse", ("S",), "reverse", "reverse the order"),
        Binding("view.filter", ("slash",), "filter", "show only matching plans, such as mem<72 tp=8", (FORM, PLANS), hint=7),
        Binding("questions.find", ("slash",), "find", "find a word in the page or the detail", (DETAIL,), hint=2),
        Binding("view.unfit", ("exclamation_mark",), "misfits", "show the plans that do not fit, with the excess", hint=9),
        Binding("pins.toggle", ("m",), "pin", "pin or unpin the plan", (PLANS, DETAIL), hint=3),
        Binding("pins.compare", ("c",), "compare", "the pinned plans and this one side by side, term by term", hint=10),
        Binding("questions.whynot", ("n",), "why not", "type a plan: the rules it breaks, or its rank and what slows it down", hint=11),
    )),
    ("Pages about the plan", (
        Binding("questions.explain", ("x",), "source", "choose a number and show its derivation tree", name="explain-number"),
        Binding("pages.turn", ("d",), "memory", "memory by purpose and stage against the device's limit", argument="memory", name="memory"),
        Binding("pages.turn", ("M",), "verify", "run the fullest stage with its framework, without a GPU: memory allocated and reserved",
                argument="verify"),
        Binding("pages.turn", ("p",), "step", "step time by part, and hidden communication", argument="step", name="step-time"),
        Binding("pages.turn", ("t",), "timeline", "drawing of the pipeline schedule", argument="timeline"),
        Binding("pages.turn", ("r",), "ranks", "ranks on nodes: groups, and which of them span nodes", argument="ranks"),
        Binding("pages.turn", ("P",), "pareto", "the plans that no other plan beats in both memory and time", argument="pareto"),
        Binding("pages.turn", ("i",), "what helps", "which input would change the step most", argument="sensitivity", name="sensitivity"),
        Binding("pages.turn", ("L",), "scale", "the best plan from 8 GPUs to all, and why scaling saturates", argument="scale"),
        Binding("pages.turn", ("W",), "weak scaling", "the same with a batch that grows with the GPUs", argument="scale weak"),
        Binding("pages.turn", ("b",), "budget", "cost of training: time, GPU-hours, energy, money, failures", argument="budget"),
        Binding("pages.turn", ("B",), "goodput", "share of the time that remains after failures and checkpoints", argument="goodput"),
        Binding("questions.versus", ("V",), "versus", "the same job on another cluster, side by side"),
        Binding("pages.turn", ("F",), "serve", "dtypes and contexts with which the model fits for serving", argument="fit", name="fit"),
        Binding("pages.turn", ("N",), "symbols", "all symbols, and the sources of the formulas", argument="nomenclature"),
    )),
    ("Files", (
        Binding("writer.write", ("w",), "write", "write a plan file", hint=12),
        Binding("opener.ask", ("o",), "open", "open a plan file"),
        Binding("exporting.ask", ("e",), "export", "write the plan for a framework or launcher", hint=8),
        Binding("writer.copy", ("y",), "copy", "copy the plan file to the clipboard, and to a file"),
        Binding("external_editor.open", ("E",), "editor", "edit the plan file in $EDITOR and reload it"),
        Binding("pictures.write", ("I",), "picture", "write a picture of the screen (SVG)"),
    )),
    ("The program", (
        Binding("theme.choose", ("T",), "theme", "choose a theme for this session"),
        Binding("palette.open", ("colon", "ctrl+p"), "commands", "find any command by name", hint=13),
        Binding("dialogs.help", ("question_mark",), "help", "all keys, and the syntax of fields and filters", hint=14),
        Binding("layout.repaint", ("ctrl+l",), "repaint", "repaint the whole screen"),
        Binding("quitting.quit", ("q", "ctrl+c"), "quit", "quit", hint=15),
    )),
)  # fmt: skip
BINDINGS = tuple(binding for _, bindings in SECTIONS for binding in bindings)


_active: list[tuple[Binding, ...]] = [BINDINGS]


def active() -> tuple[Binding, ...]:
    """The bindings with their current keys: the defaults above, or the user's."""
    return _active[0]


def use(bindings: tuple[Binding, ...] = BINDINGS) -> None:
    """Replace the bindings (built and checked by `tui.settings.keymap`): dispatch, hints, help and palette follow."""
    _active[0] = bindings


def sections() -> Iterator[tuple[str, list[Binding]]]:
    """The bindings by subject, with their current keys."""
    now = {binding.id: binding for binding in active()}
    for title, bindings in SECTIONS:
        yield title, [now[binding.id] for binding in bindings]


def where(binding: Binding) -> str:
    """The panes in which a binding applies, in brackets; empty if it applies everywhere."""
    return "" if set(binding.contexts) == set(ALL) else f" ({', '.join(CONTEXTS[context] for context in binding.contexts)})"


def key_of(name: str, none: str = "(no key)") -> str:
    """The first current key of a binding by its id, as displayed; `none` if it has none. Every message that names a key uses this."""
    keys = {binding.id: binding.keys for binding in active()}[name]
    return shown(keys[0]) if keys else none


def with_keys(sentence: str, **words: str) -> str:
    """A message with the current keys in place of binding ids in braces (`{undo} takes it back`), and with the values of `words`."""
    return sentence.format_map({b.id: key_of(b.id) for b in active()} | words)


def lookup(context: str, key: str) -> Binding | None:
    """The binding of a key in a pane, None if the key has no function there."""
    return next((b for b in active() if key in b.keys and context in b.contexts), None)
