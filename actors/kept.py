"""The governor's durable values: what each key of the record means on the boards.

What tightens counts at once and is written as soon as that works; what loosens counts when it is on disk. The boards
outlive a governor: what stands there and is tighter than the record was set while the journal could not write, and a
restart may never widen it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from actors.boards import Boards
from actors.halts import Halt
from actors.risk_board import Flattening
from actors.risk_books import KEY as RISK
from actors.risk_books import RiskBooks
from quantmind.domain.clock import Clock
from quantmind.domain.risk import TradingState
from quantmind.records import Setting

logger = logging.getLogger("quantmind.governor")

STATE: Final = "state:"
HOLD: Final = "hold:"
"""`hold:BROKER:RULE`."""
FLATTEN: Final = "flatten:"
MULTIPLIER: Final = "multiplier:"


@attrs.define(eq=False)
class Kept:
    """Reads them back, applies them, and remembers which hold already and still have to become durable."""

    boards: Boards
    books: RiskBooks
    clock: Clock
    brokers: Iterable[str]
    tightened: dict[str, Setting] = attrs.field(factory=dict, init=False)
    """Settings that hold already and still have to become durable, by key."""
    _aside: dict[str, Setting] = attrs.field(factory=dict, init=False)
    """What of them was kept aside last, by key: room for it is small, and it is needed for orders, too."""

    # --- settings ------------------------------------------------------------------------------------------------

    def state(self, broker: str, halt: Halt) -> Setting:
        """What an operator set."""
        return Setting(f"{STATE}{broker}", _stored(halt), self.clock.now())

    def hold(self, broker: str, rule: str, halt: Halt | None) -> Setting:
        """A rule holds an account, or lets it go. A hold counts at once."""
        if halt is not None:
            self.boards.halts.hold(broker, rule, halt)
        return Setting(f"{HOLD}{broker}:{rule}", None if halt is None else _stored(halt), self.clock.now())

    def flattening(self, name: str, flattening: Flattening | None) -> Setting:
        """Something has to be closed, or no longer. The flattening counts at once."""
        if flattening is not None:
            self.boards.risk.flattening(name, flattening)
        value = None if flattening is None else attrs.asdict(flattening)
        return Setting(f"{FLATTEN}{name}", value, self.clock.now())

    def multiplier(self, ea_name: str, value: Decimal, by: str) -> Setting:
        return Setting(f"{MULTIPLIER}{ea_name}", {"value": str(value), "by": by}, self.clock.now())

    # --- the record ----------------------------------------------------------------------------------------------

    def restore(self, settings: Iterable[Setting]) -> None:
        """Take all of it back from the record. What is not understood counts as the strictest that it could say."""
        stored = {item.key: item.value for item in settings if item.value is not None}
        for broker in self.brokers:
            self._restore_state(broker, stored.get(f"{STATE}{broker}"))
        for key, value in stored.items():
            if key.startswith(MULTIPLIER):
                self._restore_multiplier(key, _factor(key, value))
            elif key.startswith(HOLD):
                broker, rule = _of_hold(key)
                if rule not in self.boards.halts.holds(broker):
                    self.boards.halts.hold(broker, rule, self._understood(key, value))
            elif key.startswith(FLATTEN):
                self._restore_flattening(key.removeprefix(FLATTEN), value)
        self._keep_standing(stored)
        self.books.restored(stored)

    def _keep_standing(self, stored: Mapping[str, Any]) -> None:
        """What holds by the boards alone was set while the journal could not write; it is written now."""
        found = [
            *(self.hold(name, rule, each) for name in self.brokers for rule, each in self._holds(name)),
            *(self.flattening(each.name, each) for each in self._flattenings()),
            *(
                self.multiplier(name, each, "restart")
                for name, each in self.boards.multipliers.all().items()
                if each < 1
            ),
        ]
        for setting in found:
            if setting.key not in stored:
                self.tighten(setting)

    def _holds(self, broker: str) -> list[tuple[str, Halt]]:
        return list(self.boards.halts.holds(broker).items())

    def _restore_state(self, broker: str, stored: Mapping[str, Any] | None) -> None:
        halt = Halt(TradingState.ACTIVE, "as configured", self.clock.now()) if stored is None else None
        halt = halt or self._understood(f"{STATE}{broker}", stored)
        before = self.boards.halts.all().get(broker)
        if before is None or not halt.looser_than(before):
            self.boards.halts.set(broker, halt)
        else:
            self.tighten(self.state(broker, before))

    def _understood(self, key: str, stored: Any) -> Halt:
        try:
            return _halt(stored)
        except (KeyError, TypeError, ValueError):
            logger.error("fail.halt key=%s value=%r; it is not understood and halts", key, stored)
            cause = f"what the record says under {key} is not understood; look at the account, then release it"
            return Halt(TradingState.HALTED, cause, self.clock.now())

    def _restore_multiplier(self, key: str, stored: Decimal) -> None:
        ea_name = key.removeprefix(MULTIPLIER)
        before = self.boards.multipliers.read(ea_name)
        if stored <= before:
            self.boards.multipliers.set(ea_name, stored)
        elif before < 1:
            self.tighten(self.multiplier(ea_name, before, "restart"))

    def _restore_flattening(self, name: str, stored: Mapping[str, Any]) -> None:
        try:
            self.boards.risk.flattening(name, Flattening(**stored))
        except (TypeError, InvalidOperation):
            logger.error("fail.flatten name=%s value=%r; it is not understood", name, stored)

    def tighten(self, setting: Setting) -> None:
        """It holds already; it is written with the next batch."""
        self.tightened[setting.key] = setting

    def apply(self, setting: Setting) -> None:
        """It is on disk: from now on it holds."""
        self.tightened.pop(setting.key, None)
        self._aside.pop(setting.key, None)
        (kind, name), value = _kind_and_name(setting.key), setting.value
        if kind == HOLD:
            broker, rule = _of_hold(setting.key)
            self.boards.halts.hold(broker, rule, None if value is None else _halt(value))
        elif kind == FLATTEN:
            self.boards.risk.flattening(name, None if value is None else Flattening(**value))
        elif value is None:
            logger.error("fail.setting key=%s; nothing forgets it", setting.key)
        elif kind == STATE:
            self.boards.halts.set(name, _halt(value))
        elif kind == MULTIPLIER:
            self.boards.multipliers.set(name, Decimal(value["value"]))
        elif kind == RISK:
            self.books.written(setting)

    # --- without a journal ---------------------------------------------------------------------------------------

    def standing(self, setting: Setting) -> Setting:
        """The setting if the boards say it already, else what they say instead.

        What could not be written may become durable yet. If it was looser, what holds instead must come after it.
        """
        (kind, name), value = _kind_and_name(setting.key), setting.value
        if kind == STATE:
            halt = self.boards.halts.operator(name)
            assert value is not None
            return setting if halt.state is TradingState(value["state"]) else self.state(name, halt)
        if kind == MULTIPLIER:
            number = self.boards.multipliers.read(name)
            assert value is not None
            return setting if number == Decimal(value["value"]) else self.multiplier(name, number, "gateway")
        if kind == HOLD and value is None:
            broker, rule = _of_hold(setting.key)
            held = self.boards.halts.holds(broker).get(rule)
            return setting if held is None else self.hold(broker, rule, held)
        if kind == FLATTEN and value is None:
            flattening = next((flattening for flattening in self._flattenings() if flattening.name == name), None)
            return setting if flattening is None else self.flattening(name, flattening)
        return setting

    def is_new(self, setting: Setting) -> bool:
        """Whether it says something else than what was kept aside last under its key."""
        before = self._aside.get(setting.key)
        return before is None or before.value != setting.value

    def kept_aside(self, settings: Iterable[Setting]) -> None:
        """They are kept aside, until the record has them."""
        self._aside.update({setting.key: setting for setting in settings})

    def _flattenings(self) -> list[Flattening]:
        return [flattening for broker in self.brokers for flattening in self.boards.risk.flattenings(broker).values()]


def _kind_and_name(key: str) -> tuple[str, str]:
    kind, colon, name = key.partition(":")
    return kind + colon, name


def _of_hold(key: str) -> tuple[str, str]:
    broker, _, rule = key.removeprefix(HOLD).rpartition(":")
    return broker, rule


def _stored(halt: Halt) -> dict[str, Any]:
    return {"state": halt.state.value, "cause": halt.cause, "since": halt.since}


def _halt(stored: Mapping[str, Any]) -> Halt:
    return Halt(TradingState(stored["state"]), str(stored["cause"]), float(stored["since"]))


def _factor(key: str, stored: Any) -> Decimal:
    try:
        value = Decimal(stored["value"])
        if not 0 <= value <= 1:  # raises for what is no number
            raise ValueError(f"{value} is not from 0 to 1")
    except (KeyError, TypeError, ValueError, InvalidOperation) as exc:
        logger.error("fail.multiplier key=%s value=%r reason=%r; it counts as 0", key, stored, exc)
        return Decimal(0)
    return value
