"""The commands of `tmplan`, declared for Typer. What they do is in cli_plan, cli_explain and cli_presets, loaded when called."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.main

from planner.space import AXES
from tui import cli_options as opt
from tui.cli import LISTS, Answer
from tui.cli_options import with_inputs, with_run

EXIT_CODES = "Exit codes: 0 done, 1 no plan fits or is valid (stdout still has what was found), 2 an input was refused, 130 interrupted."
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Plan distributed LLM training in the terminal. `tmplan [FILE] [OPTIONS]` opens the program; the options are those of `open`.",
    epilog=f"stdout is data, stderr is narration. {EXIT_CODES} `tmplan COMMAND --help` has an example. docs/commands.md has it all.",
)  # fmt: skip


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
def open_(
    given: dict[str, Any], file: opt.File = None, fresh: opt.Fresh = False, pin: opt.Pin = None, most: opt.Most = None,
    least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Open the program: on a plan file, on the example with what the options set, or, with neither, where the last session ended.

    Example: tmplan --model llama-3.1-8b --gpu h100-sxm --gpus 8

    Example: tmplan plan.toml
    """
    from pathlib import Path

    from tui.cli import open_program
    from tui.cli_inputs import start

    asked = file or given or pin or most or least
    document = start(file, given, pin, most, least) if asked else None
    return open_program(document, Path(file) if file else None, fresh=fresh)


@app.command("plan", epilog=EXIT_CODES)
@with_inputs
def plan(
    given: dict[str, Any], file: opt.File = None, top: opt.Top = 20, format: opt.PlanFormat = "table",
    save: opt.Save = None, all: opt.Every = False, sort: opt.Sort = None, pin: opt.Pin = None, most: opt.Most = None,
    least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the plans, fastest first: the ranking of the program, without a screen. docs/json.md documents the JSON.

    Example: tmplan plan --model mixtral-8x7b --gpus 64 --ep 8 --top 5

    Example: tmplan plan plan.toml --max pp=8 --sort memory_gib --format csv
    """
    from tui.cli_inputs import start
    from tui.cli_plan import ranking

    return ranking(start(file, given, pin, most, least), top=top, format=format, save=save, every=all, sort=sort)


@app.command("explain", epilog=EXIT_CODES)
@with_inputs
def explain(
    given: dict[str, Any], file: opt.File = None, wanted: opt.Wanted = None, of: opt.Of = None, format: opt.TreeFormat = "text",
    depth: opt.Depth = None, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print where every number of one plan comes from: the plan pinned, else that of the plan file, else the best.

    Example: tmplan explain plan.toml --of memory --depth 3
    """
    from tui.cli_explain import tree
    from tui.cli_inputs import start

    document = start(file, given, [*(pin or ()), *([wanted] if wanted else ())], most, least)
    pinned = bool(pin or most or least or wanted or any(axis in given for axis in AXES))
    return tree(document, pinned=pinned, of=of or (), format=format, depth=depth)


@app.command("symbols", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def symbols(word: opt.Word = "", format: opt.SymbolFormat = "text", width: opt.Width = 80) -> Answer:
    """Print what every symbol of `explain` stands for, its unit, its formula, and the works that formulas come from.

    Example: tmplan symbols bubble
    """
    from tui.cli_symbols import listed

    return listed(word, format=format, width=width)


@app.command("why-not", epilog=EXIT_CODES)
@with_inputs
def why_not(
    given: dict[str, Any], plan: opt.Typed, file: opt.File = None, format: opt.WhyFormat = "text", width: opt.Width = 80,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print what stands against a plan: every rule it breaks; or that it does not fit, and by what; or where it ranks, and what costs it.
    Axes left out are free: what is told is of the best plan with those named.

    Example: tmplan why-not tp=16,pp=8 --model llama-3.1-70b --gpus 512
    """
    from tui.cli_inputs import start
    from tui.cli_whynot import answer

    return answer(start(file, given, pin, most, least), plan, format=format, width=width)


@app.command("compare", epilog=EXIT_CODES)
@with_inputs
def compare(
    given: dict[str, Any], files: opt.Files = None, plans: opt.Plans = None, format: opt.CompareFormat = "text", width: opt.Width = 80,
) -> Answer:  # fmt: skip
    """Print plans side by side, term by term, and why each differs from the first: plan files, and the best within the axes of each --plan.

    Example: tmplan compare today.toml better.toml, or tmplan compare --plan tp=8 --plan tp=4,cp=4 --width 120
    """
    from tui.cli_compare import compare

    return compare(files or (), plans or (), given, format=format, width=width)


@app.command("export", epilog=EXIT_CODES)
@with_inputs
def export(
    given: dict[str, Any], file: opt.File = None, to: opt.To = None, out: opt.Into = None, list: opt.Targets = False,
    force: opt.Force = False, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Write a plan as the files a framework or launcher takes: the plan pinned, else that of the plan file, else the best.

    Example: tmplan export plan.toml --to slurm --out job/
    """
    from tui.cli_export import export, targets
    from tui.cli_inputs import start

    if list:
        return targets()
    pinned = bool(pin or most or least or any(axis in given for axis in AXES))
    return export(start(file, given, pin, most, least), pinned=pinned, to=to, out=out, force=force)


@app.command("ranks", epilog=EXIT_CODES)
@with_inputs
def ranks(
    given: dict[str, Any], file: opt.File = None, format: opt.MapFormat = "text", pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print where the ranks of a plan lie, and the groups they form: the plan pinned, else that of the plan file, else the best.

    Example: tmplan ranks plan.toml --format json
    """
    from tui.cli_inputs import start
    from tui.cli_ranks import ranks

    pinned = bool(pin or most or least or any(axis in given for axis in AXES))
    return ranks(start(file, given, pin, most, least), pinned=pinned, format=format)


@app.command("scale", epilog=EXIT_CODES)
@with_run
def scale(
    given: dict[str, Any], file: opt.File = None, least: opt.FromSize = None, most: opt.ToSize = None, sizes: opt.Sizes = None,
    weak: opt.Weak = False, format: opt.ScaleFormat = "table", width: opt.Width = 80, explain: opt.ExplainSize = None,
    depth: opt.Depth = None, pin: opt.Pin = None, max: opt.Most = None, min: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the best plan at each of a ladder of sizes: step, tokens/s, MFU, efficiency, time and GPU-hours to train; where the layout
    changes, and why more GPUs stop paying. Bounds on axes hold at every size.

    Example: tmplan scale --model llama-3.1-8b --gpu h100-sxm --gpus 64 --global-batch 512 --to 4096 --train-tokens 15t
    """
    from tui.cli_inputs import start
    from tui.cli_scale import scale

    return scale(start(file, given, pin, max, min), least=least, most=most, chosen=sizes, weak=weak, format=format, width=width,
                 of=explain, depth=depth)  # fmt: skip


@app.command("timeline", epilog=EXIT_CODES)
@with_inputs
def timeline(
    given: dict[str, Any], file: opt.File = None, format: opt.PassFormat = "text", width: opt.Width = 80, wanted: opt.Wanted = None,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Draw the pipeline of a plan as it runs, every pass of every rank: the plan pinned, else that of the plan file, else the best.

    Example: tmplan timeline --plan tp=8,pp=16,vpp=8 --width 160
    """
    from tui.cli_inputs import start
    from tui.cli_timeline import schedule

    document = start(file, given, [*(pin or ()), *([wanted] if wanted else ())], most, least)
    pinned = bool(pin or most or least or wanted or any(axis in given for axis in AXES))
    return schedule(document, pinned=pinned, format=format, width=width)


@app.command("pareto", epilog=EXIT_CODES)
@with_inputs
def pareto(
    given: dict[str, Any], file: opt.File = None, format: opt.FrontFormat = "text", width: opt.Width = 80, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Draw and list the plans that no other plan beats in both memory and step time: what less memory would cost.

    Example: tmplan pareto --model llama-3.1-8b --gpus 16 --global-batch 64
    """
    from tui.cli_inputs import start
    from tui.cli_pareto import front

    return front(start(file, given, pin, most, least), format=format, width=width)


@app.command("sensitivity", epilog=EXIT_CODES)
@with_inputs
def sensitivity(
    given: dict[str, Any], file: opt.File = None, by: opt.By = None, format: opt.ChangeFormat = "table", width: opt.Width = 80,
    explain: opt.ExplainInput = None, depth: opt.Depth = None, wanted: opt.Wanted = None, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print what each input would bring, ranked: peak rate, HBM, memory size, links, node size, batch, sequence, each changed in turn and
    worked out anew, for one plan (the pinned, else the plan file's, else the best) and for the best plan then.

    Example: tmplan sensitivity plan.toml --by 2 --explain peak
    """
    from tui.cli_inputs import start
    from tui.cli_sensitivity import sensitivities

    document = start(file, given, pin, most, least)
    named = start(file, given, [*(pin or ()), wanted], most, least) if wanted else document
    pinned = bool(pin or most or least or wanted or any(axis in given for axis in AXES))
    return sensitivities(document, named, pinned=pinned, by=by, format=format, width=width, of=explain, depth=depth)


@app.command("versus", epilog=EXIT_CODES)
@with_inputs
def versus(
    given: dict[str, Any], file: opt.File = None, against: opt.Against = "", format: opt.TableFormat = "table", width: opt.Width = 80,
    explain: opt.ExplainBoth = False, depth: opt.Depth = None, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the same job on two clusters side by side, the best plan of each, the step by part, and what makes the difference.

    Example: tmplan versus --against dgx-b200,gpus=8192
    """
    from tui.cli_inputs import start
    from tui.cli_versus import compared

    return compared(start(file, given, pin, most, least), against, format=format, width=width, trees=explain, depth=depth)


@app.command("budget", epilog=EXIT_CODES)
@with_run
def budget(
    given: dict[str, Any], file: opt.File = None, wanted: opt.Wanted = None, flops: opt.Flops = None, money: opt.Money = None,
    explain: opt.Trees = False, format: opt.BudgetFormat = "table", width: opt.Width = 100,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print what training comes to: FLOP, time, GPU-hours, energy, cost, CO2, failures; of the plan pinned, the plan file's, or the best.

    Example: tmplan budget --model llama-3.1-8b --gpus 64 --global-batch 512 --train-tokens 1t --price-gpu-hour 2.5 --deadline-days 10
    """
    from tui.cli_budget import budget
    from tui.cli_inputs import start

    pinned = bool(pin or most or least or wanted or any(axis in given for axis in AXES))
    document = start(file, given, [*(pin or ()), *([wanted] if wanted else ())], most, least)
    return budget(document, pinned=pinned, flops=flops, money=money, explain=explain, format=format, width=width)


@app.command("import", epilog=EXIT_CODES)
@with_inputs
def import_(
    given: dict[str, Any], file: opt.Foreign, format: opt.TableFormat = "table", save: opt.SaveRead = None,
) -> Answer:  # fmt: skip
    """Read what you train with today, and print it, predicted, beside what tmplan would choose for the same job.

    Reads a Megatron-LM command line or script, a torchtitan TOML, a DeepSpeed JSON and an accelerate YAML. Options say what the file does
    not tell (the GPU, the model of a DeepSpeed file); those of axes bound what tmplan may choose.

    Example: tmplan import pretrain.sh --gpu h100-sxm --save today.toml
    """
    from tui.cli_import import imported

    return imported(file, given, format=format, save=save)


@app.command("estimate", epilog="Exit codes: 0 done, 1 no row could be predicted, 2 an input was refused, 130 interrupted.")
def estimate(runs: opt.Runs, out: opt.Out = None) -> Answer:
    """Predict the step time and the memory of every row of a runs file: JSON lines, one a row.

    Example: tmplan estimate runs.csv --out predictions.jsonl
    """
    from tui.cli_estimate import estimate

    return estimate(runs, out)


@app.command("validate", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def validate(
    runs: opt.Runs, predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="JSON lines, as `tmplan estimate` writes them")],
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
    runs: opt.Runs,
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


@app.command("fit", epilog="Exit codes: 0 done, 1 nothing fits (stdout still has the table), 2 an input was refused, 130 interrupted.")
def fit(
    file: opt.File = None, model: opt.ServedModel = None, gpu: opt.ServedGpu = None, memory_gib: opt.ServedMemory = None,
    headroom: opt.Headroom = None, tp: opt.ServedTp = None, dtype: opt.Dtype = None, cache_dtype: opt.CacheDtype = "bf16",
    context: opt.Contexts = None, batch: opt.Batch = 1, overhead: opt.Overhead = 20.0, largest: opt.Largest = False,
    explain: opt.Explained = False, format: opt.FitFormat = "table", width: opt.Width = 100,
) -> Answer:  # fmt: skip
    """Print whether a model can be served: memory on each GPU by dtype of the weights and context, and the most that fits.

    The cache of keys and values counts GQA, latent attention and windows. docs/json.md documents the JSON.

    Example: tmplan fit --model llama-3.1-70b --gpu h100-sxm --dtype fp8 --context 32k
    """
    from tui.cli_fit import fit, tokens
    from tui.cli_inputs import start

    given = {"model": model, "gpu": gpu, "memory_gib": memory_gib, "headroom": headroom}
    document = start(file, {key: text for key, text in given.items() if text is not None})
    serving = {"cache_dtype": cache_dtype, "batch": batch, "overhead_share": overhead / 100} | ({"dtype": dtype} if dtype else {})
    asked = tuple(tokens(text) for text in context or ())
    return fit(document, serving=serving, contexts=asked, tp=tp, explain=explain, largest=largest, format=format, width=width)


def _listing(kind: str) -> None:
    """Declare the command that lists one kind of preset."""

    def listing(format: opt.ListFormat = "table") -> Answer:
        from tui.cli_presets import list_presets

        return list_presets(kind, format)

    app.command(kind, help=f"List the {kind} there are presets for, your own among them.\n\nExample: tmplan {kind} --format json")(listing)


for _kind in LISTS:
    _listing(_kind)


@app.command("themes")
def themes(format: opt.ListFormat = "table") -> Answer:
    """List the themes there are, your own among them: one TOML file each, in themes/ under the config folder.

    Example: tmplan themes
    """
    from tui.cli_config import list_themes

    return list_themes(format)


@app.command("config")
def config(init: Annotated[bool, typer.Option("--init", help="write the config file, unless it is there")] = False) -> Answer:
    """Print the config file with every setting, your own as they stand, and say on stderr what is wrong with it.

    Example: tmplan config --init
    """
    from tui.cli_config import settings

    return settings(init)


@app.command("completion")
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="the shell")]) -> Answer:
    """Print the script that lets a shell complete commands, options and names of presets.

    Write it to a file that your shell reads when it starts, and print it again after an upgrade.

    Example: tmplan completion bash
    """
    from tui.completion import completion

    return completion(shell)
