"""What a bridge answers, and what either side says unasked."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import attrs
import msgspec

from quantmind.domain.accounts import Account, Deal, PendingOrder, Position
from quantmind.domain.orders import Absent, Outcome, Placed, Refused, Unknown
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec
from quantmind.wire.bridge.terms import PROTOCOL, BridgeFault


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


class Guard(msgspec.Struct, kw_only=True, frozen=True, tag="guard", tag_field="type"):
    """What a bridge that asked for it is told unasked, so that it can guard its account while nobody tells it anything.

    `seq` begins at 1 in each session. Floors are null where none is set; where they are not `known` they are null and
    mean nothing: what was told before holds. Times are Unix seconds.
    """

    seq: int
    every_s: float
    broker: str
    trading_state: Literal["active", "reduce_only", "halted"]
    cause: str | None
    known: bool
    floor: Decimal | None
    next_floor: Decimal | None
    next_reset: float | None
    time: float


GuardState = Literal["watching", "cut_off", "flattening", "flat", "off"]


class Guarded(msgspec.Struct, kw_only=True, frozen=True, tag="guarded", tag_field="type"):
    """What a bridge says of its guard: the last `seq` that it has, 0 before the first, and what it does."""

    seq: Annotated[int, msgspec.Meta(ge=0)]
    state: GuardState
    session: str = ""


@attrs.frozen
class Reply:
    """A reply by its id. `data` is JSON that `read` knows; with an `error` there is none."""

    id: str
    data: bytes = b"{}"
    code: str = ""
    error: str | None = None
    session: str = attrs.field(default="", repr=False)
