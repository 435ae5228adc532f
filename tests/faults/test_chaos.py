"""Kill the gateway at every await of the order path, with a broker and a network that misbehave: nothing is lost, and
nothing happens twice.

A run is repeated with its seed: QUANTMIND_CHAOS_SEED=123 pytest tests/faults/test_chaos.py. The same seed gives the
same faults, orders and choices; which order meets which of them is for the clock to say.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from faults.chaos import records
from faults.chaos.campaign import Campaign, Outcome, where
from faults.chaos.evidence import Evidence, gather
from faults.chaos.kill_switch import GROUPS, ROOT, group_of
from faults.chaos.processes import environment

SEED = "QUANTMIND_CHAOS_SEED"
pytestmark = pytest.mark.skipif(
    sys.platform == "win32",
    reason="there is no SIGKILL on Windows: a process can't end itself between two instructions",
)


def seed() -> int:
    """The one that is given, else another one each time."""
    given = os.environ.get(SEED)
    return int(given) if given else secrets.randbelow(1_000_000)


async def checked(folder: Path) -> str:
    """What the checker, a program of its own, says of a run; it must have nothing against it."""
    result = await trio.run_process(
        [
            *(sys.executable, "-m", "faults.chaos.check_history"),
            *(str(folder / f"{name}.jsonl") for name in ("history", "ledger", "record")),
        ],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    said = result.stdout.decode()
    assert result.returncode == 0, said
    return said


def check_that_it_showed_something(outcome: Outcome, evidence: Evidence, rounds: int) -> None:
    """Kills all over the order path, and each kind of trouble: otherwise the checker had nothing to find."""
    at_sites = [kill["killed_at"] for kill in outcome.kills if kill["killed_at"] != "clock"]
    assert len(outcome.kills) == rounds + 1
    assert len(at_sites) >= rounds * 0.6
    assert len(set(at_sites)) >= min(rounds, outcome.sites) * 0.35
    assert {group_of(site) for site in at_sites} >= set(GROUPS)
    answers = Counter(answer.said.name for asked in evidence.asked.values() for answer in asked.answers)
    assert answers["UNKNOWN"] > rounds / 2
    assert answers["NOTHING"] > rounds / 2
    assert outcome.copies > outcome.requests
    assert outcome.reopened > 0
    entries = Counter(fill.entry for fill in evidence.fills)
    assert min(entries[entry] for entry in ("in", "out", "change")) > rounds / 8
    # Each kind of mischief of the broker's.
    wanted = ("dropped", "duplicate", "refusal", "absent", "blind_finds", "events")
    assert {name for name in wanted if not outcome.broker.get(name)} == set()
    assert len(outcome.network) == 6


@pytest.mark.parametrize("rounds", [pytest.param(50, id="50"), pytest.param(200, id="200", marks=pytest.mark.long)])
async def test_nothing_is_lost_and_nothing_happens_twice(rounds: int, tmp_path: Path, record_property: Any) -> None:
    """Killed at points spread over the order path, the gateway loses no acknowledged order and sends none again."""
    chosen = seed()
    print(f"{SEED}={chosen} folder={tmp_path}", flush=True)
    record_property("seed", chosen)
    outcome = await Campaign(tmp_path, rounds, chosen).run()
    said = await checked(tmp_path)
    evidence = gather(records.read(tmp_path / "history.jsonl"), records.read(tmp_path / "ledger.jsonl"))
    print(said, *where(outcome), f"broker={outcome.broker} network={dict(outcome.network)}", sep="\n")
    print(f"requests={outcome.requests} copies={outcome.copies} sites={outcome.sites} took_s={outcome.took_s:.0f}")
    record_property("seen", said)
    check_that_it_showed_something(outcome, evidence, rounds)
