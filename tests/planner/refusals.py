"""What every refused file has in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner import presets
from planner.errors import FileError


def model_refused(path: Path, sentence: str) -> None:
    """Reading a model from this file is refused in one line that begins with the file and says this."""
    with pytest.raises(FileError) as refusal:
        presets.model(path)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)
