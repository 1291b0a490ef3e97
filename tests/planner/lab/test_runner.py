"""The child process: its lines, its end, and that it can be stopped. The child is a script in place of an interpreter with torch."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from planner.lab.record import LabError
from planner.lab.runner import BOOT, Runner, Stopped
from tests.planner.lab.tasks import a_record, a_task

RECORD = f"import json; print(json.dumps({{'record': {a_record(7).table()!r}}}))"


def interpreter(folder: Path, body: str) -> str:
    """A program that runs a body of Python in place of the lab's child."""
    script = folder / "child"
    script.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")
    script.chmod(0o755)
    return str(script)


def test_progress_and_record_are_read(tmp_path: Path) -> None:
    """Lines of JSON are messages; what a framework prints between them is not."""
    lines: list[str] = []
    body = f"print('loading'); print('{{\"progress\": \"step 1\"}}'); print('[1]'); {RECORD}"
    assert Runner(tmp_path, interpreter(tmp_path, body), lines.append).run(a_task()) == a_record(7)
    assert lines == ["step 1"]


def test_the_child_gets_the_package_the_cache_and_the_task(tmp_path: Path) -> None:
    """Its arguments are the boot code, the path of planner and the cache; the task is a line on stdin."""
    body = f"assert sys.argv[1] == '-c' and sys.argv[4] == {str(tmp_path)!r} and os.path.isfile(sys.argv[3])\n"
    body += f"assert sys.stdin.read() == {a_task().dumps() + chr(10)!r}\n{RECORD}"
    assert Runner(tmp_path, interpreter(tmp_path, body)).run(a_task()) == a_record(7)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("print('{\"missing\": \"megatron\"}')", r"^Megatron-Core cannot be imported by .*child, which lacks 'megatron'; pip install 'tm"),
        ("print('{\"refused\": \"no compiler\"}')", "^no compiler$"),
        ("print('{\"failed\": \"KeyError: x\"}')", "^Megatron-Core failed in the lab: KeyError: x$"),
        ("print('Out of cheese', file=sys.stderr); sys.exit(3)", "^the process of the lab ended with exit code 3: Out of cheese$"),
        ("sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)", "ended by signal 9; was there enough memory"),
        ("", "ended with exit code 0"),
    ],
)  # fmt: skip
def test_a_child_without_a_record_is_one_sentence(body: str, sentence: str, tmp_path: Path) -> None:
    """A missing framework, a refusal, an error of the framework, and a child that dies."""
    with pytest.raises(LabError, match=sentence):
        Runner(tmp_path, interpreter(tmp_path, body)).run(a_task())


def test_an_interpreter_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The sentence has its path and the reason."""
    with pytest.raises(LabError, match="nowhere/python cannot be started: no such file or directory"):
        Runner(tmp_path, str(tmp_path / "nowhere/python")).run(a_task())


def test_a_run_is_stopped_from_another_thread(tmp_path: Path) -> None:
    """`stop` ends the child at once, the run raises Stopped, and later runs are refused."""
    runner = Runner(tmp_path, interpreter(tmp_path, 'print(\'{"progress": "waiting"}\', flush=True); time.sleep(600)'))
    runner.progress = lambda _: threading.Thread(target=runner.stop).start()
    for _ in range(2):
        with pytest.raises(Stopped):
            runner.run(a_task())


def test_a_child_ends_with_its_caller(tmp_path: Path) -> None:
    """An interruption while the child runs, as by ctrl+c, ends the child."""
    runner = Runner(tmp_path, interpreter(tmp_path, 'print(\'{"progress": "waiting"}\', flush=True); time.sleep(600)'))

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    runner.progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        runner.run(a_task())
    assert runner._process is not None and runner._process.poll() is not None


def test_the_child_starts_without_torch(tmp_path: Path) -> None:
    """The real child, in an interpreter isolated from packages, refuses in one sentence: torch is not installed."""
    bare = interpreter(tmp_path, "os.execv(sys.executable, [sys.executable, '-I', '-S', *sys.argv[1:]])")
    with pytest.raises(LabError, match=r"torch is not installed in this Python; pip install 'tmplan\[verify\]'"):
        Runner(tmp_path / "cache", bare).run(a_task())


def test_boot_makes_only_planner_importable() -> None:
    """No folder is added to the path of the child, so that no package of tmplan's environment hides one of the user's."""
    assert "sys.path.insert" not in BOOT and "sys.path.append" not in BOOT
