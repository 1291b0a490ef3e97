"""Campaign: files of measured runs (CSV and JSON lines) and of predictions, mutated, through `estimate` and `validate`."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from random import Random

from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.ledger import ROOT
from tests.fuzz.mutate import shaken
from tests.fuzz.promises import tried

Row = list[str]
SUFFIXES = ("0", "x", "e5", "%", "\x00", '"', ",", "\n", "\x1b]0;x\x07")


@cache
def measured() -> tuple[Row, ...]:
    """The rows of the measured runs that the tests have, the heading first."""
    with open(ROOT / "tests/planner/calibration/measured.csv", encoding="utf-8", newline="") as stream:
        return tuple(csv.reader(stream))


def draw(rng: Random) -> Case:
    """A few rows with cells, the heading or bytes changed, and predictions of them."""
    head, *rows = measured()
    body = [[cell(rng, text) for text in row] for row in rng.sample(rows, rng.choice((1, 1, 2, 5)))]
    head = list(head)
    if rng.random() < 0.1:
        head[rng.randrange(len(head))] = rng.choice((*nasty.TEXTS, *head))
    data = (json_lines(rng, head, body) if rng.random() < 0.15 else as_csv([head, *body])).encode("utf-8", "surrogatepass")
    predictions = "".join(json.dumps(prediction(rng, row[0])) + "\n" for row in body).encode("utf-8", "surrogatepass")
    if rng.random() < 0.15:
        data, predictions = shaken(rng, data), shaken(rng, predictions)
    return {"runs": nasty.packed(data), "predictions": nasty.packed(predictions), "way": rng.choices(("estimate", "validate"), (70, 30))[0]}


def cell(rng: Random, text: str) -> str:
    """A cell, now and then another, none, or one with something behind it."""
    chance = rng.random()
    if chance < 0.015:
        return str(rng.choice(nasty.NUMBERS))
    if chance < 0.03:
        return rng.choice(nasty.TEXTS)
    return "" if chance < 0.035 else text + rng.choice(SUFFIXES) if chance < 0.04 else text


def as_csv(rows: list[Row]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def json_lines(rng: Random, head: Row, body: list[Row]) -> str:
    """Rows as JSON lines, now and then with a value that no cell could hold."""
    objects = ({key: nasty.value(rng) if rng.random() < 0.03 else text for key, text in zip(head, row, strict=True)} for row in body)
    return "\n".join(map(json.dumps, objects))


def prediction(rng: Random, name: str) -> dict[str, object]:
    """The prediction of another program for a run."""
    reported: dict[str, object] = {
        "id": name,
        "step_seconds": 1.5,
        "stage_device_gib": [50.0, 60.0],
        "fits": True,
        "step_low": 1.0,
        "step_high": 2.0,
    }
    return {key: nasty.value(rng) if rng.random() < 0.05 else value for key, value in reported.items()}


def check(case: Case, bench: Bench) -> None:
    """Every row is predicted, or refused in a sentence; what is printed is JSON that holds no NaN."""
    runs = bench.file("runs.csv", nasty.unpacked(case["runs"]))
    if case["way"] == "validate":
        argv = ["validate", str(runs), str(bench.file("predictions.jsonl", nasty.unpacked(case["predictions"]))), "--format", "json"]
        tried(argv)
        return
    argv = ["estimate", str(runs)]
    for line in tried(argv).out.splitlines():
        answer = json.loads(line, parse_constant=lambda constant: need(False, "estimate prints JSON with NaN", constant))
        need(("error" in answer) != ("step_seconds" in answer), "a row is neither predicted nor refused", line[:300])


register(Campaign("rows", "files of measured runs and of predictions", draw, check, weight=1.0, shrinks=("runs", "predictions")))
