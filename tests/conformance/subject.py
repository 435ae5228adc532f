"""What a broker adapter brings to the conformance suite: itself, what it can do, and a hand on its other side."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs

from quantmind.ports import Broker

Case = TypeVar("Case", bound=Callable[..., Any])


class Capability(enum.Enum):
    """What one broker has and another has not. The value is what a skipped case says of it."""

    EVERY_TICK = "poll gives each tick, and not only the newest of each symbol"
    HEDGING = "each order opens a position of its own"
    NETTING = "a symbol has one position, which orders add to and reduce"
    SHORT = "a sell opens a position where there is none"
    CLOSE_BY = "two opposite positions close against each other"
    STOPS = "a position has a stop loss and a take profit"
    PENDING = "limit orders wait for their price, and can be changed and cancelled"
    STOP_ORDERS = "stop orders wait for their price"
    EXPIRATION = "a waiting order can have an end"
    MAGIC = "what is open and done has the magic number and the comment of its order"
    TAGS = "what is open and done has the tag of its request"
    REPEATS_TAGS = "a tag that was used is taken again"
    UNIQUE_WAITING_TAGS = "a tag is refused as long as its order waits"
    UNIQUE_TAGS = "a tag that was used is refused for ever"
    FINDS_CHANGES = "closes, changes and cancellations are found by their tag, too"
    FINDS_CLOSED = "an order is found by its tag after its position was closed"
    SWAP = "a position is charged or paid for each night"
    BALANCE = "the balance is what the deals add up to"
    KEEPS = "the account outlives the adapter"
    BLINDNESS = "the test can make find know nothing yet"
    NO_DATA = "the test can make the broker answer without data"


class Loss(enum.Enum):
    """What is lost on the way of each request from now on."""

    ANSWER = "the request is carried out, and its answer never comes"
    REQUEST = "the request never arrives"


@attrs.frozen
class Executed:
    """One request that the broker's side carried out.

    `ticket` is that of the `Placed` which the request comes to, and `volume` its lots (None for a change). Of an order
    that `waits` they are its number and its own volume: what becomes of it later is another matter.
    """

    tag: str
    ticket: int
    volume: Decimal | None
    waits: bool = False


class Subject(Protocol):
    """One adapter over one empty account, and what a test may do to the broker behind it.

    What a method here does has happened when it returns: no case waits and looks again. Each fault stays until it is
    taken back. Nothing here asks the adapter: it is the adapter that is examined.
    """

    @property
    def broker(self) -> Broker:
        """The adapter; another one after `restart`."""
        ...

    @property
    def starts(self) -> Mapping[str, Decimal]:
        """Two symbols or more, each with a usual bid. The account can carry 20 minimal lots of each."""
        ...

    def monotonic(self) -> float:
        """The seconds that the adapter goes by for ages."""
        ...

    def wall(self) -> float:
        """The Unix seconds that the adapter and its broker go by."""
        ...

    async def move(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Let this be the market's price: the next `poll` gives it. Of a crossed one the broker may say nothing."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let both clocks go on."""
        ...

    async def set_wall_back(self, seconds: float) -> None:
        """Let the adapter's wall clock alone jump back."""
        ...

    async def cut(self) -> None:
        """Take the connection away: nothing arrives, and nobody can connect."""
        ...

    async def mend(self) -> None:
        """Let connections work again, after a `connect`."""
        ...

    async def lose(self, what: Loss | None) -> None:
        """Lose requests, or their answers; None: none."""
        ...

    async def hold_answers(self, held: bool) -> None:
        """Let the answers to requests not come, while the connection stays; one that was held never comes."""
        ...

    async def blind(self, is_blind: bool) -> None:
        """Let the broker not know yet what became of an order (BLINDNESS)."""
        ...

    async def withhold(self, withheld: bool) -> None:
        """Let the broker answer questions for account, positions, orders and deals without data (NO_DATA)."""
        ...

    async def restart(self) -> None:
        """End the adapter as a kill does, and make another on the same account, not connected yet (KEEPS)."""
        ...

    async def executed(self) -> Sequence[Executed]:
        """What the broker's side carried out, oldest first: the truth that the adapter's words are held against."""
        ...


@attrs.frozen
class Kind:
    """A kind of subject: its name in test ids, what it can do, and how one is made in an empty folder.

    A stand-in for an adapter that is still to come has only the cases of what it stands `in_for`.
    """

    name: str
    capabilities: frozenset[Capability]
    open: Callable[[Path], AbstractAsyncContextManager[Subject]]
    in_for: Capability | None = None
    forgets_changes: bool = False
    """A change that nothing shows any more, since its position closed or was changed again, is said to be absent."""

    def takes(self, needed: Iterable[Capability]) -> bool:
        """Whether a case with these needs is run with it, or skipped with a reason."""
        return self.in_for is None or self.in_for in needed

    def lacks(self, needed: Iterable[Capability]) -> str | None:
        """Why a case with these needs is skipped, or None."""
        missing = [each for each in Capability if each in set(needed) - self.capabilities]
        said = "; ".join(f"{each.name} ({each.value})" for each in missing)
        return f"{self.name} has no {said}" if missing else None


def needs(*capabilities: Capability) -> Callable[[Case], Case]:
    """Say what a subject must be able to do for this case."""

    def mark(case: Case) -> Case:
        case.needs = frozenset(capabilities)  # type: ignore[attr-defined]
        return case

    return mark


def needs_of(case: Callable[..., Any]) -> frozenset[Capability]:
    """What a case said that it needs."""
    return getattr(case, "needs", frozenset())
