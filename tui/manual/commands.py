"""docs/commands.md: every command with synopsis, options and examples; exit codes, environment and files, as in a manual page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.document.fields import FIELDS, JOB_GROUPS
from planner.document.space import AXES
from tui.cli.introspect import Command, Parameter, commands
from tui.manual.markdown import block, code, page, plain, table

CODES = (
    ("0", "done"),
    ("1", "no plan fits, or none is valid; stdout still has the results. Some commands use it for another negative result, stated there"),
    ("2", "an input was refused; one sentence on stderr says what is wrong, where, and what would be right"),
    ("130", "interrupted"),
    ("129, 143", "the program was ended by SIGHUP or the loss of its terminal, or by SIGTERM; its session is saved"),
)
ENVIRONMENT = (
    ("NO_COLOR", "if set, to any value: no colours other than the terminal's; overrides every other choice of a theme"),
    ("TMPLAN_THEME", "the theme; overrides the config file. `tmplan themes` lists the themes"),
    ("TMPLAN_CONFIG", "the config folder, in place of the platform's"),
    ("TMPLAN_CACHE", "the folder of what `tmplan verify` compiles once, in place of the platform's cache folder"),
    ("TMPLAN_PYTHON", "the Python that has the framework which `tmplan verify` runs, in place of the one that runs tmplan"),
    ("TMPLAN_STATE", "the folder of sessions, in place of the platform's state folder; a folder that holds only sessions is made private"),
    ("TMPLAN_TRACEBACK", "if set: an internal error of tmplan ends with Python's traceback, for a report"),
    ("TERM", "type of the terminal; if unset or `dumb` the program refuses to open and refers to `tmplan plan`"),
    ("COLORTERM", "`truecolor` or `24bit`: the terminal shows all colours of a theme"),
    ("XDG_CONFIG_HOME", "on Linux, the folder of config folders; `~/.config` if unset"),
)
FILES = (
    ("config.toml", "the theme and your keys; `tmplan config` prints it with every setting, `tmplan config --init` creates it"),
    ("themes/*.toml", "your themes: [themes.md](themes.md)"),
    ("presets/models/*.toml", "your models; likewise `gpus`, `clusters` and `stacks`. `tmplan calibrate` writes clusters"),
)
OVERVIEW = """\
`tmplan` plans distributed training of large language models in the terminal: it searches every combination of parallel degrees,
sharding, micro-batch and recomputation that the training framework accepts, ranks what fits by step time, and explains each number.
Without a command, or with a plan file, it opens the program; with a command it prints and ends. Data goes to stdout, messages to stderr."""


def commands_page() -> str:
    """The page."""
    listed = commands()
    return page(
        "tmplan: commands",
        "## Synopsis",
        block(["tmplan [FILE] [OPTIONS]            # opens the program, with the options of `open`",
               "tmplan COMMAND [ARGUMENTS] [OPTIONS]", "tmplan COMMAND --help", "tmplan --help | --version"]),
        "## Description", OVERVIEW,
        table(("command", "does"), ((f"[{command.name}](#{command.name})", plain(_first(command.about))) for command in listed)),
        *(part for command in listed for part in section(command)),
        "## Options of the job",
        "Every command that plans has these options: one for each field of a job, and one for each axis of the search. A value that is not"
        " set comes from the plan file, else from the example, Llama 3.1 405B on 16,384 H100. An empty value resets a field to its preset."
        " [fields.md](fields.md) lists units, limits and defaults.",
        table(HEAD, _rows(_job_options(listed))),
        "## Exit codes", table(("code", "means"), CODES),
        "## Environment", table(("variable", "does"), ((code(name), text) for name, text in ENVIRONMENT)),
        "## Files",
        "In the config folder: `~/.config/tmplan` on Linux, the platform's default elsewhere, or the folder named by `TMPLAN_CONFIG`.",
        table(("file", "holds"), ((code(name), text) for name, text in FILES)),
        "## See also",
        "[keys.md](keys.md), [themes.md](themes.md), [fields.md](fields.md), [columns.md](columns.md), [rules.md](rules.md),"
        " [nomenclature.md](nomenclature.md), [json.md](json.md), [runs.md](runs.md), [architecture.md](architecture.md)",
    )  # fmt: skip


HEAD = ("option", "default", "does")


def section(command: Command) -> Iterator[str]:
    """The section on one command."""
    specific = [parameter for parameter in command.parameters if not (plans(command) and parameter.of_the_job)]
    yield f"## {command.name}"
    yield block(synopsis(command, specific))
    yield plain(command.about)
    if arguments := [parameter for parameter in specific if parameter.argument]:
        yield table(("argument", "", "is"), _rows(arguments))
    if options := [parameter for parameter in specific if not parameter.argument]:
        yield table(HEAD, _rows(options))
    if plans(command):
        yield "And the [options of the job](#options-of-the-job)."
    if command.examples:
        yield block(command.examples)
    if command.codes:
        yield plain(command.codes)


def plans(command: Command) -> bool:
    """Whether a command has an option for every field of a job and every axis."""
    return {f.key for f in FIELDS if f.group in JOB_GROUPS} | set(AXES) <= {parameter.key for parameter in command.parameters}


def synopsis(command: Command, specific: Sequence[Parameter]) -> list[str]:
    """The command line, wrapped between its parts: arguments, the command's options, and whether it has the options of the job."""
    parts = [p.metavar if p.required else f"[{p.metavar}]" for p in specific if p.argument]
    parts += [f"[{p.written}]{'...' if p.repeatable else ''}" for p in specific if not p.argument]
    parts += ["[OPTIONS OF THE JOB]"] if plans(command) else []
    lines = [f"tmplan {command.name}"]
    for part in parts:
        if len(lines[-1]) + len(part) > 100:
            lines.append(" " * len(f"tmplan {command.name}"))
        lines[-1] += f" {part}"
    return lines


def _job_options(listed: Sequence[Command]) -> list[Parameter]:
    """The options of the job, from the first command that has them all."""
    whole = next(command for command in listed if plans(command))
    return [parameter for parameter in whole.parameters if parameter.of_the_job]


def _rows(parameters: Sequence[Parameter]) -> Iterator[tuple[str, str, str]]:
    for parameter in parameters:
        yield code(parameter.written), code(parameter.default), plain(parameter.help)


def _first(about: str) -> str:
    """The first sentence."""
    return about.partition(". ")[0].rstrip(".")
