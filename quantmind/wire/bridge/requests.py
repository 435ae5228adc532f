"""What is asked of a bridge, and what it says first."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

from quantmind.domain.orders import Filling, OrderType, Side
from quantmind.wire.bridge.terms import MOST_DEALS


class Request(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What all of them have. `id` is the sender's, and comes back with the reply.

    `session` is what `Welcome` gave, in every request after it: the route that a message came by proves nothing, since
    anybody may take the name of a connection that has ended.
    """

    id: str
    session: str = ""


class Hello(Request, frozen=True, tag="bridge_hello"):
    """Who asks, and may. `anew`: let the terminal go and reach it again, whatever state it seems to be in."""

    protocol: int
    token: str
    anew: bool = False

    def __repr__(self) -> str:
        return f"Hello(id={self.id!r}, protocol={self.protocol!r}, token=****, anew={self.anew!r})"


class Offer(Request, frozen=True, tag="bridge_hello"):
    """A bridge that came by itself says whose account it has; from then on it is asked as a worker is.

    `broker`: the gateway's name for it; empty: the one that takes this account. An empty `token`: what its connection
    was let in with.
    """

    protocol: int
    account: int
    server: str
    margin_mode: Literal["hedging", "netting"]
    symbols: tuple[str, ...] = ()
    token: str = ""
    broker: str = ""
    guard: bool = False

    def __repr__(self) -> str:
        return f"Offer(id={self.id!r}, protocol={self.protocol!r}, account={self.account!r}, broker={self.broker!r})"


class SymbolsGet(Request, frozen=True, tag="symbols_get"):
    """What is traded."""


class TicksGet(Request, frozen=True, tag="ticks_get"):
    """The ticks since the batch of this number; 0: from now on. A batch is kept until the next is asked for."""

    after: int


class FeedRestart(Request, frozen=True, tag="feed_restart"):
    """Ask the terminal for the prices of these symbols again."""

    symbols: tuple[str, ...]


class SampleGet(Request, frozen=True, tag="sample_get"):
    """Account, positions and pending orders, read together."""


class DealsGet(Request, frozen=True, tag="deals_get"):
    """Deals at or after a time, UTC milliseconds, oldest first, at most the newest so many."""

    since_msc: int
    most: int = MOST_DEALS


class OrderSend(Request, frozen=True, tag="order_send"):
    """A market order, or a limit or stop order. `expiration` Unix seconds, `deviation` points.

    `reduce`: a volume between two steps may be lowered to the step. `reduces`, of every order: it was proved to take
    risk away, so it goes out also where what adds risk is held back. `start_by_ms`, of every order: when `clock_ms` of
    the one that is asked is past it the order is not begun, since whoever asked has given it up; 0: whenever it comes.
    """

    tag: str
    symbol: str
    volume: Decimal
    side: Side
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    magic: int = 0
    comment: str = ""
    expiration: float | None = None
    deviation: int | None = None
    filling: Filling | None = None
    reduce: bool = False
    reduces: bool = False
    start_by_ms: int = 0


class PositionClose(Request, frozen=True, tag="position_close"):
    """Close a position, a part of it, or it by an opposite one."""

    tag: str
    symbol: str
    ticket: int
    volume: Decimal | None = None
    by: int | None = None
    magic: int = 0
    reduces: bool = False
    start_by_ms: int = 0


class PositionModify(Request, frozen=True, tag="position_modify"):
    """Change stops of a position, or stops, price and expiration of a pending order. Absent keeps, 0 removes."""

    tag: str
    ticket: int
    new_sl: Decimal | None = None
    new_tp: Decimal | None = None
    new_price: Decimal | None = None
    new_expiration: float | None = None
    magic: int = 0
    reduces: bool = False
    start_by_ms: int = 0


class OrderCancel(Request, frozen=True, tag="order_cancel"):
    """Take back a pending order."""

    tag: str
    ticket: int
    magic: int = 0
    reduces: bool = False
    start_by_ms: int = 0


class OrderFind(Request, frozen=True, tag="order_find"):
    """What became of the request with this tag."""

    tag: str


AnyRequest = (
    Hello
    | SymbolsGet
    | TicksGet
    | FeedRestart
    | SampleGet
    | DealsGet
    | OrderSend
    | PositionClose
    | PositionModify
    | OrderCancel
    | OrderFind
)
REQUESTS: Final[frozenset[str]] = frozenset(
    str(each.__struct_config__.tag)
    for each in (
        SymbolsGet,
        TicksGet,
        FeedRestart,
        SampleGet,
        DealsGet,
        OrderSend,
        PositionClose,
        PositionModify,
        OrderCancel,
        OrderFind,
    )
)
"""The types of requests, but for the first one."""
ORDERS: Final[frozenset[str]] = frozenset(
    str(each.__struct_config__.tag) for each in (OrderSend, PositionClose, PositionModify, OrderCancel)
)
"""Those that trade."""
Trading = OrderSend | PositionClose | PositionModify | OrderCancel
