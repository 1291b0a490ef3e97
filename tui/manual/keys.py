"""docs/keys.md: all keys by subject, their names, and how to change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.manual.markdown import block, code, page, plain, table
from tui.settings.bindings import SECTIONS, Binding, where
from tui.settings.key_names import shown
from tui.settings.keymap import CONTROL, FUNCTION, refusal

KINDS = {  # groups of keys that are refused, and an example of each
    "`alt` with anything": "alt+x", "`super`, `cmd`": "super+x", "`ctrl` with `shift`": "ctrl+shift+x",
    "`ctrl` with a digit, a sign, `enter`, an arrow": "ctrl+1", "`shift` with an arrow or another named key": "shift+up",
    "`f13` and above": "f13", "`é` and other non-ASCII characters": "é",
}  # fmt: skip


def keys_page() -> str:
    """The page, with the default keys."""
    return page(
        "Keys",
        "All keys of the program, by subject. All of them work over plain SSH, in every terminal and through tmux.",
        *(part for title, bindings in SECTIONS for part in (f"## {title}", _table(bindings))),
        "## Changing keys",
        "The table `[keys]` of `config.toml` (`tmplan config --init` creates it) maps a name above to another key, or to a list of keys; an"
        " empty list removes all. Hints, help, palette, titles and messages show the keys that you chose.",
        block(["[keys]", 'filter = "ctrl+f"', 'down = ["j", "down", "ctrl+e"]', "export = []"], "toml"),
        "A character is its own name; other keys are `enter`, `tab`, `shift+tab`, `space`, `esc`, `backspace`, `delete`, `insert`, `up`,"
        " `down`, `left`, `right`, `home`, `end`, `pgup`, `pgdn`, `f2` to `f9`, `f12`, and `ctrl+` with a letter. In one pane a key has one"
        " meaning: a key already in use is refused, and so is one that does not arrive in every terminal. `ctrl+c` always quits, pressed"
        " twice if unsaved work would be lost; in lists, prompts and overlays, arrows, `enter` and `esc` are fixed.",
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
