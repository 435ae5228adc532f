"""What people ask of the governor: an account's state, an EA's multiplier, a baseline that nobody saw.

Answers wait, with the verdicts of their batch, until what they promise is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import attrs

from actors.boards import Boards
from actors.halts import Halt
from actors.kept import Kept
from actors.messages import Reply, SetMultiplier, SetTradingState, SupplyBaseline
from actors.risk_board import Flattening
from actors.risk_books import RiskBooks
from actors.runtime import Call
from actors.verdicts import Owed, Verdicts
from actors.watcher import Watcher
from quantmind.domain.clock import Clock
from quantmind.domain.risk import Policy, TradingState
from quantmind.domain.risk.book import lacks, supplied
from quantmind.records import Event, Setting
from quantmind.wire import replies

logger = logging.getLogger("quantmind.governor")


@attrs.define(eq=False)
class Operators:
    """See the module; the governor owns one."""

    boards: Boards
    kept: Kept
    books: RiskBooks
    watcher: Watcher
    policies: Mapping[str, Policy]
    clock: Clock

    def set_multiplier(self, call: Call[Reply], request: SetMultiplier, pending: Verdicts) -> None:
        """An EA's own multiplier: lower for everybody, higher for an admin."""
        current = self.boards.multipliers.read(request.ea_name)
        if request.value > current and not request.may_raise:
            call.answer(
                replies.error(
                    "forbidden",
                    f"the multiplier of {request.ea_name} is {current}; raising it to {request.value} needs a "
                    "token with the scope admin",
                )
            )
            return
        if request.value <= current:
            self.boards.multipliers.set(request.ea_name, request.value)  # tighter counts at once, durable or not
        setting = self.kept.multiplier(request.ea_name, request.value, request.by)
        reply: Reply = {"status": "success", "risk_multiplier": request.value}
        pending.add(setting, Owed(call.move(), reply))

    def set_state(self, call: Call[Reply], request: SetTradingState, pending: Verdicts) -> None:
        """What accounts may do: tighter counts at once, looser when it is on disk and nothing stands against it."""
        if request.broker is not None and request.broker not in self.policies:
            call.answer(replies.error("unknown_broker", f"there is no enabled broker {request.broker}"))
            return
        now = self.clock.now()
        brokers = list(self.policies) if request.broker is None else [request.broker]
        standing = self._stands(request, brokers)
        if standing is not None:
            call.answer(replies.error("cause_stands", standing))
            return
        cause = f"{request.reason} (by {request.by})"
        reply: Reply = {"status": "success", "state": request.state.value, "brokers": brokers, "reason": request.reason}
        if request.flatten:
            reply["flatten"] = True
        settings: list[Setting] = []
        begun: list[Event] = []
        for broker in brokers:
            halt = Halt(request.state, cause, now)
            if not halt.looser_than(self.boards.halts.operator(broker)):
                self.boards.halts.set(broker, halt)  # tighter counts at once
            if request.state is TradingState.ACTIVE:
                settings += [self.kept.hold(broker, rule, None) for rule in self.boards.halts.holds(broker)]
                # A silent EA's goes on: it is as silent as before.
                wanted = self.boards.risk.flattenings(broker).items()
                settings += [self.kept.flattening(name, None) for name, each in wanted if each.magic is None]
            if request.flatten:
                flattening = Flattening(broker, cause, now)
                for record in self.watcher.flatten(flattening):
                    if isinstance(record, Setting):
                        settings.append(record)
                    else:
                        begun.append(record)
            settings.append(self.kept.state(broker, halt))
        for setting in settings:
            pending.add(setting, Owed(call.move(), reply) if setting is settings[-1] else None)
        for event in begun:
            pending.add(event)
        logger.warning("set.state state=%s brokers=%s cause=%s", request.state.value, ",".join(brokers), cause)

    def _stands(self, request: SetTradingState, brokers: list[str]) -> str | None:
        """Why what holds an account may not be released, or None."""
        if request.flatten and request.state is TradingState.ACTIVE:
            return "an account that is to be flattened can't be active; halt it"
        if request.state is not TradingState.ACTIVE:
            return None
        stop = self.boards.stop_file
        for broker in brokers:
            why = f"{stop.path} is there; remove it first" if stop.there else self.watcher.stands(broker)
            if why is not None:
                return f"{broker} can't be released: {why}"
        return None

    def supply(self, call: Call[Reply], request: SupplyBaseline, pending: Verdicts) -> None:
        """What an account had when its day began; only what is missing is taken."""
        broker, policy = request.broker, self.policies.get(request.broker)
        if policy is None:
            call.answer(replies.error("unknown_broker", f"there is no enabled broker {broker}"))
            return
        if not policy.keeps_book:
            message = f"nothing is missing: no rule of {broker} counts from what a day began with"
            call.answer(replies.error("baseline_known", message))
            return
        book = self.books.newest(broker)
        if book is None:
            message = f"the account of {broker} has not been read yet; send it again when it has"
            call.answer(replies.error("broker_unavailable", message))
            return
        if lacks(book, policy, self.clock.now()) is None:
            message = f"nothing is missing: the baseline of {broker} is known and is taken once"
            call.answer(replies.error("baseline_known", message))
            return
        after = supplied(
            book,
            policy,
            balance=request.balance,
            equity=request.equity,
            highest_balance=request.highest_balance,
            highest_equity=request.highest_equity,
            by=f"supplied by {request.by}: {request.reason}",
        )
        setting = self.books.put(broker, after)
        missing = lacks(after, policy, self.clock.now())
        reply: Reply = {"status": "success", "broker": broker, "missing": missing}
        if setting is None:
            call.answer(reply)
            return
        logger.warning("supply.baseline broker=%s by=%s reason=%s", broker, request.by, request.reason)
        pending.add(setting, Owed(call.move(), reply))
