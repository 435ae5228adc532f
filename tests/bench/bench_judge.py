"""What a verdict costs, in microseconds: `python tests/bench/bench_judge.py [calls]`.

The same order is judged with the basic rules only (volume, positions, ages) and with every rule of a policy set: on an
account with 50 open positions, and on a netting one, which has one of each of two symbols. Read the ratio; the numbers
depend on the machine and on what else it does.
"""

from __future__ import annotations

import statistics
import sys
import time
from decimal import Decimal
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from risk_all_rules import POLICY, PROPOSAL, everything

from quantmind.domain.orders import Open
from quantmind.domain.risk import Approved, Denied, Policy, Situation, judge

CALLS = 20_000
ROUNDS = 20


def timed(proposal: Open, at: Situation, calls: int, *, first: bool) -> list[int]:
    """Each decision has a situation of its own; all but the first after a sample take over what was reckoned of it."""
    took, before = [], attrs.evolve(at)
    judge(proposal, before, approval_id="b", deadline=1.0)
    for _ in range(calls):
        fresh = attrs.evolve(at)
        if not first:
            fresh.carry_over(before)
        begun = time.perf_counter_ns()
        judge(proposal, fresh, approval_id="b", deadline=1.0)
        took.append(time.perf_counter_ns() - begun)
    return took


def main(calls: int) -> None:
    basic = Policy(max_volume=Decimal(2), max_open_positions=200)
    refused = attrs.evolve(PROPOSAL, volume=Decimal("1.5"))
    print(f"{'judge':<46}{'median':>8}{'p99':>9}{'ratio':>7}{'ratio':>7}")
    for name, proposal, positions in (
        ("50 open, approved", PROPOSAL, 50),
        ("50 open, too much volume", refused, 50),
        ("netting, 2 open, approved", PROPOSAL, 2),
    ):
        full = everything(positions, netting=positions == 2)
        plain = attrs.evolve(full, policy=basic)
        passes = Denied if proposal is refused else Approved
        assert isinstance(judge(proposal, full, approval_id="b", deadline=1.0), passes)
        assert full.policy is POLICY
        figures: dict[str, list[int]] = {"basic rules": [], "all rules, first": [], "all rules, further": []}
        # In turns, so that what else the machine does falls on both.
        for _ in range(ROUNDS):
            figures["basic rules"] += timed(proposal, plain, calls // ROUNDS, first=True)
            figures["all rules, first"] += timed(proposal, full, calls // ROUNDS, first=True)
            figures["all rules, further"] += timed(proposal, full, calls // ROUNDS, first=False)
        first: tuple[float, float] | None = None
        for what, took in figures.items():
            median, p99 = statistics.median(took) / 1e3, statistics.quantiles(took, n=100)[98] / 1e3
            first = first or (median, p99)
            label = f"{name}: {what}"
            print(f"{label:<46}{median:>8.1f}{p99:>9.1f}{median / first[0]:>7.1f}{p99 / first[1]:>7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
