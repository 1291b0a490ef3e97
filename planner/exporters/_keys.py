"""How the key tables of targets describe a key, and every value of what is written by its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Key(NamedTuple):
    """One key a file may have: its type, where the framework reads it (where the table tells), its values where they are few."""

    kind: type
    read: str = ""
    choices: tuple[object, ...] = ()

    def takes(self, value: object) -> bool:
        """Whether the value may stand at this key."""
        return type(value) is self.kind and (not self.choices or value in self.choices)


def keys(kind: type, *names: str) -> dict[str, Key]:
    """Keys of one type."""
    return {name: Key(kind) for name in names}


def paths(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested mapping with the dotted path to it."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from paths(value, f"{before}{key}.")
        else:
            yield before + key, value
