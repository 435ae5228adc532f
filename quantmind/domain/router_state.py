"""What the router remembers: regime and mandate that people set, and the EAs and ticks that were seen. Pure values.

Wall-clock times are Unix seconds. `stored` gives the plain JSON value that a store keeps, `from_store` takes it back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from quantmind.domain.risk.mandate import BadValue, Mandate, MandateMode
from quantmind.domain.symbols import VALID_NAME

MAX_LABEL: Final = 32
MAX_SYMBOLS: Final = 256
"""So many symbols may have a regime of their own."""

LATEST_S: Final = 253_402_300_799.0
"""The last second of the year 9999."""

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, InvalidOperation)

EaKey = tuple[str, int]
"""(name, magic)."""
Stored = dict[str, Any]

# --- what people set -----------------------------------------------------------------------------------------------


@attrs.frozen
class Regime:
    """What kind of market there is, in a word that strategies agree on (`trend`, `range`, `news`).

    `label` is for every symbol but those in `symbols`; None: nothing is said.
    """

    label: str | None = None
    symbols: Mapping[str, str] = attrs.field(factory=dict)
    by: str = ""
    reason: str = ""
    since: float = 0.0

    @classmethod
    def checked(cls, label: str | None, symbols: Mapping[str, str], *, by: str, reason: str, since: float) -> Regime:
        """A regime from what somebody sent.

        Raises:
            BadValue: a label or a symbol's name can't be one, or there are too many.
        """
        if len(symbols) > MAX_SYMBOLS:
            raise BadValue("symbols", f"symbols has {len(symbols)} entries, at most {MAX_SYMBOLS} are kept")
        for name in symbols:
            bare, at, broker = name.partition("@")
            if VALID_NAME.match(bare) is None or (at and not broker) or len(name) > 2 * MAX_LABEL:
                raise BadValue("symbols", f"{name[:40]!r} is no symbol's name; give one as EURUSD, or EURUSD@broker")
        own = {name: _label(f"symbols.{name}", each) for name, each in symbols.items()}
        return cls(None if label is None else _label("label", label), own, by, reason, since)

    def of(self, symbol: str) -> str | None:
        """The regime of a symbol, None where nothing is said."""
        return self.symbols.get(symbol, self.label)


def _label(field: str, text: str) -> str:
    stripped = text.strip()
    if not 1 <= len(stripped) <= MAX_LABEL:
        detail = f"{field} has {len(stripped)} characters, it must have 1 to {MAX_LABEL}; null takes the label back"
        raise BadValue(field, detail)
    if not stripped.isprintable():
        raise BadValue(field, f"{field} has characters that can't be printed")
    return stripped


@attrs.frozen
class RouterState:
    """Regime and mandate as they hold. `revision` grows by one with each change."""

    revision: int = 0
    regime: Regime = attrs.field(factory=Regime)
    mandate: Mandate = attrs.field(factory=Mandate)

    def changed(self, regime: Regime | None, mandate: Mandate | None) -> RouterState:
        """The next state; what is None stays."""
        return RouterState(
            self.revision + 1,
            self.regime if regime is None else regime,
            self.mandate if mandate is None else mandate,
        )


def stored_regime(state: RouterState) -> Stored:
    """The regime as a store keeps it."""
    regime = state.regime
    return {"revision": state.revision, "label": regime.label, "symbols": dict(regime.symbols), **_said(regime)}


def stored_mandate(state: RouterState) -> Stored:
    """The mandate as a store keeps it."""
    mandate = state.mandate
    number = str(mandate.max_multiplier)
    return {"revision": state.revision, "mode": mandate.mode.value, "max_multiplier": number, **_said(mandate)}


def _said(item: Regime | Mandate) -> Stored:
    return {"by": item.by, "reason": item.reason, "since": item.since}


def state_from_store(regime: Any, mandate: Any) -> tuple[RouterState, list[str]]:
    """The state from what a store kept (None: it has none), and what of it could not be understood.

    A mandate that can't be understood is `NONE`: what was mandated is not known, and may have been that.
    """
    faults: list[str] = []
    revision, kept_regime, kept_mandate = 0, Regime(), Mandate()
    try:
        if regime is not None:
            kept_regime = Regime.checked(regime["label"], dict(regime["symbols"]), **_by(regime))
            revision = int(regime["revision"])
    except _UNREADABLE as exc:
        faults.append(f"the stored regime can't be understood ({exc!r})")
    try:
        if mandate is not None:
            number = Decimal(mandate["max_multiplier"])
            kept_mandate = Mandate.checked(mandate["mode"], number, **_by(mandate))
            revision = max(revision, int(mandate["revision"]))
    except _UNREADABLE as exc:
        faults.append(f"the stored mandate can't be understood ({exc!r})")
        reason = "what is stored can't be understood; set a new one"
        kept_mandate = Mandate(MandateMode.NONE, Decimal(0), reason=reason)
    return RouterState(revision, kept_regime, kept_mandate), faults


def _by(value: Any) -> dict[str, Any]:
    return {"by": str(value["by"]), "reason": str(value["reason"]), "since": _moment(value["since"])}


def _moment(value: Any) -> float:
    """Unix seconds that can be written as a date."""
    seconds = float(value)
    if not 0 <= seconds <= LATEST_S:
        raise ValueError(f"{value!r} is no time")
    return seconds


# --- the EAs that were heard ---------------------------------------------------------------------------------------

FORGET_AFTER_S: Final = 30 * 86_400.0
"""An EA that was not heard for so long is not missed any more."""
SETTLED_S: Final = 60.0
"""One that was heard over less than this is forgotten before others: anybody may send a name once."""


@attrs.frozen
class KnownEa:
    """An EA, when it was heard first and last, and what it said last of where and what it is."""

    ea_name: str
    magic: int
    first_seen: float
    last_seen: float
    symbol: str = ""
    broker: str | None = None
    version: str = ""

    @property
    def key(self) -> EaKey:
        return self.ea_name, self.magic

    @property
    def settled(self) -> bool:
        """Whether it was heard over some time."""
        return self.last_seen - self.first_seen >= SETTLED_S

    def merged(self, other: KnownEa) -> KnownEa:
        """What both know of the same EA: the longer time, and of the rest what was said last."""
        older, newer = sorted((self, other), key=lambda each: each.last_seen)
        return KnownEa(
            self.ea_name,
            self.magic,
            min(self.first_seen, other.first_seen),
            newer.last_seen,
            newer.symbol or older.symbol,
            newer.broker or older.broker,
            newer.version or older.version,
        )

    def says_as(self, other: KnownEa) -> bool:
        """Whether it says of itself what the other says: only times differ."""
        return (self.symbol, self.broker, self.version) == (other.symbol, other.broker, other.version)

    def stored(self) -> Stored:
        """As a store keeps it, by name and magic."""
        return {
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "symbol": self.symbol,
            "broker": self.broker,
            "version": self.version,
        }


def ea_from_store(ea_name: str, magic: int, value: Any) -> KnownEa | None:
    """An EA from what a store kept; None where that can't be understood."""
    try:
        broker = None if value["broker"] is None else str(value["broker"])
        first, last = _moment(value["first_seen"]), _moment(value["last_seen"])
        return KnownEa(ea_name, magic, first, last, str(value["symbol"]), broker, str(value["version"]))
    except _UNREADABLE:
        return None


def to_forget(eas: Collection[KnownEa], capacity: int, now: float) -> list[EaKey]:
    """Whom to forget: who was not heard for 30 days, and, above the capacity, first who was heard only briefly.

    Among equals the one unheard for longest goes.
    """
    old = [each for each in eas if now - each.last_seen > FORGET_AFTER_S]
    over = len(eas) - len(old) - capacity
    if over <= 0:
        return [each.key for each in old]
    left = (each for each in eas if now - each.last_seen <= FORGET_AFTER_S)
    ranked = sorted(left, key=lambda each: (each.settled, each.last_seen))
    return [each.key for each in (*old, *ranked[:over])]


# --- the ticks that were published ---------------------------------------------------------------------------------


@attrs.frozen
class TickMark:
    """The last tick of a symbol: its own time (UTC milliseconds) and when the gateway saw it; also before the start.

    The two clocks differ where a recording is replayed, so ages are by what the gateway saw.
    """

    time_msc: int | None = None
    seen_at: float | None = None
    first_at: float | None = None
    """When the first since the start was seen."""
    before: tuple[int, float] | None = None
    """The last one before the start."""

    def seen(self, time_msc: int, now: float) -> TickMark:
        """There is a tick with this time now."""
        if time_msc == self.time_msc:
            return self
        return TickMark(time_msc, now, now if self.first_at is None else self.first_at, self.before)

    @property
    def last(self) -> tuple[int, float] | None:
        """The last tick that is known of: its time, and when it was seen."""
        if self.time_msc is None or self.seen_at is None:
            return self.before
        return self.time_msc, self.seen_at

    @property
    def away_s(self) -> float | None:
        """How long there was none round the start; None while there is none yet, or where none was before."""
        if self.first_at is None or self.before is None:
            return None
        return max(0.0, self.first_at - self.before[1])


def ticks_from_store(value: Any) -> dict[str, tuple[int, float]]:
    """Last ticks by symbol from what a store kept; what can't be understood is left out."""
    found: dict[str, tuple[int, float]] = {}
    if isinstance(value, Mapping):
        for symbol, pair in value.items():
            try:
                time_msc, seen_at = pair
                _moment(int(time_msc) / 1000)
                found[str(symbol)] = int(time_msc), _moment(seen_at)
            except _UNREADABLE:
                continue
    return found
