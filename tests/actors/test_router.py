"""The router: what people set is kept before it is confirmed, what was seen is remembered, a restart widens nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from command_path import WallClock
from failing_state import FailingState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.boards import Boards, Catalog
from actors.messages import SetRouterState
from actors.router import LOOK_EVERY_S, MAX_EAS, SAVE_EVERY_S, Router
from actors.runtime import ActorSpec, Backoff, ReplyLost, RestartWindow, Supervisor
from quantmind.domain.risk import Mandate, MandateMode
from quantmind.domain.router_state import FORGET_AFTER_S, Regime, RouterState
from quantmind.records import Setting

NONE = Mandate(MandateMode.NONE, Decimal(0), "owner", "stop", 1.0)
HALF = Mandate(MandateMode.REDUCED, Decimal("0.5"), "owner", "a bad week", 1.0)
NORMAL = Mandate(by="owner", reason="on", since=1.0)
NEWS = Regime("news", {"XAUUSD": "range"}, "owner", "NFP", 1.0)


@attrs.frozen
class Tick:
    time_msc: int


@attrs.define(eq=False)
class Process:
    """One process with a router in it, over a store that outlives it."""

    store: FailingState
    boards: Boards
    ticks: dict[tuple[str, str], Tick]
    root: Supervisor
    clock: WallClock

    @property
    def board(self) -> Any:
        return self.boards.router

    async def set(
        self, regime: Regime | None = None, mandate: Mandate | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        return await self.root.ref("router").ask(SetRouterState(regime, mandate, revision))

    async def crash(self) -> None:
        assert self.root.fail("router", RuntimeError("planted"))
        await trio.sleep(0.2)

    def hear(self, name: str, magic: int = 7, **more: Any) -> None:
        heard = self.boards.eas.heard(name, magic, self.clock.now())
        for field, value in more.items():
            setattr(heard, field, value)

    async def kept(self) -> dict[str, Any]:
        return {setting.key: setting.value for setting in await self.store.inner.load()}


@contextlib.asynccontextmanager
async def process(store: FailingState | None = None, *, killed: bool = False) -> AsyncIterator[Process]:
    """A process that is stopped at the end, or killed."""
    store = FailingState() if store is None else store
    boards, ticks, clock = Boards(Catalog(("demo",))), dict[tuple[str, str], Tick](), WallClock()
    root = Supervisor(
        "root",
        [ActorSpec("router", lambda: Router(boards.router, store, clock, boards.eas.all, lambda: dict(ticks)))],
        window=RestartWindow(100, 1.0),
        backoff=Backoff(first=0.01, cap=0.05),
        on_event=lambda _: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield Process(store, boards, ticks, root, clock)
        if not killed:
            with trio.fail_after(20):
                await root.stop()
        nursery.cancel_scope.cancel()


# --- what people set -----------------------------------------------------------------------------------------------


async def test_set_and_read_back(autojump_clock: MockClock) -> None:
    """What was confirmed holds in the next process, also after a kill; what is not named stays."""
    async with process(killed=True) as one:
        assert await one.set(NEWS) == {"status": "success", "revision": 1}
        assert await one.set(mandate=HALF) == {"status": "success", "revision": 2}
        assert one.board.durable
    async with process(one.store) as two:
        assert two.board.state == RouterState(2, NEWS, HALF)
        assert (await two.set(mandate=NORMAL, revision=2))["revision"] == 3
        assert two.board.state == RouterState(3, NEWS, NORMAL)


async def test_it_is_kept_before_it_is_confirmed(autojump_clock: MockClock) -> None:
    """Nobody hears of success before the store has it, and only what changed is put."""
    async with process() as here:
        await here.set(NEWS)
        assert [setting.key for setting in here.store.puts] == ["regime"]
        await here.set(mandate=HALF)
        assert [setting.key for setting in here.store.puts] == ["regime", "mandate"]
        here.store.fails = "the disk is full"
        assert (await here.set(Regime("trend")))["status"] == "error"


async def test_another_revision_is_a_conflict(autojump_clock: MockClock) -> None:
    """Two who read the same state: the second to write is told, and nothing of it is set; without one it overwrites."""
    async with process() as here:
        await here.set(NEWS, revision=0)
        reply = await here.set(mandate=NONE, revision=0)
        assert (reply["code"], here.board.state) == ("revision_conflict", RouterState(1, NEWS))
        assert (await here.set(mandate=NONE))["revision"] == 2


async def test_tighter_holds_at_once(autojump_clock: MockClock) -> None:
    """A mandate that lets less be risked counts before it is kept, and is kept when that is possible again."""
    async with process() as here:
        here.store.fails = "the disk is full"
        reply = await here.set(NEWS, NONE)
        assert (reply["code"], "it holds" in reply["message"]) == ("not_durable", True)
        assert here.board.mandate == NONE
        assert not here.board.durable
        await trio.sleep(10)
        here.store.fails = None
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert here.board.durable
        assert here.board.error is None
    async with process(here.store) as two:
        assert two.board.state == RouterState(1, NEWS, NONE)


async def test_wider_holds_when_it_is_kept(autojump_clock: MockClock) -> None:
    """While the store can't keep it, more is not risked."""
    async with process() as here:
        await here.set(mandate=NONE)
        here.store.fails = "the disk is full"
        reply = await here.set(mandate=HALF)
        assert (reply["code"], "nothing was set" in reply["message"]) == ("not_durable", True)
        assert here.board.state == RouterState(1, mandate=NONE)


async def test_a_wider_one_that_was_kept_too_late_is_taken_back(autojump_clock: MockClock) -> None:
    """The store answers late and has it all the same: what holds is put again, so that no restart widens."""

    @attrs.define(eq=False)
    class Late(FailingState):
        late: bool = False

        async def put(self, changes: Any) -> None:
            await FailingState.put(self, changes)
            if self.late:
                await trio.sleep_forever()

    store = Late()
    async with process(store, killed=True) as here:
        await here.set(mandate=NONE)
        store.late = True
        assert (await here.set(mandate=NORMAL))["code"] == "not_durable"
        assert (await here.kept())["mandate"]["mode"] == "normal"
        store.late = False
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert (await here.kept())["mandate"]["mode"] == "none"
    async with process(store) as two:
        assert two.board.mandate.mode is MandateMode.NONE


async def test_a_change_that_was_not_kept_is_kept_with_the_next(autojump_clock: MockClock) -> None:
    """A regime that could not be kept is not lost by a mandate that could."""
    async with process(killed=True) as here:
        here.store.fails = "the disk is full"
        await here.set(NEWS)
        here.store.fails = None
        await here.set(mandate=HALF)
        assert here.board.durable
    async with process(here.store) as two:
        assert two.board.state == RouterState(2, NEWS, HALF)


async def test_a_crash_loses_nothing(autojump_clock: MockClock) -> None:
    """Also what could not be kept yet holds after a restart of the actor, and is kept by the next incarnation."""
    async with process() as here:
        here.store.fails = "the disk is full"
        await here.set(NEWS, NONE)
        await here.crash()
        assert here.board.state == RouterState(1, NEWS, NONE)
        here.store.fails = None
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert (await here.kept())["mandate"]["mode"] == "none"


async def test_a_crash_while_it_is_kept(autojump_clock: MockClock) -> None:
    """Whoever asked hears that it is not known; a tighter mandate holds, and is kept afterwards."""
    async with process() as here:
        here.store.hangs = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_lost, here)
            await trio.sleep(0.1)
            here.store.hangs = False
            await here.crash()
        assert here.board.mandate == NONE
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert (await here.kept())["mandate"]["mode"] == "none"


async def _lost(here: Process) -> None:
    with pytest.raises(ReplyLost):
        await here.set(mandate=NONE)


async def test_a_store_that_is_down_at_the_start(autojump_clock: MockClock) -> None:
    """Nothing may be added and nothing be set until it was read; then it is as it was kept, by itself."""
    store = FailingState()
    async with process(store) as one:
        await one.set(NEWS, HALF)
    store.fails, before = "locked", len(store.puts)
    async with process(store) as two:
        assert two.board.mandate.cap == 0
        assert two.board.status()["durable"] is False
        two.hear("alpha")
        reply = await two.set(mandate=NORMAL)
        assert (reply["code"], "locked" in reply["message"]) == ("not_durable", True)
        await trio.sleep(10)
        assert len(store.puts) == before
        store.fails = None
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert two.board.state == RouterState(1, NEWS, HALF)
        assert "ea:7@alpha" in await two.kept()


async def test_a_store_that_hangs_holds_nobody_up(autojump_clock: MockClock) -> None:
    """The actor comes up, answers within a second or so, and goes on when the store does."""
    store = FailingState(hangs=True)
    with trio.fail_after(60):
        async with process(store) as here:
            assert (await here.set(NEWS))["code"] == "not_durable"
            store.hangs = False
            await trio.sleep(LOOK_EVERY_S * 2)
            store.hangs = True
            before = trio.current_time()
            assert (await here.set(NEWS))["code"] == "not_durable"
            assert trio.current_time() - before < 3


async def test_a_mandate_that_is_not_understood(autojump_clock: MockClock) -> None:
    """A stored mandate that can't be read lets nothing be added until somebody sets a new one."""
    store = FailingState()
    await store.inner.put([Setting("mandate", {"mode": "whatever"}, 1.0)])
    async with process(store) as here:
        assert here.board.mandate.cap == 0
        assert "can't be understood" in here.board.error
        await here.set(mandate=NORMAL)
        assert here.board.mandate == NORMAL


CHANGES = st.lists(
    st.tuples(
        st.sampled_from([NONE, HALF, NORMAL, None]),
        st.sampled_from([NEWS, None]),
        st.sampled_from(["works", "works", "fails", "hangs", "crash"]),
        st.sampled_from([0.0, 0.5, 3.0]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_no_restart_widens(changes: list[tuple[Any, Any, str, float]]) -> None:
    """Killed at any time, the mandate is the one that was confirmed last or one that was asked for since.

    A tighter one that was asked for holds in any case, and what is said to be durable is what the next process has.
    """

    async def main() -> None:
        store = FailingState()
        allowed = {Decimal(1)}
        async with process(store, killed=True) as here:
            for mandate, regime, trouble, wait in changes:
                store.fails = "planted" if trouble == "fails" else None
                store.hangs = trouble == "hangs"
                if trouble == "crash":
                    await here.crash()
                reply = await here.set(regime, mandate)
                confirmed = reply["status"] == "success"
                if mandate is not None and confirmed:
                    allowed = {mandate.cap}
                elif mandate is not None:
                    allowed = allowed | {mandate.cap}
                assert here.board.mandate.cap <= max(allowed)
                if mandate is not None and mandate.cap < here.board.mandate.cap:
                    raise AssertionError("a tighter mandate holds at once")
                await trio.sleep(wait)
            in_force = here.board.mandate.cap
            store.fails, store.hangs = None, False
            durable = here.board.durable
        async with process(store) as after:
            assert after.board.mandate.cap in allowed
            if durable:
                assert after.board.mandate.cap == in_force

    trio.run(main, clock=MockClock(autojump_threshold=0))


# --- what was seen -------------------------------------------------------------------------------------------------


async def test_eas_are_remembered(autojump_clock: MockClock) -> None:
    """Name, magic, symbol, account, version, first and last seen; who is missing after a restart shows."""
    async with process() as one:
        one.hear("alpha", symbol="EURUSD", broker="demo", version="1")
        one.hear("beta", -5)
        await trio.sleep(100)
        one.hear("alpha")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        first = one.board.eas["alpha", 7]
        assert first.last_seen - first.first_seen == pytest.approx(100, abs=0.1)
    async with process(one.store) as two:
        assert two.board.eas.keys() == {("alpha", 7), ("beta", -5)}
        assert two.board.heard == set()
        two.hear("alpha", version="2")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        alpha = two.board.eas["alpha", 7]
        assert (alpha.first_seen, alpha.symbol, alpha.broker, alpha.version) == (
            first.first_seen,
            "EURUSD",
            "demo",
            "2",
        )
        assert two.board.heard == {("alpha", 7)}
        assert two.board.status()["missing"] == 1


async def test_a_new_ea_outlives_a_kill(autojump_clock: MockClock) -> None:
    """An EA that was just heard, and what it says anew of itself, is kept within seconds; its last time within 30."""
    async with process(killed=True) as one:
        one.hear("alpha", symbol="EURUSD")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        one.hear("alpha", symbol="XAUUSD")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        kept = (await one.kept())["ea:7@alpha"]
        assert kept["symbol"] == "XAUUSD"
        one.hear("alpha")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert (await one.kept())["ea:7@alpha"] == kept
        await trio.sleep(SAVE_EVERY_S)
        one.hear("alpha")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert (await one.kept())["ea:7@alpha"]["last_seen"] == one.board.eas["alpha", 7].last_seen > kept["last_seen"]


async def test_eas_are_bounded(autojump_clock: MockClock) -> None:
    """A flood of names drives out no EA that was there for long, neither here nor in the store."""
    async with process() as one:
        one.hear("alpha")
        await trio.sleep(100)
        one.hear("alpha")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        for number in range(MAX_EAS * 2):
            one.hear(f"name{number}")
            if number % 2000 == 0:
                await trio.sleep(LOOK_EVERY_S)
        await trio.sleep(120)
        assert len(one.board.eas) == MAX_EAS
        assert ("alpha", 7) in one.board.eas
    kept = [key for key in await one.kept() if key.startswith("ea:")]
    assert len(kept) == MAX_EAS
    assert "ea:7@alpha" in kept


async def test_an_ea_that_is_gone_for_a_month_is_forgotten(autojump_clock: MockClock) -> None:
    """Nobody is missed for ever."""
    async with process() as one:
        one.hear("alpha")
        await trio.sleep(LOOK_EVERY_S + 0.1)
    async with process(one.store) as two:
        two.clock.shift += FORGET_AFTER_S + 10
        two.hear("beta")
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert two.board.eas.keys() == {("beta", 7)}
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert [key for key in await two.kept() if key.startswith("ea:")] == ["ea:7@beta"]


async def test_last_ticks_are_remembered(autojump_clock: MockClock) -> None:
    """How long a feed was away over a stop and a start, by the gateway's own clock."""
    async with process() as one:
        one.ticks["demo", "EURUSD"] = Tick(5_000)
        one.ticks["demo", "XAUUSD"] = Tick(6_000)
        await trio.sleep(50)
        one.ticks["demo", "EURUSD"] = Tick(55_000)
        await trio.sleep(LOOK_EVERY_S + 0.1)
        seen_at = one.board.ticks["demo", "EURUSD"].seen_at
    async with process(one.store) as two:
        assert two.board.ticks["demo", "EURUSD"].last == (55_000, seen_at)
        await trio.sleep(40)
        two.ticks["demo", "EURUSD"] = Tick(1_000)
        await trio.sleep(LOOK_EVERY_S + 0.1)
        mark = two.board.ticks["demo", "EURUSD"]
        assert mark.last == (1_000, mark.seen_at)
        assert mark.away_s == pytest.approx(mark.seen_at - seen_at)
        assert two.board.ticks["demo", "XAUUSD"].away_s is None


async def test_ticks_are_kept_now_and_then(autojump_clock: MockClock) -> None:
    """Every 30 s while they change, and not otherwise; after a kill the last time is at most so old."""
    async with process(killed=True) as one:
        for number in range(50):
            one.ticks["demo", "EURUSD"] = Tick(number)
            await trio.sleep(2)
        puts = [setting for setting in one.store.puts if setting.key == "ticks:demo"]
        assert len(puts) == 3
        assert not any(setting.logged for setting in puts)
        kept = (await one.kept())["ticks:demo"]["EURUSD"]
        assert one.clock.now() - kept[1] <= SAVE_EVERY_S + LOOK_EVERY_S
        await trio.sleep(300)
        assert len([setting for setting in one.store.puts if setting.key == "ticks:demo"]) == 4


async def test_what_was_kept_unread_is_not_written_over(autojump_clock: MockClock) -> None:
    """While the store can't be read, nothing is put: last times of before the start would be lost."""
    async with process() as one:
        one.ticks["demo", "EURUSD"] = Tick(5_000)
        await trio.sleep(LOOK_EVERY_S + 0.1)
    one.store.unreadable, before = True, len(one.store.puts)
    async with process(one.store) as two:
        two.ticks["demo", "EURUSD"] = Tick(9_000)
        two.hear("alpha")
        await trio.sleep(100)
        assert len(one.store.puts) == before
        one.store.unreadable = False
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert two.board.ticks["demo", "EURUSD"].before[0] == 5_000
        assert two.board.ticks["demo", "EURUSD"].away_s > 0
