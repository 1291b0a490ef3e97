"""docs/keys.md: every key by subject, its name, and how to give it another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.manual.markdown import block, code, page, plain, table
from tui.settings.bindings import SECTIONS, Binding, where
from tui.settings.key_names import shown
from tui.settings.keymap import CONTROL, FUNCTION, refusal

KINDS = {  # what is refused whole, and one of it
    "`alt` with anything": "alt+x", "`super`, `cmd`": "super+x", "`ctrl` with `shift`": "ctrl+shift+x",
    "`ctrl` with a digit, a sign, `enter`, an arrow": "ctrl+1", "`shift` with an arrow or another named key": "shift+up",
    "`f13` and above": "f13", "`é` and whatever is not ASCII": "é",
}  # fmt: skip


def keys_page() -> str:
    """The page, from the registry's own keys."""
    return page(
        "Keys",
        "Every key of the program, by subject. All of them arrive over plain SSH, in every terminal and through tmux.",
        *(part for title, bindings in SECTIONS for part in (f"## {title}", _table(bindings))),
        "## Keys of your own",
        "The table `[keys]` of `config.toml` (`tmplan config --init` begins it) gives a name above another key, or a list of them; an empty"
        " list takes all away. Hints, help, palette, titles and messages name what you chose.",
        block(["[keys]", 'filter = "ctrl+f"', 'down = ["j", "down", "ctrl+e"]', "export = []"], "toml"),
        "A character stands for itself; other keys are `enter`, `tab`, `shift+tab`, `space`, `esc`, `backspace`, `delete`, `insert`, `up`,"
        " `down`, `left`, `right`, `home`, `end`, `pgup`, `pgdn`, `f2` to `f9`, `f12`, and `ctrl+` with a letter. In one pane a key has one"
        " meaning: one that is taken is refused, and so is one that does not arrive everywhere. `ctrl+c` always quits, pressed twice where"
        " something would be lost; in lists, prompts and whatever lies over the panes, arrows, `enter` and `esc` stay what they are.",
        table(("refused", "because"), _refused()),
    )


def _table(bindings: Iterable[Binding]) -> str:
    return table(("key", "name", "does"), (
        (" ".join(code(shown(key)) for key in binding.keys), code(binding.id), plain(binding.help + where(binding)))
        for binding in bindings))  # fmt: skip


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
