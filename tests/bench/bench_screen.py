"""What the program costs on a real pseudo-terminal of 120x40: first paint, keys, an edit to the re-ranked table.

    python -m tests.bench.bench_screen

Baselines at the same size: Textual's stock DataTable, 1,000 rows, sends 1,790 bytes for a cursor step and 22,063 for a page, and
first paints after 565 ms. Nothing here is asserted: machines differ.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from tests.tui.terminal import KEYS, Terminal

QUIET = 0.15  # seconds without a byte that end a press


def pressed(it: Terminal, *keys: str, quiet: float = QUIET) -> tuple[int, float]:
    """Bytes that keys cost, and milliseconds to the last of them."""
    start = last = time.perf_counter()
    got = 0
    for key in keys:
        os.write(it.handle, KEYS.get(key, key).encode())
    while data := it.read(quiet):
        got += len(data)
        last = time.perf_counter()
    return got, (last - start) * 1e3


def report(name: str, costs: list[tuple[int, float]]) -> None:
    """A line: median and 95th percentile of bytes and milliseconds."""
    columns: list[Callable[[tuple[int, float]], float]] = [lambda c: c[0], lambda c: c[1]]
    text = []
    for column, unit in zip(columns, ("B", "ms"), strict=True):
        values = sorted(column(cost) for cost in costs)
        text.append(f"{statistics.median(values):9,.1f} {unit} (p95 {values[int(0.95 * (len(values) - 1))]:9,.1f})")
    print(f"{name:32s}" + "   ".join(text))


def main() -> None:
    """Print a row for each thing a user does."""
    starts = []
    for _ in range(5):
        began = time.perf_counter()
        with Terminal() as it:
            it.until("MFU")
            it.until("micro-batch")
            starts.append((len(it.sent), (time.perf_counter() - began) * 1e3))
    report("first paint of the table", starts)
    with Terminal() as it:
        it.until("micro-batch")
        it.quiet()
        report("cursor down", [pressed(it, "down") for _ in range(20)])
        report("page down", [pressed(it, "pgdn") for _ in range(10)])
        pressed(it, "3")
        tabs = []
        while "▸ Tensor tp" not in it.text():
            tabs.append(pressed(it, "tab"))
        report("tab within a pane", tabs)
        edits = []
        for degree in ("8", "4", "16", "2", "8", "16"):
            pressed(it, "enter", "ctrl+u", degree)
            edits.append(pressed(it, "enter", quiet=0.6))
        report("enter on tp to the new ranking", edits)
        idle = sum(len(it.read(0.5)) for _ in range(6))
        print(f"{'idle, bytes in 3 s':32s}{idle:9,d}")


if __name__ == "__main__":
    main()
