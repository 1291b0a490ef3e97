"""Messages, prompts, notes, titles and the welcome name the user's keys, all through the registry."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tui
from planner.document.inputs import EXAMPLE, resolve
from planner.document.planfile import write
from planner.document.space import Bounds, Space
from planner.search.search import search
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.app.stepping import Place
from tui.settings.bindings import BINDINGS, Binding, active, use
from tui.settings.key_names import read, shown
from tui.state.history import History, Moment
from tui.state.planner_thread import advice
from tui.state.session import State
from tui.state.view import View
from tui.widgets.welcome import sentences

__all__ = ["made_up"]
FOLDER = Path(tui.__file__).parent
CUSTOM = tuple(replace(b, keys=(f"f{n}",)) for n, b in enumerate(BINDINGS, 30))
SEVERAL = tuple(replace(b, keys=(f"f{n}", *b.keys)) for n, b in enumerate(BINDINGS, 130))
NONE = tuple(replace(b, keys=()) for b in BINDINGS)
SENTENCES = (  # ids of bindings in braces
    "compared with the first plan; {pin} pins others to compare with",
    "pinned; {compare} compares 1 plan and the one under the cursor",
    "took back: Tensor tp * → 4; {redo} does it again",
    "compared with nothing; {edit-before} compares with the edit before",
    "Tensor tp: no value is legal with the other bounds; {free} frees it",
    "opened plan.toml; {undo} goes back",
    "{editor} opens it again, it lies in a file",
    "like mem<72 tp=8 recompute=full fits; empty shows all; {help} shows more",
    "no plan passes the filter; {filter} changes the filter",
    "every plan fits; {misfits} shows the others",
    "typed when the program was closed; {edit} takes it",
    "{misfits} shows the plans that do not fit.",
)


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Restores the default bindings after a test."""
    yield
    use()


def first(bindings: tuple[Binding, ...], none: str = "(no key)") -> dict[str, str]:
    """The first key of each binding, as displayed."""
    return {b.id: shown(b.keys[0]) if b.keys else none for b in bindings}


def all_fit(job: Any, space: Space, **_: Any) -> Any:
    """An artificial search in which no plan is refused for its memory."""
    result = fake_search(job, space)
    result.rejected_order = result.rejected_order[:0]
    return result


async def output_of(it: Driver, file: Path) -> list[str]:
    """The sentences of SENTENCES but the last two, each from the place that says it."""
    program, received = it.program, []

    async def do(name: str) -> str:
        program.keyboard.perform(next(b for b in active() if b.id == name))
        await it.ready()
        return it.foot.message

    received.append(await do("compare"))
    await do("back")
    received.append(await do("pin"))
    program.editing.edit(lambda document: replace(document, space=document.space.with_("tp", Bounds((4,)))), "tp")
    await it.ready()
    received.append(await do("undo"))
    program.earlier.back = 1
    received.append(await do("edit-after"))
    place = Place(it.document.inputs, it.document.space, "tp")
    program.stepping.values[place] = ()
    program.stepping.step_axis(place, 1)
    received.append(it.foot.message)
    program.opener.open(file)
    received.append(it.foot.message.replace(str(file), file.name))
    program.external_editor.read("nonsense", "", 0, "a file")
    received.append(it.foot.message.split("; ")[-1])
    await do("filter")
    received.append(it.foot.prompt.help if it.foot.prompt else "")
    await it.press("escape")
    for view in (View(filter="mem<0.001"), View(unfit=True)):
        program.ranking.look_at(view)
        await it.ready()
        received.append(it.table.note[0][0])
    return received


@pytest.mark.parametrize("keys", [BINDINGS, CUSTOM, SEVERAL, NONE], ids=["shipped", "own", "several", "none"])
def test_every_message_names_the_key_in_use(keys: tuple[Binding, ...], tmp_path: Path, made_up: None) -> None:
    """A message names the first key that its binding has now, and says so where it has none."""
    use(keys)
    received: list[str] = []

    async def play(it: Driver) -> None:
        received.extend(await output_of(it, tmp_path / "plan.toml"))

    async def reopened(it: Driver) -> None:
        it.program.layout.go("run")
        it.forms["run"].go("train_tokens")
        it.program.layout.show_hints()
        received.append(it.foot.standing)

    write(tmp_path / "plan.toml", SMALL)
    drive(play, search=all_fit)
    left = State(History([Moment.of(SMALL)]), refused={"train_tokens": ("1", "typed when the program was closed; j takes it")})
    drive(reopened, search=fake_search, state=left)
    large = EXAMPLE.with_all({"model": "llama-3.1-70b", "gpus": 1, "global_batch": 1})
    received.append(advice(search(resolve(large), Space()), lambda: False)[0][-1][0])
    assert received == [sentence.format_map(first(keys)) for sentence in SENTENCES]


@pytest.mark.parametrize("keys", [BINDINGS, CUSTOM, NONE], ids=["shipped", "own", "none"])
def test_panes_are_titled_with_the_keys_that_go_there(keys: tuple[Binding, ...], made_up: None) -> None:
    """The line above a pane and the tabs of a narrow screen name a pane behind its key, alone where it has none."""
    use(keys)
    names = {"cluster": "cluster", "model": "model", "batch": "parallelism and batch", "plans": "plans", "detail": "detail"}
    ways = first(keys, "")

    async def wide(it: Driver) -> None:
        for pane, title in names.items():
            assert f"─ {ways[pane]} {title}".replace("  ", " ") in it.text()

    async def narrow(it: Driver) -> None:
        tabs = " ".join(f"{ways[pane]} {pane}" for pane in (*names, "run", "options")).split()
        assert it.text().splitlines()[1].split()[: len(tabs)] == tabs

    drive(wide, search=fake_search)
    drive(narrow, search=fake_search, size=(80, 24))


def test_names_of_panes_are_never_cut_for_long_keys(made_up: None) -> None:
    """Where the tabs with their keys are wider than the screen, every pane is named without."""
    use(tuple(replace(b, keys=("shift+tab",)) if b.action == "navigation.pane" else b for b in BINDINGS))

    async def narrow(it: Driver) -> None:
        assert it.text().splitlines()[1].split()[:6] == ["cluster", "model", "batch", "plans", "detail", "run"]

    drive(narrow, search=fake_search, size=(60, 24))


def test_the_welcome_shows_of_arrows_while_they_move() -> None:
    """The word "arrows" for the arrow keys; if the user removed them, the keys for down and up."""
    assert sentences()[1] == "4 and the arrows go through the plans; enter explains one, e exports it."
    use(CUSTOM)
    assert sentences()[1] == "{plans} and {down} {up} go through the plans; {explain} explains one, {export} exports it.".format_map(
        first(CUSTOM)
    )


def literals(node: ast.AST) -> Iterator[str]:
    """Every text in a module but its docstrings."""
    docs = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Expr)}
    yield from (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs)


MODULES = [path for path in sorted(FOLDER.rglob("*.py")) if path.name not in ("bindings.py", "keymap.py")]  # these say what keys are
LEGENDS = ("! marks more than the ", "! this plan no longer fits", "* this cluster; ", "o fits  x does not")  # signs in tables and charts
FIXED = ("enter goes to the next line", "enter writes, esc cancels", "enter accepts, esc cancels", "enter adds or removes, esc closes")
KEYS = {shown(key) for b in BINDINGS for key in b.keys if not key.isdigit()} - {"a", ":"}  # a word, and what parts sentences
ALONE = "|".join(sorted(map(re.escape, KEYS)))
NAMED = re.compile(rf"(?:^|[;,.(] ?)(?:{ALONE}) [a-z]{{3,}}s\b|\b[Pp]ress (?:{ALONE})(?:\W|$)")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_text_names_a_key_itself(path: Path) -> None:
    """No literal of the program has a shipped key that does something ("u undoes it"), or is pressed: the registry names it.

    Enter and esc in prompts and lists (FIXED) are nobody's bindings.
    """
    texts = [text for text in literals(ast.parse(path.read_text())) if not any(known in text for known in LEGENDS + FIXED)]
    assert [text for text in texts if NAMED.search(text)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_binding_that_a_text_asks_for_is_in_the_registry(path: Path) -> None:
    """`key_of` is called with the id of a binding: any other argument would raise in front of the user."""
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "key_of"]
    requested = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert requested <= {binding.id for binding in BINDINGS}


def test_a_letter_with_shift_is_the_capital() -> None:
    """Shift applies to letters alone; a modifier may be written in any of its ways, before + or -."""
    written = {
        "shift+a": "A",
        "S-q": "Q",
        "A": "A",
        "shift+tab": "shift+tab",
        "C-l": "ctrl+l",
        "^L": "ctrl+l",
        "M-x": "alt+x",
        "pgdn": "pagedown",
    }
    assert {text: read(text) for text in written} == written
