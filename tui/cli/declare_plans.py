"""Commands about the plans of a job: the ranking, one plan in detail, several side by side."""

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
    """Open the program on a plan file, on the example with the options applied, or, with neither, on the last session.

    Example: tmplan --model llama-3.1-8b --gpu h100-sxm --gpus 8

    Example: tmplan plan.toml
    """
    from pathlib import Path

    from tui.cli.inputs import document_from
    from tui.cli.main import open_program

    requested = file or given or pin or most or least
    document = document_from(file, given, pin, most, least) if requested else None  # the screen shows the assumptions
    return open_program(document, Path(file) if file else None, fresh=fresh)


@app.command("plan", epilog=EXIT_CODES)
@with_inputs
def plan(
    given: dict[str, Any], file: opt.File = None, top: opt.Top = 20, format: opt.PlanFormat = "table",
    save: opt.Save = None, force: opt.Force = False, all: opt.Every = False, sort: opt.Sort = None, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the plans, fastest first: the program's ranking without its screen. docs/json.md documents the JSON.

    Example: tmplan plan --model mixtral-8x7b --gpus 64 --ep 8 --top 5

    Example: tmplan plan plan.toml --max pp=8 --sort memory_gib --format csv
    """
    from tui.cli.inputs import start
    from tui.cli.plan import ranking

    return ranking(start(file, given, pin, most, least), top=top, format=format, save=save, force=force, every=all, sort=sort)


@app.command("explain", epilog=EXIT_CODES)
@with_inputs
def explain(
    given: dict[str, Any], file: opt.File = None, axes: opt.PlanAxes = None, of: opt.Of = None, format: opt.TextFormat = "text",
    depth: opt.Depth = None, pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the derivation of every number of one plan: the plan pinned, else that of the plan file, else the best.

    Example: tmplan explain plan.toml --of memory --depth 3
    """
    from tui.cli.explain import tree
    from tui.cli.inputs import begin

    document, pinned = begin(file, given, pin, most, least, axes)
    return tree(document, pinned=pinned, of=of or (), format=format, depth=depth)


@app.command("symbols", epilog="Exit codes: 0 done, 2 an input was refused, 130 interrupted.")
def symbols(word: opt.Word = "", format: opt.TextFormat = "text", width: opt.Width = 80) -> Answer:
    """Print the meaning, unit and formula of every symbol of `explain`, and the works that the formulas cite.

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
    """Print why a plan is not the best: the rules it breaks; or the memory it exceeds; or its rank and the parts that make it slower.
    Omitted axes are free: the answer is about the best plan with the axes given.

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
    """Print plans side by side, term by term, with the reasons for differences: plan files, and the best plan for the axes of each --plan.

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
    """Draw and list the plans that no other plan beats in both memory and step time: the cost of using less memory.

    Example: tmplan pareto --model llama-3.1-8b --gpus 16 --global-batch 64
    """
    from tui.cli.inputs import start
    from tui.cli.pareto import front

    return front(start(file, given, pin, most, least), format=format, width=width)


@app.command("timeline", epilog=EXIT_CODES)
@with_inputs
def timeline(
    given: dict[str, Any], file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80, axes: opt.PlanAxes = None,
    pin: opt.Pin = None, most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Draw the pipeline schedule of a plan, every pass of every rank: the plan pinned, else that of the plan file, else the best.

    Example: tmplan timeline --plan tp=8,pp=16,vpp=8 --width 160
    """
    from tui.cli.inputs import begin
    from tui.cli.timeline import schedule

    document, pinned = begin(file, given, pin, most, least, axes)
    return schedule(document, pinned=pinned, format=format, width=width)


@app.command("ranks", epilog=EXIT_CODES)
@with_inputs
def ranks(
    given: dict[str, Any], file: opt.File = None, format: opt.TextFormat = "text", width: opt.Width = 80, pin: opt.Pin = None,
    most: opt.Most = None, least: opt.Least = None,
) -> Answer:  # fmt: skip
    """Print the placement of the ranks of a plan on nodes, and their groups: the plan pinned, else that of the plan file, else the best.

    Example: tmplan ranks plan.toml --format json
    """
    from tui.cli.inputs import begin
    from tui.cli.ranks import ranks

    document, pinned = begin(file, given, pin, most, least)
    return ranks(document, pinned=pinned, format=format, width=width)
