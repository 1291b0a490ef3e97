"""Descriptions of the keys that targets write, and the values of a written file by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Key(NamedTuple):
    """A key of a file: its type, the source file that reads it (where the table gives it), and its values if there are few."""

    kind: type
    read: str = ""
    choices: tuple[object, ...] = ()

    def takes(self, value: object) -> bool:
        """Whether the key accepts the value."""
        return type(value) is self.kind and (not self.choices or value in self.choices)


def keys(kind: type, *names: str) -> dict[str, Key]:
    """Keys of one type."""
    return {name: Key(kind) for name in names}


def paths(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested mapping with its dotted path."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from paths(value, f"{before}{key}.")
        else:
            yield before + key, value
