"""What is exported is read back as the same plan, for every target that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.export.registry import Request, export
from planner.imports.imported import document_of, inputs_of
from planner.imports.reading import read
from planner.inputs import resolve
from tests.oracle.plans import drawn

# target, stack, whether its file tells the model, and the kinds of recompute its file tells apart
TARGETS = [
    ("megatron-lm", "megatron-core", True, (0, 1, 2, 3)),
    ("torchtitan", "torchtitan", True, (0, 1, 2)),
    ("deepspeed", "deepspeed", False, (0, 2)),
    ("accelerate", "pytorch-fsdp", False, (0, 2)),
    ("accelerate", "torchtitan", False, (0, 2)),
]


@pytest.mark.parametrize(("name", "stack", "tells_model", "recomputes"), TARGETS, ids=[f"{n}-{s}" for n, s, _, _ in TARGETS])
def test_what_is_exported_is_read_back_as_the_same_plan(
    name: str, stack: str, tells_model: bool, recomputes: tuple[int, ...], tmp_path: Path
) -> None:
    seen = 0
    for request in drawn(name, stack, 4):
        if request.plan.recompute not in recomputes:
            continue
        path = written(request, name, tmp_path)
        found = read(path)
        model = "" if tells_model else request.job.model.name
        inputs = inputs_of(found, str(path), model)
        if not found.gpus:
            inputs = inputs.with_("gpus", request.job.cluster.gpus)
        document, job = document_of(found, inputs), resolve(inputs)
        assert document.plan == request.plan, path.read_text()
        assert list(found.not_understood) == []
        assert job.cluster.gpus == request.job.cluster.gpus
        assert job.global_batch == request.job.global_batch
        if tells_model:
            assert (job.model.name, job.sequence) == (request.job.model.name, request.job.sequence)
        seen += 1
    assert seen >= 20


def written(request: Request, name: str, folder: Path) -> Path:
    """The export in a folder; the path of its main file."""
    files = export(name, request).files
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder / next(iter(files))
