"""Commands on measured runs: predictions, scores, and fits of constants."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli import options as opt
from tui.cli.answer import Answer
from tui.cli.declare_app import app


@app.command("estimate", epilog="Exit codes: 0 done, 1 no row could be predicted, 2 an input was refused, 130 interrupted.")
def estimate(runs: opt.Runs, out: opt.Out = None, force: opt.Force = False) -> Answer:
    """Predict the step time and the memory of every row of a runs file, as JSON lines, one per row.

    Example: tmplan estimate runs.csv --out predictions.jsonl
    """
    from tui.cli.estimate import estimate

    return estimate(runs, out, force=force)


@app.command("validate", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def validate(
    runs: opt.Runs, predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="JSON lines, as `tmplan estimate` writes them")],
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="number of worst step times to list")] = 10,
    format: Annotated[str, typer.Option("--format", metavar="table|json", help="output format")] = "table",
) -> Answer:  # fmt: skip
    """Score predictions against measured runs: step time, memory, ranking, out of memory, band.

    Example: tmplan validate runs.csv predictions.jsonl --worst 20
    """
    from tui.cli.validate import validate

    return validate(runs, predictions, worst=worst, format=format)


@app.command("calibrate", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def calibrate(
    measured: Annotated[str, typer.Argument(metavar="MEASURED", help="CSV or JSON lines of runs with their step_s; docs/runs.md")],
    name: Annotated[str, typer.Option(metavar="NAME", help="name of the preset to save")] = "calibrated",
    cluster: Annotated[str | None, typer.Option(metavar="PRESET", help="the cluster to start from", show_default=False)] = None,
    gemm: Annotated[str | None, typer.Option(metavar="FILE", help="measured products: m,n,k,latency in ms", show_default=False)] = None,
    nccl: Annotated[
        str | None, typer.Option(metavar="FILE", help="collectives of one node: op_name,num_gpus,message_size,latency", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a preset of that name")] = False,
) -> Answer:
    """Fit a cluster preset to a few steps that you measured, and save it with your presets.

    Example: tmplan calibrate mine.csv --name ours --cluster dgx-h100, then tmplan plan --cluster ours
    """
    from tui.cli.calibrate import calibrate

    return calibrate(measured, name=name, cluster=cluster, gemm=gemm, nccl=nccl, force=force)


@app.command("refit", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def refit(
    runs: opt.Runs,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="rounds of the fit at most")] = 8,
    shipped: Annotated[bool, typer.Option("--shipped", help="do not fit: use the shipped constants")] = False,
    ablate: Annotated[bool, typer.Option("--ablate", help="print what each constant and each term of the model is worth")] = False,
    leave_out: Annotated[
        str | None,
        typer.Option(
            "--leave-out", metavar="sources|models|stacks", help="predict each with constants fitted to the others", show_default=False
        ),
    ] = None,
    kernels: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="also fit gemm*, moe*, attention* and nccl*.csv of a folder", show_default=False)
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="write constants and bands into this installation's files")] = False,
) -> Answer:
    """Fit the model's constants to measured runs, and print each with its number of runs and the error with and without it.

    Example: tmplan refit runs.csv --ablate
    """
    from tui.cli.refit import refit

    return refit(runs, rounds=rounds, shipped=shipped, ablate=ablate, leave_out=leave_out, tables=kernels, write=write)
