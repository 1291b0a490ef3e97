"""Campaign: whole command lines of random options with random values, through the entry point; jobs are small, refusals many."""

from __future__ import annotations

from functools import cache
from random import Random

from tests.fuzz.campaign import Bench, Campaign, Case, register
from tests.fuzz.campaigns.foreign_files import bases
from tests.fuzz.campaigns.plan_files import written
from tests.fuzz.campaigns.row_files import as_csv, measured
from tests.fuzz.campaigns.typed_texts import typed
from tests.fuzz.promises import tried
from tui.cli.introspect import Command, Parameter, commands

LEFT_OUT = ("refit", "calibrate")  # which write into presets, and take minutes
WRITES = ("out", "save")
SIZES = ("gpus", "global_batch", "sequence", "model", "layers", "experts", "hidden", "vocab")  # what makes a job large
MODELS = ("llama-3.2-1b", "llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite-16b")
FILES = ("plan.toml", "runs.csv", "script.sh", "nowhere.toml", ".", "", "a" * 300, "x\x1b]0;x\x07.toml", "\u202ex.toml", "a\x00b")
PLACES = ("out.toml", "job", "deep/er/out.toml", ".", "", "a" * 300, "x\x1b]0;x\x07.toml", "a\x00b", "plan.toml")
VALUES = ("8", "1", "2", "64", "0.5", "tp=2", "pp<=4", "memory_gib", "1e12", "json", "table", "csv", "80")
WORDS = ("tp=8", "tp=2,pp=2", "bash", "bubble", "models")


@cache
def known() -> tuple[Command, ...]:
    """Every command but those left out."""
    return tuple(each for each in commands() if each.name not in LEFT_OUT)


def draw(rng: Random) -> Case:
    """A command line."""
    each = rng.choice(known())
    argv = [each.name]
    taken = [parameter for parameter in each.parameters if parameter.argument and (parameter.required or rng.random() < 0.15)]
    argv += [rng.choice((rng.choice(WORDS), rng.choice(FILES), typed(rng))) for _ in taken]
    if any(parameter.key == "gpus" for parameter in each.parameters):
        argv += ["--model", rng.choice(MODELS), "--gpus", rng.choice(("1", "8", "16")), "--global-batch", "16", "--sequence", "2048"]
    options = [parameter for parameter in each.parameters if not parameter.argument]
    for parameter in rng.sample(options, min(len(options), rng.choice((0, 1, 1, 2, 3, 5)))):
        argv += option(rng, each.name, parameter)
    if rng.random() < 0.05:
        argv.insert(rng.randrange(len(argv) + 1), typed(rng))
    return {"argv": argv}


def option(rng: Random, name: str, parameter: Parameter) -> list[str]:
    """An option with a value: one of those it takes, one that others take, or anything."""
    if parameter.key in SIZES or parameter.key == "name":
        return [parameter.names[0], rng.choice(("", "x", "-1", "1.5", "nan", "\x1b[2J", "é" * 2000))]
    if not parameter.metavar:
        return [rng.choice(parameter.names)]
    if parameter.key in WRITES:
        value = rng.choice(PLACES)
    elif name == "scale" and parameter.key in ("to", "sizes"):
        value = rng.choice(("16", "64", "1", "8,16,32", "x", ""))
    else:
        good = [value for value in parameter.values if ":" not in value and value not in ("text", "axis", "column", "target", "file")]
        value = rng.choice(rng.choices((good or VALUES, VALUES, (typed(rng),)), (40, 30, 30))[0])
    return [parameter.names[0], value] if rng.random() < 0.8 else [f"{parameter.names[0]}={value}"]


def check(case: Case, bench: Bench) -> None:
    """The command keeps what every command promises; what it wrote is cleared away."""
    bench.empty()
    (bench.folder / "plan.toml").write_text(written(0), encoding="utf-8")
    (bench.folder / "runs.csv").write_text(as_csv(list(measured()[:4])), encoding="utf-8")
    (bench.folder / "script.sh").write_text(bases("megatron")[2], encoding="utf-8")
    tried(case["argv"])


register(Campaign("command-lines", "whole command lines", draw, check, weight=1.5, shrinks=("argv",), limit=60.0))
