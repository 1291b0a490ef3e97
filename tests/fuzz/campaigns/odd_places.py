"""Campaign: programs and commands in odd places: folders that cannot be used, variables missing or odd, streams closed or full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import Random

from tests.fuzz import children, guard
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.promises import DOCUMENTED, Ran, checked
from tests.fuzz.tty import CODES, SMALL, Tty
from tui.state import session

PATIENCE = 60.0
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("plan", *SMALL, "--top", "3"), ("models",), ("completion", "names", "models"), ("explain", *SMALL), ("config",), ("themes",),
    ("--version",), ("--help",), ("export", *SMALL, "--to", "slurm", "--out", "job"),
    ("plan", *SMALL, "--top", "1", "--save", "saved.toml"), ("import", "nowhere.sh"),
)  # fmt: skip
# What is odd about the place, as variables: {file} stands for a file, {none} for a path below it, {long} for 300 characters. An empty
# value unsets the variable.
VARIABLES: dict[str, Mapping[str, str]] = {
    "config is below a file": {"TMPLAN_CONFIG": "{none}"}, "config is a file": {"TMPLAN_CONFIG": "{file}"},
    "config is of 300 characters": {"TMPLAN_CONFIG": "{long}"}, "config is of 5,000 characters": {"TMPLAN_CONFIG": "{long}" * 16},
    "config loops": {"TMPLAN_CONFIG": "{loop}"}, "config may not be read": {"TMPLAN_CONFIG": "{shut}"},
    "no home": {"HOME": "", "TMPLAN_CONFIG": "", "TMPLAN_STATE": ""},  # XDG's folders stand, or it would be the real one
    "home is below a file": {"HOME": "{none}", "TMPLAN_CONFIG": "", "TMPLAN_STATE": "", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""},
    "locale C": {"LANG": "C", "LC_ALL": "C"}, "locale of nobody": {"LC_ALL": "xx_YY.none"}, "ASCII alone": {"PYTHONIOENCODING": "ascii"},
    "a theme of nobody": {"TMPLAN_THEME": "\x1b]0;x\x07nobody"}, "no variables": dict.fromkeys(("TERM", "LANG", "TMPDIR"), ""),
    "no editor": {"EDITOR": "/nowhere/vi"}, "an editor that cannot be split": {"EDITOR": "vi 'x"}, "an editor of no words": {"EDITOR": " "},
    "state is below a file": {"TMPLAN_STATE": "{none}"}, "state is a file": {"TMPLAN_STATE": "{file}"},
    "state is long": {"TMPLAN_STATE": "{long}"},
    "state may not be written": {"TMPLAN_STATE": "{shut}"}, "temporary files are below a file": {"TMPDIR": "{none}"},
    "colourless": {"NO_COLOR": "1"}, "an odd terminal": {"TERM": "vt52"}, "a terminal of nobody": {"TERM": "\x1b]0;x\x07"},
    "a dumb terminal": {"TERM": "dumb"}, "sizes that are none": {"COLUMNS": "x", "LINES": "-1"},
}  # fmt: skip
REFUSED = ("a dumb terminal", "no variables")  # where the program says that it cannot draw
STREAMS = ("closed stdout", "closed stderr", "closed stdin", "full stdout", "full stderr", "a pipe nobody reads")

KEYS = ("E", "w\r", "y", "3+", "")  # the editor, writing, copying, an edit


def draw(rng: Random) -> Case:
    """A command with odd streams, or in an odd place; or the program in one."""
    chance = rng.random()
    if chance < 0.3:
        return {"argv": list(rng.choice(COMMANDS)), "streams": rng.choice(STREAMS)}
    place = rng.choice(sorted(VARIABLES))
    if chance < 0.7:
        return {"argv": list(rng.choice(COMMANDS)), "place": place}
    return {"program": place, "key": rng.choice(KEYS)}


def check(case: Case, bench: Bench) -> None:
    """Nothing but a documented code and a sentence; the program answers, and /dev/null is where it was."""
    guard.assert_null()
    bench.empty()
    try:
        if "streams" in case:
            _streams(case["argv"], case["streams"], bench.folder)
        elif "argv" in case:
            ran = children.run(case["argv"], bench.folder, patience=PATIENCE, environment=_environment(case["place"], bench.folder)).ran
            checked(case["argv"], ran)
        else:
            _program(case["program"], case["key"], bench.folder)
    finally:
        guard.assert_null()


def _environment(place: str, folder: Path) -> dict[str, str]:
    """The variables of an odd place."""
    (folder / "file").write_text("no folder")
    (folder / "loop").symlink_to("loop")
    (folder / "shut").mkdir(mode=0)
    places = {"file": "file", "none": "file/below", "long": "x" * 300, "loop": "loop/x", "shut": "shut"}
    result = dict(os.environ)
    for name, value in VARIABLES[place].items():
        for word, path in places.items():
            value = value.replace(f"{{{word}}}", str(folder / path))
        result[name] = value
        if not value:
            del result[name]
    return result


def _streams(argv: list[str], streams: str, folder: Path) -> None:
    """A command whose streams are closed, full, or read by nobody."""
    which, _, name = streams.partition(" ")
    if which == "a":
        ours, theirs = os.pipe()
        os.close(ours)
        ended = children.run(argv, folder, patience=PATIENCE, streams={"stdout": theirs})
        os.close(theirs)
    elif which == "full":
        with open("/dev/full", "wb") as full:
            ended = children.run(argv, folder, patience=PATIENCE, streams={name: full})
    else:
        ended = _closed(argv, name, folder)
    code, err = ended.ran.code, ended.ran.err
    need(code in DOCUMENTED, f"with {streams} a command ends with a code that is not documented", f"{code}: {err}")
    need("Traceback" not in err and "fault of tmplan" not in err, f"with {streams} a command says more than it should", err)


def _closed(argv: list[str], name: str, folder: Path) -> children.Ended:
    """A command one of whose streams is closed, by a shell."""
    close = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}[name]
    done = subprocess.run(["sh", "-c", f'exec "$@" {close}', "sh", *children.command(argv)], cwd=folder, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)  # fmt: skip
    return children.Ended(Ran(done.returncode, done.stdout, done.stderr), 0, 0.0, None)


def _program(place: str, key: str, folder: Path) -> None:
    """The program: it opens, or says why not; it takes a key, answers the next, and ends as it should."""
    it = Tty(*SMALL, folder=folder)
    custom = {} if "TMPLAN_STATE" in VARIABLES[place] else {"TMPLAN_STATE": it.environment["TMPLAN_STATE"]}
    it.environment = _environment(place, folder) | custom
    nowhere = session.take(folder / "file/below").path
    need(nowhere is None, "a session that keeps nothing has a path", nowhere)  # or /dev/null would be moved away
    with it:
        if place in REFUSED:
            need(it.end() == 2, "where nothing can be drawn the program does not refuse", it.status)
            it.clear()
            return
        it.opened()
        it.write(key.encode())
        it.drain(2.0)
        for _ in range(4):
            it.write(b"\x1b")
            it.drain(0.3)
        it.answers()
        it.kill(15)
        need(it.end() == CODES["TERM"], "ended by TERM in an odd place the program has another code", it.status)
        it.sane()
        it.clear()


register(Campaign("odd-places", "odd folders, variables and streams", draw, check, weight=2.0, limit=200.0, tries=0))
