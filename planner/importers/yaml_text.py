"""YAML as plain values. What its aliases stand for is counted before any is expanded: a few hundred bytes can name 9^9 values."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from planner.errors import FileError
from planner.plaintext import PATH, named, quoted

MOST = 10_000  # values, an alias counted as what it stands for; what accelerate writes has some fifty
DEEPEST = 32  # levels of lists and tables
LONGEST = 4000  # characters of one value


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but for what its conversions raise: a KeyError for !!bool z, an AttributeError for !!timestamp z."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; ConstructorError where it is not what its type says."""
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:
            what = quoted(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            raise ConstructorError(None, None, f"{what} is no {named(node.tag.rpartition(':')[2])}", node.start_mark) from None


def read(text: str, where: str) -> Any:
    """The one document of a YAML text; FileError, with the line, for what is damaged or is more than a configuration holds."""
    try:
        _bound(text, where)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1} " if mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise FileError(f"{place}is not valid YAML: {named(said, PATH)}", where=where) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileError(f"line {line} is not valid YAML: it holds a control character", where=where) from None


def _bound(text: str, where: str) -> None:
    """Refuse a text of too many values, levels or characters in one, at the first event beyond; nothing is built of it.

    An alias counts as all that it stands for; as those of a chain of aliases add up, the count bounds their levels too.
    """
    sizes: dict[str | None, int] = {}  # by anchor, of what is complete
    begun: list[tuple[str | None, int]] = []  # the lists and tables that are open: their anchors, and the values before each
    values = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        why = ""
        if isinstance(event, CollectionStartEvent):
            begun.append((event.anchor, values))
            values += 1
            why = f"lists and tables are nested more than {DEEPEST} deep" if len(begun) > DEEPEST else ""
        elif isinstance(event, CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = values - before
        elif isinstance(event, ScalarEvent):
            sizes[event.anchor] = 1
            values += 1
            why = f"a value has more than {LONGEST:,} characters" if len(event.value) > LONGEST else ""
        elif isinstance(event, AliasEvent):
            values += sizes.get(event.anchor, 1)  # of one that is nowhere PyYAML speaks
            why = f"'{named(event.anchor or '')}' stands within itself" if event.anchor in {anchor for anchor, _ in begun} else ""
        if values > MOST:
            why = f"with aliases written out it holds more than {MOST:,} values"
        if why:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FileError(f"line {line} is beyond what a configuration holds: {why}", where=where)
