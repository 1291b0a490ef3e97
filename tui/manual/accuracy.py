"""docs/errors.md: errors of step times of published runs, from the file that `tmplan refit --write` writes."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import pstdev

from planner.calibration.accuracy import Figures, Part, shipped
from tui.manual.markdown import page, plain, table

PARTS = ("runs", "source left out, %", "model left out, %", "in the fit, %", "within 10 %, %", "inside the 80 % band, %")

WORST = 5  # sources, and kinds, of the largest errors


def summary() -> str:
    """The headline: what was left out of the fit, the error, and how layouts of a job are ranked."""
    figures = shipped()
    head = ("constants fitted to", "error of step times", "within 10 %", "rank correlation", "excess of the fastest pick (best of three)")
    rows = (("other sources", figures.sources), ("other models", figures.models), ("all runs", figures.fitted))
    return table(head, ((name, *_figures(each)) for name, each in rows))


def largest() -> str:
    """The sources and the kinds of jobs whose errors are largest with their source left out of the fit."""
    figures = shipped()
    worst = (sorted(parts, key=lambda part: -part.sources)[:WORST] for parts in (figures.by_source, figures.by_kind))
    return table(("largest errors", *PARTS), _parts(part for parts in worst for part in parts))


def _figures(figures: Figures) -> tuple[str, ...]:
    regret = f"{figures.regret:.1f} % ({figures.regret_of_three:.1f} %)"
    return f"{figures.error:.1f} %", f"{figures.within_10:.0f} %", f"{figures.rho:.2f}", regret


def accuracy_page() -> str:
    """docs/errors.md."""
    figures = shipped()
    stacks = ((plain(each.name), f"{each.runs:,}", f"{each.sources}", f"{each.inside:.0f}") for each in figures.by_stack)
    spread = pstdev(part.inside for part in figures.by_source)
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
        "Means over runs. Shares inside the band are of runs whose source was left out of the fit and of the bands.",
        table(("kind", *PARTS), _parts(figures.by_kind)),
        "## Bands by stack",
        "A run is tested by the band of all other sources; where no other source has the stack, half of its models (or sweeps) tests the"
        " other half. Runs of a source share its bias, so that most of its runs lie inside the band, or most outside: the shares by source"
        f" above have a standard deviation of {spread:.0f} points. The share of a stack of n sources is therefore known to about"
        f" {spread:.0f} points divided by the square root of n, however many runs it has.",
        table(("stack", "runs", "sources", "inside the 80 % band, %"), stacks),
    )


def _parts(parts: Iterable[Part]) -> Iterable[tuple[str, ...]]:
    for part in parts:
        errors = (f"{value:.1f}" for value in (part.sources, part.models, part.fitted))
        yield plain(part.name), f"{part.runs:,}", *errors, f"{part.within_10:.0f}", f"{part.inside:.0f}"
