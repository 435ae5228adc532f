"""The actor `stop_file`: while the file is there all accounts are halted, and it asks until that is known."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import trio
from command_path import CommandPath, InlineJournal, WallClock, open_command_path, opening
from trio.testing import MockClock

from actors.boards import Boards, Catalog
from actors.halts import Halt
from actors.messages import SetTradingState
from actors.runtime import ActorSpec, Backoff, Call, Inbox, Ref, RestartWindow, Supervisor
from actors.stop_watch import ASK_WITHIN_S, LOOK_WITHIN_S, StopWatch
from quantmind.domain.risk import TradingState

FREE = Halt(TradingState.ACTIVE, "a test", 0.0)


@attrs.define(eq=False)
class Sign:
    """A STOP file in memory."""

    line: str | None = None
    hangs: bool = False
    breaks: bool = False
    looks: int = 0
    name: str = "state/STOP"

    async def look(self) -> str | None:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        if self.breaks:
            raise RuntimeError("planted")
        if self.hangs:
            await trio.sleep_forever()
        return self.line


@contextlib.asynccontextmanager
async def watching(boards: Boards, sign: Sign, governor: Ref[Any]) -> AsyncIterator[Supervisor]:
    backoff = Backoff(first=2.0, cap=60.0, jitter=lambda: 1.0)
    root = Supervisor(
        "root",
        [ActorSpec("stop_file", lambda: StopWatch(boards, sign, governor, WallClock(), backoff))],
        window=RestartWindow(100, 1.0),
        backoff=Backoff(first=0.01, cap=0.05),
        on_event=lambda _: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield root
        with trio.fail_after(10):
            await root.stop()


def states(path: CommandPath) -> list[str]:
    return [path.boards.halts.read(name).state.value for name in path.boards.catalog.brokers]


# --- with the real governor ----------------------------------------------------------------------------------------


async def test_every_account_is_halted_while_it_is_there(autojump_clock: MockClock) -> None:
    """Within a look; with the words of the file; and nothing is released when it goes."""
    sign = Sign()
    async with open_command_path(brokers=("demo", "other")) as path, watching(path.boards, sign, path.governor):
        assert (await path.ask(opening(broker="demo")))["approved"] is True
        await trio.sleep(5)
        assert states(path) == ["active", "active"]
        sign.line = "the feed is odd"
        await trio.sleep(1.1)
        assert states(path) == ["halted", "halted"]
        assert path.boards.halts.read("other").cause == "the feed is odd (by STOP file)"
        refused = await path.ask(opening(broker="demo"))
        assert [reason["rule"] for reason in refused["reasons"]] == ["trading_state"]
        board = path.boards.stop_file
        assert (board.there, board.flatten, board.error) == (True, False, None)
        sign.line = None
        await trio.sleep(5)
        assert (board.there, board.since, states(path)) == (False, None, ["halted", "halted"])
        await path.set_state("active")
        await trio.sleep(5)
        assert states(path) == ["active", "active"]


async def test_one_without_words(autojump_clock: MockClock) -> None:
    """An empty file halts as any other."""
    async with open_command_path() as path, watching(path.boards, Sign(""), path.governor):
        await trio.sleep(0.1)
        assert path.boards.halts.read("demo").cause == "the file STOP is there (by STOP file)"


async def test_what_was_released_is_halted_again(autojump_clock: MockClock) -> None:
    """Only that account: the others keep their causes."""
    async with open_command_path(brokers=("demo", "other")) as path, watching(path.boards, Sign("x"), path.governor):
        await trio.sleep(0.1)
        before = path.boards.halts.read("other")
        path.boards.halts.set("demo", FREE)
        await trio.sleep(1.1)
        assert states(path) == ["halted", "halted"]
        assert path.boards.halts.read("other") is before


async def test_it_survives_the_governor(autojump_clock: MockClock) -> None:
    """After a crash of the governor accounts are halted, from its record."""
    async with open_command_path() as path, watching(path.boards, Sign("x"), path.governor):
        await trio.sleep(0.1)
        await path.crash("execution/governor")
        await trio.sleep(1.1)
        assert states(path) == ["halted"]


async def test_a_journal_that_cannot_be_written(autojump_clock: MockClock) -> None:
    """The halt holds at once; it is asked for again, ever more rarely, until it is on record."""
    journal = InlineJournal()
    sign = Sign()
    async with open_command_path(journal=journal) as path, watching(path.boards, sign, path.governor):
        journal.write_fails, journal.aside_fails = "disk full", "disk full"
        sign.line = "x"
        await trio.sleep(1.1)
        assert states(path) == ["halted"]
        assert "disk full" in (path.boards.stop_file.error or "")
        await trio.sleep(10)
        assert path.boards.stop_file.asked is None
        journal.write_fails = None
        await trio.sleep(20)
        assert (path.boards.stop_file.asked, path.boards.stop_file.error) == ("x", None)
        (setting,) = [item for item in await journal.settings() if item.key == "state:demo"]
        assert setting.value is not None
        assert setting.value["state"] == "halted"


# --- with a governor that answers as it is told --------------------------------------------------------------------


@attrs.define(eq=False)
class Obeying:
    """Answers, and sets the boards only if it is told to."""

    boards: Boards
    answer: Callable[[SetTradingState], dict[str, Any] | None]
    obeys: bool = True
    asked: list[tuple[float, SetTradingState]] = attrs.field(factory=list)

    async def __call__(self, inbox: Inbox[Call[Any]]) -> None:
        async for call in inbox:
            request = call.request
            assert isinstance(request, SetTradingState)
            self.asked.append((trio.current_time(), request))
            for broker in self.boards.catalog.brokers if request.broker is None else (request.broker,):
                if self.obeys:
                    self.boards.halts.set(broker, Halt(request.state, request.reason, 0.0))
            reply = self.answer(request)
            if reply is None:
                await trio.sleep(2 * ASK_WITHIN_S)
            else:
                call.answer(reply)


def success(_: SetTradingState) -> dict[str, Any]:
    return {"status": "success"}


def error(_: SetTradingState) -> dict[str, Any]:
    return {"status": "error", "message": "no"}


def silence(_: SetTradingState) -> None:
    return None


@contextlib.asynccontextmanager
async def desk(
    sign: Sign, answer: Any = success, *, obeys: bool = True
) -> AsyncIterator[tuple[Obeying, Boards, Supervisor]]:
    boards = Boards(Catalog(("a", "b")))
    governor = Obeying(boards, answer, obeys)
    for name in ("a", "b"):
        boards.halts.set(name, FREE)
    root = Supervisor("root", [ActorSpec("governor", lambda: governor)], on_event=lambda _: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        async with watching(boards, sign, root.ref("governor")) as watch:
            yield governor, boards, watch
        nursery.cancel_scope.cancel()


def seconds(governor: Obeying) -> list[int]:
    return [int(at) for at, _ in governor.asked]


async def test_asked_once(autojump_clock: MockClock) -> None:
    """What was done is not asked for at each look, nor by the next incarnation of the actor."""
    sign = Sign("x")
    async with desk(sign) as (governor, _, watch):
        await trio.sleep(30)
        assert watch.fail("stop_file", RuntimeError("planted"))
        await trio.sleep(30)
        assert [request for _, request in governor.asked] == [
            SetTradingState(None, TradingState.HALTED, "x", "STOP file")
        ]


async def test_a_new_first_line_is_asked_for(autojump_clock: MockClock) -> None:
    """One that begins with `flatten`, in any case, also closes what is open; an editor may save it in two steps."""
    sign = Sign("")
    async with desk(sign) as (governor, boards, _):
        await trio.sleep(1.5)
        sign.line = "Flatten: the server moves"
        await trio.sleep(3)
        told = [(request.reason, request.flatten) for _, request in governor.asked]
        assert told == [("the file STOP is there", False), ("Flatten: the server moves", True)]
        assert boards.stop_file.flatten


async def test_asked_again_until_it_is_known(autojump_clock: MockClock) -> None:
    """At each look for an account that is free; where all are halted, at intervals that grow."""
    async with desk(Sign("x"), error, obeys=False) as (governor, boards, _):
        await trio.sleep(4.5)
        assert seconds(governor) == [0, 1, 2, 3, 4]
        governor.obeys = True
        await trio.sleep(400)
        later = [at for at in seconds(governor) if at > 5]
        assert len(later) < 10
        assert later[-1] - later[-2] >= 60
        assert boards.stop_file.error == "no"
        governor.answer = success
        await trio.sleep(61)
        assert boards.stop_file.error is None


async def test_a_governor_that_says_nothing(autojump_clock: MockClock) -> None:
    """It is waited for so long, and then asked again; meanwhile the file is still looked for."""
    sign = Sign("x")
    async with desk(sign, silence) as (governor, boards, _):
        await trio.sleep(ASK_WITHIN_S + 0.5)
        assert boards.stop_file.error == "the governor gave no answer"
        await trio.sleep(60)
        assert len(governor.asked) >= 3
        sign.line = None
        await trio.sleep(2 * ASK_WITHIN_S + 2)
        assert not boards.stop_file.there


async def test_a_failure_for_one_account_is_asked_again(autojump_clock: MockClock) -> None:
    """Also where the account is halted by then and only the answer was none."""
    async with desk(Sign("x")) as (governor, boards, _):
        await trio.sleep(1.5)
        governor.answer = error
        boards.halts.set("a", FREE)
        await trio.sleep(1)
        assert boards.stop_file.error == "no"
        governor.answer = success
        await trio.sleep(2)
        assert [request.broker for _, request in governor.asked] == [None, "a", None]
        assert boards.stop_file.error is None


async def test_a_disk_that_hangs(autojump_clock: MockClock) -> None:
    """What was seen last holds, and is asked for; and it is said."""
    sign = Sign("x")
    async with desk(sign) as (governor, boards, _):
        await trio.sleep(1.5)
        sign.hangs = True
        await trio.sleep(LOOK_WITHIN_S + 2)
        board = boards.stop_file
        assert board.there
        assert "has not answered" in (board.error or "")
        boards.halts.set("b", FREE)
        await trio.sleep(2 * LOOK_WITHIN_S)
        assert governor.asked[-1][1].broker == "b"
        sign.hangs = False
        await trio.sleep(LOOK_WITHIN_S + 2)
        assert board.error is None


async def test_a_disk_that_hangs_at_the_start(autojump_clock: MockClock) -> None:
    """The gateway starts: nothing was seen."""
    async with desk(Sign("x", hangs=True)) as (governor, boards, _):
        assert (boards.stop_file.there, governor.asked) == (False, [])


async def test_a_crash_forgets_nothing(autojump_clock: MockClock) -> None:
    """The board outlives the actor."""
    sign = Sign("x")
    async with desk(sign) as (_, boards, _watch):
        await trio.sleep(0.1)
        since = boards.stop_file.since
        sign.breaks = True
        await trio.sleep(1)
        assert boards.stop_file.there
        sign.breaks = False
        await trio.sleep(2)
        assert (boards.stop_file.there, boards.stop_file.since) == (True, since)


async def test_before_the_governor_runs(autojump_clock: MockClock) -> None:
    """What is asked before it starts is the first that it hears."""
    boards = Boards(Catalog(("a",)))
    governor = Obeying(boards, success)
    root = Supervisor("root", [ActorSpec("governor", lambda: governor)], on_event=lambda _: None)
    async with watching(boards, Sign("x"), root.ref("governor")), trio.open_nursery() as nursery:
        assert boards.stop_file.there
        await nursery.start(root.run)
        await trio.sleep(0.1)
        assert len(governor.asked) == 1
        nursery.cancel_scope.cancel()
