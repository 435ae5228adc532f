"""What the gateway asks of the exchange, in words that spot and futures share.

Each method raises `NotSent`, `Refusal` or `OutcomeUnknown` (`quantmind.adapters.binance.errors`). Cancelled after its
request went out it leaves the outcome unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

import attrs
import trio

from quantmind.adapters.binance.book import Book, Exits
from quantmind.adapters.binance.errors import BinanceError, NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.records import Fill, FuturesAccount, Life, Order, SpotAccount
from quantmind.adapters.binance.refusals import says_absent
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.orders import Side

_T = TypeVar("_T")
MOST_LOOKS: Final = 50
"""Orders that are looked up one by one while an account is read; the newest."""


class Kind(enum.Enum):
    """What an order waits for."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    """It goes to the market once the price is there."""


@attrs.frozen
class New:
    """An order to be placed. `price` of a limit order, `trigger` of a stop order.

    `at_once`: what a limit order can't fill at once it does not fill (IOC). `expires_msc` 0: it has no end. `again`: it
    stands in for one that was taken back.
    """

    symbol: str
    side: Side
    kind: Kind
    quantity: Decimal
    client_id: str
    price: Decimal | None = None
    trigger: Decimal | None = None
    at_once: bool = False
    expires_msc: int = 0
    reduces: bool = False
    position_side: str = "BOTH"
    again: bool = False

    @property
    def goes_first(self) -> bool:
        """Whether it may use what the limits of the exchange leave to closes."""
        closes = (self.position_side, self.side) in (("LONG", Side.SELL), ("SHORT", Side.BUY))
        return self.reduces or self.again or closes


@attrs.frozen
class Stops:
    """The orders that close a position: `sl` and `tp` 0 for none, `tag` of whoever wants them."""

    slot: Slot
    side: Side
    """Of the orders: against the position."""
    quantity: Decimal
    sl: Decimal
    tp: Decimal
    tag: str


@attrs.frozen
class Difference:
    """A setting of an account: what it is and what it should be, in words, and the request that changes it."""

    words: str
    path: str
    params: Mapping[str, Any]


class Venue(Protocol):
    """One account at one of the two exchanges."""

    ends_orders: bool
    """Whether the exchange ends an order at a time."""
    has_conditional: bool
    """Whether there are conditional orders, which have ids of their own (futures)."""
    locks_holdings: bool
    """Whether the stops of a position must be taken back before it is closed (spot: they lock what is held)."""
    unset: list[str]
    """Settings that the configuration wants, and that could not be changed while positions or orders are open."""

    async def rules(self, symbols: Sequence[str]) -> dict[str, Rules]:
        """What is traded, and by which rules; a symbol that is not traded is missing."""
        ...

    async def differences(self, symbols: Sequence[str]) -> Sequence[Difference]:
        """What of the account is not as the configuration wants it: position mode, margin type, leverage."""
        ...

    async def prepare(self, symbols: Sequence[str]) -> None:
        """See that the account is as the configuration wants it."""
        ...

    async def snapshot(self, book: Book, symbols: Sequence[str]) -> None:
        """Read the account and put it into the book, unless that has begun anew meanwhile: what was told in between
        may be missing.
        """
        ...

    async def account(self) -> SpotAccount | FuturesAccount:
        """What there is now, without what was traded."""
        ...

    async def prices(self, symbols: Sequence[str]) -> list[tuple[str, Decimal, Decimal]]:
        """Best bid and ask of each symbol now."""
        ...

    async def place(self, new: New) -> tuple[Order, Sequence[Fill]]:
        """Place an order; the trades that its answer told."""
        ...

    async def move(self, order: Order, new: New) -> Order:
        """Let a waiting order have another price or end; its client order id is that of `new` or stays.

        Raises:
            Refusal: it is as it was; where it was taken back and placed again for that, that one is its `restored`.
            OutcomeUnknown: also: it was taken back, and could be placed neither anew nor as it was.
        """
        ...

    async def cancel(self, order: Order) -> Order | None:
        """Take back an order; None: the answer does not say how it ended."""
        ...

    async def look(self, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        """An order by its client order id; None: the exchange does not know it (yet)."""
        ...

    async def look_again(self, order: Order) -> Order | None:
        """An order by its own id, as it is now; of a conditional one that was set off, what it became."""
        ...

    async def fills_of(self, order: Order) -> Sequence[Fill]:
        """The trades of an order."""
        ...

    def is_conditional(self, new_kind: Kind) -> bool:
        """Whether such an order is one of the conditional ones, with ids of their own."""
        ...

    async def set_stops(self, stops: Stops) -> Sequence[Order]:
        """Place the orders that close a position, together where both are wanted and they must know of each other."""
        ...

    async def drop_stops(self, exits: Exits) -> Sequence[Order]:
        """Take back the orders that close a position; one that is over already is no fault."""
        ...

    async def arm(self, seconds: float) -> None:
        """Let the exchange take back all orders when it is not told so again in time; 0: never mind."""
        ...


def as_changed(order: Order, client_id: str, price: Decimal, expires_msc: int) -> New:
    """A waiting order as it is asked for with another price or end."""
    stops = order.kind.startswith("STOP")
    return New(
        order.symbol,
        order.side,
        Kind.STOP if stops else Kind.LIMIT,
        order.quantity,
        client_id,
        price=None if stops else price,
        trigger=price if stops else None,
        expires_msc=expires_msc,
        reduces=order.reduces,
        position_side=order.position_side,
    )


async def moved_in_two(venue: Venue, order: Order, new: New) -> Order:
    """Take back a waiting order, and place what is left of it anew, or as it was where that is refused.

    Raises as `Venue.move` does.
    """
    ended = await venue.cancel(order)
    if ended is None:
        try:
            ended = await venue.look_again(order) or order
        except (NotSent, Refusal) as error:
            raise OutcomeUnknown(f"the order was taken back, and how it ended can't be asked for ({error})") from None
    left = order.quantity - ended.filled
    if left <= 0 or ended.life is not Life.ENDED:
        raise OutcomeUnknown("the order was filled, or set off, while it was taken back")
    try:
        return (await venue.place(attrs.evolve(new, quantity=left, again=True)))[0]
    except NotSent as error:
        raise OutcomeUnknown(f"the order was taken back, and could not be placed anew ({error})") from None
    except Refusal as refusal:
        refusal.restored = await placed_as_it_was(venue, order, new, left, refusal)
        raise


async def placed_as_it_was(venue: Venue, order: Order, new: New, left: Decimal, why: Refusal) -> Order:
    """Place again what was taken back for `new`, which was refused.

    Raises:
        OutcomeUnknown: that can't be done either.
    """
    back = attrs.evolve(
        new,
        client_id=order.client_id,
        quantity=left,
        price=order.price or None,
        trigger=order.trigger or None,
        expires_msc=order.expires_msc,
        again=True,
    )
    try:
        return (await venue.place(back))[0]
    except BinanceError as error:
        raise OutcomeUnknown(
            f"the order was taken back, and can't be placed anew ({why}) or as it was ({error})"
        ) from None


async def look_for_names(
    names: dict[int, str | None], book: Book, look: Callable[[int], Awaitable[Order | None]]
) -> None:
    """Fill in, by the exchange's ids, what orders are called that its lists of orders leave out: they are of the last
    days, or the newest ones, and an old order may fill today.
    """
    unnamed = [order_id for order_id, name in names.items() if name is None]
    for order_id in unnamed[-MOST_LOOKS:]:
        order = await look(order_id)
        if order is not None:
            names[order_id] = order.client_id
            if order.life is not Life.OPEN:
                book.orders.take(order)


async def taken_back(venue: Venue, order: Order) -> Order:
    """Take back an order, and how it ended; that it was over already is no fault.

    Raises as `Venue.cancel` does.

    Raises:
        OutcomeUnknown: also: a conditional order that the exchange has told of, and denies now. Under load its service
            of such orders does so with some that are there, and are set off later.
    """
    try:
        ended = await venue.cancel(order)
    except Refusal as refusal:
        if not says_absent(refusal):
            raise
        ended = await venue.look_again(order)
        if ended is None and order.conditional:
            raise OutcomeUnknown(f"the exchange denies the order {order.order_id} that it has told of") from None
    return ended or attrs.evolve(order, status="CANCELED")


async def in_time(call: Awaitable[_T], within_s: float, what: str = "") -> _T:
    """What the exchange answers. Raises OutcomeUnknown: not within so long; `what` is what it was asked."""
    with trio.move_on_after(within_s):
        return await call
    raise OutcomeUnknown(f"the exchange has not answered within {within_s:g} s{what}")
