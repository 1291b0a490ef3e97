"""docs/keys.md: every key by where it holds, its name, and how to give it another."""

from __future__ import annotations

from collections.abc import Iterator

from tui.bindings import ALL, BINDINGS, CONTEXTS, Binding
from tui.keymap import CONTROL, FUNCTION, refusal
from tui.keynames import shown
from tui.manual.markdown import block, code, page, plain, table

KINDS = {  # what is refused whole, and one of it
    "`alt` with anything": "alt+x", "`super`, `cmd`": "super+x", "`ctrl` with `shift`": "ctrl+shift+x",
    "`ctrl` with a digit, a sign, `enter`, an arrow": "ctrl+1", "`shift` with an arrow or another named key": "shift+up",
    "`f13` and above": "f13", "`é` and whatever is not ASCII": "é",
}  # fmt: skip


def keys_page() -> str:
    """The page, from the registry's own keys."""
    return page(
        "Keys",
        "Every key of the program, by where it holds. All of them arrive over plain SSH, in every terminal and through tmux.",
        *(part for where, bindings in grouped() for part in (f"## {where[0].upper()}{where[1:]}", _table(bindings))),
        "## Keys of your own",
        "The table `[keys]` of `config.toml` (`tmplan config --init` begins it) gives a name above another key, or a list of them; an empty"
        " list takes all away. The hints line, the help and the palette show what you chose.",
        block(["[keys]", 'filter = "ctrl+f"', 'down = ["j", "down", "ctrl+e"]', "export = []"], "toml"),
        "A character stands for itself; other keys are `enter`, `tab`, `shift+tab`, `space`, `esc`, `backspace`, `delete`, `insert`, `up`,"
        " `down`, `left`, `right`, `home`, `end`, `pgup`, `pgdn`, `f2` to `f9`, `f12`, and `ctrl+` with a letter. In one pane a key has one"
        " meaning: one that is taken is refused, and so is one that does not arrive everywhere. `ctrl+c` always quits; in lists, prompts"
        " and whatever lies over the panes, arrows, `enter` and `esc` stay what they are.",
        table(("refused", "because"), _refused()),
    )


def grouped() -> Iterator[tuple[str, list[Binding]]]:
    """The bindings by the panes in which they hold, those of all panes first."""
    held = sorted({binding.contexts for binding in BINDINGS}, key=lambda contexts: (-len(contexts), [ALL.index(c) for c in contexts]))
    for contexts in held:
        where = CONTEXTS[""] if set(contexts) == set(ALL) else " and ".join(CONTEXTS[context] for context in contexts)
        yield where, [binding for binding in BINDINGS if binding.contexts == contexts]


def _table(bindings: list[Binding]) -> str:
    return table(("key", "name", "does"), (
        (" ".join(code(shown(key)) for key in binding.keys), code(binding.id), plain(binding.help)) for binding in bindings))  # fmt: skip


def _refused() -> Iterator[tuple[str, str]]:
    reasons: dict[str, list[str]] = {}
    for letter, why in CONTROL.items():
        reasons.setdefault(why, []).append(f"ctrl+{letter}")
    for number, why in FUNCTION.items():
        reasons.setdefault(why, []).append(f"f{number}")
    for why, keys in reasons.items():
        yield ", ".join(map(code, keys)), why
    for written, key in KINDS.items():
        yield written, refusal(key)
