"""docs/errors.md: errors of step times of published runs, from the file that `tmplan refit --write` writes."""

from __future__ import annotations

from collections.abc import Iterable

from planner.calibration.accuracy import Figures, Part, shipped
from tui.manual.markdown import page, plain, table

PARTS = ("runs", "source left out, %", "model left out, %", "in the fit, %", "within 10 %, %", "inside the 80 % band, %")


def summary() -> str:
    """The headline: what was left out of the fit, the error, and how layouts of a job are ranked."""
    figures = shipped()
    head = ("constants fitted to", "error of step times", "within 10 %", "rank correlation", "excess of the fastest pick (best of three)")
    rows = (("other sources", figures.sources), ("other models", figures.models), ("all runs", figures.fitted))
    return table(head, ((name, *_figures(each)) for name, each in rows))


def _figures(figures: Figures) -> tuple[str, ...]:
    regret = f"{figures.regret:.1f} % ({figures.regret_of_three:.1f} %)"
    return f"{figures.error:.1f} %", f"{figures.within_10:.0f} %", f"{figures.rho:.2f}", regret


def accuracy_page() -> str:
    """docs/errors.md."""
    figures = shipped()
    stacks = ((plain(name), f"{count:,}", f"{100 * share:.0f}") for name, (share, count) in figures.by_stack.items())
    return page(
        "Errors of step times",
        f"Errors of {figures.runs:,} published, measured step times (`tests/data/runs`), with {figures.constants} fitted constants. A run"
        " left out is predicted with constants fitted without its source, or without its model; a constant that only this source informs"
        " then has its start, an estimate from before any fit. Errors are mean absolute percentage errors, averaged over sources; sources"
        " of fewer than ten runs count as one. `tmplan refit tests/data/runs/runs.csv.gz --write` makes these figures.",
        summary(),
        "## By source",
        "Shares within 10 % and inside the 80 % band are of runs whose source was left out, of the fit and of the bands.",
        table(("source", *PARTS), _parts(figures.by_source)),
        "## By kind of job",
        "Means over runs. The share inside the band is that of the shipped bands; so it is by stack.",
        table(("kind", *PARTS), _parts(figures.by_kind)),
        "## Bands by stack",
        table(("stack", "runs", "inside the 80 % band, %"), stacks),
    )


def _parts(parts: Iterable[Part]) -> Iterable[tuple[str, ...]]:
    for part in parts:
        errors = (f"{value:.1f}" for value in (part.sources, part.models, part.fitted))
        yield plain(part.name), f"{part.runs:,}", *errors, f"{part.within_10:.0f}", f"{part.inside:.0f}"
