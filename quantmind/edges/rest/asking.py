"""Asking an actor for a route that changes something: bounded, and what is said where no answer comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio

from actors.messages import Reply
from actors.runtime import NotDelivered, Ref, ReplyLost, Request
from quantmind.wire import problems
from quantmind.wire.problems import HttpProblem


def _nothing() -> Mapping[str, Any]:
    return {}


async def asked(
    actor: Ref[Any],
    message: Request[Reply],
    within_s: float,
    *,
    who: str,
    done: str,
    look: str,
    about: Callable[[], Mapping[str, Any]] = _nothing,
    **fields: Any,
) -> Reply:
    """An actor's reply.

    Args:
        who: the actor, in words.
        done: what it was asked for, as in "nothing was set".
        look: where to see what became of it, for when nobody knows.
        about: further fields of the problem then, read when it is said.
        fields: fields of each problem.

    Raises:
        HttpProblem: 503 `busy`, nothing was done; 504 `unknown`, it may have been.
    """
    try:
        with trio.fail_after(within_s):
            return await actor.ask(message)
    except NotDelivered:
        raise problems.busy(f"{who} is busy or restarting; nothing was {done}, send it again", **fields) from None
    except (ReplyLost, trio.TooSlowError):
        raise HttpProblem(504, "unknown", f"{who} gave no answer; {look}", **fields, **about()) from None


def must_succeed(reply: Reply, status_of: Mapping[str, int], about: Callable[[], Mapping[str, Any]]) -> None:
    """Nothing, where it did.

    Raises:
        HttpProblem: with the reply's code, and the status that is given for it, or 503.
    """
    if reply["status"] != "success":
        code = str(reply["code"])
        raise HttpProblem(status_of.get(code, 503), code, str(reply["message"]), **about())
