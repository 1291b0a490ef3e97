"""Running a task in a child process. The child writes lines of JSON: what it is doing, then its record, or why there is none.

A runner may run in a thread of the program and be stopped from another. The child is started with the Python that runs tmplan or with one
that the user names; of tmplan's packages only `planner` is made importable there, so that no package of tmplan hides one of the user.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from planner.lab.frameworks import FRAMEWORKS
from planner.lab.record import LabError, Record
from planner.lab.task import Task

INSTALL = "pip install 'tmplan[verify]', or name a Python that has it with --python"
BOOT = """
import importlib.util, os, sys
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.spec_from_file_location("planner", sys.argv[1], submodule_search_locations=[os.path.dirname(sys.argv[1])])
sys.modules["planner"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from planner.lab.__main__ import main
main(sys.argv[2])
"""
PACKAGE = Path(__file__).resolve().parents[1] / "__init__.py"  # of planner
PATIENCE = 5.0  # seconds that a stopped child has to end


class Stopped(LabError):
    """The run was stopped by its user."""

    def __init__(self) -> None:
        super().__init__("the run was stopped")


class Runner:
    """Runs tasks, one after the other; `stop` ends the one that runs and refuses those that follow.

    cache: the folder of what is compiled once. python: the interpreter of the child.
    """

    def __init__(self, cache: Path, python: str | None = None, progress: Callable[[str], None] = lambda _: None) -> None:
        self.cache, self.python, self.progress = cache, python or sys.executable, progress
        self.stopped = False
        self._process: subprocess.Popen[str] | None = None

    def run(self, task: Task) -> Record:
        """The record of a task; LabError with the reason where there is none, Stopped after `stop`."""
        if self.stopped:
            raise Stopped
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            self._process = process = self._start(errors)
            try:
                record = self._record(process, task)
            finally:
                end(process)
                for stream in filter(None, (process.stdin, process.stdout)):
                    stream.close()
            if self.stopped:
                raise Stopped
            if record is None:
                raise LabError(death(process.returncode, errors))
            return record

    def stop(self) -> None:
        """End the run, from any thread."""
        self.stopped = True
        if self._process is not None:
            end(self._process)

    def _start(self, errors: IO[str]) -> subprocess.Popen[str]:
        """The child process; LabError if it cannot be started."""
        command = [self.python, "-c", BOOT, str(PACKAGE), str(self.cache)]
        # in the session of tmplan it would get ctrl+c from the terminal too, and print a traceback
        try:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment(), start_new_session=True,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
            raise LabError(f"{self.python} cannot be started: {reason}") from None

    def _record(self, process: subprocess.Popen[str], task: Task) -> Record | None:
        """Send the task and read to the end; None where the child ended without a word."""
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # it ended at once: its end is reported
            process.stdin.write(task.dumps() + "\n")
            process.stdin.close()
        record = None
        for line in process.stdout:
            message = parsed(line)
            if "progress" in message:
                self.progress(str(message["progress"]))
            elif "record" in message:
                record = Record.of(message["record"])
            elif not self.stopped and message:
                raise LabError(refusal(message, task, self.python))
        process.wait()
        return record


def end(process: subprocess.Popen[str]) -> None:
    """End a process that may have ended already."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment() -> dict[str, str]:
    """The environment of the child: no GPU, no threads beyond one, nothing fetched."""
    ones = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "PYTHONDONTWRITEBYTECODE")
    return {**os.environ, **dict.fromkeys(ones, "1"), "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}


def parsed(line: str) -> dict[str, Any]:
    """A line of the child as a message; empty for anything else."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def refusal(message: dict[str, Any], task: Task, python: str) -> str:
    """The sentence for a child that has no record."""
    title = FRAMEWORKS[task.framework].title
    if "missing" in message:
        return f"{title} cannot be imported by {python}, which lacks '{message['missing']}'; {INSTALL}"
    if "refused" in message:
        return str(message["refused"])
    return f"{title} failed in the lab: {message.get('failed', 'no reason was given')}"


def death(code: int, errors: IO[str]) -> str:
    """The sentence for a child that ended without a word; the last line it wrote to stderr where it has one."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read()[-4000:].splitlines() if line.strip()]
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"the process of the lab ended {how}" + (f": {lines[-1]}" if lines else "; was there enough memory?")


def run_all(runner: Runner, tasks: Sequence[Task]) -> list[tuple[Task, Record]]:
    """The records of several tasks, in their order."""
    return [(task, runner.run(task)) for task in tasks]
