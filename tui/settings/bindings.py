"""The one table of keys. Dispatch, hints, help and palette read it through `active`, sentences through `key_of`.

Only keys that every terminal and tmux deliver over plain SSH: no alt, no ctrl or shift chords that arrive as something else.
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
    """Keys for one action of the program (its method `action_<name>`), in the panes where they hold.

    `hint` places it on the hints line, the least first; 0 keeps it out of there. `name` is what a person's own keys call it
    (`tui.settings.keymap`) where that is not its label.
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


SECTIONS: tuple[tuple[str, tuple[Binding, ...]], ...] = (
    ("Panes and moving", (
        Binding("pane", ("1",), "cluster", "go to the cluster", argument="cluster"),
        Binding("pane", ("2",), "model", "go to the model", argument="model"),
        Binding("pane", ("3",), "batch", "go to parallelism and batch", argument="batch"),
        Binding("pane", ("4",), "plans", "go to the plans", argument="plans"),
        Binding("pane", ("5",), "detail", "go to the detail of the plan under the cursor", argument="detail"),
        Binding("pane", ("6",), "run", "go to the training run: tokens, price, deadline, failures", argument="run"),
        Binding("next", ("tab",), "next", "next field; behind the last one, the next pane", (FORM,), argument="1"),
        Binding("next", ("shift+tab",), "previous", "the field or pane before", (FORM,), argument="-1"),
        Binding("step_pane", ("tab",), "next pane", "next pane", (PLANS, DETAIL), argument="1"),
        Binding("step_pane", ("shift+tab",), "previous pane", "the pane before", (PLANS, DETAIL), argument="-1"),
        Binding("move", ("down", "j"), "down", "one line down", argument="1"),
        Binding("move", ("up", "k"), "up", "one line up", argument="-1"),
        Binding("scroll", ("pagedown", "space"), "page down", "one page down", argument="1"),
        Binding("scroll", ("pageup",), "page up", "one page up", argument="-1"),
        Binding("edge", ("g", "home"), "first", "to the first line", argument="-1"),
        Binding("edge", ("G", "end"), "last", "to the last line", argument="1"),
        Binding("jump", ("f",), "jump", "a letter at every field and plan in view; the letter goes there"),
        Binding("zoom", ("z",), "zoom", "this pane alone on the screen, or all of them again"),
        Binding("plans", ("escape",), "back", "close the page, and go back to the plans", (DETAIL,), hint=1),
        Binding("plans", ("escape",), "to plans", "cancel, or go back to the plans", (FORM, PLANS)),
    )),
    ("What if", (
        Binding("edit", ("enter",), "edit", "edit the field, or choose its preset from a list", (FORM,), hint=1),
        Binding("step", ("minus",), "less", "the previous legal value of the field", (FORM,), hint=2, argument="-1"),
        Binding("step", ("plus",), "more", "the next legal value of the field", (FORM,), hint=3, argument="1"),
        Binding("free", ("asterisk",), "free", "leave a degree to the search; a field goes back to its preset's value", (FORM,), hint=4),
        Binding("lock", ("equals_sign",), "lock", "lock the degree to the selected plan's value", (FORM,), hint=5),
        Binding("adopt", ("a",), "adopt", "lock every degree to the selected plan's values"),
        Binding("undo", ("u",), "undo", "take the last edit back", hint=8),
        Binding("redo", ("U",), "redo", "do an edit again that was taken back"),
        Binding("compare_edit", ("left_square_bracket",), "edit before", "compare the plans with an earlier edit", argument="1"),
        Binding("compare_edit", ("right_square_bracket",), "edit after", "compare with a later edit, at last with none", argument="-1"),
    )),
    ("The plans", (
        Binding("pane", ("enter",), "explain", "see what the plan's numbers come from", (PLANS,), hint=1, argument="detail"),
        Binding("columns", ("right", "l"), "more columns", "columns further right", (PLANS,), argument="1"),
        Binding("columns", ("left", "h"), "fewer columns", "columns further left", (PLANS,), argument="-1"),
        Binding("choose_columns", ("C",), "columns", "choose the columns of the table"),
        Binding("sort", ("s",), "sort", "choose the column to sort by", hint=6),
        Binding("reverse", ("S",), "reverse", "reverse the order"),
        Binding("filter", ("slash",), "filter", "show some plans only, like mem<72 tp=8", (FORM, PLANS), hint=7),
        Binding("find", ("slash",), "find", "find a word in the page or the detail", (DETAIL,), hint=2),
        Binding("unfit", ("exclamation_mark",), "misfits", "show the plans that do not fit, and by how much", hint=9),
        Binding("pin", ("m",), "pin", "pin the plan, or take its pin away", (PLANS, DETAIL), hint=3),
        Binding("compare", ("c",), "compare", "the pinned plans and this one side by side, term by term", hint=10),
        Binding("whynot", ("n",), "why not", "type a plan: the rules it breaks, or where it ranks and what costs it", hint=11),
    )),
    ("Pages about the plan", (
        Binding("explain", ("x",), "source", "choose a number, and see the tree it comes from", name="explain-number"),
        Binding("turn", ("d",), "memory", "memory by purpose and stage against the device's limit", argument="memory", name="memory"),
        Binding("turn", ("p",), "step", "the step by part, and what is hidden", argument="step", name="step-time"),
        Binding("turn", ("t",), "timeline", "the pipeline's schedule drawn", argument="timeline"),
        Binding("turn", ("r",), "ranks", "the ranks on nodes: which share a group, which leave a node", argument="ranks"),
        Binding("turn", ("P",), "pareto", "the plans no other beats in both memory and time", argument="pareto"),
        Binding("turn", ("i",), "what helps", "which input would change the step most", argument="sensitivity", name="sensitivity"),
        Binding("turn", ("L",), "scale", "the best plan from 8 GPUs to all, and why scaling stops paying", argument="scale"),
        Binding("turn", ("W",), "weak scaling", "the same, the batch growing with the GPUs", argument="scale weak"),
        Binding("turn", ("b",), "budget", "what training costs: time, GPU-hours, energy, money, failures", argument="budget"),
        Binding("turn", ("B",), "goodput", "what failures and checkpoints leave of the time", argument="goodput"),
        Binding("versus", ("V",), "versus", "the same job on another cluster beside this one"),
        Binding("turn", ("F",), "serve", "which dtypes and contexts of the model fit when it is served", argument="fit", name="fit"),
        Binding("turn", ("N",), "symbols", "every symbol and the works they come from", argument="nomenclature"),
    )),
    ("Files", (
        Binding("write", ("w",), "write", "write a plan file", hint=12),
        Binding("open", ("o",), "open", "open a plan file"),
        Binding("export", ("e",), "export", "write the plan for a framework or launcher", hint=8),
        Binding("copy", ("y",), "copy", "copy the plan file to the clipboard, and to a file"),
        Binding("editor", ("E",), "editor", "open the plan file in $EDITOR, and read it again"),
        Binding("picture", ("I",), "picture", "write a picture of the screen (SVG)"),
    )),
    ("The program", (
        Binding("theme", ("T",), "theme", "choose a theme for now"),
        Binding("palette", ("colon", "ctrl+p"), "commands", "find any command by name", hint=13),
        Binding("help", ("question_mark",), "help", "every key, and how to write fields and filters", hint=14),
        Binding("paint", ("ctrl+l",), "repaint", "paint the whole screen again"),
        Binding("leave", ("q", "ctrl+c"), "quit", "quit", hint=15),
    )),
)  # fmt: skip
BINDINGS = tuple(binding for _, bindings in SECTIONS for binding in bindings)


_held: list[tuple[Binding, ...]] = [BINDINGS]


def active() -> tuple[Binding, ...]:
    """The bindings with the keys they have now: those above, or a person's own."""
    return _held[0]


def use(bindings: tuple[Binding, ...] = BINDINGS) -> None:
    """Give the bindings other keys (`tui.settings.keymap` makes and checks them): dispatch, hints, help and palette follow."""
    _held[0] = bindings


def sections() -> Iterator[tuple[str, list[Binding]]]:
    """The bindings by subject, with the keys they have now."""
    now = {binding.id: binding for binding in active()}
    for title, bindings in SECTIONS:
        yield title, [now[binding.id] for binding in bindings]


def where(binding: Binding) -> str:
    """Where a binding holds, in brackets; nothing where it holds everywhere."""
    return "" if set(binding.contexts) == set(ALL) else f" ({', '.join(CONTEXTS[context] for context in binding.contexts)})"


def key_of(name: str, none: str = "(no key)") -> str:
    """The first key that the binding of this id has now, as a person reads it; `none` where it has none. Every sentence asks here."""
    keys = {binding.id: binding.keys for binding in active()}[name]
    return shown(keys[0]) if keys else none


def with_keys(sentence: str, **words: str) -> str:
    """A sentence of tmplan's own that names bindings in braces, with the keys they have now: `{undo} takes it back`; `words` beside."""
    return sentence.format_map({b.id: key_of(b.id) for b in active()} | words)


def lookup(context: str, key: str) -> Binding | None:
    """What a key does in a pane, None where it does nothing."""
    return next((b for b in active() if key in b.keys and context in b.contexts), None)
