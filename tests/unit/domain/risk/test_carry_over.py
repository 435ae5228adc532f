"""What was reckoned of an account for one decision serves the next, as long as it is the same account."""

from __future__ import annotations

from decimal import Decimal

import attrs
from risk_all_rules import PROPOSAL, everything

from quantmind.domain.risk import judge


def test_the_verdict_is_the_same() -> None:
    """With what was taken over, or reckoned anew."""
    full = everything(5, netting=False)
    first = judge(PROPOSAL, full, approval_id="a", deadline=1.0)
    following = attrs.evolve(full)
    following.carry_over(full)
    assert judge(PROPOSAL, following, approval_id="a", deadline=1.0) == first


def test_another_account_takes_nothing_over() -> None:
    """A new sample, book, worst case or policy is reckoned anew."""
    full = everything(5, netting=False)
    judge(PROPOSAL, full, approval_id="a", deadline=1.0)
    assert full.sample is not None
    assert full.book is not None
    assert full.worst is not None
    poorer = attrs.evolve(full.sample.account, balance=Decimal(1), equity=Decimal(1))
    for change in (
        {"sample": attrs.evolve(full.sample, account=poorer)},
        {"book": attrs.evolve(full.book, baseline=None)},
        {"worst": attrs.evolve(full.worst, cash=Decimal(1))},
        {"policy": attrs.evolve(full.policy, initial_capital=Decimal(1))},
    ):
        fresh, carried = attrs.evolve(full, **change), attrs.evolve(full, **change)
        carried.carry_over(full)
        assert carried.daily_floor == fresh.daily_floor
        assert judge(PROPOSAL, carried, approval_id="a", deadline=1.0) == judge(
            PROPOSAL, fresh, approval_id="a", deadline=1.0
        )
