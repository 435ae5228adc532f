"""What our orders are called at the exchange, and by which numbers the gateway knows what is there.

An exchange's order id is unique for its symbol alone, a trade's too, and both may be larger than a JSON reader of
JavaScript holds. So the gateway's numbers are made: of our orders from their tag, of others from symbol and id. They
are the same after a restart, without anybody having kept them.

A client order id (1 to 36 of A-Z a-z 0-9 _ -, the alphabet that spot and futures share) says what the order is for, the
tag of the request, and, where that request changed an order, the tag of the one that placed it:

    Q o G 0123456789abcdef                     the order of the request 0123456789abcdef
    Q o G 0123456789abcdef fedcba9876543210    the same order after the request fedcba9876543210 has moved it
    Q s G 0123456789abcdef                     the stop loss that the request set
"""

from __future__ import annotations

import enum
import hashlib
from typing import Final

import attrs

from quantmind.adapters.binance.records import Fill, Order

_SIGN: Final = "Q"
_LENGTHS: Final = "0123456789ABCDEFG"
LONGEST_TAG: Final = 16
_NUMBER_BITS: Final = 53
"""What a JSON number holds everywhere."""


class Role(enum.Enum):
    """What an order of ours is for."""

    ORDER = "o"
    CLOSE = "c"
    STOP_LOSS = "s"
    TAKE_PROFIT = "t"
    LIST = "l"
    """No order, but the list that holds a stop loss and a take profit."""


@attrs.frozen
class Name:
    """A client order id, taken apart. `by`: the tag of the request that moved it; empty: it was not moved."""

    role: Role
    tag: str
    by: str = ""

    def __str__(self) -> str:
        return f"{_SIGN}{self.role.value}{_LENGTHS[len(self.tag)]}{self.tag}{self.by}"


def client_id(role: Role, tag: str, by: str = "") -> str:
    """What an order is called at the exchange.

    Raises:
        ValueError: a tag is empty or too long.
    """
    if not 0 < len(tag) <= LONGEST_TAG or len(by) > LONGEST_TAG:
        raise ValueError(f"the tag {tag!r} or {by!r} does not have 1 to {LONGEST_TAG} characters")
    return str(Name(role, tag, by))


def name_of(said: str) -> Name | None:
    """Whose order it is; None: it is none of ours."""
    if len(said) < len("Qo1a") or said[0] != _SIGN or said[2] not in _LENGTHS[1:]:
        return None
    length = _LENGTHS.index(said[2])
    tag, by = said[3 : 3 + length], said[3 + length :]
    if len(tag) != length or len(by) > LONGEST_TAG or said[1] not in {role.value for role in Role}:
        return None
    return Name(Role(said[1]), tag, by)


def number(*words: str | int) -> int:
    """A number from 1 to 2**53 - 1 that these words always have, and hardly ever others (a million of them: 1e-4)."""
    digest = hashlib.blake2b("\0".join(str(word) for word in words).encode(), digest_size=8).digest()
    return max(1, int.from_bytes(digest, "big") >> (64 - _NUMBER_BITS))


def order_number(symbol: str, order_id: int, said: str, *, conditional: bool = False) -> int:
    """The gateway's number of an order, by the client order id that it has."""
    name = name_of(said)
    if name is not None and name.role in (Role.ORDER, Role.CLOSE):
        return tag_number(name.tag)
    return number("algo" if conditional else "order", symbol, order_id)


def tag_number(tag: str) -> int:
    """The gateway's number of the order that a request placed."""
    return number("tag", tag)


def number_of(order: Order) -> int:
    """The gateway's number of an order."""
    return order_number(order.symbol, order.order_id, order.client_id, conditional=order.conditional)


def deal_number(fill: Fill) -> int:
    """The gateway's number of a trade. One of ours with another of ours is two, of one number at the exchange."""
    return number("deal", fill.symbol, fill.trade_id, fill.order_id)
