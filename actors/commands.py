"""The commands actor: which account, may they, is it a repeat, is it still in time; then on to the governor."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from actors import durable
from actors.boards import Boards, EaConnection
from actors.known import Asked, Entry, Key, KnownCommands, as_before
from actors.messages import HandleCommand, Judge, Reply, ReportResult, SetMultiplier, Trail
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow, Ref
from quantmind.domain.clock import Clock
from quantmind.domain.risk import TradingState
from quantmind.errors import JournalDown
from quantmind.ports import Journal
from quantmind.wire import permits, replies
from quantmind.wire.auth import Identity, outside_brokers
from quantmind.wire.commands import Heartbeat, RiskUpdate, Trade, TradeResult, fingerprint_of

logger = logging.getLogger("quantmind.commands")

MAILBOX = MailboxPolicy(
    Overflow.REJECT, 4096, reason="above the doors' limits together; beyond it the asker hears `busy` at once"
)
BATCH = 256
FURTHEST_EXPIRY_S = 60.0
NEXT_HEARTBEAT_S = 5
LOAD_WITHIN_S = 8.0
"""Below what an actor has to become ready."""
LOAD_EVERY_S = 1.0
READ_WITHIN_S = 2.0
"""A journal that takes longer is as good as down for whoever asks it now."""


@attrs.frozen
class Routing:
    """Which account a command is for: named, else the EA's, else the only one."""

    brokers: tuple[str, ...]
    eas: Mapping[str, str]
    """EA name → broker."""

    def route(self, ea_name: str, broker: str | None) -> str | Reply:
        """The broker's name, or the error that says why there is none."""
        chosen = broker if broker is not None else self.eas.get(ea_name)
        if chosen is None and len(self.brokers) == 1:
            return self.brokers[0]
        if chosen is None:
            return replies.error(
                "broker_required",
                f"several brokers are enabled ({', '.join(self.brokers)}); name one as `broker`, or map {ea_name} "
                "under `eas` in the configuration",
            )
        if chosen not in self.brokers:
            return replies.error(
                "unknown_broker", f"there is no enabled broker {chosen}; enabled: {', '.join(self.brokers)}"
            )
        return chosen


@attrs.define
class Commands:
    """Takes `HandleCommand` calls and answers them, or hands the duty to answer to the governor."""

    routing: Routing
    boards: Boards
    known: KnownCommands
    journal: Journal
    governor: Ref[Any]
    clock: Clock
    command_ttl_s: float
    _load_at: float = attrs.field(default=0.0, init=False)

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        await self._load()
        inbox.ready()
        async with trio.open_nursery() as nursery:
            async for batch in inbox.batches(BATCH):
                if not self.known.loaded and trio.current_time() >= self._load_at:
                    nursery.start_soon(self._load)
                lost: list[tuple[Call[Reply], Entry]] = []
                for call in batch:
                    self._handle(call, lost)
                # On the side, so that a slow journal holds up nobody else: the doors' limits bound how many.
                for call, entry in lost:
                    nursery.start_soon(self._look_up, call, entry)

    async def _load(self) -> None:
        self._load_at = trio.current_time() + LOAD_WITHIN_S + LOAD_EVERY_S
        try:
            self.known.load(await durable.within(self.journal.known(self.known.capacity), LOAD_WITHIN_S))
        except JournalDown as exc:
            # Until it works, whatever may be a repeat is looked up.
            self._load_at = trio.current_time() + LOAD_EVERY_S
            logger.error("fail.load_known reason=%s", exc)

    def _handle(self, call: Call[Reply], lost: list[tuple[Call[Reply], Entry]]) -> None:
        request = call.request
        assert isinstance(request, HandleCommand)
        command, identity = request.command, request.identity
        now = request.received_at
        refusal = permits.why_not(command, identity)
        if refusal is not None:
            call.answer(replies.error(*refusal))
            return
        heard = self.boards.eas.heard(command.envelope.ea_name, getattr(command, "magic", None), now)
        match command:
            case Heartbeat():
                self.boards.eas.beat(heard, now)
                heard.symbol = command.symbol or heard.symbol
                heard.version = command.version or heard.version
                heard.balance = command.balance if command.balance is not None else heard.balance
                heard.equity = command.equity if command.equity is not None else heard.equity
                call.answer(self._heartbeat(command, heard, identity))
            case Trade():
                self._trade(call, request, command, identity, heard, lost)
            case TradeResult() | RiskUpdate() if (outside := self._out_of_reach(command, identity)) is not None:
                call.answer(outside)
            case TradeResult():
                self.known.use(command.approval_id)
                report = ReportResult(
                    command.approval_id, command.envelope.ea_name, command.ticket, command.volume, command.retcode
                )
                self.governor.pass_on_nowait(call.forward(report))
            case RiskUpdate():
                update = SetMultiplier(
                    command.envelope.ea_name, command.risk_multiplier, identity.may("admin"), identity.name or "ea"
                )
                self.governor.pass_on_nowait(call.forward(update))

    # For what is of an EA, wherever it trades: a token that is bound to brokers may say it of one that trades at those.
    def _out_of_reach(self, command: TradeResult | RiskUpdate, identity: Identity) -> Reply | None:
        if not identity.brokers:
            return None
        broker = self.routing.route(command.envelope.ea_name, command.envelope.broker)
        return broker if isinstance(broker, dict) else _beyond(identity, broker)

    def _heartbeat(self, command: Heartbeat, heard: EaConnection, identity: Identity) -> Reply:
        broker = self.routing.route(command.envelope.ea_name, command.envelope.broker)
        if isinstance(broker, dict):
            return broker
        outside = _beyond(identity, broker)
        if outside is not None:
            return outside
        heard.broker = broker
        shown = self.boards.halts.shown(broker)
        return {
            "status": "success",
            "risk_multiplier": self.boards.multiplier(command.envelope.ea_name, broker),
            "trading_state": shown.state.value,
            "cause": None if shown.state is TradingState.ACTIVE else shown.cause,
            "next_heartbeat_s": NEXT_HEARTBEAT_S,
            **self.boards.risk.told(broker),
        }

    def _trade(
        self,
        call: Call[Reply],
        request: HandleCommand,
        command: Trade,
        identity: Identity,
        heard: EaConnection,
        lost: list[tuple[Call[Reply], Entry]],
    ) -> None:
        broker = self.routing.route(command.envelope.ea_name, command.envelope.broker)
        if isinstance(broker, dict):
            call.answer(broker)
            return
        outside = _beyond(identity, broker)
        if outside is not None:
            call.answer(outside)
            return
        heard.broker = request.trail.broker = broker
        if command.execute:
            refusal = _can_execute(command)
            if refusal is not None:
                call.answer(refusal)
                return
        key = _key(command)
        entry = None if key is None else self.known.get(key)
        if entry is not None:
            self._repeat(call, command, broker, entry, lost)
            return
        late = self._late(command, request)
        if late is None and key is not None and self._may_be_forgotten(command):
            lost.append((call.move(), Entry(command.fingerprint(), lost=True)))
        elif late is None:
            self._forward(call, command, broker, key)
        elif key is not None and late["code"] == "expired":
            # "Nothing was done" is said only when nobody knows it: it may repeat one that has left our memory.
            lost.append((call.move(), Entry(command.fingerprint(), lost=True)))
        else:
            call.answer(late)

    # The journal's unique key catches a repeat that is not in memory, unless it is refused before it gets there: for a
    # ticket that has gone, or because the journal is down or about to be. So whoever may have forgotten looks first.
    def _may_be_forgotten(self, command: Trade) -> bool:
        return command.execute and (self.known.forgets or not self.known.loaded)

    def _repeat(
        self,
        call: Call[Reply],
        command: Trade,
        broker: str,
        entry: Entry,
        lost: list[tuple[Call[Reply], Entry]],
    ) -> None:
        same = entry.fingerprint == command.fingerprint()
        if entry.lost or (entry.unrecorded and not same):
            lost.append((call.move(), entry))
        elif not same:
            call.answer(_conflict(command))
        elif entry.in_flight:
            _trail(call).repeat = True
            if command.execute:
                call.commit()  # the first may have been sent: no answer means unknown, never "nothing was done"
            entry.joined.append(call.move())
        elif command.execute and entry.may_have_changed:
            lost.append((call.move(), entry))
        else:
            assert entry.reply is not None
            _trail(call).repeat = True
            call.answer(self._again(entry.reply, broker))

    def _forward(self, call: Call[Reply], command: Trade, broker: str, key: Key | None) -> None:
        request = call.request
        assert isinstance(request, HandleCommand)
        request.watch.mark("commands", time.perf_counter())
        body = command.body()
        fingerprint = fingerprint_of(body)
        judge = Judge(
            command.proposal(broker),
            command.execute,
            fingerprint,
            body,
            request.watch,
            self._latest_start(command, request),
            request.via,
            request.identity.name,
            request.trail,
        )
        if key is None:
            self.governor.pass_on_nowait(call.forward(judge))
            return
        entry = self.known.begin(key, fingerprint, Asked(broker, body, request.received_at))
        forwarded = call.forward(judge, answered=lambda outcome: self.known.finish(key, entry, outcome))
        self.governor.pass_on_nowait(forwarded)

    async def _look_up(self, call: Call[Reply], entry: Entry) -> None:
        """Answer a repeat whose first's answer is not known here from the journal, or let it act as the first."""
        request = call.request
        assert isinstance(request, HandleCommand)
        command: Trade = request.command
        if command.execute:
            call.commit()  # as for one that joins: whoever hears nothing hears `unknown`
        key, broker = _key(command), self.routing.route(command.envelope.ea_name, command.envelope.broker)
        assert key is not None
        assert isinstance(broker, str)
        try:
            found = await durable.within(self.journal.lookup(*key), READ_WITHIN_S)
        except JournalDown as exc:
            self._answer_unread(call, command, broker, entry, str(exc))
            return
        fingerprint = command.fingerprint()
        current = self.known.get(key)
        if current is not None and current is not entry:
            # Another repeat was quicker while the journal was read, and what was read may be old by now.
            again: list[tuple[Call[Reply], Entry]] = []
            self._repeat(call, command, broker, current, again)
            if again and current.reply is not None and current.fingerprint == fingerprint:
                request.trail.repeat = True
                call.answer(current.reply)
            elif again:
                call.answer(replies.unknown("its outcome is not known yet; ask again with the same request_id"))
            return
        if found is None and entry.reply is not None:
            request.trail.repeat = entry.fingerprint == fingerprint
            call.answer(entry.reply if entry.fingerprint == fingerprint else _conflict(command))
        elif found is None:
            late = self._late(command, request)
            if late is not None:
                call.answer(late)
            else:
                self._forward(call, command, broker, key)
        elif found.reply is None or found.fingerprint != fingerprint:
            request.trail.repeat = found.fingerprint == fingerprint
            call.answer(as_before(found, fingerprint))
        else:
            request.trail.repeat = True
            entry.fingerprint, entry.reply, entry.lost, entry.symbol = fingerprint, found.reply, False, found.symbol
            if found.released:
                self.known.end(found.reply)
            call.answer(self._again(found.reply, broker))

    def _answer_unread(self, call: Call[Reply], command: Trade, broker: str, entry: Entry, reason: str) -> None:
        request, key = call.request, _key(command)
        assert isinstance(request, HandleCommand)
        assert key is not None
        why = f"the journal can't be read now ({reason})"
        same = entry.fingerprint == command.fingerprint()
        if same and entry.reply is not None and entry.reply["status"] != "unknown":
            request.trail.repeat = True
            call.answer(entry.reply)  # what it was when it was heard of last
        elif command.ticket and self.known.get(key) is None and self._late(command, request) is None:
            self._forward(call, command, broker, key)  # what reduces risk goes out without a journal, too
        elif command.execute:
            order_id = {"order_id": entry.reply["order_id"]} if same and entry.reply is not None else {}
            call.answer(replies.unknown(f"{why}; ask again with the same request_id", **order_id))
        else:
            call.answer(replies.error("busy", f"{why}; nothing was done, send it again"))

    def _again(self, first: Reply, broker: str) -> Reply:
        reply = self.known.repeated(first, self.boards.halts.read(broker), self.clock.now())
        if reply["status"] == "rejected":
            self.known.end(first)  # also when the halt is lifted
        return reply

    def _late(self, command: Trade, request: HandleCommand) -> Reply | None:
        """Why this order is not in time, or None. Judged by the gateway's clock."""
        envelope = command.envelope
        now = request.received_at
        if envelope.expires_at is not None:
            if envelope.expires_at > now + FURTHEST_EXPIRY_S:
                ahead = envelope.expires_at - now
                return replies.error(
                    "invalid_message",
                    f"expires_at is {ahead:.0f} s ahead by the gateway's clock, at most {FURTHEST_EXPIRY_S:g} s count",
                )
            if envelope.expires_at <= now:
                late = now - envelope.expires_at
                return replies.error("expired", f"it expired {late:.1f} s ago by the gateway's clock; nothing was done")
        if not command.execute:
            return None
        if envelope.expires_at is None and envelope.timestamp is not None:
            age = now - envelope.timestamp
            if age > self.command_ttl_s:
                return replies.error(
                    "expired",
                    f"it is {age:.1f} s old by its timestamp, at most {self.command_ttl_s:g} s; nothing was done",
                )
            if age < -FURTHEST_EXPIRY_S:
                return replies.error(
                    "invalid_message",
                    f"timestamp is {-age:.0f} s ahead of the gateway's clock; send Unix seconds by a right clock",
                )
        if envelope.expires_at is None and envelope.timestamp is None and request.via == "zmq":
            return replies.error(
                "invalid_message",
                "execute over ZeroMQ needs expires_at or timestamp: an order queued during an outage must not run",
            )
        return None

    def _latest_start(self, command: Trade, request: HandleCommand) -> float:
        """Unix seconds after which the order may not be sent any more."""
        envelope = command.envelope
        if envelope.expires_at is not None:
            return envelope.expires_at
        if envelope.timestamp is not None:
            return min(envelope.timestamp, request.received_at) + self.command_ttl_s
        return math.inf


def _beyond(identity: Identity, broker: str) -> Reply | None:
    return None if identity.reaches(broker) else replies.error("forbidden", outside_brokers(identity, broker))


def _can_execute(command: Trade) -> Reply | None:
    if command.envelope.request_id is None:
        return replies.error(
            "request_id_required", "execute needs a request_id, so that a repeat can't place the order twice"
        )
    if command.kind == "trade_open" and command.side is None:
        return replies.error("invalid_message", "side is missing: execute needs buy or sell")
    return None


def _trail(call: Call[Reply]) -> Trail:
    request = call.request
    assert isinstance(request, HandleCommand)
    return request.trail


def _key(command: Trade) -> Key | None:
    request_id = command.envelope.request_id
    return None if request_id is None else (command.envelope.ea_name, request_id)


def _conflict(command: Trade) -> Reply:
    return replies.error(
        "request_id_conflict",
        f"{command.envelope.ea_name} used request_id {command.envelope.request_id} for another order; use a new one",
    )
