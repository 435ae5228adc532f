"""What a gateway and a bridge say to each other: a worker beside a terminal, an EA in it, another gateway.

Messages are those of docs/protocol.md section 3. The values in them (positions, deals, specifications) are those of the
domain, field by field; money, prices and volumes are exact JSON numbers, times UTC milliseconds unless said.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

import attrs
import msgspec

from quantmind.domain.accounts import Account, Deal, PendingOrder, Position
from quantmind.domain.orders import (
    Absent,
    Cancel,
    Close,
    Filling,
    Modify,
    Open,
    OrderType,
    Origin,
    Outcome,
    Placed,
    Proposal,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved
from quantmind.domain.symbols import SymbolSpec

PROTOCOL: Final = 1
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
"""Ten thousand deals have about three of them."""
MOST_DEALS: Final = 10_000
"""In one answer, the newest."""
MAX_REQUEST_BYTES: Final = 64 * 1024
HIGHEST: Final = Decimal(10) ** 18
SMALLEST_EXPONENT: Final = -20
LATEST_MSC: Final = 253_402_300_799_999

T = TypeVar("T")


class BridgeFault(Exception):
    """A message that can't be understood; the text names the field, the value and what it may be."""


# --- requests ---------------------------------------------------------------------------------------------------------


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


# --- replies ----------------------------------------------------------------------------------------------------------


class Welcome(msgspec.Struct, kw_only=True, frozen=True):
    """Whose account it is, and how the terminal is. `clock` says in words where the server's time comes from."""

    protocol: int
    account: int
    server: str
    margin_mode: Literal["hedging", "netting"]
    symbols: tuple[str, ...] = ()
    company: str = ""
    build: int = 0
    trade_allowed: bool = True
    utc_offset_s: int = 0
    clock: str = ""
    session: str = ""
    clock_ms: int = 0
    """Of a clock of the one that is asked, which only runs on: what `start_by_ms` is of. 0: it has none."""

    def __repr__(self) -> str:
        return f"Welcome(account={self.account!r}, server={self.server!r}, margin_mode={self.margin_mode!r})"


class Accepted(msgspec.Struct, kw_only=True, frozen=True):
    """The answer to an offer: it will be asked now. `session` is to be in all that it says from then on."""

    session: str
    protocol: int = PROTOCOL

    def __repr__(self) -> str:
        return f"Accepted(protocol={self.protocol!r}, session=****)"


class Symbols(msgspec.Struct, kw_only=True, frozen=True):
    """Specifications, and for each symbol of another name at the terminal that one."""

    symbols: tuple[SymbolSpec, ...]
    terminal_names: dict[str, str] = {}


class Ticks(msgspec.Struct, kw_only=True, frozen=True):
    """One batch. `confirmed`: symbols whose last price still holds, though nothing new was said of it."""

    number: int
    ticks: tuple[Quote, ...]
    crossed: int = 0
    confirmed: tuple[str, ...] = ()


class Holdings(msgspec.Struct, kw_only=True, frozen=True):
    """Account, positions and pending orders."""

    account: Account
    positions: tuple[Position, ...]
    orders: tuple[PendingOrder, ...]


class Deals(msgspec.Struct, kw_only=True, frozen=True):
    """Deals, oldest first."""

    deals: tuple[Deal, ...]


class Result(msgspec.Struct, kw_only=True, frozen=True):
    """What became of an order; exactly one of the three is there."""

    placed: Placed | None = None
    refused: Refused | None = None
    unknown: Unknown | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> Result:
        """An outcome as it is said."""
        match outcome:
            case Placed():
                return cls(placed=outcome)
            case Refused():
                return cls(refused=outcome)
            case Unknown():
                return cls(unknown=outcome)

    def outcome(self) -> Outcome:
        """The one that is there. Raises BridgeFault."""
        there = [each for each in (self.placed, self.refused, self.unknown) if each is not None]
        if len(there) != 1:
            raise BridgeFault(f"an outcome must be one of placed, refused and unknown, was {len(there)} of them")
        return there[0]


class Found(msgspec.Struct, kw_only=True, frozen=True):
    """What became of a tag: `placed`, or it is `absent`, or it can't be told yet (`not_yet`)."""

    found: Literal["placed", "absent", "not_yet"]
    placed: Placed | None = None

    @classmethod
    def of(cls, found: Placed | Absent | None) -> Found:
        """An answer of `find` as it is said."""
        if isinstance(found, Placed):
            return cls(found="placed", placed=found)
        return cls(found="not_yet" if found is None else "absent")

    def answer(self) -> Placed | Absent | None:
        """The answer of `find`. Raises BridgeFault."""
        if (self.found == "placed") != (self.placed is not None):
            raise BridgeFault("found is placed exactly when what was placed is there")
        return self.placed if self.placed is not None else (Absent() if self.found == "absent" else None)


class Nothing(msgspec.Struct, frozen=True):
    """It was done, and there is nothing to say."""


class Transaction(msgspec.Struct, kw_only=True, frozen=True, tag="transaction", tag_field="type"):
    """What a bridge says unasked: something has happened to the account, so look at it soon."""

    event: str = ""
    session: str = ""


class _Reply(msgspec.Struct, kw_only=True, frozen=True, tag="reply", tag_field="type"):
    id: str
    ok: bool
    data: msgspec.Raw = msgspec.Raw(b"{}")
    code: str = ""
    message: str = ""
    session: str = ""


@attrs.frozen
class Reply:
    """A reply by its id. `data` is JSON that `read` knows; with an `error` there is none."""

    id: str
    data: bytes = b"{}"
    code: str = ""
    error: str | None = None
    session: str = attrs.field(default="", repr=False)


class _Kind(msgspec.Struct):
    type: str


class _Id(msgspec.Struct):
    id: str


class _Account(msgspec.Struct):
    account: Any = None


LONGEST_ID: Final = 64
UNAVAILABLE: Final = "unavailable"
"""The terminal can't be reached; nothing was sent."""
INVALID: Final = "invalid_message"
UNAUTHORIZED: Final = "unauthorized"
INTERNAL: Final = "internal"
LATE: Final = "late"
"""An order came after its `start_by_ms`; nothing was sent."""
REPLACED: Final = "replaced"
"""Another bridge of the same account has come; this one is not asked any more."""
ANOTHER: Final = "another bridge has come"
UNASKED: Final = ""
"""The id of an error that answers no request."""

_encoder = msgspec.json.Encoder(decimal_format="number")
_request_decoder: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
_kind_decoder = msgspec.json.Decoder(_Kind)
_account_decoder = msgspec.json.Decoder(_Account)
_id_decoder = msgspec.json.Decoder(_Id)
_hello_decoder = msgspec.json.Decoder(Hello)
_offer_decoder = msgspec.json.Decoder(Offer)
_reply_decoder = msgspec.json.Decoder(_Reply)
_said_decoder: msgspec.json.Decoder[_Reply | Transaction] = msgspec.json.Decoder(_Reply | Transaction)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(message: AnyRequest | Offer) -> bytes:
    """A request's bytes."""
    return _encoder.encode(message)


def encode_reply(request_id: str, data: msgspec.Struct, session: str = "") -> bytes:
    """The bytes of a reply that has what was asked for."""
    return _encoder.encode(_Reply(id=request_id, ok=True, data=msgspec.Raw(_encoder.encode(data)), session=session))


def encode_error(request_id: str, code: str, message: str, session: str = "") -> bytes:
    """The bytes of a reply that says why not."""
    return _encoder.encode(_Reply(id=request_id, ok=False, code=code, message=message[:400], session=session))


def check(request: AnyRequest) -> None:
    """See that a request can be read by whoever gets it. Raises BridgeFault: a number is none, or out of bounds."""
    _check(request, "")


def decode(raw: bytes) -> AnyRequest:
    """The request in a message. Raises BridgeFault."""
    return _decoded(raw, _request_decoder, MAX_REQUEST_BYTES)


def decode_hello(raw: bytes) -> Hello | Offer:
    """What is said first: by a bridge that came by itself, which names its account, or by who wants to ask.

    Raises:
        BridgeFault: it is neither.
    """
    has_account = _decoded(raw, _account_decoder, MAX_REQUEST_BYTES).account is not None
    if has_account:
        return _decoded(raw, _offer_decoder, MAX_REQUEST_BYTES)
    return _decoded(raw, _hello_decoder, MAX_REQUEST_BYTES)


def kind_in(raw: bytes) -> str:
    """The `type` of a message, whatever else is in it; empty: it has none."""
    try:
        return _kind_decoder.decode(raw).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def id_in(raw: bytes) -> str:
    """The id of a message that is wrong otherwise, so that its sender need not wait; empty: it has none."""
    try:
        found = _id_decoder.decode(raw).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found if len(found) <= LONGEST_ID else ""


def encode_transaction(event: str, session: str = "") -> bytes:
    """The bytes of what a bridge says unasked."""
    return _encoder.encode(Transaction(event=event, session=session))


def decode_said(raw: bytes) -> Reply | Transaction:
    """What a worker says: a reply, its data still unread, or that something has happened. Raises BridgeFault."""
    found = _decoded(raw, _said_decoder, MAX_REPLY_BYTES)
    return found if isinstance(found, Transaction) else _reply(found)


def decode_reply(raw: bytes) -> Reply:
    """The reply in a message, with its data still unread. Raises BridgeFault."""
    return _reply(_decoded(raw, _reply_decoder, MAX_REPLY_BYTES))


def _reply(found: _Reply) -> Reply:
    if found.ok:
        return Reply(found.id, bytes(found.data), session=found.session)
    return Reply(found.id, b"{}", found.code, found.message or "it says no more", found.session)


def read(data: bytes, kind: type[T]) -> T:
    """What a reply has, of the kind that was asked for.

    Raises:
        BridgeFault: it is another kind, or a value of it is none.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    found: T = _decoded(data, decoder, MAX_REPLY_BYTES)
    return found


def proposal_of(request: Trading, broker: str) -> Proposal:
    """The order that a request asks for. Whoever asked is known by the magic number alone."""
    origin = Origin("bridge", request.magic)
    match request:
        case OrderSend():
            return Open(
                origin=origin,
                broker=broker,
                symbol=request.symbol,
                volume=request.volume,
                side=request.side,
                order_type=request.order_type,
                price=request.price,
                sl=request.sl,
                tp=request.tp,
                reduce=request.reduce,
                comment=request.comment,
                expiration=request.expiration,
                deviation=request.deviation,
                filling=request.filling,
            )
        case PositionClose():
            return Close(origin, broker, request.symbol, request.ticket, request.volume, request.by)
        case PositionModify():
            return Modify(
                origin,
                broker,
                request.ticket,
                request.new_sl,
                request.new_tp,
                request.new_price,
                request.new_expiration,
            )
        case OrderCancel():
            return Cancel(origin, broker, request.ticket)


def request_of(order: Approved, tag: str, request_id: str, start_by_ms: int = 0) -> Trading:
    """What an approved order is called here.

    Raises:
        ValueError: an order without a side.
    """
    proposal, reduces = order.proposal, order.reduces
    match proposal:
        case Open():
            if proposal.side is None:
                raise ValueError("an order that is sent needs a side")
            return OrderSend(
                id=request_id,
                tag=tag,
                symbol=proposal.symbol,
                volume=proposal.volume,
                side=proposal.side,
                order_type=proposal.order_type,
                price=proposal.price,
                sl=proposal.sl,
                tp=proposal.tp,
                magic=proposal.origin.magic,
                comment=proposal.comment,
                expiration=proposal.expiration,
                deviation=proposal.deviation,
                filling=proposal.filling,
                reduce=proposal.reduce,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Close():
            return PositionClose(
                id=request_id,
                tag=tag,
                symbol=proposal.symbol,
                ticket=proposal.ticket,
                volume=proposal.volume,
                by=proposal.by,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Modify():
            return PositionModify(
                id=request_id,
                tag=tag,
                ticket=proposal.ticket,
                new_sl=proposal.new_sl,
                new_tp=proposal.new_tp,
                new_price=proposal.new_price,
                new_expiration=proposal.new_expiration,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )
        case Cancel():
            return OrderCancel(
                id=request_id,
                tag=tag,
                ticket=proposal.ticket,
                magic=proposal.origin.magic,
                reduces=reduces,
                start_by_ms=start_by_ms,
            )


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[T], most: int) -> T:
    if len(raw) > most:
        raise BridgeFault(f"the message has {len(raw)} bytes, at most {most} are taken")
    try:
        found = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        raise BridgeFault(str(exc)[:300]) from None
    _check(found, "")
    return found


# A number may be so large that arithmetic on it never ends: each one is looked at before anybody reckons with it.
def _check(value: Any, path: str) -> None:
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < SMALLEST_EXPONENT or exponent > 18 or abs(value) > HIGHEST:
            raise BridgeFault(f"{path.lstrip('.')} is out of bounds: {str(value)[:40]}")
    elif isinstance(value, bool | str | bytes) or value is None:
        return
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64 or (path.endswith("_msc") and not 0 <= value <= LATEST_MSC):
            raise BridgeFault(f"{path.lstrip('.')} is out of bounds: {str(value)[:40]}")
    elif isinstance(value, float):
        if not abs(value) <= 1e18:
            raise BridgeFault(f"{path.lstrip('.')} is out of bounds: {value}")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _check(getattr(value, name), f"{path}.{name}")
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            _check(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, Sequence):
        for number, each in enumerate(value):
            _check(each, f"{path}[{number}]")
