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
    """Keys for one action of the program (its method `action_<name>`), and the panes in which they apply.

    `hint` orders the hints line, smallest first; 0 excludes the binding from it. `name` is its id in the user's key table
    (`tui.settings.keymap`) if that differs from the label.
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
        """The unique name of the binding in the user's key table."""
        return self.name or self.label.replace(" ", "-")

    @property
    def shown(self) -> str:
        """The keys as displayed."""
        return " ".join(map(shown, self.keys)) or "-"


SECTIONS: tuple[tuple[str, tuple[Binding, ...]], ...] = (
    ("Panes and moving", (
        Binding("pane", ("1",), "cluster", "go to the cluster", argument="cluster"),
        Binding("pane", ("2",), "model", "go to the model", argument="model"),
        Binding("pane", ("3",), "batch", "go to parallelism and batch", argument="batch"),
        Binding("pane", ("4",), "plans", "go to the plans", argument="plans"),
        Binding("pane", ("5",), "detail", "go to the detail of the plan under the cursor", argument="detail"),
        Binding("pane", ("6",), "run", "go to the training run: tokens, price, deadline, failures", argument="run"),
        Binding("next", ("tab",), "next", "next field; after the last one, the next pane", (FORM,), argument="1"),
        Binding("next", ("shift+tab",), "previous", "previous field or pane", (FORM,), argument="-1"),
        Binding("step_pane", ("tab",), "next pane", "next pane", (PLANS, DETAIL), argument="1"),
        Binding("step_pane", ("shift+tab",), "previous pane", "previous pane", (PLANS, DETAIL), argument="-1"),
        Binding("move", ("down", "j"), "down", "one line down", argument="1"),
        Binding("move", ("up", "k"), "up", "one line up", argument="-1"),
        Binding("scroll", ("pagedown", "space"), "page down", "one page down", argument="1"),
        Binding("scroll", ("pageup",), "page up", "one page up", argument="-1"),
        Binding("edge", ("g", "home"), "first", "to the first line", argument="-1"),
        Binding("edge", ("G", "end"), "last", "to the last line", argument="1"),
        Binding("jump", ("f",), "jump", "show a letter at every visible field and plan; type it to go there"),
        Binding("zoom", ("z",), "zoom", "show this pane alone, or all panes again"),
        Binding("plans", ("escape",), "back", "close the page, and go back to the plans", (DETAIL,), hint=1),
        Binding("plans", ("escape",), "to plans", "cancel, or go back to the plans", (FORM, PLANS)),
    )),
    ("What if", (
        Binding("edit", ("enter",), "edit", "edit the field, or choose its preset from a list", (FORM,), hint=1),
        Binding("step", ("minus",), "less", "the previous legal value of the field", (FORM,), hint=2, argument="-1"),
        Binding("step", ("plus",), "more", "the next legal value of the field", (FORM,), hint=3, argument="1"),
        Binding("free", ("asterisk",), "free", "leave a degree to the search; reset a field to its preset's value", (FORM,), hint=4),
        Binding("lock", ("equals_sign",), "lock", "lock the degree to the selected plan's value", (FORM,), hint=5),
        Binding("adopt", ("a",), "adopt", "lock every degree to the selected plan's values"),
        Binding("undo", ("u",), "undo", "undo the last edit", hint=8),
        Binding("redo", ("U",), "redo", "redo the last undone edit"),
        Binding("compare_edit", ("left_square_bracket",), "edit before", "compare the plans with an earlier edit", argument="1"),
        Binding("compare_edit", ("right_square_bracket",), "edit after", "compare with a later edit, finally with none", argument="-1"),
    )),
    ("The plans", (
        Binding("pane", ("enter",), "explain", "show how the plan's numbers are derived", (PLANS,), hint=1, argument="detail"),
        Binding("columns", ("right", "l"), "more columns", "scroll to columns on the right", (PLANS,), argument="1"),
        Binding("columns", ("left", "h"), "fewer columns", "scroll to columns on the left", (PLANS,), argument="-1"),
        Binding("choose_columns", ("C",), "columns", "choose the columns of the table"),
        Binding("sort", ("s",), "sort", "choose the column to sort by", hint=6),
        Binding("reverse", ("S",), "reverse", "reverse the order"),
        Binding("filter", ("slash",), "filter", "show only matching plans, such as mem<72 tp=8", (FORM, PLANS), hint=7),
        Binding("find", ("slash",), "find", "find a word in the page or the detail", (DETAIL,), hint=2),
        Binding("unfit", ("exclamation_mark",), "misfits", "show the plans that do not fit, with the excess", hint=9),
        Binding("pin", ("m",), "pin", "pin or unpin the plan", (PLANS, DETAIL), hint=3),
        Binding("compare", ("c",), "compare", "the pinned plans and this one side by side, term by term", hint=10),
        Binding("whynot", ("n",), "why not", "type a plan: the rules it breaks, or its rank and what slows it down", hint=11),
    )),
    ("Pages about the plan", (
        Binding("explain", ("x",), "source", "choose a number and show its derivation tree", name="explain-number"),
        Binding("turn", ("d",), "memory", "memory by purpose and stage against the device's limit", argument="memory", name="memory"),
        Binding("turn", ("p",), "step", "step time by part, and hidden communication", argument="step", name="step-time"),
        Binding("turn", ("t",), "timeline", "drawing of the pipeline schedule", argument="timeline"),
        Binding("turn", ("r",), "ranks", "ranks on nodes: groups, and which of them span nodes", argument="ranks"),
        Binding("turn", ("P",), "pareto", "the plans that no other plan beats in both memory and time", argument="pareto"),
        Binding("turn", ("i",), "what helps", "which input would change the step most", argument="sensitivity", name="sensitivity"),
        Binding("turn", ("L",), "scale", "the best plan from 8 GPUs to all, and why scaling saturates", argument="scale"),
        Binding("turn", ("W",), "weak scaling", "the same with a batch that grows with the GPUs", argument="scale weak"),
        Binding("turn", ("b",), "budget", "cost of training: time, GPU-hours, energy, money, failures", argument="budget"),
        Binding("turn", ("B",), "goodput", "share of the time that remains after failures and checkpoints", argument="goodput"),
        Binding("versus", ("V",), "versus", "the same job on another cluster, side by side"),
        Binding("turn", ("F",), "serve", "dtypes and contexts with which the model fits for serving", argument="fit", name="fit"),
        Binding("turn", ("N",), "symbols", "all symbols, and the sources of the formulas", argument="nomenclature"),
    )),
    ("Files", (
        Binding("write", ("w",), "write", "write a plan file", hint=12),
        Binding("open", ("o",), "open", "open a plan file"),
        Binding("export", ("e",), "export", "write the plan for a framework or launcher", hint=8),
        Binding("copy", ("y",), "copy", "copy the plan file to the clipboard, and to a file"),
        Binding("editor", ("E",), "editor", "edit the plan file in $EDITOR and reload it"),
        Binding("picture", ("I",), "picture", "write a picture of the screen (SVG)"),
    )),
    ("The program", (
        Binding("theme", ("T",), "theme", "choose a theme for this session"),
        Binding("palette", ("colon", "ctrl+p"), "commands", "find any command by name", hint=13),
        Binding("help", ("question_mark",), "help", "all keys, and the syntax of fields and filters", hint=14),
        Binding("paint", ("ctrl+l",), "repaint", "repaint the whole screen"),
        Binding("leave", ("q", "ctrl+c"), "quit", "quit", hint=15),
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
