"""Cancels a call at its k-th checkpoint: no race is left to chance, and none of them is left out."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

import attrs
import trio

T = TypeVar("T")
MOST = 500
"""A call with more checkpoints than this has a loop that should not be here."""


@attrs.frozen
class Cut(Generic[T]):
    """One call that was to be cancelled at its checkpoint number `at`.

    `result` is what it gave all the same, or None; `ended_before` that it has fewer checkpoints and was left alone.
    """

    at: int
    result: T | None
    ended_before: bool


async def at_each_checkpoint(
    call: Callable[[int], Coroutine[Any, Any, T]], check: Callable[[Cut[T]], Awaitable[object]]
) -> None:
    """Make the call again and again, cancelled at its first checkpoint, its second and so on, until it has no more.

    The call is given the number of its checkpoint; after each one `check` is given what came of it.
    """
    for at in range(1, MOST):
        cut = await cut_at(at, call(at))
        await check(cut)
        if cut.ended_before:
            return
    raise AssertionError(f"the call had not ended after {MOST} checkpoints")


async def cut_at(at: int, call: Coroutine[Any, Any, T]) -> Cut[T]:
    """Make a call and cancel it at this checkpoint, if it has so many."""
    result: list[T] = []
    with trio.CancelScope() as scope:
        result.append(await _stepping(call, at, scope))
    return Cut(at, result[0] if result else None, not scope.cancel_called)


# Trio delivers a cancellation to a task as it gives way: called just before, it comes at exactly this checkpoint.
@types.coroutine
def _stepping(call: Coroutine[Any, Any, T], at: int, scope: trio.CancelScope) -> Generator[Any, Any, T]:
    count = 0
    resume: Callable[[Any], Any] = call.send
    value: Any = None
    while True:
        try:
            trap = resume(value)
        except StopIteration as end:
            result: T = end.value
            return result
        count += 1
        if count == at:
            scope.cancel()
        try:
            value = yield trap
            resume = call.send
        except BaseException as exc:  # handed on to the call, which may raise it again
            value, resume = exc, call.throw
