"""`tmplan refit`: fit the constants of the model to measured runs and kernels, and the contribution of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from planner.calibration import ablation, kernel_tables, write_back
from planner.calibration import fit as fitting
from planner.calibration.fit import Parameter, Runs
from planner.calibration.fitted_parameters import PARAMETERS
from planner.calibration.residuals import residuals
from planner.cost import error_band as band
from planner.cost import memory_band
from planner.errors import FieldError
from planner.files.reader import expand_home, names_in
from planner.plaintext import flat
from planner.runs.columns import NEEDED
from planner.runs.row_file import by_id, numbered_rows
from planner.runs.score import Score
from tui.cli.answer import Answer, narrate

ROWS = 250  # rows of one source group used in a fit; more of the same kind add no information
ROWS_LEFT_OUT = 120  # the same for the fits of --leave-out, one per group
HEADS = ("start", "fitted", "runs", "groups", "error with", "at start")


def refit(path: str, *, rounds: int, shipped: bool, ablate: bool, leave_out: bool, tables: str | None, write: bool) -> Answer:
    """Fit, and print every constant: start, value, number of runs, and the error with the value and with the start in its place."""
    rows = list(by_id(numbered_rows(path, ("id", "group", "model", *NEEDED, "step_s")), path).values())
    every = fitting.runs(rows)
    if not len(every.measured):
        raise FieldError("runs", f"{path} has no run with a step time that can be modelled")
    few = fitting.runs(rows, ROWS)
    narrate(f"{len(every.measured):,} runs with a step time, {len(few.measured):,} of them used; {len(PARAMETERS)} constants")
    fitted = {} if shipped else fitting.fit(few, PARAMETERS, rounds=rounds, progress=lambda n: narrate(f"round {n} of {rounds}"))
    lines = [headline("all runs", ablation.scored(rows, every, fitting.predicted(every, fitted)))]
    if not shipped:
        lines += ["", *constants(rows, every, fitted)]
    if tables:
        lines += ["", *kernel_lines(tables)]
    if ablate:
        lines += ["", "the model without a term, other constants unchanged"]
        lines += [headline(name, figures) for name, figures in ablation.ablation(rows, every, fitted)]
    if leave_out:
        lines += ["", "each source group predicted with constants fitted to the others", *unseen(rows, every, rounds)]
    if write:
        lines += ["", f"{write_back.write(fitted)} numbers written", written(rows)]
    return Answer("\n".join(lines) + "\n")


def headline(name: str, fitted: Score) -> str:
    """The figures of a score on one line."""
    rho, top1, top3 = (figure(v) for v in (fitted.rho, fitted.regret_top1, fitted.regret_top3))
    time, within = figure(fitted.time_mape), figure(fitted.within_10_percent)
    return f"{flat(name):42s} step time {time:>6s} %  within 10 % {within:>6s} %  rho {rho:>5s}  regret {top1:>6s} % (top 3 {top3:>5s} %)"


def figure(value: float | None) -> str:
    """A figure with two decimals, a dash if there is none."""
    return "-" if value is None else f"{value:.2f}"


def constants(rows: Sequence[Mapping[str, str]], data: Runs, fitted: Mapping[Parameter, float]) -> Iterator[str]:
    """A line per constant."""
    best = fitting.predicted(data, fitted)
    with_it = ablation.scored(rows, data, best).time_mape
    width = max(len(p.key) for p in fitted)
    yield " ".join([f"{'constant':{width}s}", *(f"{head:>10s}" for head in HEADS)])
    for parameter, value in fitted.items():
        touched = [parameter.of(b.job) is not None for b in data.batches]
        places = [i for k, hit in enumerate(touched) if hit for i in range(data.ends[k], data.ends[k + 1])]
        other = fitting.predicted(data, {**fitted, parameter: parameter.start}, touched, best)
        without = ablation.scored(rows, data, other).time_mape
        groups = len(set(data.group[places].tolist()))
        cells = (f"{parameter.start:.4g}", f"{value:.4g}", f"{len(places)}", f"{groups}", figure(with_it), figure(without))
        mark = "" if parameter.low * 1.02 < value < parameter.high * 0.98 else "  at its bound"
        yield " ".join([f"{parameter.key:{width}s}", *(f"{cell:>10s}" for cell in cells)]) + mark


def kernel_lines(folder: str) -> Iterator[str]:
    """The constants of matrix products and collectives fitted to the measured tables of a folder, and their errors."""
    heads = f"{'t0, us':>8s} {'TFLOP/s':>8s} {'dm':>6s} {'dn':>6s} {'dk':>6s} {'TB/s':>6s} {'error %':>8s} {'FLOPs alone %':>14s}"
    yield f"{'matrix products':30s} {heads}"
    for file in tables_in(folder, "gemm"):
        fit = kernel_tables.fit_gemm(kernel_tables.read_gemm(file))
        g = fit.gemm
        sizes = f"{g.pad_m:6.0f} {g.pad_n:6.0f} {g.pad_k:6.0f} {g.bytes_s / 1e12:6.2f}"
        errors = f"{100 * fit.error:8.1f} {100 * fit.flops_only_error:14.1f}"
        yield f"{flat(file.stem):30s} {g.overhead_s * 1e6:8.2f} {g.flops_s / 1e12:8.0f} {sizes} {errors}"
    yield f"{'collectives':30s} {'operation':>16s} {'ranks':>6s} {'GB/s':>8s} {'us':>6s} {'error %':>8s}"
    for file in tables_in(folder, "nccl"):
        for c in kernel_tables.fit_collectives(kernel_tables.read_nccl(file)):
            rate = f"{c.bandwidth_bytes_s / 1e9:8.0f} {c.latency_s * 1e6:6.0f}"
            yield f"{flat(file.stem):30s} {c.operation:>16s} {c.ranks:6d} {rate} {100 * c.error:8.1f}"


def tables_in(folder: str, prefix: str) -> list[Path]:
    """The measured tables of one kind in a folder; FileError if it cannot be listed."""
    place = Path(expand_home(folder))
    return [place / name for name in names_in(place, ".csv") if name.startswith(prefix)]


def unseen(rows: Sequence[Mapping[str, str]], data: Runs, rounds: int) -> Iterator[str]:
    """A line per source group left out, and their mean."""
    few, errors = fitting.runs(rows, ROWS_LEFT_OUT), []
    for group, fitted in ablation.left_out(rows, data, few, PARAMETERS, rounds):
        narrate(f"left out {group}: {figure(fitted.time_mape)} %")
        errors.append(fitted.time_mape or 0.0)
        yield headline(group, fitted)
    yield f"mean over groups {sum(errors) / len(errors):.2f} %"


def written(rows: Sequence[Mapping[str, str]]) -> str:
    """Write the bands of the residuals of these runs; returns lines on the share of runs they cover that were not used for them."""
    steps, peaks = residuals(rows)
    share, count = band.covered(steps, band.WIDEN)
    widen = memory_band.widening(peaks)
    left_out = memory_band.coverage(peaks, widen)
    write_back.write_bands(band.table(steps, band.WIDEN), memory_band.bands(peaks, widen))
    lines = [f"bands of {len(steps):,} steps written; they cover {100 * share:.1f} % of {count:,} runs of models not used for them"]
    lines += [f"bands of {len(peaks):,} peaks of memory written, widened by {100 * widen:.1f} % at both ends; by source left out:"]
    lines += [f"{flat(source):42s} {number:6,} runs, {100 * inside:5.1f} % inside" for source, (inside, number) in left_out.items()]
    return "\n".join(lines)
