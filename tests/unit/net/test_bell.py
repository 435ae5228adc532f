"""Who hears a bell, and who does not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from quantmind.net.bell import Bell


async def test_all_hear_it_who_wait_when_it_rings() -> None:
    """Those who come later hear the next one."""
    bell, heard = Bell(), []

    async def hear(name: str) -> None:
        await bell.wait()
        heard.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear, "a")
        nursery.start_soon(hear, "b")
        await wait_all_tasks_blocked()
        bell.ring()
        nursery.start_soon(hear, "late")
        await wait_all_tasks_blocked()
        assert sorted(heard) == ["a", "b"]
        bell.ring()
    assert heard[2:] == ["late"]


async def test_who_looked_before_it_rang_hears_it_afterwards() -> None:
    """By how often it had rung when he began to look; nobody waits for what he has missed."""
    bell = Bell()
    bell.ring()
    before = bell.rung
    bell.ring()
    with trio.fail_after(1):
        await bell.wait(before)
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
        await bell.wait(bell.rung)


async def test_one_that_rang_before_is_not_heard() -> None:
    """Nothing is kept: who waits looks first."""
    bell = Bell()
    bell.ring()
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
        await bell.wait()
