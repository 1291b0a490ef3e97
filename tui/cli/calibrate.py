"""`tmplan calibrate`: a cluster preset fitted to a few measured steps and, optionally, to measured kernel_tables."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from planner import presets
from planner.calibration import kernel_tables, step_measurements, write_preset
from planner.calibration.calibrate import FACTORS, calibrated, predicted
from planner.calibration.fit import Runs
from planner.calibration.kernel_tables import FittedGemm
from planner.calibration.step_measurements import Link, MeasuredSteps
from planner.document.version import version
from planner.errors import FileError
from planner.presets import ClusterPreset
from planner.specs.hardware import CACHED, Gpu
from tui.cli.answer import Answer, narrate
from tui.cli.estimate import numbered
from tui.cli.plan import reporting

# Factor -> its description, and one of its units in base units.
LINES = {
    "pace": ("device time", 1.0),
    "host_pace": ("host time", 1.0),
    "link_bytes_s": ("scale-up link, GB/s", 1e9),
    "nic_bytes_s": ("network, Gb/s per GPU", 1.25e8),
}
KEYS = {"pace": "pace", "host_pace": "host_pace", "link_bytes_s": "link_gb_s", "nic_bytes_s": "nic_gbit_s"}  # in the file
FAR = 10.0  # percent; a larger remaining error of a run is reported
ABOVE = 1.1  # times the peak; faster products must be of another GPU or precision
MANY = 20  # runs above which the fit takes long enough for a message
SHOWN = 8  # blanks reported individually


@dataclass(frozen=True)
class Outcome:
    """The cluster before and after, the errors of the runs with each in percent, and the kernel measurements."""

    name: str
    base: ClusterPreset
    shape: ClusterPreset
    before: Any
    after: Any
    gpus: tuple[Gpu, Gpu]
    gemm: FittedGemm | None = None
    link: Link | None = None

    @property
    def runs(self) -> str:
        """The number of runs, as text."""
        return f"{len(self.before):,} run{'s' * (len(self.before) != 1)}"

    @property
    def errors(self) -> str:
        """The runs and their mean errors, as text."""
        return f"{self.runs}, mean error of a step {mean(self.before):.1f} % before and {mean(self.after):.1f} % after"


def calibrate(path: str, *, name: str, cluster: str | None, gemm: str | None, nccl: str | None, force: bool) -> Answer:
    """Fit the cluster of the measured runs, starting from its preset, save the result as a preset, and print it."""
    write_preset.named(name)
    for kind in () if force else ("clusters", "gpus") if gemm else ("clusters",):
        write_preset.free(kind, name)
    data = step_measurements.measured(numbered(path, "step_s"), path)
    base, gpu = step_measurements.base(data, cluster), presets.gpu(data.gpu)
    runs = step_measurements.runs_on(data, base, gpu)
    made = f"`tmplan calibrate`, tmplan {version()}, {today()}"
    files: dict[Path, str] = {}
    shape, outcome = base, Outcome(name, base, base, errors(runs), None, (gpu, gpu))
    if gemm:
        fitted = products(gemm, gpu)
        source = f"{write_preset.printable(gemm)}, {fitted.rows:,} products, mean error {100 * fitted.error:.1f} %; {made}"
        table, file = write_preset.gpu_table(data.gpu, fitted, source), write_preset.path_of("gpus", name)
        files[file] = write_preset.text([f"{gpu.name} with matrix products measured here, by {made}"], table, {})
        gpu, shape = presets.gpu_of(table, file), replace(shape, gpu=name)
        outcome = replace(outcome, gpus=(outcome.gpus[0], gpu), gemm=fitted)
    if nccl:
        link = step_measurements.link(runs.batches[0].job, kernel_tables.fit_collectives(kernel_tables.read_nccl(nccl)), nccl)
        shape = write_preset.rounded(shape, {"link_bytes_s": link.rate / runs.batches[0].job.cluster.link_bytes_s})
        outcome = replace(outcome, link=link)
    if len(data.items) > MANY:
        narrate(f"{outcome.runs}; computing the most probable factors")
    factors = calibrated(
        step_measurements.moved(runs, shape, gpu), held=("link_bytes_s",) if nccl else (), progress=reporting("evaluations of a run")
    ).factors
    shape = replace(write_preset.rounded(shape, factors), name=name, calibrated_runs=len(data.items))
    outcome = replace(outcome, shape=shape, after=errors(step_measurements.moved(runs, shape, gpu)))
    shape = replace(shape, sources=sources(outcome, path, cluster, nccl, made))
    file = write_preset.path_of("clusters", name)
    head = (f"a cluster calibrated on measured runs, by {made}", f"{write_preset.printable(path)}: {outcome.errors}")
    files[file] = write_preset.text(head, write_preset.cluster_table(shape), notes(outcome))
    write_preset.save(files, force=force)
    narrate_all(data, runs, outcome, file)
    return Answer(table_of(outcome))


def today() -> str:
    """Today's date, for the file."""
    return datetime.date.today().isoformat()


def errors(runs: Runs) -> Any:
    """Predicted over measured minus one, in percent, in the order of the rows."""
    percent = np.empty(len(runs.measured))
    percent[runs.rows] = 100 * (predicted(runs, np.zeros(len(FACTORS))) / runs.measured - 1)
    return percent


def mean(errors: Any) -> float:
    """The mean absolute error."""
    return float(np.mean(np.abs(errors)))


def products(path: str, gpu: Gpu) -> FittedGemm:
    """A GPU's measured matrix products, limited to its peak in training and to its bandwidth with caches, which a fit may exceed;
    FileError if they cannot be of this GPU.
    """
    fitted = kernel_tables.fit_gemm(kernel_tables.read_gemm(path))
    rate, peak = fitted.gemm.flops_s / 1e12, gpu.flops_bf16 / 1e12
    if rate > ABOVE * peak:
        raise FileError(f"its products near {rate:,.0f} TFLOP/s, {gpu.name} has a peak of {peak:,.0f}; is it of another GPU?", where=path)
    flops_s, bytes_s = gpu.flops_bf16 / gpu.gemm.training, CACHED * gpu.hbm_bytes_s
    held = replace(fitted.gemm, flops_s=min(fitted.gemm.flops_s, flops_s), bytes_s=min(fitted.gemm.bytes_s, bytes_s))
    return replace(fitted, gemm=held)


def sources(outcome: Outcome, path: str, cluster: str | None, nccl: str | None, made: str) -> tuple[str, ...]:
    """The sources of the preset's numbers."""
    begun = f"cluster preset {outcome.base.name}" if cluster else f"the runs' nodes and network, links of {outcome.gpus[0].name}"
    lines = [f"{path}: {outcome.errors}; {made}", f"begun with {begun}"]
    if nccl and outcome.link:
        lines.append(f"link: {nccl}, {outcome.link.plateau / 1e9:.4g} GB/s over {outcome.link.ranks} GPUs")
    return tuple(map(write_preset.printable, lines)) + outcome.base.sources


def notes(outcome: Outcome) -> Mapping[str, str]:
    """Comments on the fitted keys of the file."""
    return {KEYS[factor]: f"{LINES[factor][0]}: {before:.6g} before" for factor, before, _ in changes(outcome)} | {
        "calibrated_runs": "number of runs that the values above are fitted to"
    }


def changes(outcome: Outcome) -> list[tuple[str, float, float]]:
    """Every factor with its value before and after, in its display unit."""
    pairs = ((factor, unit, getattr(outcome.base, factor), getattr(outcome.shape, factor)) for factor, (_, unit) in LINES.items())
    return [(factor, before / unit, after / unit) for factor, unit, before, after in pairs]


def table_of(outcome: Outcome) -> str:
    """The result: a line per factor, and the error before and after."""
    rows = [("", "before", "after", "factor")]
    for factor, before, after in changes(outcome):
        word = "measured" if factor == "link_bytes_s" and outcome.link else "unchanged" if before == after else f"{after / before:.3f}"
        rows.append((LINES[factor][0], f"{before:.4g}", f"{after:.4g}", word))
    if outcome.gemm:
        before, after = (gpu.gemm.flops_s / 1e12 for gpu in outcome.gpus)
        rows.append(("matrix products up to, TFLOP/s", f"{before:.4g}", f"{after:.4g}", "measured"))
    rows.append((f"mean error of {outcome.runs}, %", f"{mean(outcome.before):.1f}", f"{mean(outcome.after):.1f}", ""))
    first = max(len(row[0]) for row in rows)
    return "".join(f"{row[0].ljust(first)}{row[1]:>10s}{row[2]:>10s}{row[3]:>11s}".rstrip() + "\n" for row in rows)


def narrate_all(data: MeasuredSteps, runs: Runs, outcome: Outcome, file: Path) -> None:
    """Report the values assumed for blanks, the worst run, and the path and use of the preset."""
    if blanks := step_measurements.assumed(data, runs).most_common():
        more = f" and {len(blanks) - SHOWN} more" if len(blanks) > SHOWN else ""
        narrate(f"assumed for blanks: {', '.join(f'{what} ({count:,})' for what, count in blanks[:SHOWN])}{more}")
    worst = int(np.argmax(np.abs(outcome.after)))
    if abs(outcome.after[worst]) > FAR:
        narrate(f"the run on line {data.lines[worst]} remains {outcome.after[worst]:+.0f} % off; check its values against the run")
    if outcome.link:
        rate, plateau = outcome.shape.link_bytes_s or 0.0, outcome.link.plateau
        narrate(
            f"link of {rate / 1e9:.4g} GB/s: long messages over {outcome.link.ranks} GPUs take the time measured, {plateau / 1e9:.4g} GB/s"
        )
    narrate(f"saved in {file}; use it with: tmplan plan --cluster {outcome.name} --model MODEL --gpus N")
