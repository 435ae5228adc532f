"""What can be asked of a gateway, and its bytes. Checked by the gateway's own decoder before anything is sent."""

from __future__ import annotations

import uuid
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs
import msgspec

from quantmind.wire.commands import MAX_ID, decode
from quantmind.wire.guards import CommandFault

Number = Decimal | int | float | str
"""A price or a volume. A float counts as it is written: 0.1 is one tenth. Better give a Decimal or a text."""

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_SHOWN: Final = 40


def to_decimal(field: str, value: Number | None) -> Decimal | None:
    """The exact number, or None.

    Raises:
        ValueError: it is none; the text names field and value.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise ValueError(f"{field} is {str(value)[:_SHOWN]!r}; give a number, such as Decimal('0.1')")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        raise ValueError(f"{field} is {str(value)[:_SHOWN]!r}; give a number, such as Decimal('0.1')") from None
    if not number.is_finite():
        raise ValueError(f"{field} is {value}; give a finite number")
    return number


@attrs.frozen
class OpenRequest:
    """Open a position by the market, or place a `limit` or `stop` order that will.

    `volume` in lots, prices in the quote currency, `expiration` in Unix seconds, `deviation` in points. `reduce`: a
    smaller volume may be approved. `magic` and `broker` None: those of the client.
    """

    symbol: str
    volume: Number
    side: str
    order_type: str = "market"
    price: Number | None = None
    sl: Number | None = None
    tp: Number | None = None
    expiration: float | None = None
    deviation: int | None = None
    filling: str | None = None
    comment: str = ""
    reduce: bool = False
    magic: int | None = None
    broker: str | None = None


@attrs.frozen
class CloseRequest:
    """Close the position of `ticket`: all of it, `volume` lots, or against the opposite position `close_by`."""

    symbol: str
    ticket: int
    volume: Number | None = None
    close_by: int | None = None
    magic: int | None = None
    broker: str | None = None


@attrs.frozen
class ModifyRequest:
    """Change the stops of a position, or stops, price and expiration of a pending order.

    None keeps what is there; 0 removes a stop or the expiration (Unix seconds).
    """

    ticket: int
    sl: Number | None = None
    tp: Number | None = None
    price: Number | None = None
    expiration: float | None = None
    magic: int | None = None
    broker: str | None = None


@attrs.frozen
class CancelRequest:
    """Take back the pending order of `ticket`."""

    ticket: int
    magic: int | None = None
    broker: str | None = None


Request = OpenRequest | CloseRequest | ModifyRequest | CancelRequest


@attrs.frozen
class Command:
    """One message with its id, complete but for the token. A repeat of it is the same command to the gateway.

    `expires_at` in Unix seconds: the gateway starts it no later. None: it does not expire.
    """

    kind: str
    request_id: str
    body: dict[str, Any]
    execute: bool = False
    expires_at: float | None = None

    def encode(self, token: str | None, *, only_ask: bool = False) -> bytes:
        """Its bytes on the wire. `only_ask`: as one that expired long ago, which can be found but never started."""
        message: dict[str, Any] = {"type": self.kind, **self.body, "request_id": self.request_id}
        if self.expires_at is not None:
            message["expires_at"] = 1 if only_ask else self.expires_at
        if token is not None:
            message["token"] = token
        return _encoder.encode(message)

    def to_json(self) -> str:
        """As a text to keep over a restart of this program; without the token."""
        return _encoder.encode(attrs.asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Command:
        """The command that `to_json` wrote.

        Raises:
            ValueError: it is not such a text.
        """
        try:
            kept = _kept.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"the text is no kept command: {str(error)[:200]}") from None
        command = cls(kept.kind, kept.request_id, kept.body, kept.execute, kept.expires_at)
        check(command)
        return command


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    request_id: str
    body: dict[str, Any]
    execute: bool
    expires_at: float | None


_kept: Final = msgspec.json.Decoder(_Kept, float_hook=Decimal)


def check(command: Command) -> None:
    """Look at a command as the gateway will.

    Raises:
        ValueError: the gateway would not understand it; the text names field, value and way out.
    """
    try:
        decode(command.encode(None))
    except CommandFault as fault:
        raise ValueError(fault.message) from None
    except (msgspec.EncodeError, UnicodeError, TypeError, OverflowError) as error:
        raise ValueError(f"a field can't be sent: {str(error)[:200]}") from None


def new_id() -> str:
    """An id that no other process makes."""
    return uuid.uuid4().hex


def check_id(request_id: object) -> str:
    """The caller's id, or a new one.

    Raises:
        ValueError: it is too long, or empty.
    """
    if request_id is None:
        return new_id()
    if not isinstance(request_id, str) or not 1 <= len(request_id) <= MAX_ID:
        raise ValueError(
            f"request_id is {str(request_id)[:_SHOWN]!r}; give a text of 1 to {MAX_ID} characters, or None"
        )
    return request_id


def trade(
    request: Request,
    *,
    ea_name: str,
    magic: int,
    broker: str | None,
    request_id: str,
    execute: bool,
    expires_at: float,
) -> Command:
    """The command for a request; `ea_name`, `magic` and `broker` where the request names none.

    Raises:
        ValueError: a field is wrong.
    """
    body = _body(request)
    body["ea_name"] = ea_name
    body["magic"] = magic if request.magic is None else request.magic
    body["execute"] = execute
    chosen = broker if request.broker is None else request.broker
    if chosen is not None:
        body["broker"] = chosen
    command = Command(_KINDS[type(request)], request_id, body, execute, expires_at)
    check(command)
    return command


_KINDS: Final[dict[type[Any], str]] = {
    OpenRequest: "trade_open",
    CloseRequest: "trade_close",
    ModifyRequest: "trade_modify",
    CancelRequest: "trade_cancel",
}


def _body(request: Request) -> dict[str, Any]:
    fields: dict[str, Any]
    match request:
        case OpenRequest():
            fields = {
                "symbol": request.symbol,
                "volume": to_decimal("volume", request.volume),
                "side": request.side,
                "order_type": request.order_type,
                "price": to_decimal("price", request.price),
                "sl": to_decimal("sl", request.sl),
                "tp": to_decimal("tp", request.tp),
                "expiration": request.expiration,
                "deviation": request.deviation,
                "filling": request.filling,
                "comment": request.comment or None,
                "reduce": request.reduce or None,
            }
        case CloseRequest():
            fields = {
                "symbol": request.symbol,
                "ticket": request.ticket,
                "volume": to_decimal("volume", request.volume),
                "close_by": request.close_by,
            }
        case ModifyRequest():
            fields = {
                "ticket": request.ticket,
                "new_sl": to_decimal("sl", request.sl),
                "new_tp": to_decimal("tp", request.tp),
                "new_price": to_decimal("price", request.price),
                "new_expiration": request.expiration,
            }
        case CancelRequest():
            fields = {"ticket": request.ticket}
    return {name: value for name, value in fields.items() if value is not None}


def message(kind: str, ea_name: str, broker: str | None, **fields: Any) -> Command:
    """A command that is no trade: `heartbeat`, `trade_result`, `risk_update`.

    Raises:
        ValueError: a field is wrong.
    """
    body = {"ea_name": ea_name, "broker": broker, **fields}
    command = Command(kind, new_id(), {name: value for name, value in body.items() if value is not None})
    check(command)
    return command
