"""The child process of the lab: a task on stdin, lines of JSON on stdout. `python -m planner.lab CACHE < TASK` runs one by hand."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from planner.lab import device
from planner.lab.frameworks import FRAMEWORKS
from planner.lab.record import LabError, Record
from planner.lab.task import Task

Write = Callable[..., None]
LONGEST = 300  # characters of an error


def main(cache: str) -> None:
    """Run the task of stdin and end the process."""
    write = lines_to_stdout()
    try:
        write(record=run(Task.loads(sys.stdin.readline()), Path(cache), lambda text: write(progress=text)).table())
    except LabError as error:
        write(refused=str(error))
    except ModuleNotFoundError as error:
        write(missing=error.name or str(error))
    except Exception as error:
        write(failed=described(error))
    sys.stdout.flush()
    os._exit(0)  # threads of frameworks would delay the end


def lines_to_stdout() -> Write:
    """A function that writes its keywords as a line of JSON to stdout; what frameworks print goes to stderr from here on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(**message: Any) -> None:
        print(json.dumps(message), file=stream, flush=True)

    return write


def run(task: Task, cache: Path, progress: Callable[[str], None]) -> Record:
    """The record of a task."""
    framework = FRAMEWORKS[task.framework]
    progress("starting torch")
    device.prepare(cache)
    from planner.lab.tracker import Tracker

    progress(f"importing {framework.title}")
    module = importlib.import_module(framework.module)
    tracker = Tracker(progress)
    module.run(task, tracker)
    return replace(tracker.record(), versions={name: version for name in framework.distributions if (version := installed(name))})


def installed(name: str) -> str:
    """The version of a distribution; empty where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def described(error: Exception) -> str:
    """An error of a framework on one line, with the place that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:LONGEST]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})"


if __name__ == "__main__":
    main(sys.argv[1])
