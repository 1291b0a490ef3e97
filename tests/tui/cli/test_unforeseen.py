"""What no command expected: limits of the system, streams that take nothing, ctrl+c. A sentence and a code, and never a traceback."""

from __future__ import annotations

import contextlib
import errno
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile import HOSTILE, hidden
from tui.cli import main as cli
from tui.cli.answer import Answer
from tui.cli.unforeseen import LEAST, message_for

ROOT = Path(__file__).parents[3]
OUTPUTS = (["--version"], ["--help"], ["plan", "--help"], ["models"], ["completion", "names", "gpus"], ["completion", "bash"],
           ["export", "--list"], ["symbols"], ["plan", "--model", "llama-3.1-8b", "--gpus", "8", "--global-batch", "64"])  # fmt: skip


def too_large() -> None:
    """More than any machine has."""
    np.empty(1 << 55)


def endless(depth: int = 0) -> int:
    """Deeper than Python goes."""
    return endless(depth + 1) + 1


def refuse(error: Exception) -> Any:
    """A command that raises this."""

    def command(argv: list[str]) -> Answer:
        raise error

    return command


def process(program: str, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
    """A program that can import tmplan, in a separate process."""
    return subprocess.Popen([sys.executable, "-c", program, *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


@pytest.mark.parametrize(("error", "message"), [
    (MemoryError(), "not enough memory"),
    (ImportError("x.so: failed to map segment from shared object"), "not enough memory"),
    (OSError(errno.EMFILE, "Too many open files", "x"), "too many open files"),
    (OSError(errno.ENFILE, "Too many open files in system", "x"), "too many open files"),
    (ImportError("x.so: cannot open shared object file: Error 24"), "too many open files"),
    (RuntimeError("can't start new thread"), "no more threads"),
    (RecursionError("maximum recursion depth exceeded"), "nested deeper"),
    (PermissionError(errno.EACCES, "Permission denied", f"/{HOSTILE}"), "cannot be used: permission denied"),
    (OSError(errno.EIO, "Input/output error"), "cannot be used: input/output error"),
])  # fmt: skip
def test_a_limit_is_reported_as_what_it_is(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system did not give is one sentence by its name, with code 2, and no fault of tmplan."""
    monkeypatch.setattr(cli, "dispatch", refuse(error))
    assert cli.run([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("tmplan: ") and err.count("\n") == 1
    assert message in err and "fault" not in err and not hidden(err)


def test_memory_that_numpy_asks_for_is_reported_with_its_size() -> None:
    """An array that does not fit in memory: its size and the remedies are reported; the arrays before it are released."""
    with pytest.raises(MemoryError) as caught:
        too_large()
    sentence = message_for(caught.value)
    assert "256. PiB" in sentence or "256 PiB" in sentence
    assert "--max" in sentence and caught.value.__traceback__ is None


def test_a_recursion_without_an_end_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Input nested deeper than Python follows is refused in a sentence."""
    monkeypatch.setattr(cli, "dispatch", lambda argv: endless())
    assert cli.run([]) == 2 and "nested deeper" in capsys.readouterr().err


def test_a_fault_is_reported_as_one_and_shown_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error of tmplan is one sentence; with TMPLAN_TRACEBACK Python's traceback precedes it, without control characters."""
    monkeypatch.setattr(cli, "dispatch", refuse(ZeroDivisionError(HOSTILE)))
    assert cli.run([]) == 2
    assert (output_of := capsys.readouterr().err).startswith("tmplan: this is a fault of tmplan") and output_of.count("\n") == 1
    monkeypatch.setenv("TMPLAN_TRACEBACK", "1")
    assert cli.run([]) == 2
    traced = capsys.readouterr().err
    assert traced.startswith("Traceback") and traced.endswith(output_of) and not hidden(traced)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on address space is one of Linux")
def test_a_limit_that_numpy_does_not_survive_is_reported_before() -> None:
    """Below what numpy can be loaded in, where its linear algebra would end the process with code 1, code 2 and a sentence."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({LEAST - 1},) * 2); from tui.cli.main import main; main()"
    it = process(limited, "plan", "--gpus", "8")
    out, err = it.communicate(timeout=60)
    assert it.returncode == 2 and out == b"" and err.startswith(b"tmplan: not enough memory (ulimit -v allows 143 MiB)")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("argv", OUTPUTS, ids=" ".join)
def test_a_stream_that_takes_nothing_is_reported(
    argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every output is refused with code 2 and a sentence where stdout is full or closed; a full or closed stderr changes no code."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.run(argv) == 2
        assert capsys.readouterr().err.splitlines()[-1] == "tmplan: stdout cannot be written: no space left on device"
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.run(argv) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "tmplan: stdout is closed, so the output cannot be printed"
    monkeypatch.undo()
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:  # closing writes the rest
        monkeypatch.setattr(sys, "stderr", full)
        assert cli.run(argv) == 0
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.run(argv) == 0


NOISE = """
import asyncio, threading, warnings
from tui.cli import main as cli
class Loud:
    def __del__(self): raise ValueError("cleared away")
def dispatch(argv):
    warnings.warn("careful", RuntimeWarning)
    asyncio.sleep(0)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Loud()
    raise cli.TmplanError("refused")
cli.dispatch = dispatch
cli.main([])
"""


def test_stderr_has_the_sentences_of_tmplan_and_nothing_else() -> None:
    """Warnings, coroutines never awaited, errors in threads and of what is cleared away: none of them writes to stderr."""
    it = process(NOISE)
    out, err = it.communicate(timeout=60)
    assert (it.returncode, out, err) == (2, b"", b"tmplan: refused\n")


INTERRUPTED = {
    "while tmplan is loaded": """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tui.cli.main": raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from tui.__main__ import main
main()
""",
    "in a command": """
import tui.cli.presets
def never(*_, **__): raise KeyboardInterrupt
tui.cli.presets.list_presets = never
from tui.__main__ import main
import sys
sys.argv = ["tmplan", "models"]
main()
""",
    "while Typer parses": """
import planner.document.planfile
def never(*_, **__): raise KeyboardInterrupt
planner.document.planfile.read = never
from tui.cli.main import main
main(["plan", "x.toml"])
""",
    "a second time": """
from tui.cli import main as cli
def never(*_, **__): raise KeyboardInterrupt
def wrong(argv): raise cli.TmplanError("x")
cli.dispatch, cli.refuse = wrong, never
cli.main([])
""",
}


@pytest.mark.parametrize("program", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c_ends_with_130_and_without_a_word(program: str) -> None:
    """Whenever it comes: code 130, nothing on stdout, and no traceback."""
    it = process(program)
    out, err = it.communicate(timeout=60)
    assert (it.returncode, out, err) == (130, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")
def test_ctrl_c_while_printing_ends_at_once() -> None:
    """If the reader stops reading, ctrl+c ends the printing with 130: the rest is not written, and there is no message."""
    received = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a job in the background of a shell ignores it
    it = process(
        f"{received}; from tui.cli import main as cli; from tui.cli.answer import Answer; "
        'cli.dispatch = lambda argv: Answer("x" * 10**7); cli.main([])'
    )
    assert it.stdout is not None and it.stderr is not None
    with it.stdout, it.stderr:
        assert it.stdout.read(1) == b"x"
        it.send_signal(signal.SIGINT)
        assert it.wait(timeout=60) == 130
        assert it.stderr.read() == b""
