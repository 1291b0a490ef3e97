"""YAML as plain values. Values under aliases are counted before any expansion: a few hundred bytes can denote 9^9 values."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from planner.errors import FileError
from planner.plaintext import PATH, named, quoted

MOST = 10_000  # values, each alias counted with its content; accelerate writes about fifty
DEEPEST = 32  # levels of lists and tables
LONGEST = 4000  # characters of one value


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with conversion errors as YAML errors: it raises KeyError for !!bool z, AttributeError for !!timestamp z."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; ConstructorError where it does not have the type of its tag."""
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:
            what = quoted(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            raise ConstructorError(None, None, f"{what} is not a valid {named(node.tag.rpartition(':')[2])}", node.start_mark) from None


def read(text: str, where: str) -> Any:
    """The single document of a YAML text; FileError, with the line, where it is invalid or exceeds the bounds of a configuration."""
    try:
        _bound(text, where)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1} " if mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise FileError(f"{place}is not valid YAML: {named(problem, PATH)}", where=where) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileError(f"line {line} is not valid YAML: it has a control character", where=where) from None


def _bound(text: str, where: str) -> None:
    """Refuse a text with too many values, levels or characters, at the first event beyond a bound; nothing is constructed.

    An alias counts as its content, so the count bounds chains of aliases too.
    """
    sizes: dict[str | None, int] = {}  # values of each completed anchor
    opened: list[tuple[str | None, int]] = []  # open lists and tables: anchor, and number of values before it
    values = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        why = ""
        if isinstance(event, CollectionStartEvent):
            opened.append((event.anchor, values))
            values += 1
            why = f"lists and tables are nested more than {DEEPEST} deep" if len(opened) > DEEPEST else ""
        elif isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = values - before
        elif isinstance(event, ScalarEvent):
            sizes[event.anchor] = 1
            values += 1
            why = f"a value has more than {LONGEST:,} characters" if len(event.value) > LONGEST else ""
        elif isinstance(event, AliasEvent):
            values += sizes.get(event.anchor, 1)  # PyYAML reports an undefined one
            why = f"'{named(event.anchor or '')}' contains itself" if event.anchor in {anchor for anchor, _ in opened} else ""
        if values > MOST:
            why = f"with aliases expanded it has more than {MOST:,} values"
        if why:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FileError(f"line {line} exceeds the bounds of a configuration: {why}", where=where)
