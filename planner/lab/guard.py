"""The CUDA device that does nothing (guard.cpp): compiled once for a version of torch, and loaded into the child process.

A build of torch for the CPU has no device guard for "cuda"; one for CUDA has a guard and hooks that need a driver, which are replaced.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from planner.files import reader
from planner.lab.record import LabError

SOURCE = Path(__file__).with_name("guard.cpp")
BEFORE = ("libgomp*.so*", "libc10.so", "libtorch_cpu.so")  # libraries of torch that the guard links to, in the order they are loaded
LARGEST = 2**16  # bytes of the source
COMPILERS = ("g++", "c++", "clang++")


def load(cache: Path) -> None:
    """Load the guard, compiled into `cache` at first, and import torch. Before anything imports torch: its hooks are looked up once.

    LabError where torch is not installed, there is no compiler, or the guard does not compile against this torch.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise LabError("torch is not installed in this Python; pip install 'tmplan[verify]', or name another with --python")
    folder = Path(spec.origin).parent
    library = compiled(folder, cache)
    for name in BEFORE:
        for path in sorted((folder / "lib").glob(name)):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    guard = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    import torch  # noqa: F401  a build for CUDA registers its guard, which is then replaced

    guard.install_guard()


def compiled(torch: Path, cache: Path) -> Path:
    """The library in the cache folder, compiled where it is not yet there; torch: the folder of the package."""
    version = metadata.version("torch")
    source = hashlib.sha256(reader.content(SOURCE, LARGEST, "is not the source of the guard")).hexdigest()[:8]
    library = cache / f"guard-{source}-torch-{version}.so"
    if library.exists():
        return library
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        names = " or ".join(COMPILERS)
        raise LabError(f"a C++ compiler ({names}) is needed once to run torch {version} without a GPU, and none is on the path")
    cache.mkdir(parents=True, exist_ok=True)
    temporary = library.with_suffix(f".{os.getpid()}.tmp")
    include = torch / "include"
    command = [compiler, "-std=c++20", "-O0", "-fPIC", "-shared", "-isystem", str(include), "-isystem",
               str(include / "torch" / "csrc" / "api" / "include"), str(SOURCE), "-o", str(temporary), f"-L{torch / 'lib'}", "-lc10",
               "-ltorch_cpu"]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        temporary.unlink(missing_ok=True)
        errors = [line for line in result.stderr.splitlines() if "error" in line]
        raise LabError(f"the device that stands in for a GPU does not compile against torch {version}: {(errors or ['unknown error'])[0]}")
    os.replace(temporary, library)
    return library
