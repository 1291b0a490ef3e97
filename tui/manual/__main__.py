"""`python -m tui.manual [FOLDER]`: write the pages generated from the registries, by default into this repository's docs/."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from planner.files import writer
from tui.manual.accuracy import accuracy_page
from tui.manual.api import api_page
from tui.manual.commands import commands_page
from tui.manual.keys import keys_page
from tui.manual.registries import columns_page, fields_page, nomenclature_page, rules_page, themes_page

PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": api_page,
    "commands.md": commands_page, "keys.md": keys_page, "columns.md": columns_page, "fields.md": fields_page, "rules.md": rules_page,
    "nomenclature.md": nomenclature_page, "themes.md": themes_page, "errors.md": accuracy_page,
}  # fmt: skip


def main(folder: Path) -> None:
    """Write every page into a folder, each file atomically."""
    for name, made in PAGES.items():
        writer.write(folder / name, made())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs")
