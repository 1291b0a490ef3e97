"""The cost of the program on a real pseudo-terminal of 120x40, compared with Textual's DataTable of 1,000 rows in the same terminal.

    python -m tests.bench.bench_screen

Each row: median and 95th percentile of bytes and of milliseconds to the last byte, and how often the baseline's median it is. Nothing
here is asserted: machines differ.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable

from tests.tui.pseudo_terminal import KEYS, PROGRAM, Terminal

Cost = tuple[int, float]  # bytes, milliseconds
QUIET = 0.15  # seconds without a byte that end a press
LARGE = ("--model", "deepseek-v3-671b", "--gpu", "h800-sxm", "--gpus", "2048", "--global-batch", "15360")  # seconds of planning
STOCK = """
from textual.app import App
from textual.widgets import DataTable, Footer, Input

class Stock(App):
    def compose(self):
        yield Input("8192")
        yield Input("2048")
        yield DataTable(cursor_type="row")
        yield Footer()

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns(*(f"column {i}" for i in range(10)))
        table.add_rows([[f"{row * i % 997:8d}" for i in range(10)] for row in range(1000)])
        table.focus()

Stock().run(mouse=False)
"""


def pressed(it: Terminal, *keys: str, quiet: float = QUIET) -> Cost:
    """Bytes that keys cost, and milliseconds to the last of them."""
    start = last = time.perf_counter()
    got = 0
    for key in keys:
        os.write(it.handle, KEYS.get(key, key).encode())
    while data := it.read(quiet):
        got += len(data)
        last = time.perf_counter()
    return got, (last - start) * 1e3


def report(name: str, costs: list[Cost], baseline: list[Cost] | None = None) -> None:
    """A line: median and 95th percentile of bytes and milliseconds, and how often the baseline's median the medians are."""
    columns: list[Callable[[Cost], float]] = [lambda c: c[0], lambda c: c[1]]
    text = []
    for column, unit in zip(columns, ("B", "ms"), strict=True):
        values = sorted(column(cost) for cost in costs)
        median = statistics.median(values)
        stock = statistics.median(map(column, baseline)) if baseline else 0.0
        ratio = f", x {median / stock:.2f}" if stock else ""
        text.append(f"{median:9,.1f} {unit} (p95 {values[int(0.95 * (len(values) - 1))]:9,.1f}{ratio})")
    print(f"{name:34s}" + "   ".join(text))


def starts(program: str, marker: str, runs: int) -> list[Cost]:
    """First paint: bytes and time until a text is on the screen."""
    costs = []
    for _ in range(runs):
        began = time.perf_counter()
        with Terminal(program=program) as it:
            it.until(marker)
            costs.append((len(it.sent), (time.perf_counter() - began) * 1e3))
    return costs


def stock() -> tuple[list[Cost], list[Cost], list[Cost], list[Cost]]:
    """The baseline: start, cursor, page, tab between its inputs."""
    first = starts(STOCK, "column 9", 5)
    with Terminal(program=STOCK) as it:
        it.until("column 9")
        it.quiet()
        down = [pressed(it, "down") for _ in range(20)]
        page = [pressed(it, "pgdn") for _ in range(8)]
        tab = [pressed(it, "tab") for _ in range(6)]
    return first, down, page, tab


def quitting() -> list[Cost]:
    """q while a long search is going on: milliseconds until the process has ended."""
    costs = []
    for _ in range(5):
        with Terminal(*LARGE) as it:
            it.until("planning")
            it.read(0.5)
            sent, began = len(it.sent), time.perf_counter()
            os.write(it.handle, b"q")
            it.wait()
            costs.append((len(it.sent) - sent, (time.perf_counter() - began) * 1e3))
    return costs


def resident(it: Terminal) -> float:
    """Memory of the program; MB."""
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(it.pid)], capture_output=True, text=True, check=True).stdout) * 1024 / 1e6


def main() -> None:
    """Print a row for each thing a user does."""
    first, down, page, tab = stock()
    report("first paint of the table", starts(PROGRAM, "micro-batch", 7), first)
    with Terminal() as it:
        it.until("micro-batch")
        it.quiet()
        pressed(it, "esc")
        report("cursor down", [pressed(it, "down") for _ in range(18)], down)
        report("page down", [pressed(it, "pgdn") for _ in range(10)], page)
        report("across panes", [pressed(it, digit) for digit in "31245361425"])
        pressed(it, "3")
        tabs = []
        while "▸ Tensor tp" not in it.text():
            tabs.append(pressed(it, "tab"))
        report("tab within a pane", tabs, tab)
        edits, digits = [], []
        for degree in ("8", "4", "16", "2", "8", "16", "4", "2", "8", "4"):
            pressed(it, "enter", "ctrl+u")
            digits.append(pressed(it, degree[0]))
            pressed(it, *degree[1:])
            edits.append(pressed(it, "enter", quiet=0.6))
        report("a typed digit", digits)
        report("enter on tp to the new ranking", edits)
        steps = [pressed(it, key, quiet=0.6) for key in "*+++++--uuuUU"]
        report("a legal step, undo, redo", steps)
        print(f"{'idle, bytes in 30 s':34s}{sum(len(it.read(0.5)) for _ in range(60)):9,d}")
        print(f"{'resident memory':34s}{resident(it):9,.1f} MB")
    report("q while planning, until it ends", quitting())


if __name__ == "__main__":
    main()
