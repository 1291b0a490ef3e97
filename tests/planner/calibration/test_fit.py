"""Fitting constants to runs, ablation of terms, and writing constants to files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner import presets
from planner.calibration import ablation, write_back
from planner.calibration import fit as fitting
from planner.calibration.fit import Parameter
from planner.calibration.fitted_parameters import PARAMETERS
from planner.calibration.linearised import Penalty
from tests.planner.jobs import small
from tests.planner.runs.test_configure import row

FIXED = Parameter("stack", ("torchtitan",), "step_fixed_s", 3.0, 0.5, 6.0)
TRAINING = Parameter("gpu", ("hopper",), "gemm.training", 0.82, 0.5, 1.0)
HOST = Parameter("stack", ("nanotron",), "launch_pace", 2.0, 0.5, 8.0)


def made_rows() -> list[dict[str, str]]:
    """Twelve layouts of one model, without times."""
    layouts = [(tp, mb, seq) for tp in (1, 2, 4) for mb in (1, 2) for seq in (2048, 8192)]
    return [
        row(
            id=str(i),
            group="made",
            sweep="s",
            tp=str(tp),
            dp=str(16 // tp),
            micro_batch=str(mb),
            seq=str(seq),
            quality_speed="A",
            step_s="1",
        )
        for i, (tp, mb, seq) in enumerate(layouts)
    ]


def with_times(values: dict[Parameter, float]) -> list[dict[str, str]]:
    """The rows with the step times predicted with these constants."""
    rows = made_rows()
    data = fitting.runs(rows)
    seconds = fitting.predicted(data, values)
    for place, second in zip(data.rows, seconds, strict=True):
        rows[int(place)]["step_s"] = repr(float(second))
    return rows


def test_a_gpu_without_a_training_factor_takes_no_part_in_its_fit() -> None:
    """Products of the H20 are derived, those of the H100 measured: only the latter's factor is fitted, and written."""
    job = small()
    measured, derived = (replace(job, cluster=replace(job.cluster, gpu=presets.gpu(name))) for name in ("h100-sxm", "h20"))
    assert TRAINING.of(measured) == presets.gpu("h100-sxm").gemm.training
    assert TRAINING.of(derived) is None


def test_constants_of_synthetic_times_are_recovered() -> None:
    """A fit to times predicted with known constants recovers them without error if the prior is weak."""
    truth = {FIXED: 3.3, TRAINING: 0.8}
    rows = with_times(truth)
    data = fitting.runs(rows)
    fitted = fitting.fit(data, [FIXED, TRAINING, HOST], rounds=20, penalty=Penalty(prior=1e-4))
    assert HOST not in fitted  # no run depends on it
    assert fitted[FIXED] == pytest.approx(3.3, rel=0.03)
    assert fitted[TRAINING] == pytest.approx(0.8, rel=0.01)
    assert ablation.scored(rows, data, fitting.predicted(data, fitted)).time_mape == pytest.approx(0, abs=0.3)


def test_the_prior_holds_a_constant_near_its_start() -> None:
    """With a start nearer to the truth a fit ends nearer to the truth."""
    data = fitting.runs(with_times({FIXED: 4.5}))
    near, far = (abs(fitting.fit(data, [replace(FIXED, start=start)])[replace(FIXED, start=start)] - 4.5) for start in (4.4, 1.5))
    assert near < far


def test_a_constant_affects_only_the_runs_that_depend_on_it() -> None:
    """Evaluating only the batches that depend on a constant equals evaluating all."""
    rows = with_times({})
    rows += [row(id="n", group="other", framework="nanotron", zero="1", step_s="1")]
    data = fitting.runs(rows)
    base = fitting.predicted(data, {})
    touched = [FIXED.of(b.job) is not None for b in data.batches]
    assert 0 < sum(touched) < len(touched)
    part = fitting.predicted(data, {FIXED: 4.0}, touched, base)
    assert part == pytest.approx(fitting.predicted(data, {FIXED: 4.0}))
    assert data.without("other").measured.tolist() == data.measured[data.group == "made"].tolist()


def test_the_note_of_a_run_overrides_a_fitted_constant() -> None:
    """The time of a run that overlaps nothing by its note does not depend on the constant of its stack."""
    overlap = Parameter("stack", ("aleph-alpha",), "dp_overlap", 0.5, 0.1, 0.97)
    columns = {"framework": "Aleph Alpha", "zero": "1", "step_s": "1", "group": "g"}
    rows = [row(id="a", **columns), row(id="b", note="no grad/param overlap", **columns)]
    data = fitting.runs(rows)
    before, after = (fitting.predicted(data, {overlap: value}) for value in (0.2, 0.9))
    place = {int(r): i for i, r in enumerate(data.rows)}
    assert after[place[0]] < before[place[0]]
    assert after[place[1]] == before[place[1]]


def test_a_term_is_dropped_and_restored() -> None:
    """Without attention a step is shorter, and afterwards the predictions are the original ones."""
    data = fitting.runs(with_times({}))
    whole = fitting.predicted(data, {})
    term = next(t for t in ablation.TERMS if t.name == "attention")
    with ablation.dropped(term):
        assert (fitting.predicted(data, {}) < whole).all()
    assert np.array_equal(fitting.predicted(data, {}), whole)


def test_every_term_has_a_line_in_the_ablation() -> None:
    """The ablation starts with the complete model and has one line per term."""
    rows = with_times({})
    data = fitting.runs(rows)
    lines = dict(ablation.ablation(rows, data, {}))
    assert len(lines) == len(ablation.TERMS) + 1
    assert lines["every term"].time_mape == pytest.approx(0, abs=1e-6)
    assert (lines["without attention"].time_mape or 0) > 1


def test_fitted_constants_are_fewer_than_eighty_and_within_their_bounds() -> None:
    """Every fitted constant starts inside its bounds, has a place in a file, and the shipped value lies within them too."""
    assert len(PARAMETERS) < 80
    for parameter in PARAMETERS:
        assert parameter.low < parameter.start < parameter.high, parameter.key
        for file, key, scale in write_back.places(parameter):
            number = re.search(rf"^\s*{key}(?:: float)? = ([-+.\deE_]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
            if number:
                assert parameter.low * 0.99 <= float(number[1]) * scale <= parameter.high * 1.01, (parameter.key, file.name)


def test_a_fitted_constant_is_written_to_its_places_and_comments_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing a constant changes only the number of its line."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    source = presets.SHIPPED / "stacks" / "torchtitan.toml"
    text = re.sub(r"(?m)^step_fixed_ms = .*$", "step_fixed_ms = 15  # why", source.read_text(encoding="utf-8"))
    (folder / "torchtitan.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(presets, "SHIPPED", tmp_path)
    assert write_back.write({replace(FIXED): 2.34567}) == 1
    assert "step_fixed_ms = 2346  # why" in (folder / "torchtitan.toml").read_text(encoding="utf-8")
