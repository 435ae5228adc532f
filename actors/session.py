"""The session: one WebSocket client, from its handshake to its close."""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Callable, Hashable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

import attrs
import trio

from actors.boards import Catalog
from actors.channel_desk import ChannelDesk
from actors.channel_reader import ChannelReader, Channels
from actors.clients import ClientInfo, Clients
from actors.messages import Detach, HubMessage, HubStarted, Key, Subscribe, Unsubscribe, Welcome
from actors.runtime import Inbox, MailboxPolicy, NotDelivered, Overflow, Ref
from actors.wishes import Wish, Wishes
from quantmind.config.model import WebSocketConfig
from quantmind.domain.clock import Clock, iso
from quantmind.net import turns
from quantmind.net.errors import PeerGone
from quantmind.net.frames import text_frame
from quantmind.net.tls_door import TlsDoor
from quantmind.net.tls_socket import TlsSocket
from quantmind.net.ws import ConnectionLimits, Handshake, ServerConnection, serve_connection
from quantmind.wire import ws_messages
from quantmind.wire.auth import Denial, Identity, outside_brokers
from quantmind.wire.ws_messages import (
    AuthMessage,
    ChannelPart,
    ClientMessage,
    GetSymbols,
    PingMessage,
    SubscribeMessage,
    UnsubscribeMessage,
    WsFault,
)
from quantmind.wire.ws_origin import origin_allowed
from quantmind.wire.ws_rate import Pace, RateLimit

logger: Final = logging.getLogger("quantmind.ws")

GOING_AWAY: Final = 1001
SERVER_FAULT: Final = 1011
TRY_LATER: Final = 1013
BAD_TOKEN: Final = 4001
TOO_FAST: Final = 4029

SESSION_MAILBOX: Final = MailboxPolicy(
    Overflow.CONFLATE, capacity=4, key=type, reason="it only hears of new hubs, and the newest epoch counts"
)

TOKEN_IN_URL: Final = b"a token in an address ends up in logs; send Authorization: Bearer, or an auth message\n"

MAX_UNANSWERED: Final = 64
"""Subscriptions a client may have on their way while the hub does not answer."""

DETACH_WITHIN_S: Final = 5.0

STOOD_STILL_S: Final = 0.5
"""Woken so much later than asked, it was this process that stood still (a laptop that slept, a machine that was
moved), and whoever did not answer meanwhile is not to blame."""

SHOWN_SYMBOLS: Final = 100
"""Subscriptions that an operator sees by name; of all others he sees how many there are."""

Authenticate = Callable[[str], Identity | Denial | None]
"""Whose a token is, or why it opens nothing (None: it is not known). Compares in constant time."""

Stands = Callable[[Identity], bool]
"""Whether a token is still there, with the same rights, and in time."""


def _always(_identity: Identity) -> bool:
    return True


_UNKNOWN: Final = Denial("unauthorized", "unknown_token", "the token is not known; check it against the gateway's")


# Before the handshake is answered there is nobody to push to.
def _push_nowhere(_items: Sequence[tuple[Hashable, bytes]], _joined: bytes) -> None:
    return


@attrs.define(eq=False)
class Session:
    """One client's session, and its `TickSink`.

    What the client subscribed to is remembered here: a new hub is asked for it again, and what an ended hub left
    unanswered is asked once more. Cancelled, it closes the connection with 1001.

    Args:
        raw: the accepted socket, owned from now on.
        number: tells clients apart; from `Clients.next_number`.
        epoch: the hub's epoch now, for heartbeats.
        channels: what private channels are read from.
        tls: takes the socket through its handshake first; None: the client speaks in clear text.
        pace: its share of the loop; None: it is never held up.
    """

    raw: socket.socket
    number: int
    hub: Ref[HubMessage]
    config: WebSocketConfig
    catalog: Catalog
    clients: Clients
    clock: Clock
    epoch: Callable[[], str]
    authenticate: Authenticate
    channels: Channels
    stands: Stands = _always
    tls: TlsDoor | None = None
    pace: turns.Pace | None = None
    push_ticks: Callable[[Sequence[tuple[Hashable, bytes]], bytes], None] = attrs.field(
        default=_push_nowhere, init=False
    )
    _connection: ServerConnection | None = attrs.field(default=None, init=False)
    _desk: ChannelDesk | None = attrs.field(default=None, init=False)
    """For private channels, once it asked for one."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _connected_at: float = attrs.field(default=0.0, init=False)
    _accepted: bool = attrs.field(default=False, init=False)
    _ending: tuple[int, str] | None = attrs.field(default=None, init=False)
    _known_to_hub: bool = attrs.field(default=False, init=False)
    _identity: Identity | None = attrs.field(default=None, init=False)
    _messages: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)
    _wishes: Wishes = attrs.field(init=False)
    _restored: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._wishes = Wishes(self.catalog)

    async def __call__(self, inbox: Inbox[HubStarted]) -> None:
        """Serve the client until it goes, misbehaves, or we stop."""
        inbox.ready()
        raw = self.raw if self.tls is None else await self._secured(inbox, self.tls)
        if raw is None:
            return
        limits = ConnectionLimits(
            max_message_bytes=self.config.max_message_bytes, slow_client_timeout_s=self.config.slow_client_timeout_s
        )
        try:
            async with serve_connection(raw, limits, self.pace) as connection:
                self._connection = connection
                async with trio.open_nursery() as nursery:
                    self._scope = nursery.cancel_scope
                    nursery.start_soon(self._follow, inbox, connection)
                    nursery.start_soon(self._ask_again)
                    await self._serve(connection, nursery)
                    nursery.cancel_scope.cancel()
                if self._ending is not None:
                    await connection.close(*self._ending)
        finally:
            self.clients.leave(self)
            if self._desk is not None:
                self._desk.reader.close()
            if self._accepted and self._connection is not None:
                self._log_end(self._connection)
                if self._known_to_hub:
                    await self._detach()

    # Nothing is owed to who has not said anything yet: it goes when we stop.
    async def _secured(self, inbox: Inbox[HubStarted], tls: TlsDoor) -> TlsSocket | None:
        secured: TlsSocket | None = None
        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                await inbox.wait_stopping()
                self.clients.statistics.refuse("stopping")
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave)
            try:
                secured = await tls.open(self.raw)
            except PeerGone as gone:
                self.clients.statistics.refuse("tls")
                logger.debug("refuse.client client=%d reason=%s", self.number, gone)
            nursery.cancel_scope.cancel()
        return secured

    def _log_end(self, connection: ServerConnection) -> None:
        code = connection.close_code
        self.clients.statistics.close(1006 if code is None else code)
        logger.info("close.client client=%d remote=%s code=%s", self.number, connection.remote, code)

    # The hub must not keep a client that is gone, so this is tried even when cancelled, within limits.
    async def _detach(self) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + DETACH_WITHIN_S) as scope:
            try:
                await self.hub.tell(Detach(self))
            except NotDelivered:
                return  # there is no hub now, and the next one will not know us
        if scope.cancelled_caught:
            logger.error("fail.detach client=%d within_s=%g", self.number, DETACH_WITHIN_S)

    # ------------------------------------------------------------------ its life

    async def _serve(self, connection: ServerConnection, nursery: trio.Nursery) -> None:
        statistics = self.clients.statistics
        try:
            handshake = await connection.handshake()
            if not origin_allowed(handshake.headers.get("origin"), self.config.origins):
                await self._refuse_origin(connection, handshake)
                return
            if "token=" in handshake.path.lower():
                statistics.refuse("token_in_url")
                logger.warning("refuse.client client=%d reason=token_in_url", self.number)
                await connection.reject(400, TOKEN_IN_URL)
                return
            await connection.accept()
        except PeerGone as gone:
            statistics.refuse("handshake")
            logger.debug("refuse.client client=%d reason=%s", self.number, gone)
            return
        self._accepted = True
        self._connected_at = self.clock.now()
        self.push_ticks = connection.push_ticks
        if not self.clients.join(self):
            statistics.refuse("max_clients")
            self._fail(connection, "max_clients", f"{self.clients.capacity} clients are connected; try again later")
            await connection.close(TRY_LATER, "max_clients")
            return
        statistics.accepted += 1
        logger.info("open.client client=%d remote=%s clients=%d", self.number, connection.remote, len(self.clients))
        try:
            if await self._check_header(connection, handshake.headers):
                nursery.start_soon(self._beat, connection)
                await self._read(connection, nursery)
        finally:
            self.clients.leave(self)

    async def _refuse_origin(self, connection: ServerConnection, handshake: Handshake) -> None:
        self.clients.statistics.refuse("origin")
        origin = handshake.headers.get("origin", "")[:128]
        logger.warning("refuse.client client=%d reason=origin origin=%r", self.number, origin)
        await connection.reject(
            403, b"This page may not connect: add its origin to gateway.websocket.origins in the configuration.\n"
        )

    async def _follow(self, inbox: Inbox[HubStarted], connection: ServerConnection) -> None:
        async for started in inbox:
            logger.debug("restore.client client=%d epoch=%s", self.number, started.epoch)
            await self._restore()
        if self._accepted:
            connection.push(ws_messages.status("stopping"))
        else:
            self.clients.statistics.refuse("stopping")
        self._end(GOING_AWAY, "server stopping")

    # Its tasks end at once, and its place is free; only then it is closed, which a silent peer can draw out.
    def _end(self, code: int, reason: str) -> None:
        if self._ending is None:
            self._ending = (code, reason)
            self._scope.cancel()

    async def _beat(self, connection: ServerConnection) -> None:
        interval_s = self.config.heartbeat_interval_s
        due = trio.current_time()
        while True:
            due += interval_s
            await trio.sleep_until(due)
            due = max(due, trio.current_time())
            journal_seq = None if self._desk is None else self._desk.reader.journal_seq
            connection.push(ws_messages.heartbeat(iso(self.clock.now()), len(self.clients), self.epoch(), journal_seq))
            with trio.move_on_at(due + interval_s) as patience:
                try:
                    await connection.ping()
                except PeerGone:
                    return
            if patience.cancelled_caught and trio.current_time() - patience.deadline < STOOD_STILL_S:
                logger.info("drop.client client=%d reason=no_pong", self.number)
                self._end(SERVER_FAULT, "no pong")

    # ------------------------------------------------------------------ what the client says

    async def _read(self, connection: ServerConnection, nursery: trio.Nursery) -> None:
        rate = RateLimit(self.config.rate_limit_per_s, trio.current_time())
        while True:
            try:
                raw = await connection.receive()
            except PeerGone:
                return
            self._messages += 1
            self.clients.statistics.messages += 1
            message = (
                ws_messages.decode(raw)
                if isinstance(raw, str)
                else WsFault("binary_unsupported", "messages are JSON text; binary ones are not read")
            )
            pace = rate.take(trio.current_time())
            if pace is not Pace.OK:
                limit = self.config.rate_limit_per_s
                self._fail(connection, "rate_limited", f"more than {limit} messages a second; not done", message.id)
                if pace is Pace.EXCEEDED:
                    await connection.close(TOO_FAST, "rate limit")
                    return
            elif isinstance(message, WsFault):
                self._fail(connection, message.code, message.message, message.id)
            elif not self._may(message):
                self._fail(connection, "unauthorized", "send auth with a token first", message.id)
            elif isinstance(message, SubscribeMessage) and (outside := self._first_outside(message.symbols)):
                self._fail(connection, "forbidden", outside, message.id)
            elif not await self._do(connection, message, nursery):
                return

    def _first_outside(self, names: Sequence[str]) -> str | None:
        if self._identity is None or not self._identity.brokers:
            return None
        return next((why for name in names if (why := self._out_of_reach(name)) is not None), None)

    def _may(self, message: ClientMessage) -> bool:
        return (
            self.config.auth != "required"
            or self._identity is not None
            or isinstance(message, AuthMessage | PingMessage)
        )

    # False: the connection was closed.
    async def _do(self, connection: ServerConnection, message: ClientMessage, nursery: trio.Nursery) -> bool:
        match message:
            case SubscribeMessage(channels=()) | UnsubscribeMessage(channels=()):
                if isinstance(message, SubscribeMessage) and message.resume is not None:
                    await connection.controls_written()
                await self._ask_hub(connection, message)
            case SubscribeMessage():
                # Answers may be large and are not bounded by what waits already: one is taken before the next is made.
                await connection.controls_written()
                await self._subscribe_channels(connection, message, nursery)
            case UnsubscribeMessage():
                await self._unsubscribe_channels(connection, message, nursery)
            case GetSymbols():
                connection.push(self._list_symbols(message))
            case PingMessage():
                connection.push(ws_messages.pong(iso(self.clock.now()), message.id))
            case AuthMessage():
                if not await self._check_token(connection, message.token, message.id):
                    return False
                connection.push(ws_messages.authenticated(self._scopes, message.id))
                ended = () if self._desk is None else self._desk.take_from(self._identity)
                if ended:
                    connection.push(ws_messages.unsubscribed((), self._total, channels=ended))
        return True

    def _list_symbols(self, message: GetSymbols) -> bytes:
        names = self.catalog.names()
        if self._identity is not None and self._identity.brokers:
            names = [name for name in names if self._out_of_reach(name) is None]
        if message.match != "*":
            pattern = message.match.lower()
            names = [name for name in names if fnmatchcase(name.lower(), pattern)]
        return ws_messages.symbols(names[message.offset : message.offset + message.limit], len(names), message.id)

    def _out_of_reach(self, name: str) -> str | None:
        """Why somebody who is bound to brokers may not have a symbol's ticks, or None."""
        identity, found = self._identity, self.catalog.resolve(name)
        if identity is None or found is None or identity.reaches(found[0]):
            return None
        return f"{outside_brokers(identity, found[0])}, which {name} is of; name another as {found[1]}@broker"

    async def _check_header(self, connection: ServerConnection, headers: Mapping[str, str]) -> bool:
        value = headers.get("authorization")
        if value is None:
            return True
        kind, _, token = value.partition(" ")
        return await self._check_token(connection, token.strip() if kind.lower() == "bearer" else "", None)

    async def _check_token(self, connection: ServerConnection, token: str, message_id: str | None) -> bool:
        found = self.authenticate(token) if token else None
        if isinstance(found, Identity):
            self._identity = found
            return True
        denial = _UNKNOWN if found is None else found
        logger.warning("refuse.token client=%d remote=%s reason=%s", self.number, connection.remote, denial.reason)
        if denial.code == "busy":
            self._fail(connection, "rate_limited", denial.message, message_id)
            await connection.close(TOO_FAST, "too many wrong tokens")
        else:
            self._fail(connection, "unauthorized", denial.message, message_id)
            await connection.close(BAD_TOKEN, "token expired" if denial.reason == "expired" else "bad token")
        return False

    def recheck(self) -> None:
        """Tokens have changed, or time has passed: end the session if what let it in no longer does."""
        identity = self._identity
        if identity is None or self._connection is None or self._ending is not None or self.stands(identity):
            return
        expired = identity.expires is not None and identity.expires <= self.clock.now()
        word = "expired" if expired else "revoked"
        logger.warning("end.client client=%d reason=token_%s token=%s", self.number, word, identity.name)
        message = f"the token {identity.name} has been {word}, or changed; connect again with one that holds"
        self._fail(self._connection, "unauthorized", message)
        self._end(BAD_TOKEN, f"token {word}")

    @property
    def _scopes(self) -> tuple[str, ...]:
        return () if self._identity is None else tuple(sorted(self._identity.scopes))

    def _fail(self, connection: ServerConnection, code: str, message: str, message_id: str | None = None) -> None:
        self.clients.statistics.fail(code)
        connection.push(ws_messages.error(code, message, message_id))

    # ------------------------------------------------------------------ private channels

    def _open_desk(self, connection: ServerConnection, nursery: trio.Nursery) -> ChannelDesk:
        if self._desk is None:
            reader = ChannelReader(self.channels, connection, self._announce, self._end)
            self._desk = ChannelDesk(reader, self._wishes, self._answer)
            nursery.start_soon(reader.run)
        return self._desk

    async def _subscribe_channels(
        self, connection: ServerConnection, message: SubscribeMessage, nursery: trio.Nursery
    ) -> None:
        outcome = await self._open_desk(connection, nursery).subscribe(message, self._identity)
        if isinstance(outcome, SubscribeMessage):
            await self._ask_hub(connection, outcome)
        elif outcome is not None:
            self._fail(connection, *outcome, message.id)

    async def _unsubscribe_channels(
        self, connection: ServerConnection, message: UnsubscribeMessage, nursery: trio.Nursery
    ) -> None:
        outcome = self._open_desk(connection, nursery).unsubscribe(message)
        if not isinstance(outcome, UnsubscribeMessage):
            self._fail(connection, *outcome, message.id)
        elif outcome.symbols == ():
            connection.push(ws_messages.unsubscribed((), self._total, outcome.id, channels=outcome.channels))
        else:
            await self._ask_hub(connection, outcome)

    def _answer(
        self, message_id: str | None = None, *, part: ChannelPart | None = None, recovered: bool | None = None
    ) -> bytes:
        return ws_messages.subscribed((), (), self._total, self.epoch(), message_id, part=part, recovered=recovered)

    def _announce(self, part: ChannelPart) -> Sequence[bytes]:
        return [text_frame(self._answer(part=part, recovered=False))]

    # ------------------------------------------------------------------ what it asks of the hub

    async def _ask_hub(self, connection: ServerConnection, message: Wish) -> None:
        if self._wishes.unanswered >= MAX_UNANSWERED:
            self._fail(connection, "internal", "market data is restarting; not done, send it again later", message.id)
            return
        await self._tell_hub(self._wishes.ask(message), message)

    async def _tell_hub(self, ticket: int, message: Wish) -> None:
        asked: Subscribe | Unsubscribe
        if isinstance(message, SubscribeMessage):
            names = self._wishes.still_wanted(message.symbols)
            asked = Subscribe(self, names, self.config.max_symbols_per_client, str(ticket), message.resume)
        else:
            asked = Unsubscribe(self, message.symbols, str(ticket))
        self._known_to_hub = True
        try:
            await self.hub.tell(asked)
        except NotDelivered as error:  # the next hub is asked again
            logger.debug("keep.subscription client=%d reason=%s", self.number, error)

    async def _restore(self) -> None:
        restoration = self._wishes.restore()
        if restoration is None:
            self._total = 0
        else:
            await self._tell_hub(*restoration)

    async def _ask_again(self) -> None:
        while True:
            await self._restored.wait()
            self._restored = trio.Event()
            for ticket in self._wishes.lost():
                message = self._wishes.get(ticket)
                if message is not None:
                    await self._tell_hub(ticket, message)

    # ------------------------------------------------------------------ what the hub says: plain calls that never wait

    def push_welcome(self, welcome: Welcome) -> None:
        """Answer a subscription, with the snapshots behind the answer in one write."""
        connection = self._connection
        if connection is None:
            return
        rejected = [name for name, _reason in welcome.rejected]
        message, restored = self._wishes.welcomed(int(welcome.request_id or 0), rejected)
        self._total = welcome.total
        if restored:
            self._restored.set()
        if message is None and not welcome.accepted and not welcome.rejected:
            return  # a new hub was told that nothing is wanted
        answer = partial(
            ws_messages.subscribed,
            welcome.accepted,
            welcome.rejected,
            welcome.total,
            welcome.epoch,
            None if message is None else message.id,
            recovered=welcome.recovered,
        )

        def say(part: ChannelPart | None) -> list[bytes]:
            return [b"".join(map(text_frame, (answer(part=part), *welcome.snapshots))), *welcome.missed]

        connection.forget_ticks(welcome.keys)
        if isinstance(message, SubscribeMessage) and message.channels and self._desk is not None:
            self._desk.welcome(message, bool(welcome.recovered), say)
        elif welcome.missed:
            connection.push_many(say(None))
        else:
            connection.push_frame(b"".join(say(None)))

    def push_goodbye(
        self, request_id: str | None, names: tuple[str, ...], total: int, keys: tuple[Key, ...] = ()
    ) -> None:
        """Answer an unsubscription."""
        connection = self._connection
        if connection is None:
            return
        message = self._wishes.answered(int(request_id or 0))
        self._total = total
        connection.forget_ticks(keys)
        message_id, channels = (None, ()) if message is None else (message.id, message.channels)
        connection.push(ws_messages.unsubscribed(names, total, message_id, channels=channels or None))

    def push_frames(self, frames: bytes) -> None:
        """Write framed messages."""
        if self._connection is not None:
            self._connection.push_frame(frames)

    def give_up(self) -> None:
        """End the session: the hub can't push to it."""
        if self._connection is not None:
            self._fail(self._connection, "internal", "your ticks can't be delivered; connect again")
        self._end(SERVER_FAULT, "internal error")

    # ------------------------------------------------------------------ what can be seen

    def info(self) -> ClientInfo:
        """The client as it is now."""
        connection = self._connection
        assert connection is not None
        statistics = connection.statistics()
        return ClientInfo(
            number=self.number,
            remote=connection.remote,
            connected_at=self._connected_at,
            name=None if self._identity is None else self._identity.name,
            scopes=self._scopes,
            subscriptions=self._total,
            symbols=tuple(itertools.islice(self._wishes.names, SHOWN_SYMBOLS)),
            channels=() if self._desk is None else self._desk.reader.channels,
            messages=self._messages,
            messages_sent=statistics.frames_sent,
            bytes_sent=statistics.bytes_sent,
            queued_bytes=statistics.queued_bytes,
            conflated=statistics.conflated,
        )
