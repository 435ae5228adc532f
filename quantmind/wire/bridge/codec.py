"""Messages to bytes and back: strict, and bounded before anybody reckons with what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import attrs
import msgspec

from quantmind.wire.bridge.answers import Guard, Guarded, Reply, Transaction
from quantmind.wire.bridge.requests import AnyRequest, Hello, Offer
from quantmind.wire.bridge.terms import (
    HIGHEST,
    LATEST_MSC,
    LONGEST_ID,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    SMALLEST_EXPONENT,
    BridgeFault,
)

T = TypeVar("T")


class _Reply(msgspec.Struct, kw_only=True, frozen=True, tag="reply", tag_field="type"):
    id: str
    ok: bool
    data: msgspec.Raw = msgspec.Raw(b"{}")
    code: str = ""
    message: str = ""
    session: str = ""


class _Kind(msgspec.Struct):
    type: str


class _Id(msgspec.Struct):
    id: str


class _Account(msgspec.Struct):
    account: Any = None


_encoder = msgspec.json.Encoder(decimal_format="number")
_request_decoder: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
_kind_decoder = msgspec.json.Decoder(_Kind)
_account_decoder = msgspec.json.Decoder(_Account)
_id_decoder = msgspec.json.Decoder(_Id)
_hello_decoder = msgspec.json.Decoder(Hello)
_offer_decoder = msgspec.json.Decoder(Offer)
_reply_decoder = msgspec.json.Decoder(_Reply)
_said_decoder: msgspec.json.Decoder[_Reply | Transaction] = msgspec.json.Decoder(_Reply | Transaction)
_guard_decoder = msgspec.json.Decoder(Guard)
_guarded_decoder = msgspec.json.Decoder(Guarded)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(message: AnyRequest | Offer | Guard | Guarded) -> bytes:
    """The bytes of a message that is no reply."""
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


def decode_guard(raw: bytes) -> Guard:
    """What a bridge is told to guard its account by. Raises BridgeFault."""
    return _decoded(raw, _guard_decoder, MAX_REQUEST_BYTES)


def decode_guarded(raw: bytes) -> Guarded:
    """What a bridge says of its guard. Raises BridgeFault."""
    return _decoded(raw, _guarded_decoder, MAX_REQUEST_BYTES)


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
