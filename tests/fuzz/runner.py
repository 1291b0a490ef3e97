"""Runs a campaign: draw, check, count; shrink the faults; each campaign in a separate process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any

from planner.errors import TmplanError
from tests.fuzz import guard, place
from tests.fuzz.campaign import Bench, Broken, Campaign, Case
from tests.fuzz.ledger import Fault, Ledger, fault_of
from tests.fuzz.promises import sentence
from tests.fuzz.shrink import shrunk

PATIENCE = 15.0  # seconds spent on making one reproduction shorter
GRACE = 180.0  # seconds beyond its share, and its longest input, after which a campaign that does not come back is ended
SILENCE = 30.0  # between two lines of progress


@dataclass(frozen=True)
class Budget:
    """How long a campaign runs: seconds, or a number of inputs, which is then wholly determined by the seed."""

    seed: int
    seconds: float = 0.0
    inputs: int = 0


def generator(seed: int, campaign: Campaign) -> Random:
    """The generator of a campaign: the same seed and name give the same inputs."""
    return Random(f"{seed}:{campaign.name}")


def trial(campaign: Campaign, case: Case, bench: Bench) -> Fault | bool:
    """One input: the fault it shows, else whether it was taken (or refused as it should be)."""
    before = guard.peak()
    try:
        with guard.within(campaign.limit):
            taken = _taken(campaign, case, bench)
        grown = guard.peak() - before
        if grown > guard.MEMORY:
            raise Broken("an input takes more than 1 GB", f"{grown / 1e9:.2f} GB")
        return taken
    except guard.Hang as error:
        fault = fault_of(campaign.name, case, error)
        fault.signature = f"no end within {campaign.limit:.0f} s {fault.signature.removeprefix('Hang ')}"
        return fault
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return fault_of(campaign.name, case, error)


def _taken(campaign: Campaign, case: Case, bench: Bench) -> bool:
    try:
        campaign.check(case, bench)
    except TmplanError as error:
        sentence(str(error))
        return False
    return True


def run(campaign: Campaign, budget: Budget, bench: Bench, at_hand: Callable[[Case], None] = lambda case: None) -> Ledger:
    """Run a campaign until its budget is spent, at least one input; `at_hand` receives every input before it is tried."""
    rng, ledger, began = generator(budget.seed, campaign), Ledger(campaign.name), time.monotonic()
    while True:
        case = campaign.draw(rng)
        at_hand(case)
        outcome = trial(campaign, case, bench)
        if isinstance(outcome, Fault):
            if ledger.add(outcome):
                outcome.case = shorter(campaign, outcome, bench)
        elif outcome:
            ledger.ok += 1
        else:
            ledger.refused += 1
        ledger.seconds = time.monotonic() - began
        if ledger.inputs >= budget.inputs if budget.inputs else ledger.seconds >= budget.seconds:
            ledger.measured = bench.measured
            return ledger


def shorter(campaign: Campaign, fault: Fault, bench: Bench) -> Case:
    """A shorter case that shows the same fault."""
    end = time.monotonic() + PATIENCE

    def shows(case: Case) -> bool:
        if time.monotonic() > end:
            return False
        result = trial(campaign, case, bench)
        return isinstance(result, Fault) and result.signature == fault.signature

    return shrunk(fault.case, campaign.shrinks, shows, campaign.tries)


def work(campaign: Campaign, budget: Budget, root: Path, answer: Connection) -> None:
    """The process of a campaign: run it in a separate folder, and send the ledger."""
    os.setpgid(0, 0)  # whatever it starts ends with it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    folder = place.enter(root, campaign.name)
    guard.bound_memory()
    note = root / f"{campaign.name}.json"

    def at_hand(case: Case) -> None:
        guard.assert_null()
        note.write_text(json.dumps(case))

    with open(root / f"{campaign.name}.log", "w", encoding="utf-8") as log:  # of what prints behind Python's back
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        ledger = run(campaign, budget, Bench(folder), at_hand)
    guard.assert_null()
    answer.send(ledger.as_dict())


def run_all(chosen: Mapping[str, Campaign], budgets: Mapping[str, Budget], root: Path, jobs: int) -> dict[str, Ledger]:
    """Run campaigns in parallel; the ledger of each. If a process dies or does not return, the ledger has this as a fault."""
    context, waiting, done, spoken = get_context("fork"), list(chosen.values()), {}, time.monotonic()
    running: dict[Any, tuple[Campaign, Any, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                campaign = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=work, args=(campaign, budgets[campaign.name], root, theirs))
                process.start()
                theirs.close()
                running[ours] = campaign, process, time.monotonic()
            ready = wait(list(running), timeout=1.0)
            for ours in list(running):
                campaign, process, began = running[ours]
                late = (
                    time.monotonic() - began > budgets[campaign.name].seconds + campaign.limit + GRACE and not budgets[campaign.name].inputs
                )
                if ours in ready or late:
                    done[campaign.name] = collected(campaign, ours, process, root, late and ours not in ready)
                    del running[ours]
                    say(f"{campaign.name}: {done[campaign.name].inputs:,} inputs, {len(done[campaign.name].faults)} faults")
                    spoken = time.monotonic()
            if time.monotonic() - spoken > SILENCE:
                spoken = time.monotonic()
                say(f"{len(done)} of {len(chosen)} campaigns done; running: {', '.join(c.name for c, _, _ in running.values())}")
    finally:
        for _, process, _ in running.values():
            end(process)
    guard.assert_null()
    return done


def collected(campaign: Campaign, ours: Connection, process: Any, root: Path, late: bool) -> Ledger:
    """The ledger that a process sent; if it sent none, one with that fault and the current input."""
    try:
        if late:
            raise EOFError
        ledger = Ledger.from_dict(ours.recv())
        process.join(10)
    except EOFError:
        end(process)
        ledger = Ledger(campaign.name)
        note, log = root / f"{campaign.name}.json", root / f"{campaign.name}.log"
        case = json.loads(note.read_text()) if note.exists() else {}
        how = "does not come back" if late else f"ends with {process.exitcode}"
        ledger.add(Fault(campaign.name, f"the campaign's process {how}", case, log.read_text()[-2000:] if log.exists() else ""))
    ours.close()
    return ledger


def end(process: Any) -> None:
    """End a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(10)


def say(line: str) -> None:
    """One line of progress, on stderr."""
    print(f"fuzz: {line}", file=sys.stderr, flush=True)
