"""What became of a request that nobody heard the answer of: looked up at the terminal, and in what was written down.

The terminal's own record comes first. What it does not have was surely never carried out only if it never went out, or
went out so long ago that it can't be on its way any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.mt5.terminal.comments import unpack
from quantmind.adapters.mt5.terminal.constants import Action, OrderState
from quantmind.adapters.mt5.terminal.numbers import level, lots, price
from quantmind.adapters.mt5.terminal.outcomes import cancelled, changed, ended, waiting
from quantmind.adapters.mt5.worker.desk import Unavailable
from quantmind.adapters.mt5.worker.world import World
from quantmind.adapters.sent_file import Sent, SentFile
from quantmind.domain.orders import Absent, Placed

LOOK_BACK_S: Final = 8 * 86_400.0
"""How far back history is searched for a tag that nobody wrote down."""
BEFORE_S: Final = 600.0
"""And before the time at which one was sent: clocks differ."""
CLOCKS_S: Final = 30.0
"""By so much at most, where something without our tag is held for ours."""


@attrs.define(eq=False)
class Finder:
    """Finds requests by their tags.

    Args:
        now: Unix seconds.
        absent_after_s: a request that the terminal does not know may get through so long after it was sent.
    """

    world: World
    sent: SentFile
    now: Callable[[], float]
    absent_after_s: float

    def find(self, tag: str) -> Placed | Absent | None:
        """What became of it; None: that can't be told yet.

        Raises:
            Unavailable, NoAnswer: the terminal can't be asked.
        """
        world = self.world
        world.account()
        known = self.sent.get(tag)
        for live in world.calls.orders_get():
            if unpack(str(live.comment))[0] == tag:
                order = world.pending(live)
                return None if order is None else waiting(order)  # a market order is on its way
        row = self._row_of(tag, known)
        if row is not None:
            return ended(row, world.deals_of_order(int(row.ticket)), world.digits_of(row))
        # History may be behind what is open, as after a terminal's start: what has our tag is there.
        if any(unpack(str(open_row.comment))[0] == tag for open_row in world.calls.positions_get()):
            return None
        if known is None:
            # What was sent before the file began it does not know.
            return Absent() if self.sent.whole_for() >= self.absent_after_s else self._surely_absent(None)
        if known.answer.get("refused") is not None:
            return Absent()
        if known.answer.get("placed") is not None:
            return self._as_answered(known)
        changed_to = self._by_what_holds(known)
        if changed_to is not None:
            return changed_to
        return None if self._may_be_there(known) else self._surely_absent(known)

    def _surely_absent(self, known: Sent | None) -> Absent | None:
        if (self.sent.whole_for() if known is None else self.sent.age_of(known)) >= self.absent_after_s:
            terminal = self.world.calls.terminal_info()
            if not terminal.connected:
                raise Unavailable("the terminal has no connection to the trade server, so its history may be old")
            return Absent()
        return None

    def _row_of(self, tag: str, known: Sent | None) -> Any | None:
        since = self.now() - LOOK_BACK_S if known is None else min(known.at, self.now()) - BEFORE_S
        rows = [row for row in self.world.order_rows_since(since) if unpack(str(row.comment))[0] == tag]
        # A broker may give the comment to what it closes by itself, too: the first one is the order's own.
        return min(rows, key=lambda row: int(row.ticket), default=None)

    # The terminal has said so. A broker may have overwritten the comment since, so it is looked up by its number.
    def _as_answered(self, known: Sent) -> Placed | None:
        placed = msgspec.convert(known.answer["placed"], Placed, strict=False)
        world = self.world
        request: Mapping[str, Any] = known.what["request"]
        if request["action"] not in (Action.DEAL, Action.PENDING, Action.CLOSE_BY):
            return placed
        waits = world.waiting(placed.order)
        if waits is not None:
            return waiting(waits)
        row = world.order_row(placed.order)
        return placed if row is None else ended(row, world.deals_of_order(placed.order), world.digits_of(row))

    # A broker may cut or overwrite comments: what has no tag of ours and is otherwise what was asked for may be it, and
    # nobody can prove that it is not. A person settles that.
    def _may_be_there(self, known: Sent) -> bool:
        request: Mapping[str, Any] = known.what["request"]
        if request["action"] not in (Action.DEAL, Action.PENDING, Action.CLOSE_BY):
            return False
        rows = [*self.world.calls.orders_get(), *self.world.order_rows_since(known.at - BEFORE_S)]
        return any(self._alike(row, request, known.at) for row in rows)

    def _alike(self, row: Any, request: Mapping[str, Any], at: float) -> bool:
        if unpack(str(row.comment))[0] or str(row.symbol) != request["symbol"]:
            return False
        if self.world.clock.to_utc_msc(int(row.time_setup_msc)) / 1000 < at - CLOCKS_S:
            return False
        if int(row.magic) != request.get("magic", 0):
            return False
        if request["action"] == Action.CLOSE_BY:
            return bool(int(row.position_id) == request["position"])
        same = int(row.type) == request["type"]
        return bool(same and lots(row.volume_initial, "volume_initial") == lots(request["volume"], "volume"))

    # Changes and cancellations leave no tag: they were carried out if what they asked for is so.
    def _by_what_holds(self, known: Sent) -> Placed | None:
        world, request = self.world, known.what["request"]
        action = request["action"]
        if action == Action.SLTP:
            position = world.position(request["position"])
            if position is None:
                return None
            digits = world.names.of(request["symbol"])[1]
            wanted = level(request["sl"], "sl", digits), level(request["tp"], "tp", digits)
            return changed(position.ticket, *wanted) if (position.sl, position.tp) == wanted else None
        if action == Action.REMOVE:
            row = world.order_row(request["order"])
            if row is None or int(row.state) != OrderState.CANCELED:
                return None
            return cancelled(request["order"], lots(row.volume_initial, "volume_initial"))
        if action == Action.MODIFY:
            waits = world.waiting(request["order"])
            if waits is None:
                return None
            digits = world.names.of(request["symbol"])[1]
            wanted_all = (
                price(request["price"], "price", digits),
                level(request["sl"], "sl", digits),
                level(request["tp"], "tp", digits),
            )
            ends = request.get("expiration")
            ends_msc = None if ends is None else world.clock.to_utc_msc(ends * 1000)
            if (waits.price, waits.sl, waits.tp) == wanted_all and waits.expiration_msc == ends_msc:
                return waiting(waits)
        return None
