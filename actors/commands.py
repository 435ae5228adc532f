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
from actors.known import Entry, Key, KnownCommands, as_before, as_it_stands
from actors.messages import HandleCommand, Judge, Reply, ReportResult, SetMultiplier
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow, Ref
from quantmind.domain.clock import Clock
from quantmind.errors import JournalDown
from quantmind.ports import Journal
from quantmind.wire import replies
from quantmind.wire.auth import Identity
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

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        await self._load()
        inbox.ready()
        async with trio.open_nursery() as nursery:
            async for batch in inbox.batches(BATCH):
                lost: list[tuple[Call[Reply], Entry]] = []
                for call in batch:
                    self._handle(call, lost)
                # On the side, so that a slow journal holds up nobody else: the doors' limits bound how many.
                for call, entry in lost:
                    nursery.start_soon(self._look_up, call, entry)

    async def _load(self) -> None:
        try:
            self.known.load(await durable.within(self.journal.known(self.known.capacity), LOAD_WITHIN_S))
        except JournalDown as exc:
            # The governor opens nothing while the journal is down, and when it is up its unique key catches a repeat.
            logger.error("fail.load_known reason=%s", exc)

    def _handle(self, call: Call[Reply], lost: list[tuple[Call[Reply], Entry]]) -> None:
        request = call.request
        assert isinstance(request, HandleCommand)
        command, identity = request.command, request.identity
        now = request.received_at
        heard = self.boards.eas.heard(command.envelope.ea_name, getattr(command, "magic", None), now)
        match command:
            case Heartbeat():
                heard.last_heartbeat = now
                heard.symbol = command.symbol or heard.symbol
                heard.version = command.version or heard.version
                heard.balance = command.balance if command.balance is not None else heard.balance
                heard.equity = command.equity if command.equity is not None else heard.equity
                call.answer(self._heartbeat(command, heard))
            case Trade():
                self._trade(call, request, command, identity, heard, lost)
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

    def _heartbeat(self, command: Heartbeat, heard: EaConnection) -> Reply:
        broker = self.routing.route(command.envelope.ea_name, command.envelope.broker)
        if isinstance(broker, dict):
            return broker
        heard.broker = broker
        return {
            "status": "success",
            "risk_multiplier": self.boards.multipliers.read(command.envelope.ea_name),
            "trading_state": self.boards.halts.shown(broker).state.value,
            "next_heartbeat_s": NEXT_HEARTBEAT_S,
            "floor": None,
            "next_floor": None,
            "next_reset": None,
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
        heard.broker = broker
        if command.execute:
            refusal = _may_execute(command, identity)
            if refusal is not None:
                call.answer(refusal)
                return
        key = _key(command)
        entry = None if key is None else self.known.get(key)
        if entry is not None:
            self._repeat(call, command, broker, entry, lost)
            return
        late = self._late(command, request)
        if late is None:
            self._forward(call, command, broker, key)
        elif key is not None and late["code"] == "expired":
            # "Nothing was done" is said only when nobody knows it: it may repeat one that has left our memory.
            lost.append((call.move(), Entry(command.fingerprint(), lost=True)))
        else:
            call.answer(late)

    def _repeat(
        self,
        call: Call[Reply],
        command: Trade,
        broker: str,
        entry: Entry,
        lost: list[tuple[Call[Reply], Entry]],
    ) -> None:
        if entry.lost:
            lost.append((call.move(), entry))
        elif entry.fingerprint != command.fingerprint():
            call.answer(_conflict(command))
        elif entry.in_flight:
            if command.execute:
                call.commit()  # the first may have been sent: no answer means unknown, never "nothing was done"
            entry.joined.append(call.move())
        elif entry.reply is not None and entry.reply["status"] == "unknown":
            lost.append((call.move(), entry))
        else:
            assert entry.reply is not None
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
        )
        if key is None:
            self.governor.pass_on_nowait(call.forward(judge))
            return
        entry = self.known.begin(key, fingerprint)
        forwarded = call.forward(judge, answered=lambda outcome: self.known.finish(key, entry, outcome))
        self.governor.pass_on_nowait(forwarded)

    async def _look_up(self, call: Call[Reply], entry: Entry) -> None:
        """Answer a repeat whose first's answer is not known here from the journal, or let it act as the first."""
        request = call.request
        assert isinstance(request, HandleCommand)
        command: Trade = request.command
        key = _key(command)
        assert key is not None
        try:
            found = await durable.within(self.journal.lookup(*key), READ_WITHIN_S)
        except JournalDown as exc:
            why = f"the journal can't be read now ({exc})"
            if command.execute:
                call.answer(replies.unknown(f"{why}; ask again with the same request_id"))
            else:
                call.answer(replies.error("busy", f"{why}; nothing was done, send it again"))
            return
        broker = self.routing.route(command.envelope.ea_name, command.envelope.broker)
        assert isinstance(broker, str)
        fingerprint = command.fingerprint()
        current = self.known.get(key)
        if current is not None and current is not entry:
            # Another repeat was quicker while the journal was read, and what was read may be old by now.
            again: list[tuple[Call[Reply], Entry]] = []
            self._repeat(call, command, broker, current, again)
            if again:
                call.answer(replies.unknown("its outcome is not known yet; ask again with the same request_id"))
            return
        if found is None and entry.reply is not None:
            call.answer(entry.reply)
        elif found is None:
            late = self._late(command, request)
            if late is not None:
                call.answer(late)
            else:
                self._forward(call, command, broker, key)
        elif found.reply is None or found.fingerprint != fingerprint:
            call.answer(as_before(found, fingerprint))
        else:
            entry.fingerprint, entry.reply, entry.lost = fingerprint, found.reply, False
            call.answer(self._again(found.reply, broker))

    def _again(self, first: Reply, broker: str) -> Reply:
        if self.known.was_used(first):
            return replies.expired_approval("what was traded on it has been reported; ask again with a new id", first)
        return as_it_stands(first, self.boards.halts.read(broker), self.clock.now())

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


def _may_execute(command: Trade, identity: Identity) -> Reply | None:
    if not identity.name:
        return replies.error("unauthorized", "execute needs a token with the scope ea or trade; send it as `token`")
    if not (identity.may("ea") or identity.may("trade")):
        return replies.error("forbidden", f"the token {identity.name} lacks the scope ea")
    if command.envelope.request_id is None:
        return replies.error(
            "request_id_required", "execute needs a request_id, so that a repeat can't place the order twice"
        )
    if command.kind == "trade_open" and command.side is None:
        return replies.error("invalid_message", "side is missing: execute needs buy or sell")
    return None


def _key(command: Trade) -> Key | None:
    request_id = command.envelope.request_id
    return None if request_id is None else (command.envelope.ea_name, request_id)


def _conflict(command: Trade) -> Reply:
    return replies.error(
        "request_id_conflict",
        f"{command.envelope.ea_name} used request_id {command.envelope.request_id} for another order; use a new one",
    )
