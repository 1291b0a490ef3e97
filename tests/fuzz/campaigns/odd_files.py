"""Campaign: folders, pipes, endless, dangling, looping, huge and unreadable things where a file should be, and impossible paths."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from random import Random

from tests.fuzz import place
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.campaigns.command_lines import MODELS
from tests.fuzz.campaigns.plan_files import written
from tests.fuzz.place import KINDS
from tests.fuzz.promises import tried
from tui.settings import config, theme_files
from tui.state import session

SMALL = ("--model", MODELS[0], "--gpus", "8", "--global-batch", "16", "--sequence", "2048", "--tp", "1", "--pp", "1")
HUGE = 2**32  # bytes of a sparse file: none of them takes room
THINGS = ("folder", "pipe", "endless", "dangling", "loop", "unreadable", "huge", "nul", "long", "empty", "socket")
PLACES = {  # {} is replaced by the path; its ending determines what is read
    "model.json": ("plan", "--model", "{}", *SMALL[2:]), "model.toml": ("plan", "--model", "{}", *SMALL[2:]),
    "gpu.toml": ("plan", *SMALL, "--gpu", "{}"), "cluster.toml": ("plan", *SMALL, "--cluster", "{}"),
    "stack.toml": ("explain", *SMALL, "--stack", "{}"), "plan.toml": ("plan", "{}", *SMALL), "opened.toml": ("{}",),
    "other.toml": ("compare", "{}", "{}"), "script.sh": ("import", "{}"), "config.json": ("import", "{}"), "train.toml": ("import", "{}"),
    "config.yaml": ("import", "{}"), "runs.csv": ("estimate", "{}"), "measured.csv": ("validate", "{}", "{}"),
    "steps.csv": ("calibrate", "{}", "--name", "mine", *SMALL[2:4]), "kernels.csv": ("calibrate", "{}", "--name", "mine", "--gemm", "{}"),
}  # fmt: skip
CUSTOM = ("config", "theme", "session", *KINDS)  # files in the user's folders, which affect only what needs them


def draw(rng: Random) -> Case:
    """Something that is not a regular file, and where it occurs."""
    if rng.random() < 0.4:
        return {"kind": rng.choice(THINGS), "own": rng.choice(CUSTOM)}
    return {"kind": rng.choice(THINGS), "place": rng.choice(sorted(PLACES))}


def check(case: Case, bench: Bench) -> None:
    """It is refused in one sentence, at once and in little memory; in the user's folders it affects only what needs it."""
    folder = bench.folder / "odd"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    if "place" in case:
        path = odd(case["kind"], folder, case["place"])
        argv = [word.replace("{}", path) for word in PLACES[case["place"]]]
        need(tried(argv).code != 0 or case["kind"] in ("folder", "unreadable"), f"{argv[0]} accepts something that is not a file")
        return
    _among_custom(case["kind"], case["own"], folder)


def _among_custom(kind: str, custom: str, folder: Path) -> None:
    """Lists, plans and the session with such a thing in the user's folders."""
    where = place.settings_folder()
    name = {"config": "config.toml", "theme": "themes/mine.toml", "session": "session-1.json"}.get(custom, f"presets/{custom}/aaa.toml")
    home = folder if custom == "session" else where
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    if kind in ("nul", "long"):
        return
    path = Path(odd(kind, (home / name).parent, Path(name).name))
    try:
        if custom == "session":
            taken = session.take(folder)
            taken.read()
            taken.close()
            return
        theme_files.names(), config.load({})
        for argv in (["plan", *SMALL, "--top", "1"], ["completion", "names", "models"], [custom] if custom in KINDS else ["themes"]):
            tried(argv, codes=(0,))
    finally:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def odd(kind: str, folder: Path, name: str) -> str:
    """Make such a thing; its path."""
    path = folder / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "dangling":
        path.symlink_to(folder / "nowhere")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "nul":
        return str(path.with_name(f"a\x00b{path.suffix}"))
    elif kind == "long":
        return str(path.with_name("x" * 5000 + path.suffix))
    elif kind == "socket":
        _socket(path)
    else:
        path.write_text(written(0) if kind == "unreadable" else "", encoding="utf-8")
        if kind == "huge":
            os.truncate(path, HUGE)
        path.chmod(0 if kind == "unreadable" else 0o644)
    return str(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(path.parent)  # the path of a socket may be of a hundred characters
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


register(Campaign("odd-files", "folders, pipes, endless and huge things in place of files", draw, check, weight=0.8, limit=20.0))
