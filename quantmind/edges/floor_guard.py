"""What a bridge is told so that it can guard its account by itself when it hears nothing any more.

A bridge that asks for it in `bridge_hello` hears floors, next reset and trading state each second. That it hears them
says that the governor is alive: while it is not, nothing is sent, and the bridge sees to its account after a few beats.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from actors.boards import Boards
from actors.messages import Beat
from actors.runtime import Inbox, NotDelivered, Ref, run_until_stopping
from quantmind.domain.clock import Clock
from quantmind.domain.rarely import Rarely
from quantmind.domain.risk import Policy, TradingState
from quantmind.net.errors import NetError
from quantmind.records import Event, Record
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.guard")

EVERY_S: Final = 1.0
ALIVE_WITHIN_S: Final = 3.0
"""A governor that has not turned for so long, or has not looked at an account that was read, is not vouched for."""
LATE_AFTER_S: Final = 10.0
"""A bridge that acknowledges nothing for so long is told of."""
LOG_EVERY_S: Final = 60.0
CHANGES_EVERY_S: Final = 10.0
"""Each state of a bridge's guard is written down this often at most."""
LONGEST_CAUSE: Final = 400
ACTED: Final = frozenset({"cut_off", "flattening", "flat"})
"""States of a guard that has done something by itself."""


class Guardian(Protocol):
    """A bridge that guards its account."""

    @property
    def proof(self) -> str:
        """What all that it says must have in it."""
        ...

    @property
    def account(self) -> int: ...

    @property
    def gone(self) -> str | None: ...

    def send(self, payload: bytes) -> bool:
        """Send a message, never waiting; False: it has gone. Raises NetError: it did not go out."""
        ...


@attrs.define(eq=False)
class _Post:
    """A bridge at a broker's place, what it was told in this session, and what it said. Times are monotonic seconds."""

    guardian: Guardian
    seq: int = 0
    sent: int = 0
    """In all sessions."""
    acknowledged: int = 0
    acknowledged_at: float | None = None
    waits_since: float | None = None
    """Since when something that was sent is not acknowledged."""
    state: str | None = None
    """What it said last, in whatever session."""
    faults: int = 0
    held: str | None = None
    """Why nothing is sent now, or None."""

    def begin(self, guardian: Guardian) -> None:
        self.guardian = guardian
        self.seq = self.acknowledged = 0
        self.acknowledged_at = self.waits_since = None

    def acknowledge(self, seq: int, now: float) -> None:
        if seq > self.acknowledged:
            self.acknowledged, self.acknowledged_at = seq, now
            self.waits_since = None if seq == self.seq else now

    def late_s(self, now: float) -> float:
        return 0.0 if self.waits_since is None or self.guardian.gone is not None else now - self.waits_since


@attrs.define(eq=False)
class FloorGuard:
    """The actor that tells bridges each second, and at once when something has changed. Outlives its incarnations.

    Args:
        policies: the limits of each account.
        governor: is had to turn once a second; what it wrote to the board when it did is looked at.
        note: writes an event down without waiting.
    """

    boards: Boards
    policies: Mapping[str, Policy]
    governor: Ref[Any]
    clock: Clock
    note: Callable[[Sequence[Record]], None]
    _posts: dict[str, _Post] = attrs.field(factory=dict, init=False)
    _changed: set[str] = attrs.field(factory=set, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _late: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)
    _holding: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)
    _changes: Rarely = attrs.field(factory=lambda: Rarely(CHANGES_EVERY_S), init=False)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Tell until asked to stop."""
        inbox.ready()
        await run_until_stopping(inbox, self._tell_for_ever)

    # --- for those who know of news: plain calls that send nothing themselves ---------------------------------------

    def changed(self, broker: str) -> None:
        """What an account may do, or lose, is another than before."""
        if broker in self._posts:
            self._changed.add(broker)
            self._news.set()

    def arrived(self, broker: str, guardian: Guardian, *, wanted: bool) -> None:
        """A bridge was let in, or has said hello again; `wanted`: it guards its account."""
        post = self._posts.get(broker)
        if not wanted:
            self._posts.pop(broker, None)
            return
        if post is None:
            self._posts[broker] = _Post(guardian)
        elif post.guardian is not guardian:
            post.begin(guardian)
        self.changed(broker)

    def said(self, broker: str, guardian: Guardian, body: bytes) -> None:
        """A bridge says what its guard does. What can't be understood, or is not its own, counts as a fault."""
        post = self._posts.get(broker)
        if post is None or post.guardian is not guardian:
            return
        try:
            said = bridge.decode_guarded(body)
        except bridge.BridgeFault:
            post.faults += 1
            return
        if not secrets.compare_digest(said.session.encode(), guardian.proof.encode()) or said.seq > post.seq:
            post.faults += 1
            return
        post.acknowledge(said.seq, trio.current_time())
        before, post.state = post.state, said.state
        if said.state != before and (said.state in ACTED or before in ACTED):
            self._tell_state(broker, said.state, before)

    def status(self, broker: str) -> dict[str, Any] | None:
        """For /status; None: the bridge that came last has no guard, or none has come."""
        post = self._posts.get(broker)
        if post is None:
            return None
        age_s = None if post.acknowledged_at is None else round(trio.current_time() - post.acknowledged_at, 1)
        return {
            "seq": post.seq,
            "sent": post.sent,
            "acknowledged": post.acknowledged,
            "state": post.state,
            "age_s": age_s,
            "faults": post.faults,
            "held": post.held,
        }

    # --- telling -----------------------------------------------------------------------------------------------------

    async def _tell_for_ever(self) -> None:
        while True:
            due = trio.current_time() + EVERY_S
            self._have_governor_turn()
            self._changed.clear()
            for broker in tuple(self._posts):
                self._tell(broker)
                self._look_after(broker)
            with trio.move_on_at(due):
                while True:
                    await self._news.wait()
                    self._news = trio.Event()
                    changed, self._changed = self._changed, set()
                    for broker in changed:
                        self._tell(broker)

    def _have_governor_turn(self) -> None:
        try:
            self.governor.tell_nowait(Beat())
        except NotDelivered as error:
            logger.debug("fail.beat reason=%s", error)  # that it does not turn is seen on the board

    def _tell(self, broker: str) -> None:
        post = self._posts.get(broker)
        if post is None or post.guardian.gone is not None:
            return
        post.held = self._doubt(broker)
        if post.held is not None:
            if self._holding.due(broker, trio.current_time()):
                logger.warning("hold.guard broker=%s reason=%s", broker, post.held)
            return
        try:
            sent = post.guardian.send(bridge.encode(self._guard(broker, post)))
        except NetError as error:
            post.held = str(error)
            return
        except Exception as error:  # a bug here must not end the others; that bridge guards its account by itself
            logger.exception("fail.guard broker=%s", broker)
            post.held = f"the gateway failed: {type(error).__name__}"
            return
        if sent:
            post.seq += 1
            post.sent += 1
            if post.waits_since is None:
                post.waits_since = trio.current_time()

    # Why it can't be said that somebody watches this account.
    def _doubt(self, broker: str) -> str | None:
        now = trio.current_time()
        still_s = now - self.boards.term.turned_at
        if still_s > ALIVE_WITHIN_S:
            return f"the governor has not turned for {still_s:.0f} s, at most {ALIVE_WITHIN_S:g} are waited for it"
        sample, status = self.boards.links.of(broker).sample, self.boards.risk.read(broker)
        if sample is None:
            return None  # nothing to look at; what is known of the account says so
        looked_at = self.boards.term.began_at if status is None else status.taken_at
        if sample.taken_at - looked_at > ALIVE_WITHIN_S:
            return "the governor does not look at the account, though it is read"
        return None

    def _guard(self, broker: str, post: _Post) -> bridge.Guard:
        wall, shown = self.clock.now(), self.boards.halts.shown(broker)
        told = self._floors(broker, post.guardian.account, wall)
        return bridge.Guard(
            seq=post.seq + 1,
            every_s=EVERY_S,
            broker=broker,
            trading_state=shown.state.value,
            cause=None if shown.state is TradingState.ACTIVE else shown.cause[:LONGEST_CAUSE],
            known=told is not None,
            time=round(wall, 3),
            **(_NO_FLOORS if told is None else told),
        )

    # What a heartbeat tells of them; None: they are not known, or are of another account than the bridge's.
    def _floors(self, broker: str, account: int, wall: float) -> Mapping[str, Any] | None:
        policy, status = self.policies[broker], self.boards.risk.read(broker)
        if policy.observe_only or not policy.counts_money:
            return _NO_FLOORS  # none for which anything is closed or refused
        if status is None or status.login != account or not status.knows_floors(wall):
            return None
        return self.boards.risk.told(broker)

    # --- what bridges say --------------------------------------------------------------------------------------------

    def _look_after(self, broker: str) -> None:
        post, now = self._posts[broker], trio.current_time()
        late_s = post.late_s(now)
        if late_s >= LATE_AFTER_S and self._late.due(broker, now):
            logger.warning(
                "late.guard broker=%s for_s=%.0f sent=%d acknowledged=%d: the bridge says nothing of its guard",
                broker,
                late_s,
                post.seq,
                post.acknowledged,
            )

    def _tell_state(self, broker: str, state: str, before: str | None) -> None:
        if not self._changes.due((broker, state), trio.current_time()):
            return
        level = logging.WARNING if state in ACTED else logging.INFO
        logger.log(level, "guard.bridge broker=%s state=%s before=%s", broker, state, before)
        self.note([Event("guard", broker, {"state": state, "before": before}, self.clock.now())])


_NO_FLOORS: Final[Mapping[str, None]] = {"floor": None, "next_floor": None, "next_reset": None}
