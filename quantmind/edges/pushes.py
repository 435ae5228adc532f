"""What EAs hear without asking: changes of a trading state, of floors or of a multiplier, on the PUB socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import attrs

from actors.boards import Boards
from actors.halts import Halt
from quantmind.ports import Publisher
from quantmind.wire import replies


@attrs.define(eq=False)
class Pushes:
    """Publishes `state.BROKER` and `risk.EA_NAME`, each topic numbered by its own `seq` from 1.

    Plain calls for the boards' callbacks, see `connect`; outlives the governor. What was pushed before somebody
    connected is heard with the next heartbeat.

    Args:
        also: told, too, of an account whose state or floors changed.
    """

    publisher: Publisher
    boards: Boards
    also: Callable[[str], None] | None = None
    _seq: dict[bytes, int] = attrs.field(factory=dict, init=False)

    def connect(self) -> None:
        """Hear of what changes on the boards, from now on."""
        boards = self.boards
        boards.halts.on_change = self.state
        boards.risk.on_floors = self.floors
        boards.risk.on_multiplier = self.throttle
        boards.multipliers.on_change = self.multiplier
        boards.router.on_cap = self.cap

    def state(self, broker: str, halt: Halt) -> None:
        """An account may do something else than before. Floors and resets are null without prop-firm rules."""
        fields = {"broker": broker, "trading_state": halt.state.value, "cause": halt.cause, "since": halt.since}
        self._push(f"state.{broker}", {**fields, **self.boards.risk.told(broker)})
        if self.also is not None:
            self.also(broker)

    def floors(self, broker: str) -> None:
        """An account may lose more or less than before, or its day has another end."""
        self.state(broker, self.boards.halts.shown(broker))

    def multiplier(self, ea_name: str, _value: Decimal) -> None:
        """An EA's own multiplier is another than before."""
        self._multiplier(ea_name, self._accounts_of([ea_name])[ea_name])

    def throttle(self, broker: str) -> None:
        """What an account multiplies by is another than before, for every EA that trades on it."""
        accounts = self._accounts_of()
        for ea_name in [name for name, brokers in accounts.items() if broker in brokers]:
            self._multiplier(ea_name, accounts[ea_name])

    def cap(self, before: Decimal, now: Decimal) -> None:
        """A mandate changed; it is heard by those for whom another multiplier counts now."""
        for ea_name, brokers in self._accounts_of().items():
            own = self.boards.multipliers.read(ea_name)
            if min(own, before) != min(own, now):
                self._multiplier(ea_name, brokers)

    # A topic has no account in its name: where an EA trades on several, the least is safe on each.
    def _multiplier(self, ea_name: str, brokers: set[str]) -> None:
        values = [self.boards.multiplier(ea_name, broker) for broker in brokers]
        value = min(values, default=self.boards.multiplier(ea_name))
        self._push(f"risk.{ea_name}", {"ea_name": ea_name, "risk_multiplier": value})

    def _accounts_of(self, names: Iterable[str] = ()) -> dict[str, set[str]]:
        accounts: dict[str, set[str]] = {name: set() for name in names}
        only = accounts.keys() if accounts else None
        for ea in self.boards.eas.all():
            if only is None or ea.ea_name in only:
                brokers = accounts.setdefault(ea.ea_name, set())
                if ea.broker is not None:
                    brokers.add(ea.broker)
        return accounts

    def _push(self, name: str, fields: replies.Reply) -> None:
        topic = name.encode()
        seq = self._seq[topic] = self._seq.get(topic, 0) + 1
        self.publisher.publish(topic, replies.encode({**fields, "seq": seq}))
