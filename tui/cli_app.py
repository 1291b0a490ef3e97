"""The commands of `tmplan`, declared for Typer. What they do is in cli_plan, cli_explain and cli_presets, loaded when called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.main

from planner.inputs import FIELDS
from planner.space import AXES
from tui.axes import AXIS_HELP, metavar
from tui.cli import LISTS, Answer

EXIT_CODES = "Exit codes: 0 done, 1 no plan fits or is valid (stdout still has what was found), 2 an input was refused, 130 interrupted."
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Plan distributed LLM training in the terminal. `tmplan [FILE] [OPTIONS]` opens the program; the options are those of `open`.",
    epilog=f"stdout is data, stderr is narration. {EXIT_CODES}",
)  # fmt: skip

File = Annotated[str | None, typer.Argument(metavar="FILE", help="a plan file to start from", show_default=False)]
Pin = Annotated[list[str] | None, typer.Option(metavar="AXIS=VALUES", help="pin axes as their own options do: tp=8,ep=1,2 (repeatable)")]
Most = Annotated[list[str] | None, typer.Option("--max", metavar="AXIS=N", help="an axis at most: pp=16 (repeatable)")]
Least = Annotated[list[str] | None, typer.Option("--min", metavar="AXIS=N", help="an axis at least: dp=4 (repeatable)")]
Top = Annotated[int, typer.Option("--top", min=0, metavar="N", help="how many plans to print")]
PlanFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv", help="how to print the plans")]
TreeFormat = Annotated[str, typer.Option("--format", metavar="text|json", help="how to print the tree")]
ListFormat = Annotated[str, typer.Option("--format", metavar="table|json", help="how to print the list")]
Save = Annotated[str | None, typer.Option(metavar="PLANFILE", help="write the first plan printed to a plan file", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="print the plans that do not fit too, after those that do, least over first")]
Sort = Annotated[str | None, typer.Option(metavar="COLUMN", help="order by a column (a key of the JSON), best first", show_default=False)]
Wanted = Annotated[
    str | None, typer.Option("--plan", metavar="AXES", help="the plan: tp=8,pp=16,ep=8,...; axes left out are free", show_default=False)
]
Of = Annotated[list[str] | None, typer.Option("--of", metavar="NUMBER", help="only the tree of memory, step, mfu ... (repeatable)")]
Runs = Annotated[str, typer.Argument(metavar="RUNS", help="runs as CSV or JSON lines; docs/runs.md has their columns")]
Out = Annotated[str | None, typer.Option(metavar="FILE", help="write the predictions to a file", show_default=False)]
Depth = Annotated[int | None, typer.Option(min=1, metavar="N", help="how deep to print the tree", show_default=False)]


def call(argv: list[str]) -> Answer:
    """Run one command line; Typer's refusals leave as exceptions that have a `format_message`."""
    if "--help" in argv:
        return Answer(help_of(argv[0]))
    answer = app(argv, prog_name="tmplan", standalone_mode=False)
    return answer if isinstance(answer, Answer) else Answer(code=answer if isinstance(answer, int) else 0)


def help_of(name: str) -> str:
    """The help of a command, or of them all. Asked of Typer directly: to parse `--help` it would first load pydantic."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="tmplan")
    command = group.get_command(context, name)
    text: str = command.get_help(typer.Context(command, parent=context, info_name=name)) if command else group.get_help(context)
    return text


def with_inputs(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """Give a command an option for each field of the registry and each axis; it receives what was given as the mapping `given`."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

    @functools.wraps(command)
    def run(**values: Any) -> Answer:
        given = {key: values.pop(key) for key in (*(f.key for f in FIELDS), *AXES)}
        return command(**values, given={key: value for key, value in given.items() if value is not None})

    fields = [_axis_option(axis) for axis in AXES]
    for f in FIELDS:
        help = f.help + (f" ({', '.join(f.choices)})" if f.choices else "")
        kind: Any = bool | None if f.kind == "bool" else str | None
        name = f"--{f.key.replace('_', '-')}"
        option = typer.Option(f"{name}/--no-{name[2:]}" if f.kind == "bool" else name, help=help, show_default=False,
                              metavar=None if f.kind == "bool" else (f.unit or f.kind).replace(" ", "-"))  # fmt: skip
        fields.append(inspect.Parameter(f.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]))
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + fields
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _axis_option(axis: str) -> inspect.Parameter:
    """The option that bounds one axis."""
    option = typer.Option(f"--{axis.replace('_', '-')}", help=AXIS_HELP[axis][1], show_default=False, metavar=metavar(axis))
    return inspect.Parameter(axis, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])


def _version(wanted: bool) -> None:
    if wanted:
        from tui.cli_inputs import version

        typer.echo(f"tmplan {version()}")
        raise typer.Exit


@app.callback()
def top(version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="print the version")] = False) -> None:
    """What `tmplan --help` says is the app's own help."""


@app.command("open")
@with_inputs
def open_(given: dict[str, Any], file: File = None, pin: Pin = None, most: Most = None, least: Least = None) -> Answer:
    """Open the program on a plan file, or on the example (Llama 3.1 405B on 16,384 H100), with what the options set."""
    from pathlib import Path

    from tui.cli import open_program
    from tui.cli_inputs import start

    return open_program(start(file, given, pin, most, least), Path(file) if file else None)


@app.command("plan", epilog=EXIT_CODES)
@with_inputs
def plan(
    given: dict[str, Any], file: File = None, top: Top = 20, format: PlanFormat = "table", save: Save = None, all: Every = False,
    sort: Sort = None, pin: Pin = None, most: Most = None, least: Least = None,
) -> Answer:  # fmt: skip
    """Print the plans, fastest first: the ranking of the program, without a screen. docs/json.md documents the JSON."""
    from tui.cli_inputs import start
    from tui.cli_plan import ranking

    return ranking(start(file, given, pin, most, least), top=top, format=format, save=save, every=all, sort=sort)


@app.command("explain", epilog=EXIT_CODES)
@with_inputs
def explain(
    given: dict[str, Any], file: File = None, wanted: Wanted = None, of: Of = None, format: TreeFormat = "text",
    depth: Depth = None, pin: Pin = None, most: Most = None, least: Least = None,
) -> Answer:  # fmt: skip
    """Print where every number of one plan comes from: the plan pinned, else that of the plan file, else the best."""
    from tui.cli_explain import tree
    from tui.cli_inputs import start

    document = start(file, given, [*(pin or ()), *([wanted] if wanted else ())], most, least)
    pinned = bool(pin or most or least or wanted or any(axis in given for axis in AXES))
    return tree(document, pinned=pinned, of=of or (), format=format, depth=depth)


@app.command("estimate", epilog="Exit codes: 0 done, 1 no row could be predicted, 2 an input was refused, 130 interrupted.")
def estimate(runs: Runs, out: Out = None) -> Answer:
    """Predict the step time and the memory of every row of a runs file: JSON lines, one a row.

    Example: tmplan estimate runs.csv --out predictions.jsonl
    """
    from tui.cli_estimate import estimate

    return estimate(runs, out)


@app.command("validate", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def validate(
    runs: Runs, predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="JSON lines, as `tmplan estimate` writes them")],
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="how many of the worst step times to list")] = 10,
    format: Annotated[str, typer.Option("--format", metavar="table|json", help="how to print the figures")] = "table",
) -> Answer:  # fmt: skip
    """Score predictions against measured runs: step time, memory, ranking, out of memory, band.

    Example: tmplan validate runs.csv predictions.jsonl --worst 20
    """
    from tui.cli_validate import validate

    return validate(runs, predictions, worst=worst, format=format)


@app.command("calibrate", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def calibrate(
    measured: Annotated[str, typer.Argument(metavar="MEASURED", help="CSV or JSON lines of runs with their step_s; docs/runs.md")],
    name: Annotated[str, typer.Option(metavar="NAME", help="name of the preset to save")] = "calibrated",
    cluster: Annotated[str | None, typer.Option(metavar="PRESET", help="the cluster to begin with", show_default=False)] = None,
    gemm: Annotated[str | None, typer.Option(metavar="FILE", help="measured products: m,n,k,latency in ms", show_default=False)] = None,
    nccl: Annotated[
        str | None, typer.Option(metavar="FILE", help="collectives of one node: op_name,num_gpus,message_size,latency", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a preset of that name")] = False,
) -> Answer:
    """Fit a cluster preset to a few measured steps of your own, and save it among your presets.

    Example: tmplan calibrate mine.csv --name ours --cluster dgx-h100, then tmplan plan --cluster ours
    """
    from tui.cli_calibrate import calibrate

    return calibrate(measured, name=name, cluster=cluster, gemm=gemm, nccl=nccl, force=force)


@app.command("refit", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def refit(
    runs: Runs,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="rounds of the fit")] = 14,
    shipped: Annotated[bool, typer.Option("--shipped", help="do not fit: the constants as they are")] = False,
    ablate: Annotated[bool, typer.Option("--ablate", help="print the scores without each term of the model")] = False,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="predict each source with constants fitted to the others (long)")] = False,
    kernels: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="fit gemm*.csv and nccl*.csv of a folder too", show_default=False)
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="write constants and bands into this installation's files")] = False,
) -> Answer:
    """Fit the model's constants to measured runs, and print each: what it rests on, and the error with and without it.

    Example: tmplan refit runs.csv --ablate
    """
    from tui.cli_refit import refit

    return refit(runs, rounds=rounds, shipped=shipped, ablate=ablate, leave_out=leave_out, tables=kernels, write=write)


def _listing(kind: str) -> None:
    """Declare the command that lists one kind of preset."""

    def listing(format: ListFormat = "table") -> Answer:
        from tui.cli_presets import list_presets

        return list_presets(kind, format)

    app.command(kind, help=f"List the {kind} there are presets for, your own among them.")(listing)


for _kind in LISTS:
    _listing(_kind)
