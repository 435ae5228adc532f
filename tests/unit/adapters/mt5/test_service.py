"""What a worker answers at a terminal that is well, cut off, somebody else's, or forgetful."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from quantmind.adapters.mt5.terminal.calls import NoAnswer
from quantmind.adapters.mt5.worker.desk import Desk, Late, Unavailable
from quantmind.adapters.mt5.worker.service import Service
from quantmind.adapters.mt5.worker.settings import Settings, settings_from
from quantmind.adapters.sent_file import SentFile, SentFileError
from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.domain.orders import Absent, OrderType, Placed, Refused, Side, Unknown
from quantmind.net.zmq import Incoming
from quantmind.testing import mt5
from quantmind.testing.terminal import FakeTerminal
from quantmind.wire import bridge

TOKEN = "a-token-for-one-worker"
START = 1_795_424_400.0


@attrs.define(eq=False)
class World:
    """A service over a made-up terminal; time goes on when the test says so."""

    folder: Path
    terminal: FakeTerminal
    now: float = START
    settings: Settings = attrs.field(factory=lambda: Settings(token=TOKEN, parent=False))
    service: Service = attrs.field(init=False)
    sent: SentFile = attrs.field(init=False)
    _ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def begin(self, **settings: Any) -> None:
        """A new worker, as after a kill."""
        more = {"path": str(self.folder / "terminal64.fake"), "sent_file": str(self.folder / "sent"), **settings}
        self.settings = msgspec.structs.replace(self.settings, **more)
        self.sent = SentFile.open(self.settings.file(self.settings.sent_file), lambda: self.now, lambda: self.now)
        self.service = Service(mt5, self.settings, self.sent, lambda: self.now, lambda: self.now)

    def hello(self, **more: Any) -> bridge.Welcome:
        found = self.service.handle(bridge.Hello(id="h", protocol=1, token=TOKEN, **more))
        assert isinstance(found, bridge.Welcome)
        return found

    def ask(self, kind: Any, **fields: Any) -> Any:
        return self.service.handle(kind(id=str(next(self._ids)), **fields))

    def open(self, tag: str, **more: Any) -> Placed | Refused | Unknown:
        fields = {"symbol": "EURUSD", "volume": Decimal("0.10"), "side": Side.BUY, "magic": 7, **more}
        found: bridge.Result = self.ask(bridge.OrderSend, tag=tag, **fields)
        return found.outcome()

    def find(self, tag: str) -> Placed | Absent | None:
        found: bridge.Found = self.ask(bridge.OrderFind, tag=tag)
        return found.answer()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    config = MockBrokerConfig(name="x", login=5, server="Demo", symbols={"EURUSD": SymbolOverrides()})
    holder: list[World] = []
    with FakeTerminal(config, clock=lambda: holder[0].now if holder else START) as terminal:
        terminal.serve(tmp_path)
        made = World(tmp_path, terminal)
        holder.append(made)
        terminal.tick("EURUSD", 1.1, 1.1001)
        made.begin()
        made.hello()
        yield made
        made.service.close()
        made.sent.close()


def test_a_greeting_says_who_is_there(world: World) -> None:
    """Account, server, symbols, and what is known of the server's clock."""
    found = world.hello()
    assert (found.account, found.server, found.margin_mode, found.symbols) == (5, "Demo", "hedging", ("EURUSD",))
    assert (found.utc_offset_s, found.trade_allowed) == (7200, True)
    assert "assumed" in found.clock


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"login": 6}, "login was refused"),
        ({"server": "Other"}, "login was refused"),
        ({"symbols": ("GBPUSD",)}, "no symbol GBPUSD"),
        ({"path": "/no/such/file"}, "could not be started or reached"),
    ],
)
def test_a_greeting_that_can_t_be_answered_says_why(world: World, settings: dict[str, Any], says: str) -> None:
    """And what to do."""
    world.begin(**settings)
    with pytest.raises((Unavailable, NoAnswer), match=says):
        world.hello()
    with pytest.raises(Unavailable, match="bridge_hello"):
        world.ask(bridge.SampleGet)


def test_another_account_is_not_read(world: World) -> None:
    """Neither account nor history nor prices, and no order goes there; back again all is as it was."""
    world.terminal.faults.wrong_account = 99
    for ask in (
        lambda: world.ask(bridge.SampleGet),
        lambda: world.ask(bridge.DealsGet, since_msc=0),
        lambda: world.ask(bridge.OrderFind, tag="x"),
        lambda: world.open("a"),
        lambda: world.ask(bridge.TicksGet, after=0),
    ):
        world.now += 1
        with pytest.raises(Unavailable, match="logged in as 99"):
            ask()
    assert world.terminal.executed() == []
    world.terminal.faults.wrong_account = 0
    assert isinstance(world.open("a"), Placed)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"autotrading_off": True}, 10027),
        ({"server_autotrading_off": True}, 10026),
        ({"market_closed": True}, 10018),
        ({"invalid_fill": True}, 10030),
        ({"requotes": 1}, 10004),
        ({"retcode": 10024}, 10024),
    ],
)
def test_refusals_of_a_terminal(world: World, fault: dict[str, Any], code: int) -> None:
    """With its code, in plain words; nothing was done, and the tag is absent at once."""
    for name, value in fault.items():
        setattr(world.terminal.faults, name, value)
    found = world.open("a")
    assert isinstance(found, Refused)
    assert found.retcode == code
    assert len(found.comment) > 20
    assert world.terminal.executed() == []
    world.now += 3600
    assert world.find("a") == Absent()


@pytest.mark.parametrize("code", [10012, 10031])
@pytest.mark.parametrize("done", [True, False])
def test_ambiguous_codes_are_unknown(world: World, code: Any, done: bool) -> None:
    """10012 and 10031 say nothing of what became of it: history does."""
    world.terminal.faults.ambiguous, world.terminal.faults.ambiguous_done = code, done
    assert isinstance(world.open("a"), Unknown)
    world.terminal.faults.ambiguous = 0
    found = world.find("a")
    if done:
        assert isinstance(found, Placed)
        return
    assert found is None, "it may still get through"
    world.now += 61
    assert world.find("a") == Absent()


def test_nothing_is_sent_twice(world: World) -> None:
    """Not by this worker, nor by the next one; a tag that was refused may be used again."""
    first = world.open("a")
    assert isinstance(first, Placed)
    for _ in range(2):
        again = world.open("a")
        assert isinstance(again, Refused)
        assert "sent already" in again.comment
        world.begin()
        world.hello()
    assert len(world.terminal.executed()) == 1
    world.terminal.faults.market_closed = True
    assert isinstance(world.open("b"), Refused)
    world.terminal.faults.market_closed = False
    assert isinstance(world.open("b"), Placed)


def test_a_tag_that_nobody_wrote_down(world: World) -> None:
    """A file that has just begun does not know what an earlier one had sent: not before that can't get through."""
    assert world.find("x") is None
    world.now += 61
    assert world.find("x") == Absent()
    world.begin()
    world.hello()
    assert world.find("x") == Absent(), "the file says since when it has everything"


def test_a_comment_that_was_cut_proves_nothing(world: World) -> None:
    """An order that nobody heard of may be the one without a tag: it stays unknown, and is never absent."""
    world.terminal.faults.comment_length, world.terminal.faults.answer_lost = 10, True
    assert isinstance(world.open("0123456789abcdef"), Unknown)
    world.terminal.faults.answer_lost = False
    world.now += 3600
    assert world.find("0123456789abcdef") is None
    assert isinstance(world.open("other", volume=Decimal("0.20")), Placed)
    world.terminal.faults.request_lost = True
    assert isinstance(world.open("never", volume=Decimal("0.30")), Unknown)
    world.terminal.faults.request_lost = False
    world.now += 61
    assert world.find("never") == Absent(), "nothing of that volume is there"


def test_a_comment_that_was_cut_and_an_answer_that_came(world: World) -> None:
    """Its number was written down: it is found by that, by this worker and the next."""
    world.terminal.faults.comment_length = 4
    placed = world.open("0123456789abcdef")
    assert isinstance(placed, Placed)
    assert world.find("0123456789abcdef") == placed
    world.begin()
    world.hello()
    assert world.find("0123456789abcdef") == placed


def test_ticks_come_in_batches_that_are_kept(world: World) -> None:
    """The last one is given again until the next is asked for; one that asks from the start begins anew."""
    first: bridge.Ticks = world.ask(bridge.TicksGet, after=0)
    assert [tick.bid for tick in first.ticks] == [1.1]
    assert world.ask(bridge.TicksGet, after=0) == first, "its answer was lost"
    world.terminal.tick("EURUSD", 1.2, 1.2001)
    second: bridge.Ticks = world.ask(bridge.TicksGet, after=first.number)
    assert [tick.bid for tick in second.ticks] == [1.2]
    assert world.ask(bridge.TicksGet, after=first.number) == second
    assert world.ask(bridge.TicksGet, after=second.number).ticks == ()


def test_a_quiet_symbol_is_confirmed_while_others_speak(tmp_path: Path) -> None:
    """Once a second, for a minute, and not while the terminal has no connection or nobody speaks."""
    symbols = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
    holder: list[World] = []
    with FakeTerminal(
        MockBrokerConfig(name="x", symbols=symbols), clock=lambda: holder[0].now if holder else START
    ) as it:
        it.serve(tmp_path)
        world = World(tmp_path, it)
        holder.append(world)
        it.tick("EURUSD", 1.1, 1.1001)
        it.tick("USDJPY", 150.0, 150.01)
        world.begin()
        world.hello()
        number, confirmed = 0, []

        def look(*, speaks: bool) -> tuple[str, ...]:
            nonlocal number
            world.now += 1
            if speaks:
                it.tick("EURUSD", 1.1 + number / 1e5, 1.2)
            batch: bridge.Ticks = world.ask(bridge.TicksGet, after=number)
            number = batch.number
            return batch.confirmed

        confirmed = [look(speaks=True) for _ in range(70)]
        assert confirmed[0] == ()
        assert confirmed[1:60] == [("USDJPY",)] * 59
        assert confirmed[62:] == [()] * 8, "its own last price is too old by now"
        it.tick("USDJPY", 151.0, 151.01)
        look(speaks=True)
        silence = [look(speaks=False) for _ in range(15)]
        assert silence[3] == ("EURUSD", "USDJPY")
        assert silence[12:] == [()] * 3, "nobody speaks"
        it.tick("USDJPY", 151.0, 151.01)
        look(speaks=True)
        it.faults.disconnected = True
        assert look(speaks=False) == ()
        world.service.close()
        world.sent.close()


def test_no_data_is_no_empty_account(world: World) -> None:
    """The terminal answers without data: that is said, and nothing else."""
    world.open("a")
    world.terminal.faults.no_data = True
    for ask in (
        lambda: world.ask(bridge.SampleGet),
        lambda: world.ask(bridge.DealsGet, since_msc=0),
        lambda: world.find("a"),
    ):
        with pytest.raises(NoAnswer, match="failed"):
            ask()


def test_a_lost_terminal_is_reached_again(world: World) -> None:
    """By the next greeting, after which all goes on; ticks are not told twice."""
    world.ask(bridge.TicksGet, after=0)
    world.terminal.restart()
    with pytest.raises(NoAnswer):
        world.ask(bridge.SampleGet)
    with pytest.raises(Unavailable, match="bridge_hello"):
        world.open("a")
    world.terminal.tick("EURUSD", 1.2, 1.2001)
    world.hello()
    batch: bridge.Ticks = world.ask(bridge.TicksGet, after=1)
    assert [tick.bid for tick in batch.ticks] == [1.2]
    assert isinstance(world.open("a"), Placed)


def test_without_the_trade_server_nothing_is_sent(world: World) -> None:
    """The terminal is there and its server is not: nothing goes out, and absent is not said."""
    world.terminal.faults.request_lost = True
    assert isinstance(world.open("lost"), Unknown)
    world.terminal.faults.disconnected = True
    with pytest.raises(Unavailable, match="no connection to the trade server"):
        world.open("a")
    with pytest.raises(Unavailable, match="no connection"):
        world.hello()
    world.now += 3600
    with pytest.raises(Unavailable, match="history may be old"):
        world.find("lost")


def test_what_can_t_be_written_down_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """But what reduces risk goes out all the same: a full disk holds nobody in a position."""
    placed = world.open("a")
    assert isinstance(placed, Placed)

    def full(*_: Any) -> None:
        raise SentFileError("the disk is full")

    monkeypatch.setattr(SentFile, "_write", full)
    with pytest.raises(Unavailable, match="disk is full"):
        world.open("b")
    assert len(world.terminal.executed()) == 1
    closing: bridge.Result = world.ask(
        bridge.PositionClose, tag="c", symbol="EURUSD", ticket=placed.ticket, reduces=True
    )
    assert isinstance(closing.outcome(), Placed)


def test_a_close_that_could_not_be_written_down_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went out, so while its answer was lost it is not absent, and it does not go out twice."""
    placed = world.open("a", volume=Decimal("0.30"))
    assert isinstance(placed, Placed)
    monkeypatch.setattr(SentFile, "_write", lambda *_: (_ for _ in ()).throw(SentFileError("the disk is full")))
    world.now += 3600
    world.terminal.tick("EURUSD", 1.1, 1.1001)
    world.terminal.faults.request_lost = True
    part = {"symbol": "EURUSD", "ticket": placed.ticket, "volume": Decimal("0.10"), "reduces": True}
    closing: bridge.Result = world.ask(bridge.PositionClose, tag="c", **part)
    assert isinstance(closing.outcome(), Unknown)
    world.terminal.faults.request_lost = False
    assert world.find("c") is None
    again: bridge.Result = world.ask(bridge.PositionClose, tag="c", **part)
    assert isinstance(again.outcome(), Refused)
    world.now += 61
    assert world.find("c") == Absent()


def test_a_market_order_that_is_still_on_its_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server shows it and has not dealt yet: that is neither placed nor absent, however long it takes."""
    world.terminal.faults.request_lost = True
    assert isinstance(world.open("a"), Unknown)
    world.terminal.faults.request_lost = False
    waiting = world.open("w", order_type=OrderType.LIMIT, price=Decimal("1.0"))
    assert isinstance(waiting, Placed)
    real = mt5.orders_get

    def with_one_more(*a: Any, **k: Any) -> Any:
        (row,) = real(*a, **k)
        names = list(row._asdict())
        market = list(row)
        market[names.index("type")], market[names.index("comment")] = mt5.ORDER_TYPE_BUY, "a|"
        return (row, type(row)(market))

    monkeypatch.setattr(mt5, "orders_get", with_one_more)
    world.now += 3600
    assert world.find("a") is None
    assert world.find("w") is not None
    monkeypatch.undo()
    assert world.find("a") == Absent()


def test_taken_by_the_server_is_not_filled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """10008 to a market order: history says later what came of it."""
    real = mt5.order_send

    def taken(request: dict[str, Any]) -> Any:
        result = real(request)
        names = list(result._asdict())
        said = list(result)
        said[names.index("retcode")], said[names.index("deal")] = 10008, 0
        return type(result)(said)

    monkeypatch.setattr(mt5, "order_send", taken)
    monkeypatch.setattr(mt5, "history_orders_get", lambda *_, **__: ())
    assert isinstance(world.open("a"), Unknown)
    monkeypatch.undo()
    found = world.find("a")
    assert isinstance(found, Placed)
    assert found.volume == Decimal("0.10")


def test_an_order_that_waited_too_long_is_not_begun(world: World) -> None:
    """By the clock that the greeting told; nothing is written down of it."""
    began = world.hello().clock_ms
    assert began == int(START * 1000)
    with pytest.raises(Late):
        world.open("a", start_by_ms=began - 1)
    assert world.sent.get("a") is None
    assert isinstance(world.open("a", start_by_ms=began + 1000), Placed)
    late = bridge.encode(
        bridge.OrderSend(id="9", tag="b", symbol="EURUSD", volume=Decimal(1), side=Side.BUY, start_by_ms=1)
    )
    answer = said(Desk.of_a_caller(world.service).answer(Incoming((b"a",), late, None)))
    assert answer.code == bridge.LATE


def test_what_history_does_not_have_yet_the_answer_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill is a fill, though its deals can't be read at that moment."""
    monkeypatch.setattr(mt5, "history_orders_get", lambda *_, **__: None)
    placed = world.open("a")
    assert isinstance(placed, Placed)
    (done,) = world.terminal.executed()
    assert (placed.order, placed.volume, placed.price) == (done.result["order"], Decimal("0.1"), Decimal("1.10010"))
    monkeypatch.undo()
    found = world.find("a")
    assert isinstance(found, Placed)
    assert (found.ticket, found.price) == (placed.ticket, placed.price)


def test_an_answer_that_can_t_be_read_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went out; only nobody can say how it was filled."""
    real = mt5.order_send

    def garbled(request: dict[str, Any]) -> Any:
        result = real(request)
        return type(result)([*result[:4], float("nan"), *result[5:]])

    monkeypatch.setattr(mt5, "history_orders_get", lambda *_, **__: None)
    monkeypatch.setattr(mt5, "order_send", garbled)
    assert isinstance(world.open("a"), Unknown)
    monkeypatch.undo()
    assert isinstance(world.find("a"), Placed)


def desk(world: World) -> Desk:
    return Desk(world.service, TOKEN)


def said(answer: bytes) -> bridge.Reply:
    return bridge.decode_reply(answer)


def greeted(desk: Desk, route: bytes, hello: bytes) -> str:
    """The session of whoever says hello."""
    session = bridge.read(said(desk.answer(Incoming((route,), hello, None))).data, bridge.Welcome).session
    assert len(session) >= 16
    return session


def sample(route: bytes, session: str = "") -> Incoming:
    return Incoming((route,), bridge.encode(bridge.SampleGet(id="1", session=session)), None)


def test_the_name_of_a_connection_proves_nothing(world: World) -> None:
    """Whoever takes the name of one that has ended, and did not hear the session, is told to show the token."""
    one = desk(world)
    session = greeted(one, b"a", bridge.encode(bridge.Hello(id="1", protocol=1, token=TOKEN)))
    for wrong in ("", "x", session[:-1], session + "x", "é"):
        assert said(one.answer(sample(b"a", wrong))).code == "unauthorized"
    assert said(one.answer(sample(b"a", session))).error is None
    assert session not in repr(one)
    again = greeted(one, b"a", bridge.encode(bridge.Hello(id="1", protocol=1, token=TOKEN)))
    assert again != session
    assert said(one.answer(sample(b"a", session))).code == "unauthorized"


def test_the_desk_lets_in_by_the_token_alone(world: World) -> None:
    """A wrong one, none, another protocol; and one gateway at a time."""
    one = desk(world)
    assert said(one.answer(sample(b"a"))).code == "unauthorized"
    for token in ("", "x", TOKEN[:-1], TOKEN + "x", "é"):
        wrong = bridge.encode(bridge.Hello(id="2", protocol=1, token=token))
        assert said(one.answer(Incoming((b"a",), wrong, None))).code == "unauthorized"
    old = bridge.encode(bridge.Hello(id="3", protocol=2, token=TOKEN))
    assert "update" in (said(one.answer(Incoming((b"a",), old, None))).error or "")
    assert one.refused == 7
    hello = bridge.encode(bridge.Hello(id="4", protocol=1, token=TOKEN))
    first = greeted(one, b"a", hello)
    assert said(one.answer(sample(b"a", first))).error is None
    assert said(one.answer(sample(b"b", first))).code == "unauthorized"
    second = greeted(one, b"b", hello)
    assert said(one.answer(sample(b"a", first))).code == "unauthorized"
    assert said(one.answer(sample(b"b", second))).error is None
    assert one.refused == 9
    nobody = Desk(world.service, "")
    empty = bridge.encode(bridge.Hello(id="5", protocol=1, token=""))
    assert said(nobody.answer(Incoming((b"a",), empty, None))).code == "unauthorized"


@pytest.mark.parametrize(
    "body", [None, b"", b"\xff", b"[]", b'{"id":"7"}', b'{"id":"7","type":"order_send"}', b'{"id":7,"type":"x"}']
)
def test_the_desk_answers_whatever_comes(world: World, body: bytes | None) -> None:
    """With the id where there is one, so that nobody waits for nothing."""
    answer = said(desk(world).answer(Incoming((b"a",), body, None if body is not None else "two frames")))
    assert answer.code == "invalid_message"
    assert answer.id == ("7" if body is not None and b'"7"' in body else "")


def test_a_crash_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ours, and the worker lives on."""
    one = desk(world)
    session = greeted(one, b"a", bridge.encode(bridge.Hello(id="1", protocol=1, token=TOKEN)))
    monkeypatch.setattr(world.service, "_handle", lambda _: 1 / 0)
    answer = said(one.answer(sample(b"a", session)))
    assert (answer.id, answer.code) == ("1", "internal")


def test_settings_tell_no_secrets() -> None:
    """Neither shown nor in an error."""
    settings = settings_from(b'{"token":"sesame","password":"hunter2","login":5}')
    assert "sesame" not in repr(settings)
    assert "hunter2" not in repr(settings)
    for wrong in (b"", b"{}", b"[1]", b'{"token":"sesame","unknown":1}', b'{"token":"sesame","login":"hunter2"}'):
        with pytest.raises(ValueError, match="can't be read") as raised:
            settings_from(wrong)
        assert "sesame" not in str(raised.value)
        assert "hunter2" not in str(raised.value)
