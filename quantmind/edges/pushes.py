"""What EAs hear without asking: changes of a trading state or of a multiplier, on the PUB socket."""

from __future__ import annotations

from decimal import Decimal

import attrs

from actors.boards import Halt
from quantmind.ports import Publisher
from quantmind.wire import replies


@attrs.define(eq=False)
class Pushes:
    """Publishes `state.BROKER` and `risk.EA_NAME`, each topic numbered by its own `seq` from 1.

    Plain calls for the boards' `on_change`; outlives the governor. What was pushed before somebody connected is
    heard with the next heartbeat.
    """

    publisher: Publisher
    _seq: dict[bytes, int] = attrs.field(factory=dict, init=False)

    def state(self, broker: str, halt: Halt) -> None:
        """An account may do something else than before. Floors and resets are null without prop-firm rules."""
        fields = {"broker": broker, "trading_state": halt.state.value, "cause": halt.cause, "since": halt.since}
        nothing = {"floor": None, "next_floor": None, "next_reset": None}
        self._push(f"state.{broker}", {**fields, **nothing})

    def multiplier(self, ea_name: str, value: Decimal) -> None:
        """An EA's multiplier is another than before."""
        self._push(f"risk.{ea_name}", {"ea_name": ea_name, "risk_multiplier": value})

    def _push(self, name: str, fields: replies.Reply) -> None:
        topic = name.encode()
        seq = self._seq[topic] = self._seq.get(topic, 0) + 1
        self.publisher.publish(topic, replies.encode({**fields, "seq": seq}))
