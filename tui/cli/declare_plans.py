"""Commands about the plans of a job: which there are, one in full, several beside each other."""

from __future__ import annotations

from typing import Any

from tui.cli import options as opt
from tui.cli.answer import Answer
from tui.cli.declare_app import EXIT_CODES, app
from tui.cli.options import with_inputs


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

    from tui.cli.inputs import document_from
    from tui.cli.main import open_program

    asked = file or given or pin or most or least
    document = document_from(file, given, pin, most, least) if asked else None  # the screen says what was assumed
    return open_program(document, Path(file) if file else None, fresh=fresh)


@app.command("plan", epilog=EXIT_CODES)
@with_inputs
def plan(
    given: dict[str, Any], file: opt.File = None, top: opt.Top = 20, format: opt.PlanFormat = "table",
    save: opt.Save = None, force: opt.Force = False, all: opt.Every = False, sort: opt.Sort = None, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the plans, fastest first: the ranking of the program, without a screen. docs/json.md documents the JSON.

    Example: tmplan plan --model mixtral-8x7b --gpus 64 --ep 8 --top 5

    Example: tmplan plan plan.toml --max pp=8 --sort memory_gib --format csv
    """
    from tui.cli.inputs import start
    from tui.cli.plan import ranking

    return ranking(start(file, given, pin, most, least), top=top, format=format, save=save, force=force, every=all, sort=sort)


@app.command("explain", epilog=EXIT_CODES)
@with_inputs
def explain(
    given: dict[str, Any], file: opt.File = None, wanted: opt.Wanted = None, of: opt.Of = None, format: opt.TextFormat = "text",
    depth: opt.Depth = None, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print where every number of one plan comes from: the plan pinned, else that of the plan file, else the best.

    Example: tmplan explain plan.toml --of memory --depth 3
    """
    from tui.cli.explain import tree
    from tui.cli.inputs import begin

    document, pinned = begin(file, given, pin, most, least, wanted)
    return tree(document, pinned=pinned, of=of or (), format=format, depth=depth)


@app.command("symbols", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def symbols(word: opt.Word = "", format: opt.TextFormat = "text", width: opt.Width = 80) -> Answer:
    """Print what every symbol of `explain` stands for, its unit, its formula, and the works that formulas come from.

    Example: tmplan symbols bubble
    """
    from tui.cli.symbols import listed

    return listed(word, format=format, width=width)


@app.command("why-not", epilog=EXIT_CODES)
@with_inputs
def why_not(
    given: dict[str, Any], plan: opt.Typed, file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print what stands against a plan: every rule it breaks; or that it does not fit, and by what; or where it ranks, and what costs it.
    Axes left out are free: what is told is of the best plan with those named.

    Example: tmplan why-not tp=16,pp=8 --model llama-3.1-70b --gpus 512
    """
    from tui.cli.inputs import start
    from tui.cli.whynot import answer

    return answer(start(file, given, pin, most, least), plan, format=format, width=width)


@app.command("compare", epilog=EXIT_CODES)
@with_inputs
def compare(
    given: dict[str, Any], files: opt.Files = None, plans: opt.Plans = None, format: opt.TextFormat = "text", width: opt.Width = 80,
) -> Answer:  # fmt: skip
    """Print plans side by side, term by term, and why each differs from the first: plan files, and the best within the axes of each --plan.

    Example: tmplan compare today.toml better.toml, or tmplan compare --plan tp=8 --plan tp=4,cp=4 --width 120
    """
    from tui.cli.compare import compare

    return compare(files or (), plans or (), given, format=format, width=width)


@app.command("pareto", epilog=EXIT_CODES)
@with_inputs
def pareto(
    given: dict[str, Any], file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Draw and list the plans that no other plan beats in both memory and step time: what less memory would cost.

    Example: tmplan pareto --model llama-3.1-8b --gpus 16 --global-batch 64
    """
    from tui.cli.inputs import start
    from tui.cli.pareto import front

    return front(start(file, given, pin, most, least), format=format, width=width)


@app.command("timeline", epilog=EXIT_CODES)
@with_inputs
def timeline(
    given: dict[str, Any], file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80, wanted: opt.Wanted = None,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Draw the pipeline of a plan as it runs, every pass of every rank: the plan pinned, else that of the plan file, else the best.

    Example: tmplan timeline --plan tp=8,pp=16,vpp=8 --width 160
    """
    from tui.cli.inputs import begin
    from tui.cli.timeline import schedule

    document, pinned = begin(file, given, pin, most, least, wanted)
    return schedule(document, pinned=pinned, format=format, width=width)


@app.command("ranks", epilog=EXIT_CODES)
@with_inputs
def ranks(
    given: dict[str, Any], file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print where the ranks of a plan lie, and the groups they form: the plan pinned, else that of the plan file, else the best.

    Example: tmplan ranks plan.toml --format json
    """
    from tui.cli.inputs import begin
    from tui.cli.ranks import ranks

    document, pinned = begin(file, given, pin, most, least)
    return ranks(document, pinned=pinned, format=format, width=width)
