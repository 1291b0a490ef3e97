"""What commands print: written whole to whatever takes it, and left at once where a signal comes while nobody reads."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from select import select

import pytest

from tui.cli import stdout

TEXT = "".join(f"{n:06d} é漢\n" for n in range(30_000))
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and signals of Unix")


def test_a_file_takes_every_piece(tmp_path: Path) -> None:
    """Pieces of any size are in the file, in order and in its encoding; what the encoding lacks is a question mark."""
    for encoding, held in (("utf-8", TEXT), ("latin-1", TEXT.replace("漢", "?"))):
        path = tmp_path / encoding
        with path.open("w", encoding=encoding, newline="\n") as stream:
            stdout.write(stream, (TEXT[at : at + 70_001] for at in range(0, len(TEXT), 70_001)))
        assert path.read_bytes().decode(encoding) == held


@posix
@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_takes_all_that_is_read_from_it(blocking: bool) -> None:
    """A reader that is slower than the writer gets every byte, whether another program made the pipe non-blocking or not."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    result: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 1000):
            result.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    with open(writer, "w", encoding="utf-8") as stream:
        stdout.write(stream, [TEXT])
    thread.join()
    os.close(reader)
    assert b"".join(result).decode() == TEXT


@posix
def test_a_signal_is_received_however_it_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that was handled in the very moment before the wait for a full pipe ends that wait: no write that blocks comes behind it."""
    reader, writer = os.pipe()
    received: list[list[int]] = []

    def late(woken: list[int], handles: list[int], none: list[int]) -> tuple[list[int], list[int], list[int]]:
        if received:
            raise KeyboardInterrupt
        if not select([], handles, [], 0)[1]:  # the pipe is full
            signal.raise_signal(signal.SIGUSR1)
            received.append(select(woken, [], [], 5)[0])
            return received[0], [], []
        return select(woken, handles, none)

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    monkeypatch.setattr("select.select", late)
    try:
        with pytest.raises(KeyboardInterrupt), open(writer, "w", encoding="utf-8") as stream:
            stdout.write(stream, [TEXT])
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)
    assert len(received[0]) == 1
