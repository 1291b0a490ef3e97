"""docs/commands.md: every command with its synopsis, options, examples; exit codes, environment and files, as a manual page has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.document.fields import FIELDS, JOB_GROUPS
from planner.document.space import AXES
from tui.cli.introspect import Command, Parameter, commands
from tui.manual.markdown import block, code, page, plain, table

CODES = (
    ("0", "done"),
    ("1", "no plan fits, or none is valid; stdout still has what was found. Of some commands another lack: see theirs"),
    ("2", "an input was refused; one sentence on stderr says what was wrong, where, and what would be right."),
    ("130", "interrupted"),
    ("129, 143", "the program was ended by SIGHUP or a terminal that is gone, or by SIGTERM; its session is written"),
)
ENVIRONMENT = (
    ("NO_COLOR", "set, whatever its value: no colours but the terminal's own; comes before all else that chooses a theme"),
    ("TMPLAN_THEME", "the theme, before the one of the config file; `tmplan themes` lists them"),
    ("TMPLAN_CONFIG", "the config folder, in place of the platform's own"),
    ("TMPLAN_STATE", "the folder of sessions, in place of the platform's state folder; one of its own is closed to others"),
    ("TMPLAN_TRACEBACK", "set: a fault of tmplan itself ends with Python's traceback, for a report"),
    ("TERM", "what the terminal can do; where it is unset or `dumb` the program refuses to open and names `tmplan plan`"),
    ("COLORTERM", "`truecolor` or `24bit`: the terminal shows every colour of a theme"),
    ("XDG_CONFIG_HOME", "on Linux, where config folders lie; `~/.config` where it is unset"),
)
FILES = (
    ("config.toml", "a theme and keys of your own; `tmplan config` prints it with every setting, `tmplan config --init` begins it"),
    ("themes/*.toml", "themes of your own: [themes.md](themes.md)"),
    ("presets/models/*.toml", "models of your own, and so `gpus`, `clusters` and `stacks`; `tmplan calibrate` writes clusters"),
)
OVERVIEW = """\
`tmplan` plans distributed training of large language models in the terminal: it searches every combination of parallel degrees,
sharding, micro-batch and recomputation that the training framework accepts, ranks what fits by step time, and explains each number.
Without a command, or with a plan file, it opens the program; with a command it prints and ends. stdout is data, stderr is narration."""


def commands_page() -> str:
    """The page."""
    listed = commands()
    return page(
        "tmplan: commands",
        "## Synopsis",
        block(["tmplan [FILE] [OPTIONS]            # opens the program: the options are those of `open`",
               "tmplan COMMAND [ARGUMENTS] [OPTIONS]", "tmplan COMMAND --help", "tmplan --help | --version"]),
        "## Description", OVERVIEW,
        table(("command", "does"), ((f"[{command.name}](#{command.name})", plain(_first(command.about))) for command in listed)),
        *(part for command in listed for part in section(command)),
        "## Options of the job",
        "Every command that plans takes these: one for each field of a job, and one for each axis of the search. What they do not set is"
        " that of the plan file, else of the example, Llama 3.1 405B on 16,384 H100. An empty value gives a field back to its preset."
        " [fields.md](fields.md) has units, limits and defaults.",
        table(HEAD, _rows(_job_options(listed))),
        "## Exit codes", table(("code", "means"), CODES),
        "## Environment", table(("variable", "does"), ((code(name), text) for name, text in ENVIRONMENT)),
        "## Files",
        "In the config folder: `~/.config/tmplan` on Linux, the platform's own place elsewhere, or what `TMPLAN_CONFIG` names.",
        table(("file", "holds"), ((code(name), text) for name, text in FILES)),
        "## See also",
        "[keys.md](keys.md), [themes.md](themes.md), [fields.md](fields.md), [columns.md](columns.md), [rules.md](rules.md),"
        " [nomenclature.md](nomenclature.md), [json.md](json.md), [runs.md](runs.md), [architecture.md](architecture.md)",
    )  # fmt: skip


HEAD = ("option", "default", "does")


def section(command: Command) -> Iterator[str]:
    """The part of one command."""
    own = [parameter for parameter in command.parameters if not (plans(command) and parameter.of_the_job)]
    yield f"## {command.name}"
    yield block(synopsis(command, own))
    yield plain(command.about)
    if arguments := [parameter for parameter in own if parameter.argument]:
        yield table(("argument", "", "is"), _rows(arguments))
    if options := [parameter for parameter in own if not parameter.argument]:
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


def synopsis(command: Command, own: Sequence[Parameter]) -> list[str]:
    """The command line, broken between its parts: arguments, options of its own, and whether there are those of the job."""
    parts = [p.metavar if p.required else f"[{p.metavar}]" for p in own if p.argument]
    parts += [f"[{p.written}]{'...' if p.repeatable else ''}" for p in own if not p.argument]
    parts += ["[OPTIONS OF THE JOB]"] if plans(command) else []
    lines = [f"tmplan {command.name}"]
    for part in parts:
        if len(lines[-1]) + len(part) > 100:
            lines.append(" " * len(f"tmplan {command.name}"))
        lines[-1] += f" {part}"
    return lines


def _job_options(listed: Sequence[Command]) -> list[Parameter]:
    """The options of the job, of the first command that has them all."""
    whole = next(command for command in listed if plans(command))
    return [parameter for parameter in whole.parameters if parameter.of_the_job]


def _rows(parameters: Sequence[Parameter]) -> Iterator[tuple[str, str, str]]:
    for parameter in parameters:
        yield code(parameter.written), code(parameter.default), plain(parameter.help)


def _first(about: str) -> str:
    """The first sentence."""
    return about.partition(". ")[0].rstrip(".")
