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
from actors.boards import Boards
from actors.halts import UNKNOWN_ORDER, Halt
from actors.kept import Kept
from actors.known import as_before, as_it_stands
from actors.messages import (
    AccountSampled,
    Beat,
    Execute,
    Executed,
    GovernorFact,
    Judge,
    Reply,
    ReportResult,
    SetMultiplier,
    SetTradingState,
    SupplyBaseline,
    Undelivered,
)
from actors.operators import Operators
from actors.promises import Promises
from actors.risk_books import KEY as RISK
from actors.risk_books import RiskBooks
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow, Ref
from actors.situations import MINUTE_S, Situations
from actors.targets import wrong_target
from actors.valuer import Valuer
from actors.verdicts import Owed, Verdicts, decision_of
from actors.watcher import Watcher
from quantmind.domain.accounts import Sample
from quantmind.domain.clock import Clock
from quantmind.domain.orders import Close, Modify, Open
from quantmind.domain.risk import (
    Approved,
    Denied,
    EaLimits,
    Policy,
    Reason,
    Situation,
    TradingState,
    judge,
    judge_flattening,
)
from quantmind.domain.risk.risked import NOTHING, Risked, risked_by
from quantmind.errors import JournalDown
from quantmind.ports import Journal
from quantmind.records import Decision, Duplicate, Record, Setting
from quantmind.wire import replies

logger = logging.getLogger("quantmind.governor")

BATCH = 256
RESTORE_EVERY_S = 1.0
RESTORE_WITHIN_S = 5.0
"""Below what an actor has to become ready: a disk that hangs is a state here, not a crash."""


def mailbox_key(message: object) -> str | None:
    """Account samples conflate by account, and beats; commands and outcomes never."""
    if isinstance(message, Beat):
        return ""  # no broker is called so
    return message.sample.broker if isinstance(message, AccountSampled) else None


MAILBOX = MailboxPolicy(
    Overflow.CONFLATE,
    8192,
    key=mailbox_key,
    reason="holds every command the doors admit and an outcome for each reservation; samples conflate by account",
)


@attrs.define
class Governor:
    """Decides on proposals; see the module. All that it is given outlives it.

    Args:
        policies: the limits of each account.
        ea_limits: what the configuration sets for an EA (its volume).
        executors: where approved orders go that may add exposure, by broker.
        closers: where those go that reduce risk.
        approval_ttl_s: how long an approval that the EA trades itself may be used.
        myself: the governor's own address, for orders that come back undelivered.
    """

    boards: Boards
    journal: Journal
    clock: Clock
    policies: Mapping[str, Policy]
    ea_limits: Callable[[str], EaLimits]
    executors: Mapping[str, Ref[Any]]
    closers: Mapping[str, Ref[Any]]
    approval_ttl_s: float
    myself: Ref[Any]
    began: float = 0.0
    """When the process began, in monotonic seconds."""
    _blocked: str | None = attrs.field(default="the governor is reading its record", init=False)
    _restore_at: float = attrs.field(default=float("-inf"), init=False)
    _promises: Promises = attrs.field(init=False)
    _books: RiskBooks = attrs.field(init=False)
    _kept: Kept = attrs.field(init=False)
    _situations: Situations = attrs.field(init=False)
    _watcher: Watcher = attrs.field(init=False)
    _operators: Operators = attrs.field(init=False)

    _scribe: durable.Scribe = attrs.field(init=False)

    @_scribe.default
    def _make_scribe(self) -> durable.Scribe:
        return durable.Scribe(self.journal, self.boards.patience)

    def __attrs_post_init__(self) -> None:
        policies, valuer = self.policies, Valuer(self.boards)
        self._promises = Promises({name: policy.allowances for name, policy in policies.items()}, valuer.worth)
        self._books = RiskBooks(policies, self.boards.deals.of)
        self._kept = Kept(self.boards, self._books, self.clock, tuple(policies))
        self._situations = Situations(
            self.boards, self._promises, self._books, valuer, policies, self.ea_limits, began=self.began
        )
        self._watcher = Watcher(
            self.boards, self._promises, self._books, self._kept, policies, self.ea_limits, self.began
        )
        self._operators = Operators(self.boards, self._kept, self._books, self._watcher, policies, self.clock)

    async def __call__(self, inbox: Inbox[Call[Reply] | GovernorFact]) -> None:
        self._situations.incarnation = self.boards.term.incarnation = inbox.incarnation
        self._situations.since = trio.current_time()
        self._recall_samples()
        await self._restore()
        self.boards.term.began_at = self.boards.term.turned_at = trio.current_time()
        inbox.ready()
        async for batch in inbox.batches(BATCH):
            self.boards.term.turned_at = trio.current_time()
            if self._blocked is not None and trio.current_time() >= self._restore_at:
                await self._restore()
            pending = Verdicts()
            if self.journal.down is None:
                for setting in self._kept.tightened.values():
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
        """What was last seen of each account, so that reductions can be proved at once; opens wait for a new sample.

        What the governor before had read of the record, too: limits are watched while it can't be read again.
        """
        for broker in self.policies:
            sample, status = self.boards.links.of(broker).sample, self.boards.risk.read(broker)
            if sample is not None:
                self._promises.sampled(sample, self.clock.now())
                if status is not None and status.book is not None:
                    self._books.recall(sample, status.book)

    async def _restore(self) -> None:
        """Read promises, states and multipliers back; until that works nothing may add exposure."""
        self._restore_at = trio.current_time() + RESTORE_EVERY_S
        try:
            with trio.fail_after(RESTORE_WITHIN_S):
                settings = await self.journal.settings()
                reservations = await self.journal.open_reservations()
                intents = [intent for broker in self.policies for intent in await self.journal.open_intents(broker)]
                lately = {
                    broker: await self.journal.approved_since(broker, self.clock.now() - MINUTE_S)
                    for broker, policy in self.policies.items()
                    if policy.rules.max_orders_per_minute is not None
                }
        except (JournalDown, trio.TooSlowError) as exc:
            self._blocked = f"the journal can't be read ({str(exc) or 'it does not answer'})"
            logger.error("fail.restore reason=%s", self._blocked)
            return
        self._kept.restore(settings)
        now, wall = trio.current_time(), self.clock.now()
        try:
            self._promises.restore(reservations, now=now, wall=wall)
            for intent in intents:
                self._promises.restore_intent(intent, now=now, wall=wall)
        except Exception as exc:
            # With the governor nobody could close any more; without the promises nothing may be added.
            logger.exception("fail.restore")
            self._blocked = f"what the record says of promises and orders is not understood ({exc!r})"
            return
        self._situations.restore({name: [now - max(0.0, wall - at) for at in times] for name, times in lately.items()})
        self._blocked = None

    def _learn(self, fact: GovernorFact, pending: Verdicts) -> None:
        match fact:
            case AccountSampled(sample):
                for released in self._promises.sampled(sample, self.clock.now()):
                    pending.add(released)
                self._show_unknowns(sample.broker)
                self._watch(sample, pending)
            case Executed():
                self._promises.executed(fact)
                self._show_unknowns(fact.proposal.broker)
            case Undelivered(order_id):
                self._promises.release(order_id)
            case Beat():
                pass  # that it turned is seen on the board

    def _watch(self, sample: Sample, pending: Verdicts) -> None:
        wall = self.clock.now() - max(0.0, trio.current_time() - sample.taken_at)
        writable = self.journal.down is None
        try:
            setting = self._books.sampled(sample, wall, writable=writable)
            records: list[Record] = [] if setting is None else [setting]
            records += self._watcher.look(sample, wall, writable=writable)
        except Exception as exc:
            # With the governor nobody could close any more; without the watch nothing may be added.
            logger.exception("fail.watch broker=%s", sample.broker)
            self._situations.unwatched[sample.broker] = repr(exc)
            return
        self._situations.unwatched.pop(sample.broker, None)
        for record in records:
            pending.add(record)

    def _show_day(self, key: str) -> None:
        """A day that counts from now on is seen at once, and not with the next sample."""
        sample = self._promises.holdings(key.removeprefix(RISK)).sample if key.startswith(RISK) else None
        if sample is not None:
            self._watcher.show(sample, self.clock.now())

    def _show_unknowns(self, broker: str) -> None:
        """Say of an account with an order that is unknown for too long what the rule `no_unknown` makes of it."""
        now, grace_s = trio.current_time(), self.policies[broker].unknown_grace_s
        late = [order for order in self._promises.unknowns(broker) if now - order.since >= grace_s]
        if not late:
            self.boards.halts.cloud(broker, UNKNOWN_ORDER, None)
            return
        cause = f"what became of order {late[0].order_id} of {late[0].ea_name} is not known"
        since = self.clock.now() - (now - late[0].since)
        self.boards.halts.cloud(broker, UNKNOWN_ORDER, Halt(TradingState.REDUCE_ONLY, cause, since))

    # --- what it is asked ----------------------------------------------------------------------------------------

    def _answer(self, call: Call[Reply], pending: Verdicts) -> None:
        match call.request:
            case Judge() as request:
                self._judge(call, request, pending)
            case ReportResult() as request:
                call.answer(self._promises.report(request, trio.current_time()))
            case SetMultiplier() as request:
                self._operators.set_multiplier(call, request, pending)
            case SetTradingState() as request:
                self._operators.set_state(call, request, pending)
            case SupplyBaseline() as request:
                self._operators.supply(call, request, pending)

    def _judge(self, call: Call[Reply], request: Judge, pending: Verdicts) -> None:
        proposal = request.proposal
        holdings = self._promises.holdings(proposal.broker)
        policy = self.policies[proposal.broker]
        wrong = wrong_target(
            proposal,
            holdings,
            self.boards.catalog.symbols(proposal.broker),
            # A change that nobody can weigh may lose anything; a close of what is not seen yet can only take away.
            must_exist=request.execute or (policy.counts_money and isinstance(proposal, Modify)),
        )
        if wrong is not None:
            call.answer(wrong)
            return
        now, wall = trio.current_time(), self.clock.now()
        deadline = min(call.deadline, now + request.start_by - wall) if request.execute else now + self.approval_ttl_s
        blocked = self._blocked or self._journal_down()
        situation = self._situations.of(proposal, now=now, wall=wall, blocked=blocked)
        decide = judge_flattening if request.flattens else judge
        verdict = decide(proposal, situation, approval_id=secrets.token_hex(8), deadline=deadline)
        request.watch.mark("judge", time.perf_counter())
        if isinstance(verdict, Approved) and request.execute:
            self._execute(call, request, verdict, situation, wall)
        else:
            self._say(call, request, verdict, situation, pending, wall)

    def _execute(
        self, call: Call[Reply], request: Judge, approved: Approved, situation: Situation, wall: float
    ) -> None:
        proposal = approved.proposal
        executor = (self.closers if approved.reduces else self.executors)[proposal.broker]
        risked = _risked(approved, situation)
        self._promise(approved, risked, executed=True, valid_until=wall)
        if isinstance(proposal, Close):
            self._promises.close(approved, proposal, now=trio.current_time())
        decision = attrs.evolve(
            decision_of(request, approved, replies.verdict(approved), situation, wall), remembered=False, needs_key=True
        )
        order = Execute(approved, request.fingerprint, request.body, request.watch, decision, request.trail, risked)

        def came_back() -> None:
            self.myself.tell_nowait(Undelivered(approved.approval_id))

        executor.pass_on_nowait(call.forward(order, undelivered=came_back))

    def _say(
        self,
        call: Call[Reply],
        request: Judge,
        verdict: Approved | Denied,
        situation: Situation,
        pending: Verdicts,
        wall: float,
    ) -> None:
        """Answer a verdict; one that promises or must be remembered waits until it is durable."""
        proposal = verdict.proposal
        approved = isinstance(verdict, Approved)
        valid_until = round(wall + self.approval_ttl_s, 3)
        reply = replies.verdict(
            verdict, valid_until=valid_until if approved else None, valid_for_ms=int(self.approval_ttl_s * 1000)
        )
        reserved: str | None = None
        if isinstance(verdict, Approved) and self._promise(
            verdict, _risked(verdict, situation), executed=False, valid_until=valid_until
        ):
            reserved = verdict.approval_id
        decision = decision_of(request, verdict, reply, situation, wall)
        if reserved is None and proposal.origin.request_id is None:
            request.trail.decision = attrs.evolve(decision, remembered=False)
            call.answer(reply)
            return
        if reserved is not None:
            decision = attrs.evolve(decision, reservation=self._promises.record(reserved))
        stands = not approved or (isinstance(verdict, Approved) and verdict.reduces)
        pending.add(decision, Owed(call.move(), reply, reserved, stands, request.trail))

    def _promise(self, approved: Approved, risked: Risked, *, executed: bool, valid_until: float) -> bool:
        """Hold what it puts at risk and count an order that adds; whether there was anything to hold.

        An open has something, and a change of a stop, which may arrive when another one has made it the further one.
        """
        proposal, now = approved.proposal, trio.current_time()
        if isinstance(proposal, Open) and not approved.reduces:
            self._situations.approved(proposal.broker, now)
        if not isinstance(proposal, Open | Modify):
            return False
        if isinstance(proposal, Modify) and proposal.new_sl is None and approved.reduces:
            return False
        self._promises.reserve(approved, proposal, risked, executed=executed, valid_until=valid_until, now=now)
        return True

    # --- making it durable ---------------------------------------------------------------------------------------

    async def _settle(self, pending: Verdicts) -> None:
        """Append the batch's records, then say what they promise; nothing is promised that is not on disk."""
        for record, owner in zip(pending.records, pending.owners, strict=True):
            if owner is not None and isinstance(record, Decision):
                owner.trail.written = True
        try:
            results = await self._scribe.append(pending.records)
        except JournalDown as exc:
            logger.error("fail.append records=%d reason=%s", len(pending.records), exc)
            await self._settle_without(pending, str(exc))
            return
        for record, owner, result in zip(pending.records, pending.owners, results, strict=True):
            if isinstance(record, Setting):
                self._kept.apply(record)
                self._show_day(record.key)
            if owner is None:
                continue
            if isinstance(result, Duplicate):
                self._promises.forget(owner.reserved)
                assert isinstance(record, Decision)
                owner.trail.written = False
                owner.trail.repeat = result.known.fingerprint == record.fingerprint
                owner.call.answer(self._repeated(record, result))
            else:
                owner.call.answer(owner.reply)

    async def _settle_without(self, pending: Verdicts, reason: str) -> None:
        """Say what can be said while the journal can't write: what is tighter holds, and outlives this process, too."""
        settings = [record for record in pending.records if isinstance(record, Setting)]
        standing = [self._kept.standing(setting) for setting in settings]
        for setting in standing:
            self._kept.tighten(setting)
        # What is there already is not kept again, and what holds instead of a looser one comes behind it in any case.
        new = [
            each for each, asked in zip(standing, settings, strict=True) if each is not asked or self._kept.is_new(each)
        ]
        kept = bool(standing) and (not new or await self._scribe.keep_aside(new))
        if kept:
            self._kept.kept_aside(new)
        said = kept
        for record, owner in zip(pending.records, pending.owners, strict=True):
            said = said and (not isinstance(record, Setting) or record in standing)
            if owner is None:
                continue
            if isinstance(record, Setting) and said:
                owner.call.answer(owner.reply)
            else:
                self._not_durable(owner, reason=reason)
            said = kept

    def _repeated(self, record: Decision, duplicate: Duplicate) -> Reply:
        known, halt = duplicate.known, self.boards.halts.read(record.broker)
        first = as_before(known, record.fingerprint)
        return as_it_stands(first, halt, self.clock.now(), over=known.released)

    def _not_durable(self, owed: Owed, *, reason: str) -> None:
        self._promises.forget(owed.reserved)
        owed.trail.written = False
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

    def _journal_down(self) -> str | None:
        down = self.journal.down
        return None if down is None else f"the journal can't write ({down})"


def _risked(approved: Approved, situation: Situation) -> Risked:
    if approved.reduces and isinstance(approved.proposal, Open):
        return NOTHING
    try:
        return risked_by(situation, approved.proposal)
    except ArithmeticError:  # a price that is no number, where no limit minds: what it risks is not known
        return Risked()
