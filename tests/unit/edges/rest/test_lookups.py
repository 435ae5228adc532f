"""What a ticket in a path is found to be, and what is said where that can't be known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from quantmind.edges.rest.lookups import symbol_of
from quantmind.wire.problems import HttpProblem


def context_with(sample: Any, deals: tuple[Any, ...] = ()) -> Any:
    """The boards of one account, as far as a ticket is looked up in them."""
    link = SimpleNamespace(sample=sample, feed="degraded", feed_error="no answer")
    book = SimpleNamespace(all=lambda: deals)
    return SimpleNamespace(
        boards=SimpleNamespace(
            links=SimpleNamespace(of=lambda _: link),
            deals=SimpleNamespace(of=lambda _: book),
        )
    )


def sampled(taken_at: float, *tickets: int) -> Any:
    positions = tuple(SimpleNamespace(ticket=ticket, symbol="EURUSD") for ticket in tickets)
    return SimpleNamespace(taken_at=taken_at, positions=positions, orders=())


async def test_a_position_that_an_old_sample_lacks_may_be_there(autojump_clock):
    """Where the account is not read any more, nobody is told that the position is not open."""
    context = context_with(sampled(trio.current_time() - 60, 7))
    assert await symbol_of(context, "demo", 7) == "EURUSD"
    with pytest.raises(HttpProblem) as told:
        await symbol_of(context, "demo", 8)
    assert (told.value.status, told.value.code) == (503, "broker_unavailable")
    assert "62 s ago" in told.value.detail


async def test_a_position_that_a_new_sample_lacks_is_not_there(autojump_clock):
    """The account was read after the question and shows no such ticket."""
    context = context_with(sampled(trio.current_time() + 1, 7))
    with pytest.raises(HttpProblem) as told:
        await symbol_of(context, "demo", 8)
    assert (told.value.status, told.value.code) == (404, "unknown_ticket")


async def test_an_account_that_was_never_read_is_not_known(autojump_clock):
    """The first sample is waited for, and not for ever."""
    with pytest.raises(HttpProblem) as told:
        await symbol_of(context_with(None), "demo", 8)
    assert told.value.status == 503
