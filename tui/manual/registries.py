"""Pages that list a registry: fields, columns, rules, quantities and their sources, themes."""

from __future__ import annotations

from planner.document.fields import BY_KEY, FIELDS, Field, text
from planner.document.space import AXES
from planner.formula.bibliography import SOURCES
from planner.formula.quantities import QUANTITIES
from planner.formula.trace import every_formula
from planner.report.columns import COLUMNS
from planner.search.rules import RULES, SENTENCES
from tui.manual.markdown import block, code, page, plain, table
from tui.settings import theme_files as themefiles
from tui.settings import theme_table as themetable
from tui.settings import themes
from tui.state.axes import about

FORMS = ("*       free", "8       just that", "1,2,4   one of these", "<=16    at most", ">=2     at least", "2..8    from 2 to 8")
GROUPS = {"cluster": "Cluster", "model": "Model", "batch": "Parallelism and batch", "run": "Training as a whole"}


def fields_page() -> str:
    """docs/fields.md."""
    head = ("field", "option", "unit", "takes", "default", "is")
    return page(
        "Fields and axes",
        "What a person can set: the fields of a job, as the forms, the options of the command line and plan files name them, and the axes"
        " of the search. A field not set is that of its preset where it has one. Whole numbers may be written 8192, 8_192, 8,192 or 8k"
        " (k is 1,024, m is 1,048,576; b is a billion, t a trillion).",
        *(part for group, title in GROUPS.items() for part in (
            f"## {title}", table(head, (_field(f) for f in FIELDS if f.group == group)))),
        "## Axes of the search",
        "Each is left to the search, or bounded: in its field, by its option, or by `--pin`, `--max` and `--min`.",
        table(("axis", "option", "is, and how its bounds are written"), (
            (code(axis), code(f"--{axis.replace('_', '-')}"), plain(about(axis))) for axis in AXES)),
        block(FORMS, ""),
    )  # fmt: skip


def _field(f: Field) -> tuple[str, ...]:
    option = f"--{f.key.replace('_', '-')}"
    name = f"{option}, --no-{option[2:]}" if f.kind == "bool" else option
    default = "" if f.default is None else text(f.key, f.default)
    beside = f"; only beside {BY_KEY[f.beside].label.lower()}" if f.beside and f.beside != f.key else ""
    return code(f.key), code(name), f.unit, _takes(f), code(default), plain(f.help + beside)


def _takes(f: Field) -> str:
    """What a field takes, in a few words."""
    if f.kind == "preset":
        return f"a preset (`tmplan {f.preset_kind}`) or a file"
    if f.choices:
        return ", ".join(map(code, f.choices)) + (" or nothing" if f.optional else "")
    return "yes, no" if f.kind == "bool" else f"{'whole' if f.kind == 'int' else 'number'}, {f.least:,.12g} to {f.most:,.12g}"


def columns_page() -> str:
    """docs/columns.md."""
    return page(
        "Columns",
        "Every number shown or exported. The key is what `--sort`, filters (`memory_gib<72`), JSON, CSV and plan files call it; the heading"
        " stands over it in tables. Sorted, the best stands first: the smallest or the largest.",
        table(("key", "heading", "unit", "best", "is"), (
            (code(c.key), plain(c.heading), c.unit, "smallest" if c.ascending else "largest", plain(c.help)) for c in COLUMNS)),
    )  # fmt: skip


def rules_page() -> str:
    """docs/rules.md."""
    own = {rule.key for rule in RULES}
    return page(
        "Rules",
        "What makes a plan valid. The lattice applies a rule as soon as the fields it reads exist, and counts what it refuses under its"
        " key; which of them hold is a matter of the stack.",
        table(("key", "a refusal says", "reads", "enforced in"), (
            (code(rule.key), plain(rule.sentence), ", ".join(map(code, rule.fields)), plain(rule.source)) for rule in RULES)),
        "Beside these, a search refuses:",
        table(("key", "because"), ((code(key), plain(sentence)) for key, sentence in SENTENCES.items() if key not in own)),
    )  # fmt: skip


def nomenclature_page() -> str:
    """docs/nomenclature.md: symbols, formulas, bibliography."""
    units, formulas = {"B": "byte", "s": "second"}, every_formula()  # formulas first: some declare their quantities
    return page(
        "Nomenclature",
        "The symbols that explanations are written in, the formulas they stand in, and the works these come from. Inside, everything is in"
        " base units: bytes, seconds, FLOP.",
        "## Symbols",
        table(("symbol", "unit", "name", "meaning"), (
            (code(q.symbol), units.get(q.unit, q.unit), code(name), plain(q.meaning)) for name, q in sorted(QUANTITIES.items()))),
        "## Formulas",
        table(("symbol", "formula", "meaning", "source"), (
            (code(d.quantity.symbol), code(d.notation), plain(d.sentence), plain(d.source)) for _, d in sorted(formulas.items()))),
        "## Sources",
        table(("key", "work", "where"), (
            (code(key), f"{plain(source.short)}: {plain(source.title)}", plain(source.where)) for key, source in sorted(SOURCES.items()))),
    )  # fmt: skip


def themes_page() -> str:
    """docs/themes.md."""
    return page(
        "Themes",
        "A theme is one TOML file. `TMPLAN_THEME=paper tmplan` tries one, `theme = \"paper\"` in `config.toml` (`tmplan config --init`)"
        " keeps it; `NO_COLOR` chooses `ansi` whatever they say. Where a terminal has 256 or 16 colours the nearest are taken.",
        table(("name", "title", "ground", "about"), (_theme(name) for name in themefiles.shipped())),
        "## One of your own",
        "Put `themes/NAME.toml` into the config folder: a title, whether its ground is dark, ten colours, and, where you want them drawn in"
        " another way, roles. A colour is `#rrggbb`, or one of the terminal's own: `ansi_default`, `ansi_red`, `ansi_bright_red` and so on."
        " One called as a shipped theme takes its place; one that is wrong is told in a sentence, and the default is shown.",
        block(themefiles.read_shipped("paper")[0].splitlines(), "toml"),
        f"The colours: {', '.join(map(code, themetable.COLOURS))}. A role is a colour, `on` and another behind it, and"
        f" {', '.join(map(code, themetable.STYLES))}:",
        table(("role", "drawn as, unless `[roles]` says otherwise"), (map(code, row) for row in themetable.ROLES.items())),
    )  # fmt: skip


def _theme(name: str) -> tuple[str, ...]:
    """A row: the comment that heads its file says what it is for."""
    told = themefiles.read_shipped(name)[0]
    look = themes.parse(name, told, name)
    purpose = " ".join(line.removeprefix("#").strip() for line in told.splitlines() if line.startswith("#"))
    return code(name), look.title, "the terminal's" if look.theme.ansi else "dark" if look.theme.dark else "light", plain(purpose)
