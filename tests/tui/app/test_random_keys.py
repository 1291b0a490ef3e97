"""Whatever is pressed, in whatever terminal, nothing breaks."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.document import planfile
from tests.tui.driving import NAMES, Driver, drive
from tests.tui.fake import fake_search, made_up
from tests.tui.pseudo_terminal import KEYS as SENT
from tests.tui.pseudo_terminal import Terminal
from tui.app.textual_app import Tmplan
from tui.settings.bindings import BINDINGS
from tui.settings.key_names import SHOWN
from tui.state.history import LIMIT

__all__ = ["made_up"]
KEYS = [key for binding in BINDINGS for key in binding.keys if binding.id != "quit"]
EDITS = ["1", "2", "3", "minus", "plus", "asterisk", "equals_sign", "a", "u", "U", "left_square_bracket", "right_square_bracket", "down"]
TEXT = [NAMES.get(char, char) for char in "0123456789 tpmem<>=!*.,k-y"]
TEXT += ["enter", "escape", "backspace", "ctrl+u", "ctrl+w", "delete", "home"]


def burst(chance: random.Random) -> list[str]:
    """A few keys: of the program, of what edits, of text; now and then a way out of whatever is open."""
    out = ["escape", "escape"] if chance.random() < 0.5 else []
    return [*out, *chance.choices(EDITS, k=chance.randint(0, 5)), *chance.choices(KEYS, k=4), *chance.choices(TEXT, k=chance.randint(0, 5))]


async def storm(it: Driver, seed: int, count: int) -> None:
    """`count` random keys and resizes; after each burst the document can be written and read, and no edit is lost."""
    chance, pressed, most = random.Random(seed), 0, 1
    while pressed < count:
        keys = burst(chance)
        pressed += len(keys)
        if chance.random() < 0.25:
            await it.pilot.resize_terminal(chance.randint(20, 300), chance.randint(5, 100))
        await it.send(*keys)
        document = it.document
        again = planfile.loads(planfile.dumps(document))
        assert (again.inputs.values, again.space) == (document.inputs.values, document.space), keys
        assert len(it.program.history.moments) >= min(most, LIMIT), keys
        most = len(it.program.history.moments)
    await it.pilot.resize_terminal(120, 40)
    await it.press("escape", "escape", "escape", "escape")
    assert " tmplan " in it.text() and it.pane == "plans"
    assert most > 20


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may be littered, and an editor that changes nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setattr(Tmplan, "suspend", lambda self: contextlib.nullcontext())


@pytest.mark.usefixtures("nowhere", "made_up")
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.slow
def test_random_keys_and_sizes_do_no_harm(seed: int) -> None:
    """Thousands of keys, some of them text, and resizes from 20x5 to 300x100: the program stands, and answers."""
    drive(lambda it: storm(it, seed, 2000), search=fake_search)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.slow
def test_random_keys_with_the_real_planner_find_no_fault() -> None:
    """The same with the real search and every page: nothing ever says that tmplan itself is at fault."""

    async def play(it: Driver) -> None:
        messages: list[str] = []
        say, show = it.foot.say, it.detail.show_message

        def saying(message: str, role: str = "text") -> None:
            messages.append(message)
            say(message, role)

        def telling(sentence: str, role: str = "dim") -> None:
            messages.append(sentence)
            show(sentence, role)

        it.foot.say, it.detail.show_message = saying, telling  # type: ignore[method-assign]
        await storm(it, 7, 1000)
        assert not [sentence for sentence in messages if "please report" in sentence]

    drive(play)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")
@pytest.mark.slow
def test_random_keys_on_a_real_terminal_leave_it_sane(tmp_path: Path) -> None:
    """Bursts of keys as bytes on a pseudo-terminal, resizes among them: no traceback, no cell that a repaint would change, and
    the terminal is restored."""
    chance = random.Random(11)
    known: dict[str, Any] = {**SHOWN, **SENT, "pagedown": SENT["pgdn"], "pageup": "\x1b[5~", "escape": "\x1b", "backspace": "\x7f",
                             "home": "\x1b[H", "end": "\x1b[F", "left": "\x1b[D", "right": "\x1b[C", "shift+tab": "\x1b[Z", "space": " ",
                             "delete": "\x1b[3~", "ctrl+l": "\x0c", "ctrl+p": "\x10", "ctrl+w": "\x17"}  # fmt: skip
    environment = {"EDITOR": "true", "PYTHONPATH": str(Path(__file__).parents[3])}
    with Terminal("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16", environment=environment, folder=tmp_path) as it:
        it.until("Step s")
        for _ in range(70):
            for key in burst(chance):
                os.write(it.handle, str(known.get(key, key)).encode())
                it.read(0.002)
            if chance.random() < 0.2:
                it.resize(chance.randint(20, 300), chance.randint(5, 100))
            it.read(0.02)
        it.resize(120, 40)
        it.press("esc", "esc", "esc", "esc")
        it.until(" tmplan ")
        it.quiet(1.0)
        before = it.text()
        it.press("\x0c")  # ctrl+l
        assert it.text() == before  # what was sent bit by bit is what the whole is
        it.press("q")
        assert it.wait() == 0
        assert b"Traceback" not in it.sent and b"please report" not in it.sent
        assert it.cooked
