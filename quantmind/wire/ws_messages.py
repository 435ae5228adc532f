"""WebSocket messages: what clients send, as typed values or a fault; what the server sends, as bytes.

The messages are those of docs/protocol.md section 1. Unknown fields are ignored, but not a channel that there is not: a
client must not believe that it has what it has not.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

import attrs
import msgspec

from quantmind.wire.channels import CHANNELS

T = TypeVar("T")

PROTOCOL: Final = 1

MAX_ID: Final = 64
MAX_NAME: Final = 64
MAX_NAMES: Final = 100_000
"""Symbols in one message; the limit of a client is lower and answered by `symbol_limit`."""
MAX_TOKEN: Final = 1024
MAX_OFFSET: Final = 1_000_000_000
MAX_PAGE: Final = 1000
DEFAULT_PAGE: Final = 200
MAX_SEQ: Final = 2**53
_SHOWN: Final = 32


@attrs.frozen
class WsFault:
    """A message that can't be done. `code` is one of the protocol's; `id` the message's own, where it was valid."""

    code: str
    message: str
    id: str | None = None


@attrs.frozen
class Resume:
    """Up to where a client has seen everything: of ticks by name within an epoch, and of the channels' lines.

    A `seq` of 0: it was subscribed, and no tick had come yet.
    """

    epoch: str | None = None
    seq: Mapping[str, int] = attrs.field(factory=dict)
    journal_seq: int | None = None


@attrs.frozen
class SubscribeMessage:
    """A client wants these symbols, each `NAME` or `NAME@broker`, and these channels; not nothing."""

    symbols: tuple[str, ...]
    id: str | None = None
    channels: tuple[str, ...] = ()
    resume: Resume | None = None


@attrs.frozen
class UnsubscribeMessage:
    """A client no longer wants these symbols and channels; None: all of them that it has."""

    symbols: tuple[str, ...] | None
    id: str | None = None
    channels: tuple[str, ...] | None = ()


@attrs.frozen
class GetSymbols:
    """A client asks what there is: names that match the pattern, from `offset`, at most `limit`."""

    match: str = "*"
    offset: int = 0
    limit: int = DEFAULT_PAGE
    id: str | None = None


@attrs.frozen
class PingMessage:
    """A client asks whether we live."""

    id: str | None = None


@attrs.frozen
class AuthMessage:
    """A client says who it is."""

    token: str = attrs.field(repr=False)
    id: str | None = None


ClientMessage = SubscribeMessage | UnsubscribeMessage | GetSymbols | PingMessage | AuthMessage

TYPES: Final = ("subscribe", "unsubscribe", "get_symbols", "ping", "auth")


# --- decoding --------------------------------------------------------------------------------------------------------

_ABSENT = msgspec.Raw(b"")
_NULL: Final = b"null"


class _Fields(msgspec.Struct):
    """Each field's own text, so that a fault in one leaves the others readable: an error carries the id."""

    type: msgspec.Raw = _ABSENT
    id: msgspec.Raw = _ABSENT
    symbols: msgspec.Raw = _ABSENT
    match: msgspec.Raw = _ABSENT
    offset: msgspec.Raw = _ABSENT
    limit: msgspec.Raw = _ABSENT
    token: msgspec.Raw = _ABSENT
    channels: msgspec.Raw = _ABSENT
    resume: msgspec.Raw = _ABSENT


_Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class _ResumeFields(msgspec.Struct):
    epoch: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    seq: dict[str, _Seq] | None = None
    journal_seq: _Seq | None = None


_fields = msgspec.json.Decoder(_Fields)
_resume = msgspec.json.Decoder(_ResumeFields)
_text = msgspec.json.Decoder(str)
_names = msgspec.json.Decoder(list[str])
_offset = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)])
_page = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)])

# What decoding raises, whatever was sent. RecursionError: nesting; UnicodeError: half a surrogate pair.
_BAD = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError)


class _Wrong(Exception):
    """A message that was read and can't be done. Never leaves this module."""

    def __init__(self, message: str, code: str = "invalid_message") -> None:
        super().__init__(message)
        self.fault = (code, message)


def decode(raw: str | bytes) -> ClientMessage | WsFault:
    """The message in a text, or what is wrong with it. Never raises."""
    try:
        fields = _fields.decode(raw)
    except msgspec.ValidationError:
        return WsFault("invalid_message", 'a message is one JSON object, such as {"type":"ping"}')
    except RecursionError:
        return WsFault("invalid_message", "the message is nested too deeply")
    except _BAD as error:
        return WsFault("invalid_json", f"not valid JSON: {_tell(error)}")
    message_id: str | None = None
    try:
        message_id = _read_id(fields.id)
        return _read(fields, message_id)
    except _Wrong as wrong:
        return WsFault(*wrong.fault, message_id)


def _read(fields: _Fields, message_id: str | None) -> ClientMessage:
    kind = _read_type(fields.type)
    match kind:
        case "subscribe":
            names, channels = _read_names(fields.symbols), _read_channels(fields.channels)
            if not names and not channels:
                message = f"{kind} needs `symbols`, a list with at least one name, or `channels`"
                raise _Wrong(message, "no_symbols")
            return SubscribeMessage(names or (), message_id, channels or (), _read_resume(fields.resume))
        case "unsubscribe":
            names, channels = _read_names(fields.symbols), _read_channels(fields.channels)
            if names == () and not channels:
                raise _Wrong("`symbols` is empty; leave it out to unsubscribe from everything", "no_symbols")
            if names is None and channels is None:
                return UnsubscribeMessage(None, message_id, None)
            return UnsubscribeMessage(names or (), message_id, channels or ())
        case "get_symbols":
            return GetSymbols(
                match=_read_match(fields.match),
                offset=_read_number(_offset, fields.offset, "offset", 0, f"a whole number from 0 to {MAX_OFFSET}"),
                limit=_read_number(_page, fields.limit, "limit", DEFAULT_PAGE, f"a whole number from 1 to {MAX_PAGE}"),
                id=message_id,
            )
        case "ping":
            return PingMessage(message_id)
        case "auth":
            return AuthMessage(_read_token(fields.token), message_id)
        case _:
            near = difflib.get_close_matches(kind[:_SHOWN], TYPES, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TYPES)}"
            raise _Wrong(f"there is no message type {_shown(kind)}; {hint}", "unknown_type")


def _read_type(raw: msgspec.Raw) -> str:
    if not _given(raw):
        raise _Wrong("a message needs a `type`, such as subscribe")
    try:
        return _text.decode(raw)
    except _BAD:
        raise _Wrong(f"`type` must be a text, it was {_kind(raw)}") from None


def _read_id(raw: msgspec.Raw) -> str | None:
    if not _given(raw):
        return None
    try:
        value = _text.decode(raw)
    except _BAD:
        raise _Wrong(f"`id` must be a text of at most {MAX_ID} characters, it was {_kind(raw)}") from None
    if len(value) > MAX_ID:
        raise _Wrong(f"`id` has {len(value)} characters, {MAX_ID} are allowed")
    return value


def _read_names(raw: msgspec.Raw) -> tuple[str, ...] | None:
    names = _read_list(raw, "symbols", "names")
    for place, name in enumerate(names or ()):
        if not 0 < len(name) <= MAX_NAME:
            raise _Wrong(f"`symbols[{place}]` has {len(name)} characters; a name has 1 to {MAX_NAME}")
    return names


# Each once, in the order of asking.
def _read_channels(raw: msgspec.Raw) -> tuple[str, ...] | None:
    names = _read_list(raw, "channels", f"channels ({', '.join(CHANNELS)})")
    if names is None:
        return None
    if not names:
        raise _Wrong(f"`channels` is empty; there are {', '.join(CHANNELS)}", "unknown_channel")
    for name in names:
        if name not in CHANNELS:
            raise _Wrong(f"there is no channel {_shown(name)}; there are {', '.join(CHANNELS)}", "unknown_channel")
    return tuple(dict.fromkeys(names))


def _read_list(raw: msgspec.Raw, field: str, of: str) -> tuple[str, ...] | None:
    if not _given(raw):
        return None
    try:
        names = _names.decode(raw)
    except _BAD as error:
        what = _kind(raw)
        if what == "a list":
            what = f"a list with something else ({_tell(error)})"
        raise _Wrong(f"`{field}` must be a list of {of}, it was {what}") from None
    if len(names) > MAX_NAMES:
        raise _Wrong(f"`{field}` has {len(names)} names, a message may have {MAX_NAMES}")
    return tuple(names)


def _read_resume(raw: msgspec.Raw) -> Resume | None:
    if not _given(raw):
        return None
    try:
        fields = _resume.decode(raw)
    except _BAD as error:
        raise _Wrong(
            '`resume` must be an object such as {"epoch":"…","seq":{"EURUSD":120},"journal_seq":981}, '
            f"with whole numbers from 0 to {MAX_SEQ}; {_tell(error)}"
        ) from None
    return Resume(fields.epoch, fields.seq or {}, fields.journal_seq)


def _read_match(raw: msgspec.Raw) -> str:
    if not _given(raw):
        return "*"
    try:
        value = _text.decode(raw)
    except _BAD:
        raise _Wrong(f"`match` must be a pattern such as EUR*, it was {_kind(raw)}") from None
    if not 0 < len(value) <= MAX_NAME:
        raise _Wrong(f"`match` has {len(value)} characters; a pattern has 1 to {MAX_NAME}")
    return value


def _read_number(decoder: msgspec.json.Decoder[int], raw: msgspec.Raw, name: str, default: int, expected: str) -> int:
    if not _given(raw):
        return default
    try:
        return decoder.decode(raw)
    except _BAD:
        raise _Wrong(f"`{name}` must be {expected}, it was {_shown(_head(raw))}") from None


# The token is never quoted: errors are shown and logged.
def _read_token(raw: msgspec.Raw) -> str:
    if not _given(raw):
        raise _Wrong("auth needs a `token`")
    try:
        value = _text.decode(raw)
    except _BAD:
        raise _Wrong(f"`token` must be a text, it was {_kind(raw)}") from None
    if not 0 < len(value) <= MAX_TOKEN:
        raise _Wrong(f"`token` must have 1 to {MAX_TOKEN} characters")
    return value


def _given(raw: msgspec.Raw) -> bool:
    return len(memoryview(raw)) != 0 and bytes(raw) != _NULL


def _head(raw: msgspec.Raw) -> str:
    return bytes(memoryview(raw)[: 2 * _SHOWN]).decode("utf-8", "replace")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


_KINDS: Final = {"{": "an object", "[": "a list", '"': "a text", "t": "true", "f": "false"}


def _kind(raw: msgspec.Raw) -> str:
    return _KINDS.get(_head(raw)[:1], "a number")


def _tell(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeError):
        return "a character that does not exist"
    return str(error)[:200]


# --- encoding --------------------------------------------------------------------------------------------------------


class _Message(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class _Rejected(msgspec.Struct):
    symbol: str
    reason: str


class _Subscribed(_Message, kw_only=True, tag="subscribed"):
    symbols: Sequence[str]
    rejected: list[_Rejected]
    total_subscribed: int
    epoch: str
    protocol: int
    channels: Sequence[str] | None = None
    snapshots: Mapping[str, int] | None = None
    journal_seq: int | None = None
    recovered: bool | None = None
    id: str | None = None


class _Unsubscribed(_Message, kw_only=True, tag="unsubscribed"):
    symbols: Sequence[str]
    total_subscribed: int
    channels: Sequence[str] | None = None
    id: str | None = None


class _Symbols(_Message, kw_only=True, tag="symbols"):
    symbols: Sequence[str]
    total: int
    id: str | None = None


class _Pong(_Message, kw_only=True, tag="pong"):
    timestamp: str
    id: str | None = None


class _Authenticated(_Message, kw_only=True, tag="authenticated"):
    scopes: Sequence[str]
    id: str | None = None


class _Error(_Message, kw_only=True, tag="error"):
    code: str
    message: str
    id: str | None = None


class _Heartbeat(_Message, kw_only=True, tag="heartbeat"):
    timestamp: str
    clients: int
    epoch: str
    protocol: int
    journal_seq: int | None = None


class _Status(_Message, kw_only=True, tag="status"):
    broker: str | None = None
    symbol: str | None = None
    state: str
    age_ms: int | None = None


_encoder = msgspec.json.Encoder()


def _encode(message: Any) -> bytes:
    return _encoder.encode(message)


@attrs.frozen
class ChannelPart:
    """What `subscribed` says of channels: the snapshot messages that follow of each, and the line they hold after."""

    channels: tuple[str, ...]
    snapshots: Mapping[str, int]
    journal_seq: int


def subscribed(
    symbols: Sequence[str],
    rejected: Sequence[tuple[str, str]],
    total: int,
    epoch: str,
    message_id: str | None = None,
    *,
    part: ChannelPart | None = None,
    recovered: bool | None = None,
) -> bytes:
    """The answer to `subscribe`. `rejected`: (symbol, reason); `recovered` None: nothing was to be resumed."""
    refused = [_Rejected(symbol, reason) for symbol, reason in rejected]
    return _encode(
        _Subscribed(
            symbols=symbols,
            rejected=refused,
            total_subscribed=total,
            epoch=epoch,
            protocol=PROTOCOL,
            channels=None if part is None else part.channels,
            snapshots=None if part is None else part.snapshots,
            journal_seq=None if part is None else part.journal_seq,
            recovered=recovered,
            id=message_id,
        )
    )


def unsubscribed(
    symbols: Sequence[str], total: int, message_id: str | None = None, *, channels: Sequence[str] | None = None
) -> bytes:
    """The answer to `unsubscribe`; `channels` None where the client had and named none."""
    return _encode(_Unsubscribed(symbols=symbols, total_subscribed=total, channels=channels, id=message_id))


def symbols(names: Sequence[str], total: int, message_id: str | None = None) -> bytes:
    """The answer to `get_symbols`: one page of names, and how many match in all."""
    return _encode(_Symbols(symbols=names, total=total, id=message_id))


def pong(timestamp: str, message_id: str | None = None) -> bytes:
    """The answer to `ping`. `timestamp`: ISO 8601 UTC."""
    return _encode(_Pong(timestamp=timestamp, id=message_id))


def authenticated(scopes: Sequence[str], message_id: str | None = None) -> bytes:
    """The answer to `auth` with a good token."""
    return _encode(_Authenticated(scopes=scopes, id=message_id))


def error(code: str, message: str, message_id: str | None = None) -> bytes:
    """What was wrong with a message, or why the connection is about to close."""
    return _encode(_Error(code=code, message=message, id=message_id))


def heartbeat(timestamp: str, clients: int, epoch: str, journal_seq: int | None = None) -> bytes:
    """The gateway lives; `epoch` is that of the ticks now, `journal_seq` where the client's channels have come to."""
    return _encode(
        _Heartbeat(timestamp=timestamp, clients=clients, epoch=epoch, protocol=PROTOCOL, journal_seq=journal_seq)
    )


def status(state: str, *, broker: str | None = None, symbol: str | None = None, age_ms: int | None = None) -> bytes:
    """A feed is `stale`, `closed`, `live` again or `ended`; with no broker: the gateway is `stopping`."""
    return _encode(_Status(broker=broker, symbol=symbol, state=state, age_ms=age_ms))
