"""Another cluster for the same job, from text: a preset or a file, and figures set over it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from planner import presets
from planner.document import planfile
from planner.document.fields import BY_KEY, FIELDS, parse
from planner.document.inputs import Inputs, Recorded, Value, resolve
from planner.errors import FieldError, UnknownName
from planner.files.reader import exists, expand_home
from planner.plaintext import quoted
from planner.presets.toml_keys import read_toml

CLUSTER = tuple(f.key for f in FIELDS if f.group == "cluster")
FORM = "PRESET or FILE, then fields to override: dgx-b200,gpus=1024,nic_gbit_s=800"


def against(inputs: Inputs, text: str) -> Inputs:
    """The same job on another cluster: a cluster or GPU preset, a plan file, or a TOML of either, with overrides.

    The number of GPUs is unchanged unless the plan file or the text gives one. FieldError says what cannot be parsed.
    """
    name, *changes = (part.strip() for part in text.split(","))
    if "=" in name:
        name, changes = "", [name, *changes]
    if not name and not changes:
        raise FieldError("against", f"against is empty; it takes {FORM}")
    base = _named(inputs, name) if name else inputs
    return base.with_all(dict(_setting(change) for change in changes))


def _setting(text: str) -> tuple[str, Value]:
    """One field of a cluster and its value, from `key=value`."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise FieldError("against", f"against takes {FORM}; {quoted(text)} is none of these")
    key = key.lower().replace("-", "_")
    if key not in CLUSTER:
        raise UnknownName("field of a cluster", key, CLUSTER)
    return key, parse(key, value)


def _named(inputs: Inputs, name: str) -> Inputs:
    """The job on the cluster of a preset name or file."""
    bare = inputs.with_all(dict.fromkeys(CLUSTER))
    gpus: dict[str, Value | None] = {"gpus": resolve(inputs).cluster.gpus}
    if name.lower() in presets.names("clusters"):
        return bare.with_all({"cluster": name.lower(), **gpus})
    if name.lower() in presets.names("gpus"):
        return bare.with_all({"gpu": name.lower(), **gpus})
    path = Path(expand_home(name))
    if not exists(path):
        raise UnknownName("cluster, GPU or file", name, {*presets.names("clusters"), *presets.names("gpus")})
    table = read_toml(path)
    if "job" in table or "schema" in table:
        return _of_plan(bare, planfile.read(path).inputs)
    kind = "cluster" if "gpu" in table else "gpu"
    return bare.with_all({kind: parse(kind, str(path)), **gpus})


def _of_plan(bare: Inputs, other: Inputs) -> Inputs:
    """The job on the cluster of a plan file, with the presets and defaults that the file records for it."""
    presets_here = {key: spec for key, spec in bare.recorded.presets.items() if key[0] not in ("cluster", "gpu")}
    presets_there = {key: spec for key, spec in other.recorded.presets.items() if key[0] in ("cluster", "gpu")}
    defaults_here = {key: value for key, value in bare.recorded.defaults.items() if BY_KEY[key].group != "cluster"}
    defaults_there = {key: value for key, value in other.recorded.defaults.items() if BY_KEY[key].group == "cluster"}
    values = {key: value for key, value in other.values.items() if key in CLUSTER}
    recorded = Recorded(presets_here | presets_there, defaults_here | defaults_there)
    return replace(bare, values={**bare.values, **values}, recorded=recorded)
