"""Pages that list a registry: fields, columns, rules, quantities and sources, themes."""

from __future__ import annotations

from planner.document.fields import BY_KEY, FIELDS, Field, text
from planner.document.space import AXES
from planner.formula.bibliography import SOURCES
from planner.formula.quantities import QUANTITIES
from planner.formula.trace import every_formula
from planner.report.columns import COLUMNS
from planner.search.rules import RULES, SENTENCES
from planner.specs.options import MODULES
from planner.specs.pipeline_layout import EXAMPLE
from tui.manual.markdown import block, code, page, plain, table
from tui.settings import theme_files, theme_table, themes
from tui.state.axes import about, label

FORMS = ("*       free", "8       exactly 8", "1,2,4   one of these", "<=16    at most", ">=2     at least", "2..8    from 2 to 8")
GROUPS = {"cluster": "Cluster", "model": "Model", "batch": "Parallelism and batch", "options": "Memory options",
          "run": "Training as a whole"}  # fmt: skip


def fields_page() -> str:
    """docs/fields.md."""
    head = ("field", "option", "unit", "takes", "default", "is")
    return page(
        "Fields and axes",
        "All inputs: the fields of a job, by their names in the forms, the options of the command line and plan files, and the axes of the"
        " search. A field that is not set has the value of its preset, if it has one. Whole numbers may be written 8192, 8_192, 8,192 or 8k"
        " (k is 1,024, m is 1,048,576; b is a billion, t a trillion).",
        *(part for group, title in GROUPS.items() for part in (
            f"## {title}", table(head, (_field(f) for f in FIELDS if f.group == group)))),
        "## Axes of the search",
        "Each axis is left to the search, or bounded: in its field, by its option, or by `--pin`, `--max` and `--min`.",
        table(("axis", "option", "meaning, and the syntax of its bounds"), (
            (code(axis), code(f"--{axis.replace('_', '-')}"), plain(about(axis))) for axis in AXES)),
        block(FORMS, ""),
    )  # fmt: skip


def _field(f: Field) -> tuple[str, ...]:
    option = f"--{f.key.replace('_', '-')}"
    name = f"{option}, --no-{option[2:]}" if f.kind == "bool" else option
    default = "" if f.default is None else text(f.key, f.default)
    condition = f"; only with {_needed(f)}" if f.depends_on and f.depends_on != f.key else ""
    return code(f.key), code(name), f.unit, _takes(f), code(default), plain(f.help + condition)


def _needed(f: Field) -> str:
    """What a field depends on, with the values for which it has an effect where only some have."""
    name = label(f.depends_on) if f.depends_on in AXES else BY_KEY[f.depends_on].label
    return " ".join((name.lower(), *((" or ".join(f.with_values),) if f.with_values else ())))


def _takes(f: Field) -> str:
    """The values that a field accepts."""
    if f.kind == "preset":
        return f"a preset (`tmplan {f.preset_kind}`) or a file"
    if f.choices:
        return ", ".join(map(code, f.choices)) + (" or nothing" if f.optional else "")
    if f.kind == "text":
        return ", ".join(map(code, MODULES)) + ": several, separated by commas, or nothing"
    if f.kind == "layout":
        return f"a layout such as {code(EXAMPLE)}, or nothing"
    yes_or_no = "yes, no or nothing" if f.optional else "yes, no"
    return yes_or_no if f.kind == "bool" else f"{'whole' if f.kind == 'int' else 'number'}, {f.least:,.12g} to {f.most:,.12g}"


def columns_page() -> str:
    """docs/columns.md."""
    return page(
        "Columns",
        "Every number shown or exported. The key is its name in `--sort`, filters (`memory_gib<72`), JSON, CSV and plan files; the heading"
        " is its title in tables. Sorting puts the best value first: the smallest or the largest.",
        table(("key", "heading", "unit", "best", "is"), (
            (code(c.key), plain(c.heading), c.unit, "smallest" if c.ascending else "largest", plain(c.help)) for c in COLUMNS)),
    )  # fmt: skip


def rules_page() -> str:
    """docs/rules.md."""
    listed = {rule.key for rule in RULES}
    return page(
        "Rules",
        "The conditions of a valid plan. The lattice applies a rule as soon as the fields it reads are known, and counts the plans it"
        " refuses under its key; which rules apply depends on the stack.",
        table(("key", "message", "reads", "enforced in"), (
            (code(rule.key), plain(rule.sentence), ", ".join(map(code, rule.fields)), plain(rule.source)) for rule in RULES)),
        "In addition, a search refuses:",
        table(("key", "because"), ((code(key), plain(sentence)) for key, sentence in SENTENCES.items() if key not in listed)),
    )  # fmt: skip


def nomenclature_page() -> str:
    """docs/nomenclature.md: symbols, formulas, bibliography."""
    units, formulas = {"B": "byte", "s": "second"}, every_formula()  # formulas first: some declare their quantities
    return page(
        "Nomenclature",
        "The symbols of explanations, the formulas that use them, and the sources of the formulas. All quantities are in base units:"
        " bytes, seconds, FLOP.",
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
        " sets it permanently; `NO_COLOR` overrides both with `ansi`. A terminal with 256 or 16 colours shows the nearest ones.",
        table(("name", "title", "background", "description"), (_theme(name) for name in theme_files.shipped())),
        "## Custom themes",
        "Put `themes/NAME.toml` into the config folder: a title, whether the background is dark, ten colours, and, optionally, the styles"
        " of roles. A colour is `#rrggbb`, or a colour of the terminal: `ansi_default`, `ansi_red`, `ansi_bright_red` and so on."
        " It replaces a shipped theme of the same name; a faulty theme is reported in one sentence, and the default theme is used.",
        block(theme_files.read_shipped("paper")[0].splitlines(), "toml"),
        f"The colours: {', '.join(map(code, theme_table.COLOURS))}. A role is a colour, `on` and a background colour, and"
        f" {', '.join(map(code, theme_table.STYLES))}:",
        table(("role", "default style, which `[roles]` may replace"), (map(code, row) for row in theme_table.ROLES.items())),
    )  # fmt: skip


def _theme(name: str) -> tuple[str, ...]:
    """A row of the table of themes; its description is the comment at the head of the file."""
    text_of_file = theme_files.read_shipped(name)[0]
    look = themes.parse(name, text_of_file, name)
    purpose = " ".join(line.removeprefix("#").strip() for line in text_of_file.splitlines() if line.startswith("#"))
    return code(name), look.title, "the terminal's" if look.theme.ansi else "dark" if look.theme.dark else "light", plain(purpose)
