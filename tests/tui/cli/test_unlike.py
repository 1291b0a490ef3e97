"""A plan whose memory no measured run is like says so on stderr."""

from __future__ import annotations

import pytest

from planner.cost import memory_band
from planner.cost.memory_band import ALL, MemoryBand
from tui.cli.main import run

NARROW = MemoryBand(-0.05, 0.1, 100, 3, (2048, 8192), ("bf16",), ("full",))
EVERY = MemoryBand(-0.2, 0.3, 900, 9, (256, 65_536), ("bf16", "fp16"), ("full", "lora"))


@pytest.mark.parametrize(("sequence", "reported"), [("4096", False), ("65536", True)])
def test_memory_beyond_the_measured_runs_is_reported(
    sequence: str, reported: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence names the band, the number of its runs and in what the job differs; a job like the runs has none."""
    monkeypatch.setattr(memory_band, "shipped", lambda: {"megatron-core": NARROW, ALL: EVERY})
    run(["plan", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "8", "--global-batch", "64", "--sequence", sequence])
    err = capsys.readouterr().err
    sentence = (
        "no measured peak is of a job like this: the 80 % band of its memory, -18 to +35 %, is of 100 runs "
        "(megatron-core, none with 65,536 tokens)"
    )
    assert (sentence in err) == reported == ("measured peak" in err)
