"""Whatever is pressed, in whatever terminal, nothing breaks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.tui.driving import NAMES, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.bindings import BINDINGS

__all__ = ["made_up"]
KEYS = [key for binding in BINDINGS for key in binding.keys if binding.action != "leave"]
TEXT = [NAMES.get(char, char) for char in "0123456789 tpmem<>=!*.,k-y"]
TEXT += ["enter", "escape", "backspace", "ctrl+u", "ctrl+w", "delete", "home"]


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("seed", range(2))
def test_random_keys_and_sizes_do_no_harm(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred and fifty keys, some of them text, and resizes from 20x5 to 300x100: the program stands, and answers."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(seed)

    async def play(it: Driver) -> None:
        for _ in range(15):
            await it.pilot.press(*chance.choices(KEYS, k=6), *chance.choices(TEXT, k=4))
            if chance.random() < 0.3:
                await it.pilot.resize_terminal(chance.randint(20, 300), chance.randint(5, 100))
        await it.press("escape", "escape", "escape", "escape")
        await it.pilot.resize_terminal(120, 40)
        await it.pilot.pause()
        assert "tmplan" in it.text()

    drive(play, search=fake_search)
