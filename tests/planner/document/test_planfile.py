"""The plan file: reads back to the same numbers, is written atomically, is refused in one sentence when invalid."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner import presets
from planner.document.inputs import EXAMPLE, Inputs, resolve, shown
from planner.document.planfile import SCHEMA, WHOLE, Document, dumps, loads, read, write
from planner.document.space import Space
from planner.errors import FileError, PlanFileError
from planner.plaintext import quoted
from planner.specs.hardware import LARGEST_GPUS
from planner.specs.job import RANGE
from planner.specs.plan import FIELDS, NAMED, Plan

PLAN = Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1, recompute=3, recompute_layers=2)
DOCUMENT = Document(
    EXAMPLE.with_("nic_gbit_s", 200.1), Space().with_("tp", "8").with_("recompute", "none,first"), PLAN, {"mfu": 0.1 + 0.2}, "1.0"
)
floats = st.floats(allow_nan=False, allow_infinity=False)
predictions = st.none() | st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), floats | st.booleans() | st.integers(0, 2**40))


settable = {
    "nic_gbit_s": st.floats(0.001, 8e6), "sequence": st.integers(1, 1024), "layers": st.integers(8, 999), "tied": st.booleans(),
    "precision": st.sampled_from(["bf16", "fp8"]),
}  # fmt: skip


@given(st.fixed_dictionaries({}, optional=settable), st.sampled_from(presets.names("models")), predictions)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_document_survives_writing_and_reading_exactly(values: dict[str, Any], model: str, numbers: dict[str, Any] | None) -> None:
    """Job, space, plan, predictions and text are identical after writing and reading."""
    inputs = EXAMPLE.with_all({"model": model, "sequence": 1024, **values})
    document = Document(inputs, DOCUMENT.space, PLAN, numbers, "1.0")
    back = loads(dumps(document))
    assert resolve(back.inputs) == resolve(inputs)
    assert (back.inputs.values, back.space, back.plan) == (inputs.values, DOCUMENT.space, PLAN)
    assert (back.predictions, back.version) == (numbers, "1.0")
    assert dumps(back) == dumps(document)


def test_a_plan_of_experts_survives_writing_and_reading() -> None:
    """ep, etp and schedule of the plan, bounds on them, and expert options of the job are stored."""
    inputs = EXAMPLE.with_all({"model": "mixtral-8x7b", "imbalance": 1.2, "overlap_experts": True, "stack": "torchtitan"})
    plan = Plan(tp=2, pp=4, vpp=2, dp=16, ep=8, etp=2, dp_shard=16, zero=2, sequence_parallel=1, schedule=4)
    document = Document(inputs, Space().with_("ep", "4,8").with_("etp", "<=2").with_("schedule", "1f1b,dualpipev"), plan)
    text = dumps(document)
    back = loads(text)
    assert (back.plan, back.space, resolve(back.inputs)) == (plan, document.space, resolve(inputs))
    assert 'schedule = "dualpipev"' in text and "ep = 8\n" in text and 'ep = "4,8"' in text and "imbalance = 1.2\n" in text


def test_a_release_survives_writing_and_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The month and the stack of that month are stored; another month, or none, is that of the presets here."""
    inputs = EXAMPLE.with_("stack_release", "2024-09")
    text = dumps(Document(inputs))
    back = loads(text)
    assert 'stack_release = "2024-09"' in text and 'released = "2024-09"' in text
    monkeypatch.setattr(presets, "stack_of_release", lambda *_: pytest.fail("the recorded stack is used"))
    assert resolve(back.inputs) == resolve(loads(dumps(back)).inputs) and resolve(back.inputs).stack.title == "Megatron-Core of 2024-09"
    monkeypatch.undo()
    assert resolve(back.inputs.with_("stack_release", None)) == resolve(EXAMPLE)
    assert resolve(back.inputs.with_("stack_release", "2024-01")).stack.title == "Megatron-Core of 2024-01"


LATER = (  # keys added since the first plan files of schema 1
    "etp", "schedule", "imbalance", "capacity", "overlap_experts", "chunked", "sinks", "kv_rank", "q_rank", "rope_dim", "v_dim",
    "shared_gate", "moe_every", "router_groups", "groups_per_token", "mtp_layers", "published_active", "schedules", "expert_parallel",
    "expert_tensor", "overlaps_experts", "dispatcher", "dispatchers",
)  # fmt: skip


def test_a_file_from_before_expert_parallelism_opens() -> None:
    """Keys missing from such a file have their defaults: no experts, 1F1B, the same job."""
    text = re.sub(rf"^({'|'.join(LATER)}) = (\[[^]]*\]|.*)\n", "", dumps(DOCUMENT), flags=re.MULTILINE)
    assert not re.search(r"^(etp|schedule|imbalance|moe_every) =", text, re.MULTILINE)
    back = loads(text)
    assert back.plan == PLAN and [int(degree) for degree in (back.plan.etp, back.plan.schedule)] == [1, 0]
    job = resolve(DOCUMENT.inputs)
    stack = replace(job.stack, expert_parallel=False, expert_tensor="never", overlaps_experts=False, dispatchers=("alltoall",))
    assert resolve(back.inputs) == replace(job, stack=stack)


def test_a_document_without_a_plan_is_a_job_to_plan() -> None:
    """Without a plan there are no predictions and the space is free."""
    back = loads(dumps(Document(EXAMPLE)))
    assert back.plan is None and back.predictions is None and back.space == Space()


@pytest.mark.parametrize("cluster", presets.names("clusters"))
def test_a_cluster_preset_survives_writing_and_reading(cluster: str) -> None:
    """Every cluster preset gives the same job after writing and reading."""
    inputs = Inputs({"cluster": cluster})
    assert resolve(loads(dumps(Document(inputs))).inputs) == resolve(inputs)


def test_a_file_reproduces_its_numbers_after_a_preset_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded preset replaces the changed one."""
    before, text = resolve(DOCUMENT.inputs), dumps(DOCUMENT)
    later = replace(presets.model("llama-3.1-405b"), layers=99)
    monkeypatch.setattr(presets, "model", lambda name: later)
    assert resolve(DOCUMENT.inputs).model.layers == 99
    assert resolve(loads(text).inputs) == before
    assert shown(loads(text).inputs)["layers"] == (126, False)


def test_a_file_opens_without_the_file_of_its_model(tmp_path: Path) -> None:
    """The recorded model replaces a deleted model file."""
    model = tmp_path / "mine.toml"
    model.write_text((presets.SHIPPED / "models" / "llama-3.1-8b.toml").read_text())
    inputs = EXAMPLE.with_("model", str(model))
    text, before = dumps(Document(inputs)), resolve(inputs)
    model.unlink()
    assert resolve(loads(text).inputs) == before


def test_the_file_is_readable() -> None:
    """Integers, bounds and names are written in their usual notation."""
    text = dumps(DOCUMENT)
    assert text.startswith("# ") and "gpus = 16384\n" in text and 'tp = "8"\n' in text and 'recompute = "first"\n' in text


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("schema = 1", "", "no 'schema'"),
        ("schema = 1", f"schema = {SCHEMA + 1}", f"schema {SCHEMA + 1}, this tmplan reads up to {SCHEMA}"),
        ("schema = 1", "schema = true", "key 'schema' must be a whole number"),
        ("schema = 1", "schema = 1\nplane = 3", "unknown key 'plane'"),
        ("\n[job]", "\n[jobs]", "unknown key 'jobs'"),
        ("gpus = 16384", "gpus = ", "line 8 is not valid TOML"),
        ("gpus = 16384", "gpus = 0", r"\[job\] gpus must be a whole number from 1"),
        ("gpus = 16384", 'gpus = "many"', r"\[job\] gpus must be a whole number"),
        ("gpus = 16384", "gpu_count = 16384", r"\[job\] unknown key 'gpu_count'"),
        ("gpus = 16384", "gpus = 16384.5", "whole number"),
        ("nic_gbit_s = 200.1", "nic_gbit_s = nan", "nic_gbit_s must be a number from"),
        ("hidden = 16384", "hidden = -1", r"\[presets.model.spec\] hidden must lie between"),
        ("hidden = 16384", 'hidden = "wide"', "'hidden' must be a whole number"),
        ("hidden = 16384", "", "'hidden' is missing"),
        ("hidden = 16384", "hidden = 16384\nwidth = 3", "unknown key 'width'"),
        ("pad_m = 21.0", "pad_m = inf", "'pad_m' must be a finite number"),
        ('tp = "8"', "tp = 8", r"\[space\] tp must be text"),
        ('tp = "8"', 'tp = "8.."', "tp takes"),
        ('tp = "8"', 'pt = "8"', "no axis is called 'pt'"),
        ("pp = 16", "pp = 0", r"\[plan\] pp must be a whole number from 1 to 10,000,000, not 0"),
        ("pp = 16", "pq = 16", r"\[plan\] a plan has no field 'pq'"),
        ('recompute = "first"', 'recompute = "some"', r"\[plan\] recompute must be one of"),
        ("mfu = 0.30000000000000004", "mfu = [1]", r"\[predictions\] mfu must be"),
        ("mfu = 0.30000000000000004", "mfu = 0x" + "f" * 3600, r"\[predictions\] mfu must be"),
        ("schema = 1", "schema = 0x" + "f" * 3600, "is of schema a number that large, this tmplan reads up to 1"),
        ("pad_m = 21.0", "pad_m = " + "9" * 400, "'pad_m' must be a finite number, not a number that large"),
        ("pad_m = 21.0", "pad_m = " + "9" * 5000, "line [0-9]+ has a number of thousands of digits"),
        ("hidden = 16384", "hidden = 0x" + "f" * 3600, "hidden must lie between 1 and 16,777,216, not a number that large"),
        ("vocab_multiple = 128", "vocab_multiple = 0", "vocab_multiple must lie between 1 and"),
    ],
)
def test_an_invalid_file_is_refused_with_the_place(was: str, becomes: str, message: str) -> None:
    """Each invalid key or value is refused in one sentence with file, table and key."""
    text = dumps(DOCUMENT)
    assert was in text
    with pytest.raises(PlanFileError, match=message) as refused:
        loads(text.replace(was, becomes, 1), where="x.toml")
    assert str(refused.value).startswith("x.toml: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_of_a_plan_is_bounded(key: str) -> None:
    """Each field of [plan] refuses a value outside its range or of another type, naming field and range."""
    tables = tomllib.loads(dumps(DOCUMENT))
    least, most = RANGE.get(key, (1, LARGEST_GPUS))
    odd = [least - 1, most + 1, 2**40, 10**400, 1.0, "many", [1]] if key not in NAMED else [0, "some", True, [1], "9" * 3000]
    for value in [*odd, *([] if key == "sequence_parallel" else [True])]:
        tables["plan"][key] = value
        with pytest.raises(PlanFileError) as refused:
            loads(tomli_w.dumps(tables))
        accepted = f"one of {', '.join(NAMED[key])}" if key in NAMED else f"a whole number from {least} to {most:,}"
        expected = "true or false" if key == "sequence_parallel" else accepted
        assert f"[plan] {key} must be {expected}, not {quoted(value)}" in str(refused.value)


@given(st.integers(0, 6000), st.binary(max_size=4))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_a_corrupted_file_is_read_or_refused(tmp_path: Path, at: int, junk: bytes) -> None:
    """A truncated or overwritten file raises nothing but PlanFileError."""
    content = dumps(DOCUMENT).encode()
    path = tmp_path / "cut.toml"
    path.write_bytes(content[:at] + junk + (content[at + len(junk) :] if at % 2 else b""))
    try:
        read(path)
    except PlanFileError as refused:
        assert "\n" not in str(refused)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"a = 1\n" * 400_000, b"", b"\x00"])
def test_arbitrary_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are not UTF-8, not TOML, too many or none are refused."""
    path = tmp_path / "junk.toml"
    path.write_bytes(content)
    with pytest.raises(PlanFileError):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """Reading and writing impossible paths raise FileError with the reason."""
    with pytest.raises(PlanFileError, match="no such file"):
        read(tmp_path / "none.toml")
    with pytest.raises(PlanFileError, match="it is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(FileError, match="cannot be written"):
        write(tmp_path / "no" / "folder.toml", DOCUMENT)
    with pytest.raises(FileError, match="cannot be written"):
        write(tmp_path, DOCUMENT)
    with pytest.raises(FileError, match="cannot be written"):
        write("a\0b", DOCUMENT)


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A write that fails leaves the old content and no temporary file."""
    path = tmp_path / "plan.toml"
    path.write_text("old")
    real = os.open

    def full(*args: Any, **kwargs: Any) -> Any:
        if call == "open" and not args[1] & os.O_CREAT:  # opening a preset for reading
            return real(*args, **kwargs)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(FileError, match="no space left on device; nothing was changed"):
        write(path, DOCUMENT)
    monkeypatch.undo()
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["plan.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """The system's reason is reported."""
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="permission denied"):
            write(tmp_path / "plan.toml", DOCUMENT)
    finally:
        tmp_path.chmod(0o755)


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KeyboardInterrupt during a write removes the temporary file."""

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "plan.toml", DOCUMENT)
    assert os.listdir(tmp_path) == []


def test_rewriting_retains_permissions_and_links(tmp_path: Path) -> None:
    """A rewritten file has its former mode, and a link still points to it."""
    target, link = tmp_path / "real.toml", tmp_path / "link.toml"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, DOCUMENT)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert read(link).plan == PLAN and read(link) == loads(dumps(DOCUMENT))


@pytest.mark.parametrize(("key", "value"), [("flops_s", "0.0"), ("bytes_s", "-1.0"), ("training", "0.0"), ("pad_m", "-1e9")])
def test_a_gemm_rate_of_zero_is_refused(key: str, value: str) -> None:
    """A plan file with a zero or negative GEMM rate is refused in a sentence; no division by zero follows."""
    text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", dumps(Document(EXAMPLE)))
    with pytest.raises(FileError, match=f"{key} must lie between"):
        loads(text)


def test_a_file_truncated_anywhere_is_refused() -> None:
    """A plan file truncated at any byte is refused; comments after its end, or no end line in its header, are allowed."""
    text = dumps(Document(EXAMPLE))
    whole = len(text.rstrip())
    for end in range(whole):
        with pytest.raises(PlanFileError):
            loads(text[:end])
    for same in (text, text.rstrip(), text + "\n# a note\n", text.replace("\n", "\r\n"), text.replace(WHOLE, "")):
        assert loads(same).inputs.values == EXAMPLE.values
