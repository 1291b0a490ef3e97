"""The plan file: reads back to the same numbers, is written whole or not at all, is refused with a sentence."""

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
def test_a_document_written_and_read_has_the_same_numbers_to_the_last_bit(
    values: dict[str, Any], model: str, said: dict[str, Any] | None
) -> None:
    inputs = EXAMPLE.with_all({"model": model, "sequence": 1024, **values})
    document = Document(inputs, DOCUMENT.space, PLAN, said, "1.0")
    back = loads(dumps(document))
    assert resolve(back.inputs) == resolve(inputs)
    assert (back.inputs.values, back.space, back.plan, back.predictions, back.version) == (inputs.values, DOCUMENT.space, PLAN, said, "1.0")
    assert dumps(back) == dumps(document)


def test_a_plan_of_experts_reads_back_with_its_degrees_and_its_schedule() -> None:
    """ep, etp and schedule of the plan, bounds on them, and what the job says of experts are in the file."""
    inputs = EXAMPLE.with_all({"model": "mixtral-8x7b", "imbalance": 1.2, "overlap_experts": True, "stack": "torchtitan"})
    plan = Plan(tp=2, pp=4, vpp=2, dp=16, ep=8, etp=2, dp_shard=16, zero=2, sequence_parallel=1, schedule=4)
    document = Document(inputs, Space().with_("ep", "4,8").with_("etp", "<=2").with_("schedule", "1f1b,dualpipev"), plan)
    text = dumps(document)
    back = loads(text)
    assert (back.plan, back.space, resolve(back.inputs)) == (plan, document.space, resolve(inputs))
    assert 'schedule = "dualpipev"' in text and "ep = 8\n" in text and 'ep = "4,8"' in text and "imbalance = 1.2\n" in text


LATER = (  # keys that a plan file of the first schema lacked
    "etp", "schedule", "imbalance", "capacity", "overlap_experts", "chunked", "sinks", "kv_rank", "q_rank", "rope_dim", "v_dim",
    "shared_gate", "moe_every", "router_groups", "groups_per_token", "mtp_layers", "published_active", "schedules", "expert_parallel",
    "expert_tensor", "ep_overlap",
)  # fmt: skip


def test_a_file_from_before_expert_parallelism_opens_as_it_was() -> None:
    """What such a file does not tell stands at its default: no experts, 1F1B, the same job."""
    text = re.sub(rf"^({'|'.join(LATER)}) = (\[[^]]*\]|.*)\n", "", dumps(DOCUMENT), flags=re.MULTILINE)
    assert not re.search(r"^(etp|schedule|imbalance|moe_every) =", text, re.MULTILINE)
    back = loads(text)
    assert back.plan == PLAN and [int(degree) for degree in (back.plan.etp, back.plan.schedule)] == [1, 0]
    job = resolve(DOCUMENT.inputs)
    stack = replace(job.stack, expert_parallel=False, expert_tensor="never", ep_overlap=0.0)
    assert resolve(back.inputs) == replace(job, stack=stack)


def test_a_document_without_a_plan_is_a_job_to_plan() -> None:
    back = loads(dumps(Document(EXAMPLE)))
    assert back.plan is None and back.predictions is None and back.space == Space()


@pytest.mark.parametrize("cluster", presets.names("clusters"))
def test_a_cluster_preset_reads_back_as_it_was(cluster: str) -> None:
    inputs = Inputs({"cluster": cluster})
    assert resolve(loads(dumps(Document(inputs))).inputs) == resolve(inputs)


def test_a_file_keeps_its_numbers_when_a_preset_changes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    before, text = resolve(DOCUMENT.inputs), dumps(DOCUMENT)
    later = replace(presets.model("llama-3.1-405b"), layers=99)
    monkeypatch.setattr(presets, "model", lambda name: later)
    assert resolve(DOCUMENT.inputs).model.layers == 99
    assert resolve(loads(text).inputs) == before
    assert shown(loads(text).inputs)["layers"] == (126, False)


def test_a_file_opens_where_its_model_is_not_there(tmp_path: Path) -> None:
    model = tmp_path / "mine.toml"
    model.write_text((presets.SHIPPED / "models" / "llama-3.1-8b.toml").read_text())
    inputs = EXAMPLE.with_("model", str(model))
    text, before = dumps(Document(inputs)), resolve(inputs)
    model.unlink()
    assert resolve(loads(text).inputs) == before


def test_the_file_reads_as_a_person_would_write_it() -> None:
    text = dumps(DOCUMENT)
    assert text.startswith("# ") and "gpus = 16384\n" in text and 'tp = "8"\n' in text and 'recompute = "first"\n' in text


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
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
def test_a_damaged_file_is_refused_with_one_sentence_that_names_the_place(was: str, becomes: str, says: str) -> None:
    text = dumps(DOCUMENT)
    assert was in text
    with pytest.raises(PlanFileError, match=says) as refused:
        loads(text.replace(was, becomes, 1), where="x.toml")
    assert str(refused.value).startswith("x.toml: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_of_a_plan_is_bounded_to_what_it_can_be(key: str) -> None:
    """Each field of [plan] refuses what lies outside its range or is of another type, naming field and range."""
    tables = tomllib.loads(dumps(DOCUMENT))
    least, most = RANGE.get(key, (1, LARGEST_GPUS))
    odd = [least - 1, most + 1, 2**40, 10**400, 1.0, "many", [1]] if key not in NAMED else [0, "some", True, [1], "9" * 3000]
    for value in [*odd, *([] if key == "sequence_parallel" else [True])]:
        tables["plan"][key] = value
        with pytest.raises(PlanFileError) as refused:
            loads(tomli_w.dumps(tables))
        told = f"one of {', '.join(NAMED[key])}" if key in NAMED else f"a whole number from {least} to {most:,}"
        wanted = "true or false" if key == "sequence_parallel" else told
        assert f"[plan] {key} must be {wanted}, not {quoted(value)}" in str(refused.value)


@given(st.integers(0, 6000), st.binary(max_size=4))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_a_file_cut_short_or_overwritten_is_read_or_refused_but_never_breaks(tmp_path: Path, at: int, junk: bytes) -> None:
    content = dumps(DOCUMENT).encode()
    path = tmp_path / "cut.toml"
    path.write_bytes(content[:at] + junk + (content[at + len(junk) :] if at % 2 else b""))
    try:
        read(path)
    except PlanFileError as refused:
        assert "\n" not in str(refused)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"a = 1\n" * 400_000, b"", b"\x00"])
def test_what_is_no_plan_file_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.toml"
    path.write_bytes(content)
    with pytest.raises(PlanFileError):
        read(path)


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
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
    path = tmp_path / "plan.toml"
    path.write_text("old")
    real = os.open

    def full(*args: Any, **kwargs: Any) -> Any:
        if call == "open" and not args[1] & os.O_CREAT:  # of a preset, to be read
            return real(*args, **kwargs)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(FileError, match="no space left on device; nothing was changed"):
        write(path, DOCUMENT)
    monkeypatch.undo()
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["plan.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="permission denied"):
            write(tmp_path / "plan.toml", DOCUMENT)
    finally:
        tmp_path.chmod(0o755)


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "plan.toml", DOCUMENT)
    assert os.listdir(tmp_path) == []


def test_a_file_written_again_keeps_its_permissions_and_a_link_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "real.toml", tmp_path / "link.toml"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, DOCUMENT)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert read(link).plan == PLAN and read(link) == loads(dumps(DOCUMENT))


@pytest.mark.parametrize(("key", "value"), [("flops_s", "0.0"), ("bytes_s", "-1.0"), ("training", "0.0"), ("pad_m", "-1e9")])
def test_a_rate_of_nothing_is_refused(key: str, value: str) -> None:
    """A plan file whose GPU multiplies at no rate is damaged: a sentence, not a division by zero."""
    text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", dumps(Document(EXAMPLE)))
    with pytest.raises(FileError, match=f"{key} must lie between"):
        loads(text)


def test_a_file_cut_anywhere_is_refused() -> None:
    """Wherever a plan file ends early, also between two tables, it is refused; a note put behind its end is not in the way."""
    text = dumps(Document(EXAMPLE))
    whole = len(text.rstrip())
    for end in range(whole):
        with pytest.raises(PlanFileError):
            loads(text[:end])
    for same in (text, text.rstrip(), text + "\n# a note\n", text.replace("\n", "\r\n"), text.replace(WHOLE, "")):
        assert loads(same).inputs.values == EXAMPLE.values
