"""The router: keeps regime and risk mandate, and remembers which EAs and which ticks there were, over restarts.

What people set is kept before it is confirmed. A change that lets less be risked holds at once, kept or not; one that
lets more be risked holds when it is kept. What was seen is looked at on a slow grid and kept now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs
import trio

from actors.boards import EaConnection
from actors.messages import Reply, SetRouterState
from actors.router_board import RouterBoard
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow
from quantmind.domain.clock import Clock
from quantmind.domain.router_state import (
    EaKey,
    KnownEa,
    RouterState,
    TickMark,
    ea_from_store,
    state_from_store,
    stored_mandate,
    stored_regime,
    ticks_from_store,
    to_forget,
)
from quantmind.errors import StateDown
from quantmind.ports import State
from quantmind.records import Setting
from quantmind.wire import replies

logger = logging.getLogger("quantmind.router")

MAILBOX = MailboxPolicy(Overflow.REJECT, 64, reason="people and services that set regime or mandate; more hear `busy`")
MAX_EAS = 4096
LOOK_EVERY_S = 2.0
SAVE_EVERY_S = 30.0
SAVE_MOST = 256
"""So many EAs are kept at a time, so that no order waits long for them to be written."""
SLICE = 512
"""So many things are looked at without letting others run."""
TIDY_EVERY_S = 600.0
STORE_WITHIN_S = 1.0
LOAD_WITHIN_S = 5.0
"""Below what an actor has to become ready."""
STOP_WITHIN_S = 2.0


class Ticked(Protocol):
    """What is looked at of a tick."""

    @property
    def time_msc(self) -> int: ...


@attrs.define
class Router:
    """Takes `SetRouterState` calls, and writes the board that everybody reads.

    A store that can't be reached is a state: what was seen is kept on the board, and it is tried again. Cancelled, it
    leaves the board as it is, and the next incarnation keeps all of it again.

    Args:
        heard: the EAs that have sent something since the start.
        last_ticks: the newest published tick of each (broker, symbol).
    """

    board: RouterBoard
    store: State
    clock: Clock
    heard: Callable[[], Sequence[EaConnection]]
    last_ticks: Callable[[], Mapping[tuple[str, str], Ticked]]
    _lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    """Who holds it keeps regime and mandate: the later of two changes must also be kept later."""
    _kept_eas: dict[EaKey, KnownEa] = attrs.field(factory=dict, init=False)
    _gone_eas: set[EaKey] = attrs.field(factory=set, init=False)
    """Forgotten here, and perhaps still in the store."""
    _kept_ticks: dict[str, dict[str, Any]] = attrs.field(factory=dict, init=False)
    _ticks_due: float = attrs.field(default=0.0, init=False)
    _tidy_due: float = attrs.field(default=0.0, init=False)

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        board = self.board
        board.lasting = self.store.durable
        if board.started_at is None:
            board.started_at = self.clock.now()
        if board.state is None:
            await self._load(LOAD_WITHIN_S)
        inbox.ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_for_ever)
            async for call in inbox:
                call.answer(await self._set(call))
            nursery.cancel_scope.cancel()
        with trio.move_on_after(STOP_WITHIN_S):
            await self._keep_all()

    # --- what people set ---------------------------------------------------------------------------------------------

    async def _set(self, call: Call[Reply]) -> Reply:
        request = call.request
        assert isinstance(request, SetRouterState)
        async with self._lock:
            before = self.board.state
            if before is None:
                why = self.board.error or "it is being read"
                return replies.error("not_durable", f"what holds has not been read back yet ({why}); nothing was set")
            if request.revision not in (None, before.revision):
                detail = f"revision is {request.revision}, and {before.revision} holds by now; look at it and set again"
                return replies.error("revision_conflict", detail)
            after = before.changed(request.regime, request.mandate)
            wider = after.mandate.widens(before.mandate)
            if not wider:
                self.board.set(after)
            kept, self.board.unsaved = None if self.board.unsaved else before, True  # also when this is cancelled
            try:
                await self._put(_settings(after, kept, self.clock.now()))
            except StateDown as exc:
                logger.error("fail.set_router revision=%d reason=%s", after.revision, exc)
                self.board.error = str(exc)
                return replies.error("not_durable", _not_kept(wider, exc))
            self.board.set(after)
            self.board.unsaved = False
        _log(after, request)
        return {"status": "success", "revision": after.revision}

    async def _keep_state(self) -> None:
        """Keep what holds once more: a change before may have been kept by half its word, or not at all."""
        async with self._lock:
            state = self.board.state
            if state is None or not self.board.unsaved:
                return
            await self._put(_settings(state, None, self.clock.now()))
            self.board.unsaved = False

    # --- reading back ------------------------------------------------------------------------------------------------

    async def _load(self, within_s: float) -> bool:
        """Read what an earlier process kept; False when it can't be read now."""
        board = self.board
        try:
            kept = await self._read(within_s)
        except StateDown as exc:
            if board.error is None:
                logger.error("fail.load_router reason=%s", exc)
            board.error = str(exc)
            return False
        state, faults = state_from_store(kept.pop("regime", None), kept.pop("mandate", None))
        for fault in faults:
            logger.error("fail.load_router reason=%s", fault)
        for key, value in kept.items():
            kind, _, name = key.partition(":")
            if kind == "ea":
                self._recall_ea(name, value)
            elif kind == "ticks":
                self._recall_ticks(name, value)
        board.error = faults[0] if faults else None
        board.set(state)
        if kept or state.revision:
            logger.info("load.router revision=%d mandate=%s eas=%d", state.revision, state.mandate, len(board.eas))
        return True

    async def _read(self, within_s: float) -> dict[str, Any]:
        with trio.move_on_after(within_s):
            return {setting.key: setting.value for setting in await self.store.load()}
        raise StateDown(f"it has not answered for {within_s:g} s")

    def _recall_ea(self, name: str, value: Any) -> None:
        magic, _, ea_name = name.partition("@")
        ea = ea_from_store(ea_name, int(magic), value) if magic.removeprefix("-").isdecimal() else None
        if ea is None:
            logger.error("skip.stored_ea key=%s", name)
            return
        self._kept_eas[ea.key] = ea
        here = self.board.eas.get(ea.key)
        self.board.eas[ea.key] = ea if here is None else here.merged(ea)

    def _recall_ticks(self, broker: str, value: Any) -> None:
        for symbol, pair in ticks_from_store(value).items():
            mark = self.board.ticks.get((broker, symbol), TickMark())
            self.board.ticks[broker, symbol] = attrs.evolve(mark, before=pair)
        self._kept_ticks[broker] = value

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _look_for_ever(self) -> None:
        self._ticks_due = trio.current_time() + SAVE_EVERY_S
        while True:
            await trio.sleep(LOOK_EVERY_S)
            await self._look()
            if self.board.state is None and not await self._load(STORE_WITHIN_S):
                continue  # what an earlier process kept must not be written over unread
            try:
                await self._keep_state()
                await self._keep_eas(SAVE_MOST)
                if trio.current_time() >= self._ticks_due:
                    await self._keep_ticks()
                    self._ticks_due = trio.current_time() + SAVE_EVERY_S
            except StateDown as exc:
                if self.board.error is None:
                    logger.error("fail.keep_router reason=%s", exc)
                self.board.error = str(exc)

    async def _look(self) -> None:
        eas, now = self.board.eas, self.clock.now()
        for number, connection in enumerate(self.heard()):
            if number % SLICE == SLICE - 1:
                await trio.lowlevel.checkpoint()
            key = connection.ea_name, connection.magic
            known = eas.get(key)
            if known is None or known.last_seen != connection.last_seen or key not in self.board.heard:
                ea = _ea_of(connection)
                eas[key] = ea if known is None else ea.merged(known)
                self.board.heard.add(key)
                self._gone_eas.discard(key)
        if len(eas) > MAX_EAS or trio.current_time() >= self._tidy_due:
            self._tidy_due = trio.current_time() + TIDY_EVERY_S
            for key in to_forget(eas.values(), MAX_EAS, now):
                del eas[key]
                self.board.heard.discard(key)
                self._gone_eas.add(key)
        ticks = self.board.ticks
        for number, (place, tick) in enumerate(self.last_ticks().items()):
            if number % SLICE == SLICE - 1:
                await trio.lowlevel.checkpoint()
            ticks[place] = ticks.get(place, TickMark()).seen(tick.time_msc, now)

    # --- keeping what was seen ---------------------------------------------------------------------------------------

    async def _keep_eas(self, most: int) -> None:
        now = self.clock.now()
        gone = [key for key in self._gone_eas if key in self._kept_eas][:most]
        due = [key for key, ea in self.board.eas.items() if _is_due(ea, self._kept_eas.get(key))]
        due = sorted(due, key=self._last_kept)[: most - len(gone)]
        changes = [Setting(_ea_key(key), None, now, logged=False) for key in gone]
        eas = [self.board.eas[key] for key in due]
        changes += [Setting(_ea_key(ea.key), ea.stored(), now, logged=False) for ea in eas]
        if changes:
            await self._put(changes)
        for key in gone:
            del self._kept_eas[key]
        self._gone_eas &= self._kept_eas.keys()
        self._kept_eas.update((ea.key, ea) for ea in eas)

    def _last_kept(self, key: EaKey) -> float:
        kept = self._kept_eas.get(key)
        return 0.0 if kept is None else kept.last_seen

    async def _keep_ticks(self) -> None:
        now = self.clock.now()
        values: dict[str, dict[str, Any]] = {}
        for (broker, symbol), mark in self.board.ticks.items():
            if mark.last is not None:
                values.setdefault(broker, {})[symbol] = list(mark.last)
        values = {broker: value for broker, value in values.items() if value != self._kept_ticks.get(broker)}
        if values:
            await self._put(Setting(f"ticks:{broker}", value, now, logged=False) for broker, value in values.items())
            self._kept_ticks.update(values)

    async def _keep_all(self) -> None:
        """All that is known by now, at the end."""
        if self.board.state is None:
            return
        try:
            await self._look()
            await self._keep_state()
            await self._keep_ticks()
            # Each once; a due one that was kept is not due any more.
            for _ in range(MAX_EAS // SAVE_MOST + 1):
                await self._keep_eas(SAVE_MOST)
        except StateDown as exc:
            self.board.error = str(exc)
            logger.error("fail.keep_router reason=%s", exc)

    async def _put(self, changes: Iterable[Setting]) -> None:
        with trio.move_on_after(STORE_WITHIN_S):
            await self.store.put(list(changes))
            self.board.error = None
            return
        raise StateDown(f"it has not answered for {STORE_WITHIN_S:g} s")


def _settings(state: RouterState, kept: RouterState | None, now: float) -> list[Setting]:
    """What is not as it was kept; all of it where that is not known."""
    settings = []
    if kept is None or state.regime is not kept.regime:
        settings.append(Setting("regime", stored_regime(state), now))
    if kept is None or state.mandate is not kept.mandate:
        settings.append(Setting("mandate", stored_mandate(state), now))
    return settings


def _not_kept(wider: bool, error: StateDown) -> str:
    if wider:
        return f"it can't be kept now ({error}), and it would let more be risked than before: nothing was set"
    return f"it holds, but can't be kept now ({error}): until it is, which is tried again, a restart may forget it"


def _log(state: RouterState, request: SetRouterState) -> None:
    if request.regime is not None:
        regime = state.regime
        logger.warning("set.regime label=%s symbols=%d by=%s", regime.label, len(regime.symbols), regime.by)
    if request.mandate is not None:
        logger.warning("set.mandate mandate=%s", state.mandate)


def _ea_of(connection: EaConnection) -> KnownEa:
    return KnownEa(
        connection.ea_name,
        connection.magic,
        connection.connected_at,
        connection.last_seen,
        connection.symbol,
        connection.broker,
        connection.version,
    )


def _ea_key(key: EaKey) -> str:
    name, magic = key
    return f"ea:{magic}@{name}"


def _is_due(ea: KnownEa, kept: KnownEa | None) -> bool:
    return kept is None or not ea.says_as(kept) or ea.last_seen - kept.last_seen >= SAVE_EVERY_S
