"""How to make, restart and stop one child."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
from attrs import validators

from .inbox import Inbox
from .mailbox import MailboxPolicy
from .policy import Restart

if TYPE_CHECKING:
    from .family import Family

Main = Callable[[Inbox[Any]], Awaitable[None]]
"""An actor: an asynchronous callable over an inbox. No base class."""


def _plain_name(_: object, __: object, name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"a child's name is part of a path, so it needs a text without '/', it was {name!r}")


@attrs.frozen
class ActorSpec:
    """How to make, restart and stop one actor."""

    name: str = attrs.field(validator=_plain_name)
    """Unique among its siblings."""
    make: Callable[[], Main]
    """Called once for each incarnation, so state starts fresh."""
    restart: Restart = Restart.PERMANENT
    mailbox: MailboxPolicy = MailboxPolicy()  # noqa: RUF009  # frozen
    grace: float = attrs.field(default=5.0, validator=validators.ge(0))
    """Seconds from being asked to stop to being cancelled."""
    start_within: float = attrs.field(default=10.0, validator=validators.gt(0))
    """Seconds to become ready, for each incarnation."""
    retire: Callable[[], None] | None = None
    """Called when the actor will not run again, after its queued requests were answered. Must not wait."""
    nested: Family | None = attrs.field(default=None, kw_only=True)
    """The supervisor or pool that this child is; set by `supervise`."""
