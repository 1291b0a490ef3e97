"""YAML as plain values: aliases are counted before expansion, every error is one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from planner.errors import FileError
from planner.importers import yaml_text
from planner.importers.formats import read_text
from tests.nasty import readable

LEVELS = "abcdefgh"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip(LEVELS, "bcdefghi", strict=True))
MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{c}: &{c} {{<<: [{','.join(['*' + p] * 9)}]}}\n" for p, c in zip(LEVELS, "bcdefghi", strict=True)
)
KEYS = "? &a [x, x]\n: 1\n" + "".join(f"? &b{n} [{','.join(['*a' if not n else f'*b{n - 1}'] * 9)}]\n: 1\n" for n in range(8))
REFUSED = [
    (BOMB + "num_processes: *i\n", "with aliases expanded it has more than 10,000 values"),
    (BOMB + "mixed_precision: *i\n", "with aliases expanded it has more than 10,000 values"),
    (MERGED, "with aliases expanded it has more than 10,000 values"),
    (KEYS, "with aliases expanded it has more than 10,000 values"),
    ("a: &a [*a]\n", "line 1 exceeds the bounds of a configuration: 'a' contains itself"),
    ("&a {b: 1, c: {d: *a}}\n", "'a' contains itself"),
    ("<<: &a {<<: *a}\n", "'a' contains itself"),
    ("x: 1\ny: " + "[" * 100_000, "line 2 exceeds the bounds of a configuration: lists and tables are nested more than 32 deep"),
    ("? " * 5000 + "\n", "nested more than 32 deep"),
    ("- " * 5000 + "\n", "nested more than 32 deep"),
    ("x: [" + "1," * 20_000 + "1]", "has more than 10,000 values"),
    ("--- 1\n" * 20_000, "has more than 10,000 values"),
    ("x: " + "1:" * 300_000 + "1\n", "a value has more than 4,000 characters"),
    ("x: " + "9" * 5000 + "\n", "a value has more than 4,000 characters"),
    ("a: *b\n", "line 1 is not valid YAML: found undefined alias 'b'"),
    ("x: 1\ny: !!timestamp 'z'\n", "line 2 is not valid YAML: 'z' is not a valid timestamp"),
    ("x: !!bool 'z'\n", "'z' is not a valid bool"),
    ("x: !!int 'z'\n", "'z' is not a valid int"),
    ("x: !!int ''\n", "'' is not a valid int"),
    ("x: !!float 'z'\n", "'z' is not a valid float"),
    ("x: !!binary 'é'\n", "line 1 is not valid YAML: failed to convert base64 data"),
    ("x: 2001-99-99\n", "'2001-99-99' is not a valid timestamp"),
    ("x: !!timestamp '2001-01-01 00:00:00 +99:99'\n", "is not a valid timestamp"),
    ("x: " + "1:" * 1500 + "1.5\n", "is not a valid float"),
    ("? [1, 2]\n: 3\n", "found unhashable key"),
    ("? {a: 1}\n: 3\n", "found unhashable key"),
    ("x: !!python/object/apply:os.system ['touch /nowhere']\n", "could not determine a constructor for the tag"),
    ("x: !!python/name:os.system\n", "could not determine a constructor for the tag"),
    ("x: !<" + "t" * 3000 + "> 1\n", "could not determine a constructor for the tag"),
    ("<<: [1]\n", "expected a mapping for merging"),
    ("a: 1\n--- 2\n", "expected a single document"),
    ("a: [\n", "line 2 is not valid YAML"),
    ("a: 1\nb: \x07\n", "line 2 is not valid YAML: it has a control character"),
    ("%YAML 9.9\n---\nx: 1\n", "is not valid YAML"),
    ("a: &b 1\nc: &" + "b" * 3000 + " 2\nd: *" + "c" * 3000, "found undefined alias"),
]  # fmt: skip
TAKEN: list[tuple[str, Any]] = [
    ("a: &a [1, 2]\nb: *a\nc: *a\n", {"a": [1, 2], "b": [1, 2], "c": [1, 2]}),
    ("a: &a {x: 1}\nb: {<<: *a, y: 2}\n", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
    ("x: !!set {a, b}\n", {"x": {"a", "b"}}),
    ("x: 0x" + "f" * 3000 + "\n", {"x": 16**3000 - 1}),
    ("x: 1:30\n", {"x": 90}),
    ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_invalid_or_excessive_yaml_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    """Whatever PyYAML would raise or build, the import gives one sentence at once."""
    with pytest.raises(FileError) as refusal:
        read_text(text, "x.yaml")
    assert sentence in str(refusal.value) and readable(str(refusal.value), 500)


@pytest.mark.parametrize(("text", "value"), TAKEN, ids=range(len(TAKEN)))
def test_aliases_and_types_within_bounds_are_read(text: str, value: Any) -> None:
    """Aliases, merges and types have the values of PyYAML's safe loader."""
    assert yaml_text.read(text, "x.yaml") == value == yaml.safe_load(text)
