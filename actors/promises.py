"""What the governor holds of each account: holdings as they are by now, promises, unknown orders.

Plain state without I/O; the governor owns one and makes it anew from the record when it starts.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from actors.holdings import Holdings
from actors.messages import Executed, Reply, ReportResult
from quantmind.domain.accounts import Sample
from quantmind.domain.orders import Close, Modify, Open, Placed, Side, Unknown
from quantmind.domain.risk import Approved, Closing, Reservation, UnknownOrder
from quantmind.domain.risk.policy import NO_ALLOWANCES, Allowances
from quantmind.domain.risk.risked import Risked
from quantmind.domain.risk.state import promised
from quantmind.domain.risk.worst import Exposed, Ledger, WorstCase
from quantmind.domain.risk.worth import ZERO, Worth
from quantmind.records import Decision, Intent, Released
from quantmind.wire import replies

logger = logging.getLogger("quantmind.governor")

SETTLE_AFTER_S = 2.0
"""A sample taken this long after an approval's end shows whatever the EA did with it."""
LOST_AFTER_S = 60.0
"""An executed order whose outcome was never told is let go this long after its deadline; it is found again as an
unknown intent if it went out."""
REMEMBERED_ENDED = 10_000


def nothing_known(broker: str, symbol: str, currency: str) -> Worth | None:
    """Where nobody says what symbols are worth."""
    del broker, symbol, currency
    return None


@attrs.define(eq=False)
class _Account:
    holdings: Holdings = attrs.field(factory=Holdings)
    reservations: dict[str, Reservation] = attrs.field(factory=dict)
    closings: dict[str, Closing] = attrs.field(factory=dict)
    """Closes that the gateway places, by order id, until a sample surely shows them."""
    unknowns: dict[str, UnknownOrder] = attrs.field(factory=dict)

    ledger: Ledger = attrs.field(factory=lambda: Ledger(NO_ALLOWANCES))

    def since(self, order_id: str) -> float:
        """When an order was given to its executor (monotonic seconds); infinite where that is not known."""
        given = self.reservations.get(order_id) or self.closings.get(order_id)
        return math.inf if given is None else given.since


@attrs.define(eq=False)
class Promises:
    """Samples, reservations and unknown orders of every account.

    Args:
        allowances: what stops may cost beyond their prices, by broker.
        worth: what a symbol is worth in the currency of an account, by broker.
    """

    allowances: Mapping[str, Allowances] = attrs.field(factory=dict)
    worth: Callable[[str, str, str], Worth | None] = nothing_known
    _accounts: dict[str, _Account] = attrs.field(factory=dict, init=False)
    _ended: OrderedDict[str, str] = attrs.field(factory=OrderedDict, init=False)
    """approval id → EA name, of promises that are over."""
    _final: OrderedDict[str, None] = attrs.field(factory=OrderedDict, init=False)
    """Orders whose outcome was told: it may be told twice and counts once."""

    # --- reading -------------------------------------------------------------------------------------------------

    def holdings(self, broker: str) -> Holdings:
        """The newest sample, and positions and pending orders as they are by now."""
        return self._of(broker).holdings

    def reservations(self, broker: str) -> tuple[Reservation, ...]:
        return tuple(self._of(broker).reservations.values())

    def closings(self, broker: str) -> tuple[Closing, ...]:
        return tuple(self._of(broker).closings.values())

    def unknowns(self, broker: str) -> tuple[UnknownOrder, ...]:
        return tuple(self._of(broker).unknowns.values())

    def worst(self, broker: str) -> WorstCase | None:
        """The account at its stops, without what is promised; None before it was read."""
        return self._of(broker).ledger.worst

    def promised(self, broker: str) -> Decimal | None:
        """What promises and orders on their way may lose (0 or less); None: of one of them it is not known."""
        return promised(self._of(broker).reservations.values())

    def reserves(self, broker: str, magic: int | None) -> bool:
        """Whether an order (of a magic, or any) is promised or on its way."""
        held = self._of(broker).reservations.values()
        return any(item.opens and magic in (None, item.magic) for item in held)

    def exposed(self, broker: str) -> Exposed:
        return self._of(broker).ledger.exposed

    # --- promising -----------------------------------------------------------------------------------------------

    def reserve(
        self,
        approved: Approved,
        proposal: Open | Modify,
        risked: Risked,
        *,
        executed: bool,
        valid_until: float,
        now: float = 0.0,
    ) -> None:
        """Hold what an approved order, or a stop that is moved away, puts at risk. `now` is monotonic seconds."""
        account = self._of(proposal.broker)
        if isinstance(proposal, Open):
            symbol, side, volume = proposal.symbol, proposal.side, proposal.volume
        else:
            symbol, side, volume = account.holdings.symbol(proposal.ticket), None, ZERO
        account.reservations[approved.approval_id] = Reservation(
            approval_id=approved.approval_id,
            broker=proposal.broker,
            ea_name=proposal.origin.ea_name,
            magic=proposal.origin.magic,
            symbol=symbol,
            side=side,
            volume=volume,
            **attrs.asdict(risked, recurse=False),
            valid_until=valid_until,
            expires_at=approved.deadline,
            executed=executed,
            since=now,
        )

    def close(self, approved: Approved, proposal: Close, *, now: float) -> None:
        """Remember what a close on its way may take, so that no other one is judged as if it were not there."""
        self._of(proposal.broker).closings[approved.approval_id] = Closing(
            approved.approval_id, _lots(proposal), approved.deadline, now
        )

    def record(self, approval_id: str) -> dict[str, Any]:
        """A reservation as it is stored."""
        found = self._find(approval_id)
        assert found is not None
        return {
            "side": None if found.side is None else found.side.value,
            "volume": str(found.volume),
            "valid_until": found.valid_until,
            "risked": Risked.held_by(found).stored(),
        }

    def restore(self, decisions: Iterable[Decision], *, now: float, wall: float) -> None:
        """Take promises back from the record. `now` monotonic, `wall` Unix seconds."""
        for item in decisions:
            stored = item.reservation
            if stored is None:
                continue
            self._of(item.broker).reservations[item.decision_id] = Reservation(
                approval_id=item.decision_id,
                broker=item.broker,
                ea_name=item.ea_name,
                magic=item.magic,
                symbol=item.symbol,
                side=None if stored["side"] is None else Side(stored["side"]),
                volume=Decimal(stored["volume"]),
                valid_until=stored["valid_until"],
                # A clock that was set back does not lengthen it.
                expires_at=now + max(0.0, min(stored["valid_until"] - wall, stored["valid_until"] - item.at)),
                executed=False,
                **attrs.asdict(Risked.from_stored(stored.get("risked")), recurse=False),
            )

    def release(self, approval_id: str) -> None:
        """The promise is over."""
        for account in self._accounts.values():
            found = account.reservations.pop(approval_id, None)
            if found is not None:
                self._ended[approval_id] = found.ea_name
                _trim(self._ended)
            account.closings.pop(approval_id, None)

    def forget(self, approval_id: str | None) -> None:
        """The promise was never made."""
        for account in self._accounts.values():
            account.reservations.pop(approval_id or "", None)

    def report(self, result: ReportResult, now: float) -> Reply:
        """An EA says what it did with an approval; a later sample then ends the promise."""
        found = self._find(result.approval_id)
        if found is None or found.ea_name != result.ea_name:
            if self._ended.get(result.approval_id) == result.ea_name:
                return {"status": "success", "approval_id": result.approval_id, "reserved": Decimal(0)}
            return replies.error(
                "unknown_approval",
                f"{result.ea_name} holds no approval {result.approval_id[:40]!r}; was it another EA's?",
            )
        if result.volume is not None and result.volume > found.volume:
            logger.error(
                "exceed.approval ea=%s approval=%s traded=%s approved=%s",
                result.ea_name,
                result.approval_id,
                result.volume,
                found.volume,
            )
        if found.executed:  # the gateway places it itself and knows better
            return {"status": "success", "approval_id": found.approval_id, "reserved": found.volume}
        settled = attrs.evolve(found, settled_at=now if found.settled_at is None else found.settled_at)
        self._of(found.broker).reservations[found.approval_id] = settled
        return {"status": "success", "approval_id": found.approval_id, "reserved": found.volume}

    # --- learning ------------------------------------------------------------------------------------------------

    def sampled(self, sample: Sample, wall: float) -> Sequence[Released]:
        """A newer sample: what it confirms is no longer promised. Returns the promises that it ended."""
        account = self._of(sample.broker)
        if not account.holdings.sampled(sample):
            return ()
        released = []
        for item in list(account.reservations.values()):
            why = _over(item, sample.taken_at)
            if why is not None:
                self.release(item.approval_id)
                if not item.executed:
                    released.append(Released(item.approval_id, why, wall))
        for closing in list(account.closings.values()):
            if _shown_or_lost(closing, closing.order_id, sample.taken_at) is not None:
                del account.closings[closing.order_id]
        self._count(sample.broker)
        return released

    def executed(self, fact: Executed) -> None:
        """What is known of an executor's order. May be told more than once."""
        outcome = fact.outcome
        account = self._of(fact.proposal.broker)
        if isinstance(outcome, Unknown):
            if fact.order_id not in self._final:
                self._not_known(account, fact)
            return
        first = fact.order_id not in self._final
        self._final[fact.order_id] = None
        _trim(self._final)
        account.unknowns.pop(fact.order_id, None)
        if not isinstance(outcome, Placed):
            self.release(fact.order_id)
        elif not first:
            pass
        elif fact.reconciled or not account.holdings.executed(
            fact.proposal, outcome, fact.at, account.since(fact.order_id)
        ):
            # What it left behind can't be told from here: its exposure is held until a later sample shows it.
            held = account.reservations.get(fact.order_id)
            if held is not None:
                account.reservations[fact.order_id] = attrs.evolve(held, unknown=False, settled_at=fact.at)
            closing = account.closings.get(fact.order_id)
            if closing is not None:
                account.closings[fact.order_id] = attrs.evolve(closing, unknown=False, settled_at=fact.at)
        else:
            self._count(fact.proposal.broker)
            self.release(fact.order_id)

    def _count(self, broker: str) -> None:
        """The worst case, after what the account holds has changed."""
        account = self._of(broker)
        sample = account.holdings.sample
        if sample is None:
            return
        currency = sample.account.currency
        for name, item in account.reservations.items():
            if item.worth is None:  # read back from the record
                symbol = item.symbol or (account.holdings.symbol(item.change.ticket) if item.change else "")
                worth = self.worth(broker, symbol, currency)
                account.reservations[name] = attrs.evolve(item, symbol=symbol, worth=worth)
        account.ledger.keep(
            account.holdings.positions,
            account.holdings.orders,
            sample.account.equity,
            lambda symbol: self.worth(broker, symbol, currency),
            netting=sample.account.margin_mode == "netting",
        )

    def _not_known(self, account: _Account, fact: Executed) -> None:
        proposal, origin = fact.proposal, fact.proposal.origin
        if fact.order_id not in account.unknowns:  # since when it is unknown does not begin anew
            symbol = proposal.symbol if isinstance(proposal, Open | Close) else account.holdings.symbol(proposal.ticket)
            account.unknowns[fact.order_id] = UnknownOrder(
                fact.order_id, proposal.broker, origin.ea_name, origin.magic, symbol, fact.at
            )
        if isinstance(proposal, Close):
            account.closings[fact.order_id] = Closing(fact.order_id, _lots(proposal), fact.at, unknown=True)
        held = account.reservations.get(fact.order_id)
        if held is not None:
            account.reservations[fact.order_id] = attrs.evolve(held, unknown=True)
        elif isinstance(proposal, Open):
            account.reservations[fact.order_id] = Reservation(
                approval_id=fact.order_id,
                broker=proposal.broker,
                ea_name=origin.ea_name,
                magic=origin.magic,
                symbol=proposal.symbol,
                side=proposal.side,
                volume=proposal.volume,
                valid_until=0.0,
                expires_at=fact.at,
                executed=True,
                unknown=True,
            )

    def restore_intent(self, intent: Intent, *, now: float, wall: float) -> None:
        """An intent without outcome: unknown, since it was written, until its executor says what became of it."""
        if intent.order_id in self._final:
            return  # told before its record was there to be read
        account = self._of(intent.broker)
        since = now - max(0.0, wall - intent.at)
        account.unknowns[intent.order_id] = UnknownOrder(
            intent.order_id, intent.broker, intent.ea_name, intent.magic, intent.symbol, since
        )
        kind, side = intent.body.get("type"), intent.body.get("side")
        if kind == "trade_close":
            self._closed_or_not(account, intent, now)
        if kind not in ("trade_open", "trade_modify"):
            return
        volume = ZERO
        if kind == "trade_open":
            volume = Decimal(intent.body.get("approved_volume") or intent.body["volume"])
        account.reservations[intent.order_id] = Reservation(
            approval_id=intent.order_id,
            broker=intent.broker,
            ea_name=intent.ea_name,
            magic=intent.magic,
            symbol=intent.symbol,
            side=None if side is None else Side(side),
            volume=volume,
            valid_until=intent.at,
            expires_at=now,
            executed=True,
            unknown=True,
            **attrs.asdict(Risked.from_stored(intent.body.get("risked")), recurse=False),
        )

    # --- inside --------------------------------------------------------------------------------------------------

    def _closed_or_not(self, account: _Account, intent: Intent, now: float) -> None:
        body = intent.body
        lots = None if body["volume"] is None else Decimal(body["volume"])
        tickets = [ticket for ticket in (body["ticket"], body.get("close_by")) if ticket is not None]
        account.closings[intent.order_id] = Closing(
            intent.order_id, dict.fromkeys(tickets, lots), expires_at=now, unknown=True
        )

    def _find(self, approval_id: str) -> Reservation | None:
        for account in self._accounts.values():
            found = account.reservations.get(approval_id)
            if found is not None:
                return found
        return None

    def _of(self, broker: str) -> _Account:
        account = self._accounts.get(broker)
        if account is None:
            ledger = Ledger(self.allowances.get(broker, NO_ALLOWANCES))
            account = self._accounts[broker] = _Account(ledger=ledger)
        return account


def _over(item: Reservation, sampled_at: float) -> str | None:
    """Why a sample taken at that moment ends the promise, or None."""
    if item.unknown:
        return None
    if item.executed:
        return _shown_or_lost(item, item.approval_id, sampled_at)
    if item.settled_at is not None and sampled_at > item.settled_at:
        return "its result is in a later sample"
    if sampled_at >= item.expires_at + SETTLE_AFTER_S:
        return "a sample was taken after its end"
    return None


def _shown_or_lost(item: Reservation | Closing, order_id: str, sampled_at: float) -> str | None:
    """Why a sample taken at that moment ends what an executor's order holds, or None."""
    if item.unknown:
        return None
    if item.settled_at is not None and sampled_at > item.settled_at:
        return "a later sample shows it"
    if sampled_at >= item.expires_at + LOST_AFTER_S:
        logger.error("lose.outcome approval=%s", order_id)
        return "its outcome was never told"
    return None


def _lots(close: Close) -> dict[int, Decimal | None]:
    """What a close may take of each position; of one that is closed by another all is the most."""
    return {ticket: close.volume for ticket in (close.ticket, close.by) if ticket is not None}


def _trim(table: OrderedDict[str, Any]) -> None:
    if len(table) > REMEMBERED_ENDED:
        table.popitem(last=False)
