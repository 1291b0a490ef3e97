"""Where presets lie: those shipped beside this module, and a user's own. No preset is opened here.

A user's folder never stops what does not need it: where it cannot be listed the shipped presets are there all the same, and
`troubles` says why the others are not.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from planner.errors import FieldError, FileError, UnknownName
from planner.files.reader import expand_home, names_in
from planner.plaintext import line, named

KINDS = ("gpus", "clusters", "models", "stacks")
SHIPPED = Path(__file__).parent
ENDING = ".toml"
MOST = 1000  # presets of a user's own, of a kind, that are listed; one beyond is read where it is asked for by name
# Other names by which a GPU is sold.
ALSO = {"b200-sxm": "b200", "b300-sxm": "b300", "gb200-nvl72": "gb200", "gb300-nvl72": "gb300"}


def config_folder() -> Path:
    """Where a user's own presets, themes and settings lie: the platform's place for them, or what TMPLAN_CONFIG names."""
    given = os.environ.get("TMPLAN_CONFIG")
    return Path(given) if given else platformdirs.user_config_path("tmplan")


def user_folder() -> Path:
    """Where a user's own presets lie: <kind>/<name>.toml below it."""
    return config_folder() / "presets"


def names(kind: str) -> tuple[str, ...]:
    """The presets of a kind, shipped and the user's, sorted; no file is opened."""
    if kind not in KINDS:
        raise UnknownName("kind of preset", kind, KINDS)
    return tuple(sorted({*_shipped(kind), *_own(kind)}))


def _shipped(kind: str) -> list[str]:
    return [name.removesuffix(ENDING) for name in names_in(SHIPPED / kind, ENDING)]


def _own(kind: str) -> list[str]:
    """The user's presets of a kind, none where their folder cannot be listed."""
    try:
        return _listed(kind)[:MOST]
    except FileError:
        return []


def _listed(kind: str) -> list[str]:
    """All of them by names that can be asked for: a text of one line that is no path. FileError where they cannot be listed."""
    stems = [name.removesuffix(ENDING) for name in names_in(user_folder() / kind, ENDING)]
    return [stem for stem in stems if stem and stem == line(stem) and not _is_path(stem)]


def troubles() -> tuple[str, ...]:
    """A sentence for each folder of a user's own that cannot be listed, or not as a whole: what lies in it is left out."""
    if str(config_folder()) == os.devnull:  # how one says that there are none
        return ()
    found = []
    for folder in (config_folder(), user_folder()):
        try:
            names_in(folder, ENDING)
        except FileError as error:
            return (f"{error}; your own presets there are left out",)
    for kind in KINDS:
        try:
            if (count := len(_listed(kind))) > MOST:
                found.append(f"{user_folder() / kind}: holds {count:,} presets; the first {MOST:,} by name are listed")
        except FileError as error:
            found.append(f"{error}; your own presets there are left out")
    return tuple(found)


def find(kind: str, name: str) -> Path:
    """The file of a preset: a path as it stands, else the user's preset, else the shipped one, else any file of that name.

    What lies under the user's name counts whatever it is, so that reading it says what is wrong with it. UnknownName where nothing does.
    """
    if _is_path(name):
        return Path(expand_home(name))
    for folder in (user_folder(), SHIPPED):
        if name and os.path.lexists(file := folder / kind / f"{name}{ENDING}"):
            return file  # as most are named; to list the folders takes ten times as long
    files = {stem.lower(): SHIPPED / kind / f"{stem}{ENDING}" for stem in _shipped(kind)}
    files |= {stem.lower(): user_folder() / kind / f"{stem}{ENDING}" for stem in _own(kind)}
    asked = name.lower() if name.lower() in files or kind != "gpus" else ALSO.get(name.lower(), "")
    if asked in files:
        return files[asked]
    if name and os.path.isfile(name):
        return Path(name)
    one = kind.removesuffix("s")
    if told := next(iter(troubles()), ""):
        raise FieldError(one, f"no {one} that could be read is called '{named(name)}'; {told}")
    raise UnknownName(one, name, names(kind))


def _is_path(name: str) -> bool:
    """Whether a name is that of a file, not of a preset."""
    return os.sep in name or "/" in name or name.lower().endswith((ENDING, ".json"))


def listed(kind: str, name_or_path: str | Path) -> str:
    """The name under which `names` lists what a name or a path stands for; FileError for a file that lies in no preset folder."""
    path = find(kind, str(name_or_path))
    if path.parent not in (SHIPPED / kind, user_folder() / kind):
        raise FileError(f"is no preset; put it into {user_folder() / kind} and give its name", where=str(path))
    return path.stem
