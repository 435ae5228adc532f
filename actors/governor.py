"""The risk governor: keeps the situation, lets the pure `judge` decide, reserves what it promised.

What it promises is durable before it is said. A new incarnation reads promises, unknown orders, trading states
and multipliers back before it lets anything add exposure.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs
import trio

from actors import durable
from actors.boards import Boards, Halt
from actors.known import as_before, as_it_stands
from actors.messages import (
    AccountSampled,
    Execute,
    Executed,
    GovernorFact,
    Judge,
    Reply,
    ReportResult,
    SetMultiplier,
    SetTradingState,
    Undelivered,
)
from actors.promises import Promises
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow, Ref
from actors.targets import wrong_target
from quantmind.domain.clock import Clock
from quantmind.domain.orders import Close, Open, Proposal
from quantmind.domain.risk import (
    Approved,
    Denied,
    EaLimits,
    Market,
    Policy,
    Reason,
    Situation,
    TradingState,
    judge,
)
from quantmind.errors import JournalDown
from quantmind.ports import Decision, Duplicate, Journal, Record, Setting
from quantmind.wire import replies

logger = logging.getLogger("quantmind.governor")

BATCH = 256
RESTORE_EVERY_S = 1.0
RESTORE_WITHIN_S = 5.0
"""Below what an actor has to become ready: a disk that hangs is a state here, not a crash."""
_STRICTNESS = tuple(TradingState)


def mailbox_key(message: object) -> str | None:
    """Account samples conflate by account; commands and outcomes never."""
    return message.sample.broker if isinstance(message, AccountSampled) else None


MAILBOX = MailboxPolicy(
    Overflow.CONFLATE,
    8192,
    key=mailbox_key,
    reason="holds every command the doors admit and an outcome for each reservation; samples conflate by account",
)


@attrs.frozen
class _Owed:
    """An answer that waits for its record to be durable."""

    call: Call[Reply]
    reply: Reply
    reserved: str | None = None
    """The reservation that falls if the record can't be written."""
    stands: bool = False
    """It says no, or lets risk be reduced: said also when the record can't be written."""


@attrs.define
class _Verdicts:
    """Records of a batch, and beside each who hears what once it is durable."""

    records: list[Record] = attrs.field(factory=list)
    owners: list[_Owed | None] = attrs.field(factory=list)

    def add(self, record: Record, owner: _Owed | None = None) -> None:
        self.records.append(record)
        self.owners.append(owner)


@attrs.define
class Governor:
    """Decides on proposals; see the module. All that it is given outlives it.

    Args:
        policies: the limits of each account.
        ea_limits: what the configuration sets for an EA (its volume).
        executors: where approved orders go, by broker.
        approval_ttl_s: how long an approval that the EA trades itself may be used.
        myself: the governor's own address, for orders that come back undelivered.
    """

    boards: Boards
    journal: Journal
    clock: Clock
    policies: Mapping[str, Policy]
    ea_limits: Callable[[str], EaLimits]
    executors: Mapping[str, Ref[Any]]
    approval_ttl_s: float
    myself: Ref[Any]
    _promises: Promises = attrs.field(factory=Promises, init=False)
    _blocked: str | None = attrs.field(default="the governor is reading its record", init=False)
    _incarnation: int = attrs.field(default=0, init=False)
    _restore_at: float = attrs.field(default=float("-inf"), init=False)
    _since: float = attrs.field(default=0.0, init=False)
    """When this incarnation began: an older sample may lack what was executed before it."""
    _tightened: dict[str, Setting] = attrs.field(factory=dict, init=False)
    """Settings that hold already and still have to become durable, by key."""

    async def __call__(self, inbox: Inbox[Call[Reply] | GovernorFact]) -> None:
        self._incarnation = inbox.incarnation
        self.boards.term.incarnation = inbox.incarnation
        self._since = trio.current_time()
        self._recall_samples()
        await self._restore()
        inbox.ready()
        async for batch in inbox.batches(BATCH):
            if self._blocked is not None and trio.current_time() >= self._restore_at:
                await self._restore()
            pending = _Verdicts()
            if self.journal.down is None:
                for setting in self._tightened.values():
                    pending.add(setting)  # first, so that what is asked now comes later in the record
            for message in batch:
                if isinstance(message, Call):
                    self._answer(message, pending)
                else:
                    self._learn(message, pending)
            if pending.records:
                await self._settle(pending)

    # --- what it learns ------------------------------------------------------------------------------------------

    def _recall_samples(self) -> None:
        """What was last seen of each account, so that reductions can be proved at once; opens wait for a new sample."""
        for broker in self.policies:
            sample = self.boards.links.of(broker).sample
            if sample is not None:
                self._promises.sampled(sample, self.clock.now())

    async def _restore(self) -> None:
        """Read promises, states and multipliers back; until that works nothing may add exposure."""
        self._restore_at = trio.current_time() + RESTORE_EVERY_S
        try:
            with trio.fail_after(RESTORE_WITHIN_S):
                settings = await self.journal.settings()
                reservations = await self.journal.open_reservations()
                intents = [intent for broker in self.policies for intent in await self.journal.open_intents(broker)]
        except (JournalDown, trio.TooSlowError) as exc:
            self._blocked = f"the journal can't be read ({str(exc) or 'it does not answer'})"
            logger.error("fail.restore reason=%s", self._blocked)
            return
        stored = {item.key: item.value for item in settings if item.value is not None}
        for broker in self.policies:
            self._restore_state(broker, stored.get(f"state:{broker}"))
        for key, value in stored.items():
            if key.startswith("multiplier:"):
                self._restore_multiplier(key, Decimal(value["value"]))
        now, wall = trio.current_time(), self.clock.now()
        self._promises.restore(reservations, now=now, wall=wall)
        for intent in intents:
            self._promises.restore_intent(intent, now=now, wall=wall)
        self._blocked = None

    # The boards outlive a governor. What stands there and is tighter than the record was set while the journal could
    # not write: a restart may never widen it.

    def _restore_state(self, broker: str, stored: dict[str, Any] | None) -> None:
        if stored is None:
            halt = Halt(TradingState.ACTIVE, "as configured", self.clock.now())
        else:
            halt = Halt(TradingState(stored["state"]), stored["cause"], stored["since"])
        before = self.boards.halts.all().get(broker)
        if before is None or _STRICTNESS.index(before.state) <= _STRICTNESS.index(halt.state):
            self.boards.halts.set(broker, halt)
        else:
            self._tighten(_state_setting(broker, before, self.clock.now()))

    def _restore_multiplier(self, key: str, stored: Decimal) -> None:
        ea_name = key.removeprefix("multiplier:")
        before = self.boards.multipliers.read(ea_name)
        if stored <= before:
            self.boards.multipliers.set(ea_name, stored)
        elif before < 1:
            self._tighten(Setting(key, {"value": str(before), "by": "restart"}, self.clock.now()))

    def _tighten(self, setting: Setting) -> None:
        self._tightened[setting.key] = setting

    def _learn(self, fact: GovernorFact, pending: _Verdicts) -> None:
        match fact:
            case AccountSampled(sample):
                for released in self._promises.sampled(sample, self.clock.now()):
                    pending.add(released)
                self._show_unknowns(sample.broker)
            case Executed():
                self._promises.executed(fact)
                self._show_unknowns(fact.proposal.broker)
            case Undelivered(order_id):
                self._promises.release(order_id)

    def _show_unknowns(self, broker: str) -> None:
        """Say of an account with an order that is unknown for too long what the rule `no_unknown` makes of it."""
        now, grace_s = trio.current_time(), self.policies[broker].unknown_grace_s
        late = [order for order in self._promises.unknowns(broker) if now - order.since >= grace_s]
        if not late:
            self.boards.halts.cloud(broker, None)
            return
        cause = f"what became of order {late[0].order_id} of {late[0].ea_name} is not known"
        since = self.clock.now() - (now - late[0].since)
        self.boards.halts.cloud(broker, Halt(TradingState.REDUCE_ONLY, cause, since))

    # --- what it is asked ----------------------------------------------------------------------------------------

    def _answer(self, call: Call[Reply], pending: _Verdicts) -> None:
        match call.request:
            case Judge() as request:
                self._judge(call, request, pending)
            case ReportResult() as request:
                call.answer(self._promises.report(request, trio.current_time()))
            case SetMultiplier() as request:
                self._set_multiplier(call, request, pending)
            case SetTradingState() as request:
                self._set_state(call, request, pending)

    def _judge(self, call: Call[Reply], request: Judge, pending: _Verdicts) -> None:
        proposal = request.proposal
        holdings = self._promises.holdings(proposal.broker)
        wrong = wrong_target(
            proposal, holdings, self.boards.catalog.symbols(proposal.broker), must_exist=request.execute
        )
        if wrong is not None:
            call.answer(wrong)
            return
        now, wall = trio.current_time(), self.clock.now()
        deadline = min(call.deadline, now + request.start_by - wall) if request.execute else now + self.approval_ttl_s
        verdict = judge(
            proposal,
            self._situation(proposal, now),
            approval_id=secrets.token_hex(8),
            deadline=deadline,
        )
        request.watch.mark("judge", time.perf_counter())
        if isinstance(verdict, Approved) and request.execute:
            self._execute(call, request, verdict, wall)
        else:
            self._say(call, request, verdict, pending, wall)

    def _execute(self, call: Call[Reply], request: Judge, approved: Approved, wall: float) -> None:
        proposal = approved.proposal
        executor = self.executors[proposal.broker]
        if isinstance(proposal, Open):
            self._promises.reserve(approved, proposal, executed=True, valid_until=wall, now=trio.current_time())
        elif isinstance(proposal, Close):
            self._promises.close(approved, proposal, now=trio.current_time())
        order = Execute(approved, request.fingerprint, request.body, request.watch)

        def came_back() -> None:
            self.myself.tell_nowait(Undelivered(approved.approval_id))

        executor.pass_on_nowait(call.forward(order, undelivered=came_back))

    def _say(
        self, call: Call[Reply], request: Judge, verdict: Approved | Denied, pending: _Verdicts, wall: float
    ) -> None:
        """Answer a verdict; one that promises or must be remembered waits until it is durable."""
        proposal = verdict.proposal
        approved = isinstance(verdict, Approved)
        valid_until = round(wall + self.approval_ttl_s, 3)
        reply = replies.verdict(
            verdict, valid_until=valid_until if approved else None, valid_for_ms=int(self.approval_ttl_s * 1000)
        )
        reserved: str | None = None
        if isinstance(verdict, Approved) and isinstance(proposal, Open):
            reserved = verdict.approval_id
            self._promises.reserve(verdict, proposal, executed=False, valid_until=valid_until)
        origin = proposal.origin
        if reserved is None and origin.request_id is None:
            call.answer(reply)
            return
        decision = Decision(
            decision_id=verdict.approval_id if isinstance(verdict, Approved) else secrets.token_hex(8),
            broker=proposal.broker,
            ea_name=origin.ea_name,
            magic=origin.magic,
            symbol=getattr(proposal, "symbol", ""),
            request_id=origin.request_id,
            fingerprint=request.fingerprint,
            approved=approved,
            body=request.body,
            reply=replies.stored(reply),
            at=wall,
            reservation=None if reserved is None else self._promises.record(reserved),
        )
        stands = not approved or (isinstance(verdict, Approved) and verdict.reduces)
        pending.add(decision, _Owed(call.move(), reply, reserved, stands))

    def _set_multiplier(self, call: Call[Reply], request: SetMultiplier, pending: _Verdicts) -> None:
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
        value = {"value": str(request.value), "by": request.by}
        setting = Setting(f"multiplier:{request.ea_name}", value, self.clock.now())
        reply: Reply = {"status": "success", "risk_multiplier": request.value}
        pending.add(setting, _Owed(call.move(), reply))

    def _set_state(self, call: Call[Reply], request: SetTradingState, pending: _Verdicts) -> None:
        if request.broker is not None and request.broker not in self.policies:
            call.answer(replies.error("unknown_broker", f"there is no enabled broker {request.broker}"))
            return
        now = self.clock.now()
        brokers = list(self.policies) if request.broker is None else [request.broker]
        cause = f"{request.reason} (by {request.by})"
        reply: Reply = {"status": "success", "state": request.state.value, "brokers": brokers, "reason": request.reason}
        for number, broker in enumerate(brokers):
            halt = Halt(request.state, cause, now)
            before = self.boards.halts.read(broker)
            if _STRICTNESS.index(request.state) >= _STRICTNESS.index(before.state):
                self.boards.halts.set(broker, halt)  # tighter counts at once
            setting = _state_setting(broker, halt, now)
            last = number == len(brokers) - 1
            pending.add(setting, _Owed(call.move(), reply) if last else None)
        logger.warning("set.state state=%s brokers=%s cause=%s", request.state.value, ",".join(brokers), cause)

    # --- making it durable ---------------------------------------------------------------------------------------

    async def _settle(self, pending: _Verdicts) -> None:
        """Append the batch's records, then say what they promise; nothing is promised that is not on disk."""
        try:
            results = await durable.append(self.journal, pending.records)
        except JournalDown as exc:
            logger.error("fail.append records=%d reason=%s", len(pending.records), exc)
            for record, owner in zip(pending.records, pending.owners, strict=True):
                if isinstance(record, Setting) and self._holds(record):
                    self._tighten(record)
                if owner is not None:
                    self._not_durable(owner, reason=str(exc))
            return
        for record, owner, result in zip(pending.records, pending.owners, results, strict=True):
            if isinstance(record, Setting):
                self._tightened.pop(record.key, None)
                self._apply(record)
            if owner is None:
                continue
            if isinstance(result, Duplicate):
                self._promises.forget(owner.reserved)
                owner.call.answer(self._repeated(record, result))
            else:
                owner.call.answer(owner.reply)

    def _repeated(self, record: Record, duplicate: Duplicate) -> Reply:
        assert isinstance(record, Decision)
        first = as_before(duplicate.known, record.fingerprint)
        return as_it_stands(first, self.boards.halts.read(record.broker), self.clock.now())

    def _holds(self, setting: Setting) -> bool:
        """Whether the boards say already what the setting says."""
        kind, _, name = setting.key.partition(":")
        assert setting.value is not None
        if kind == "state":
            return self.boards.halts.read(name).state is TradingState(setting.value["state"])
        return self.boards.multipliers.read(name) == Decimal(setting.value["value"])

    def _apply(self, setting: Setting) -> None:
        kind, _, name = setting.key.partition(":")
        assert setting.value is not None
        if kind == "state":
            state = TradingState(setting.value["state"])
            self.boards.halts.set(name, Halt(state, setting.value["cause"], setting.value["since"]))
        elif kind == "multiplier":
            self.boards.multipliers.set(name, Decimal(setting.value["value"]))

    def _not_durable(self, owed: _Owed, *, reason: str) -> None:
        self._promises.forget(owed.reserved)
        reply = owed.reply
        if owed.stands:
            owed.call.answer(reply)  # it promises nothing; only a repeat would be judged anew
            return
        message = f"the journal can't write ({reason}); nothing new is approved until it works again"
        if "reasons" in reply:
            refusal = {**reply, "status": "rejected", "approved": False}
            if "approved_volume" in refusal:
                refusal["approved_volume"] = Decimal(0)
            for name in ("approval_id", "valid_until", "valid_for_ms"):
                refusal.pop(name, None)
            refusal["reasons"] = [replies.reason(Reason("journal", message))]
            owed.call.answer(refusal)
        else:
            owed.call.answer(
                replies.error("internal", f"{message}; what was tightened holds and is written down when it does")
            )

    # --- the situation -------------------------------------------------------------------------------------------

    def _situation(self, proposal: Proposal, now: float) -> Situation:
        broker = proposal.broker
        holdings = self._promises.holdings(broker)
        symbol = proposal.symbol if isinstance(proposal, Open | Close) else holdings.symbol(proposal.ticket)
        priced = self.boards.prices.read(broker, symbol)
        market = Market(self.boards.catalog.spec(broker, symbol))
        if priced is not None:
            market = Market(
                market.spec,
                Decimal(repr(priced.quote.bid)),
                Decimal(repr(priced.quote.ask)),
                max(0.0, now - priced.confirmed_at),
            )
        halt = self.boards.halts.read(broker)
        limits = self.ea_limits(proposal.origin.ea_name)
        multiplier = self.boards.multipliers.read(proposal.origin.ea_name)
        sample = holdings.sample
        return Situation(
            now=now,
            incarnation=self._incarnation,
            policy=self.policies[broker],
            state=halt.state,
            state_cause=halt.cause,
            sample=None if sample is None or sample.taken_at < self._since else sample,
            positions=holdings.positions,
            orders=holdings.orders,
            market=market,
            reservations=self._promises.reservations(broker),
            closings=self._promises.closings(broker),
            unknowns=self._promises.unknowns(broker),
            ea=limits if limits.multiplier == multiplier else attrs.evolve(limits, multiplier=multiplier),
            blocked=self._blocked or self._journal_down(),
        )

    def _journal_down(self) -> str | None:
        down = self.journal.down
        return None if down is None else f"the journal can't write ({down})"


def _state_setting(broker: str, halt: Halt, now: float) -> Setting:
    return Setting(f"state:{broker}", {"state": halt.state.value, "cause": halt.cause, "since": halt.since}, now)
