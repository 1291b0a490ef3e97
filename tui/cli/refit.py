"""`tmplan refit`: fit the constants of the model to measured runs, judged by runs left out of the fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from planner.calibration import ablation, accuracy, bands, left_out, residuals, write_back
from planner.calibration import fit as fitting
from planner.calibration import worth as worths
from planner.calibration.fit import Parameter, Runs, Values
from planner.calibration.fitted_parameters import PARAMETERS
from planner.calibration.linearised import PRIOR, SOFT, Linear, linear, rows_of
from planner.calibration.processes import Evaluator, Progress, evaluator
from planner.cost import memory_band
from planner.errors import FieldError
from planner.plaintext import flat
from planner.runs.columns import NEEDED
from planner.runs.row import Row
from planner.runs.row_file import by_id, numbered_rows
from planner.runs.score import Score
from planner.specs.validate import choice
from tui.cli.answer import Answer, narrate
from tui.cli.refit_figures import headline, kinds_apart, percent, sources
from tui.cli.refit_kernels import kernel_lines

ROWS = 250  # rows of one source group used in a fit; more of the same kind add no information
HEADS = ("start", "fitted", "runs", "groups", "error with", "at start")
ALL = "fitted"  # what is left out: nothing
WRITTEN = ("sources", "models")  # what is left out for the figures that are written
PATIENCE = 2.0  # seconds between two lines of progress
# what the shares inside the bands are given for
BY: Sequence[Callable[[bands.Residual], Sequence[str]]] = (lambda r: (r.source,), lambda r: r.like.kinds, lambda r: (r.like.family,))


@dataclass(frozen=True)
class Fitted:
    """The constants, the errors linearised at them, and the constants without each fold, by what is left out."""

    values: Values
    problem: Linear | None
    without: Mapping[str, Mapping[str, Values]]


def refit(
    path: str, *, rounds: int, shipped: bool, ablate: bool, leave_out: str | None, tables: str | None, write: bool
) -> Answer:  # fmt: skip
    """Fit, and print the scores of runs left out and of all runs, and every constant with what it is worth."""
    if leave_out is not None:
        choice("leave-out", leave_out, left_out.BY)
    rows = list(by_id(numbered_rows(path, ("id", "group", "model", *NEEDED, "step_s")), path).values())
    every = fitting.runs(rows)
    if not len(every.measured):
        raise FieldError("runs", f"{path} has no run with a step time that can be modelled")
    few = fitting.runs(rows, ROWS)
    narrate(f"{len(every.measured):,} runs with a step time, {len(few.measured):,} of them used; {len(PARAMETERS)} constants")
    by = tuple(dict.fromkeys([*([leave_out] if leave_out else []), *(WRITTEN if write else ())]))
    lines: list[str] = []
    with evaluator(few) as at:
        fitted = constants_fitted(at, rows, rounds, shipped, by, need=ablate or bool(by))
        paying = list(constants_worth(at, rows, fitted.problem)) if ablate and fitted.problem else []
    with evaluator(every) as at:
        seconds = predictions(at, rows, fitted)
        scores = {name: ablation.scored(rows, every, each) for name, each in seconds.items()}
        lines += judged(every, seconds, scores)
        if not shipped:
            lines += ["", *constants(at, rows, fitted.values)]
        lines += ["", *paying] if paying else []
        if ablate:
            lines += ["", "the model without a term, other constants unchanged"]
            lines += [headline(name, figures) for name, figures in ablation.ablation(rows, every, fitted.values)]
    if tables:
        lines += ["", *kernel_lines(tables)]
    if write:
        lines += ["", f"{write_back.write(fitted.values)} numbers written", *written(rows, every, seconds, scores, len(fitted.values))]
    return Answer("\n".join(lines) + "\n")


def constants_fitted(at: Evaluator, rows: Sequence[Row], rounds: int, shipped: bool, by: Sequence[str], *, need: bool) -> Fitted:
    """The constants fitted to some runs, from the shipped ones, and without each fold; `need`: also linearised where not fitted."""
    values: Values = fitting.shipped(at.data, PARAMETERS)
    problem = None
    if not shipped:
        values, problem = fitting.fitted(at, PARAMETERS, values, rounds, rounds_reported(rounds))
    elif need:
        problem = linear(at, PARAMETERS, values, reported("evaluations"))
    without: dict[str, Mapping[str, Values]] = {}
    for name in by if problem else ():
        without[name] = left_out.without(problem, at.data.group, left_out.folds(rows, at.data, name)) if problem else {}
    return Fitted(values, problem, without)


def predictions(at: Evaluator, rows: Sequence[Row], fitted: Fitted) -> dict[str, Any]:
    """The step time of every run by what is left out of the fit, and with the constants fitted to all."""
    seconds = {}
    for name, without in fitted.without.items():
        fold = left_out.folds(rows, at.data, name)
        seconds[name] = left_out.seconds(at, fold, without, fitted.values, reported("evaluations"))
    return seconds | {ALL: at.every(fitted.values)}


def judged(data: Runs, seconds: Mapping[str, Any], scores: Mapping[str, Score]) -> Iterator[str]:
    """The scores of runs left out, if that was requested, and of all runs, by source and kind."""
    title = {name: "all runs" if name == ALL else f"{name} left out" for name in scores}
    for name, score in scores.items():
        yield headline(title[name], score)
    if len(scores) > 1:
        yield ""
        yield from sources({title[name]: score for name, score in scores.items()})
        yield ""
        yield from kinds_apart(data, {title[name]: each for name, each in seconds.items()})


def constants_worth(at: Evaluator, rows: Sequence[Row], problem: Linear) -> Iterator[str]:
    """What every constant is worth on runs left out, which do not pay, and the error with other settings of the fit."""
    by = worths.judge(at.data, left_out.folds(rows, at.data, "models"))
    error, each = worths.worth(at, by, problem, reported("constants left out"))
    width = max(len(w.parameter.key) for w in each)
    yield f"error of sources left out {error.sources:.2f} %, of models left out {error.models:.2f} %, linearised"
    yield f"{'a constant at its start adds':{width}s} {'sources':>8s} {'models':>8s}"
    yield from (f"{w.parameter.key:{width}s} {w.sources:+8.3f} {w.models:+8.3f}" for w in each)
    dropped, without = worths.eliminated(at, by, problem, each, reported("constants dropped"))
    yield f"{len(dropped)} of {len(each)} constants do not pay; without them {without.sources:.2f} % and {without.models:.2f} %:"
    yield from (parameter.key for parameter in dropped)
    yield f"errors with other weights of the prior and other softness (now {PRIOR:g} and {SOFT:g})"
    for prior, soft, other in worths.settings(by, problem):
        yield f"prior {prior:g} softness {soft:g}: {other.sources:.2f} % and {other.models:.2f} %"


def constants(at: Evaluator, rows: Sequence[Row], fitted: Values) -> Iterator[str]:
    """A line per constant."""
    data, best = at.data, at.every(fitted)
    with_it = ablation.scored(rows, data, best).time_mape
    width = max(len(p.key) for p in fitted)
    batches = [_touched(data, parameter) for parameter in fitted]
    others = at.seconds([({**fitted, p: p.start}, touched) for p, touched in zip(fitted, batches, strict=True)], reported("evaluations"))
    yield " ".join([f"{'constant':{width}s}", *(f"{head:>10s}" for head in HEADS)])
    for (parameter, value), touched, seconds in zip(fitted.items(), batches, others, strict=True):
        places, other = rows_of(data, touched), best.copy()
        other[places] = seconds
        without = ablation.scored(rows, data, other).time_mape
        groups = len(set(data.group[places].tolist()))
        cells = (f"{parameter.start:.4g}", f"{value:.4g}", f"{len(places)}", f"{groups}", percent(with_it), percent(without))
        mark = "" if parameter.low * 1.02 < value < parameter.high * 0.98 else "  at its bound"
        yield " ".join([f"{parameter.key:{width}s}", *(f"{cell:>10s}" for cell in cells)]) + mark


def _touched(data: Runs, parameter: Parameter) -> Any:
    return [i for i, batch in enumerate(data.batches) if parameter.of(batch.job) is not None]


def reported(what: str) -> Progress:
    """A progress callback that prints a line each PATIENCE seconds."""
    spoken = monotonic()

    def report(done: int, of: int) -> None:
        nonlocal spoken
        if monotonic() - spoken >= PATIENCE:
            spoken = monotonic()
            narrate(f"{done:,} of {of:,} {what}")

    return report


def rounds_reported(rounds: int) -> fitting.Report:
    """A progress callback of a fit."""
    line = reported("evaluations")
    begun = 0

    def report(number: int, done: int, of: int) -> None:
        nonlocal begun
        if number > begun:
            begun = number
            narrate(f"round {number} of at most {rounds}")
        line(done, of)

    return report


def written(
    rows: Sequence[Row], data: Runs, seconds: Mapping[str, Any], scores: Mapping[str, Score], constants: int
) -> Iterator[str]:  # fmt: skip
    """Write the bands and the accuracy of these runs; yields lines on the runs left out that the bands cover."""
    steps, peaks = residuals.of_steps(rows, data, seconds["sources"]), residuals.of_peaks(rows)
    widen = memory_band.widening(peaks)
    table, judged_runs = bands.with_margin(steps)
    write_back.write_bands(table, memory_band.bands(peaks, widen))
    inside, kinds, stacks = (bands.covered(judged_runs, table.margin, by) for by in BY)
    sources = Counter(name for name, _ in {(r.like.family, r.source) for r in steps})
    by_stack = tuple(accuracy.Stack(name, 100 * share, count, sources[name]) for name, (share, count) in stacks.items())
    accuracy.write(
        accuracy.Accuracy(
            len(data.measured), constants, sources=accuracy.figures(scores["sources"]), models=accuracy.figures(scores["models"]),
            fitted=accuracy.figures(scores[ALL]), by_source=accuracy.by_source(scores, inside),
            by_kind=accuracy.by_kind(data, seconds, kinds), by_stack=by_stack,
        )
    )  # fmt: skip
    yield f"bands of {len(steps):,} steps written, margin {100 * table.margin:.1f} % at both ends; by source left out:"
    yield from shares(inside)
    yield "by stack and kind of job"
    yield from shares({**stacks, **kinds})
    yield f"bands of {len(peaks):,} peaks of memory written, widened by {100 * widen:.1f} % at both ends; by source left out:"
    yield from shares(memory_band.coverage(peaks, widen))


def shares(inside: Mapping[str, tuple[float, int]]) -> Iterator[str]:
    """A line per source, stack or kind: its runs and the share inside the bands."""
    return (f"{flat(name):42s} {number:6,} runs, {100 * share:5.1f} % inside" for name, (share, number) in inside.items())
