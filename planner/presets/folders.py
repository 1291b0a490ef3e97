"""The folders of presets: the shipped ones next to this module and the user's. No preset is opened here.

An unreadable user folder never prevents the use of shipped presets; `problems` reports why the user's are missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

import platformdirs

from planner.errors import FieldError, FileError, UnknownName
from planner.files.reader import expand_home, names_in
from planner.plaintext import line, named

KINDS = ("gpus", "clusters", "models", "stacks")
SHIPPED = Path(__file__).parent
ENDING = ".toml"
MOST = 1000  # user presets listed per kind; further ones can still be read by name
# Further product names of GPUs, without the makers' names: as vendors, drivers and clouds write them.
ALIASES = {
    "a100": "a100-80gb-sxm", "a100-80gb": "a100-80gb-sxm", "a100-sxm": "a100-80gb-sxm", "a100-sxm4": "a100-80gb-sxm",
    "a100-sxm4-80gb": "a100-80gb-sxm", "a100-sxm-80gb": "a100-80gb-sxm", "a100-40gb": "a100-40gb-sxm", "a100-sxm4-40gb": "a100-40gb-sxm",
    "a100-sxm-40gb": "a100-40gb-sxm", "a100-pcie": "a100-80gb-pcie", "a100-pcie-80gb": "a100-80gb-pcie",
    "a800": "a800-80gb-sxm", "a800-80gb": "a800-80gb-sxm", "a800-sxm4-80gb": "a800-80gb-sxm", "a10g": "a10",
    "h100": "h100-sxm", "h100-80gb": "h100-sxm", "h100-80gb-hbm3": "h100-sxm", "h100-sxm5": "h100-sxm", "h100-80gb-sxm": "h100-sxm",
    "h100-sxm5-80gb": "h100-sxm", "h100-sxm-80gb": "h100-sxm", "h100-pcie-80gb": "h100-pcie", "h100-80gb-pcie": "h100-pcie",
    "h100-96gb": "h100-96gb-hbm2e", "h200": "h200-sxm", "h200-141gb": "h200-sxm", "h200-sxm5": "h200-sxm", "h800": "h800-sxm",
    "h800-80gb": "h800-sxm", "h800-sxm5": "h800-sxm", "h20-96gb": "h20", "h20-sxm": "h20",
    "gh200-96gb": "gh200", "gh200-480gb": "gh200", "gh200-120gb": "gh200", "b200-sxm": "b200", "b200-180gb": "b200", "b300-sxm": "b300",
    "gb200-nvl72": "gb200", "gb200-nvl36": "gb200", "gb300-nvl72": "gb300", "gb10": "dgx-spark", "spark": "dgx-spark",
    "v100": "v100-32gb-sxm", "v100-32gb": "v100-32gb-sxm", "v100-16gb": "v100-16gb-sxm", "v100-sxm2-32gb": "v100-32gb-sxm",
    "v100-sxm2-16gb": "v100-16gb-sxm", "rtx3090": "rtx-3090", "3090": "rtx-3090", "rtx4090": "rtx-4090", "4090": "rtx-4090",
    "rtx5090": "rtx-5090", "5090": "rtx-5090", "a5000": "rtx-a5000", "a6000": "rtx-a6000", "6000-ada": "rtx-6000-ada",
    "rtx-6000-ada-generation": "rtx-6000-ada", "rtx6000-ada": "rtx-6000-ada", "rtx-ada-6000": "rtx-6000-ada",
    "mi250": "mi250x", "mi300": "mi300x", "mi355": "mi355x", "v5e": "tpu-v5e", "tpu-v5-lite": "tpu-v5e", "v5p": "tpu-v5p",
    "v6e": "tpu-v6e", "trillium": "tpu-v6e", "tpu-trillium": "tpu-v6e", "ironwood": "tpu-v7x", "tpu-ironwood": "tpu-v7x",
    "tpu7x": "tpu-v7x", "tpu-v7": "tpu-v7x",
}  # fmt: skip
MAKERS = re.compile(r"^(?:nvidia|amd|google|cloud|tesla|geforce|quadro|instinct)-")


def config_folder() -> Path:
    """The folder of the user's presets, themes and settings: the platform's, or TMPLAN_CONFIG."""
    variable = os.environ.get("TMPLAN_CONFIG")
    return Path(variable) if variable else platformdirs.user_config_path("tmplan")


def user_folder() -> Path:
    """The folder of the user's presets: <kind>/<name>.toml in it."""
    return config_folder() / "presets"


def names(kind: str) -> tuple[str, ...]:
    """The sorted names of the presets of a kind, shipped and the user's; no file is opened."""
    if kind not in KINDS:
        raise UnknownName("kind of preset", kind, KINDS)
    return tuple(sorted({*_shipped(kind), *_users(kind)}))


def _shipped(kind: str) -> list[str]:
    """The names of the shipped presets of a kind."""
    return [name.removesuffix(ENDING) for name in names_in(SHIPPED / kind, ENDING)]


def _users(kind: str) -> list[str]:
    """The names of the user's presets of a kind; none where their folder cannot be listed."""
    try:
        return _user_stems(kind)[:MOST]
    except FileError:
        return []


def _user_stems(kind: str) -> list[str]:
    """All names of the user's presets that can be typed: one line, not a path. FileError where they cannot be listed."""
    stems = [name.removesuffix(ENDING) for name in names_in(user_folder() / kind, ENDING)]
    return [stem for stem in stems if stem and stem == line(stem) and not _is_path(stem)]


def problems() -> tuple[str, ...]:
    """A sentence for each user folder that cannot be listed, or not completely; its presets are left out."""
    if str(config_folder()) == os.devnull:  # /dev/null: the user has no configuration
        return ()
    sentences = []
    for folder in (config_folder(), user_folder()):
        try:
            names_in(folder, ENDING)
        except FileError as error:
            return (f"{error}; the presets in it are left out",)
    for kind in KINDS:
        try:
            if (count := len(_user_stems(kind))) > MOST:
                sentences.append(f"{user_folder() / kind}: has {count:,} presets; the first {MOST:,} by name are listed")
        except FileError as error:
            sentences.append(f"{error}; the presets in it are left out")
    return tuple(sentences)


def find(kind: str, name: str) -> Path:
    """The file of a preset: a path unchanged, else the user's preset, else the shipped one, else any file of that name.

    An entry of that name in the user's folder is returned whatever it is, so that reading it reports what is wrong. UnknownName where
    nothing matches.
    """
    if _is_path(name):
        return Path(expand_home(name))
    for folder in (user_folder(), SHIPPED):
        if name and os.path.lexists(file := folder / kind / f"{name}{ENDING}"):
            return file  # the exact name; listing the folders takes ten times as long
    files = {stem.lower(): SHIPPED / kind / f"{stem}{ENDING}" for stem in _shipped(kind)}
    files |= {stem.lower(): user_folder() / kind / f"{stem}{ENDING}" for stem in _users(kind)}
    stem = name.lower() if name.lower() in files or kind != "gpus" else _product(name, files)
    if stem in files:
        return files[stem]
    if name and os.path.isfile(name):
        return Path(name)
    one = kind.removesuffix("s")
    if problem := next(iter(problems()), ""):
        raise FieldError(one, f"no readable {one} is called '{named(name)}'; {problem}")
    raise UnknownName(one, name, names(kind))


def _product(name: str, presets: Collection[str]) -> str:
    """The preset of a GPU by a product name such as `NVIDIA H100 80GB HBM3`; empty without one."""
    words = re.sub(r"[\s_/-]+", "-", name.lower()[:64]).strip("-")
    while shorter := MAKERS.sub("", words):
        if shorter == words:
            break
        words = shorter
    return words if words in presets else ALIASES.get(words, "")


def _is_path(name: str) -> bool:
    """Whether a name is that of a file rather than of a preset."""
    return os.sep in name or "/" in name or name.lower().endswith((ENDING, ".json"))


def listed(kind: str, name_or_path: str | Path) -> str:
    """The name under which `names` lists a preset name or path; FileError for a file outside the preset folders."""
    path = find(kind, str(name_or_path))
    if path.parent not in (SHIPPED / kind, user_folder() / kind):
        raise FileError(f"is not a preset; move it to {user_folder() / kind} and use its name", where=str(path))
    return path.stem
