"""Connections, limits and prices under strain: what must hold when they are short, late or gone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import binance_desk
import pytest
import trio
from binance_desk import BTC, KINDS, D, Desk, opened
from certificates import Authority, needs_openssl
from conformance.binance_subject import account_at
from conformance.desk import ORIGIN, approved, new_tag

from quantmind.adapters.binance import broker as broker_module
from quantmind.adapters.binance import examine as examine_module
from quantmind.adapters.binance.asking import Asking
from quantmind.adapters.binance.budget import SPOT, Budget, Limit
from quantmind.adapters.binance.build import HOSTS, build, hosts_of
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import NotSent, Refusal
from quantmind.adapters.binance.examine import examine
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.adapters.binance.http import Api
from quantmind.config.brokers import BinanceBrokerConfig
from quantmind.config.secret import Secret
from quantmind.domain.orders import Close, Modify, Outcome, Placed, Unknown
from quantmind.errors import BrokerUnavailable
from quantmind.net.errors import HandshakeRefused
from quantmind.net.ws import connect
from quantmind.testing.binance import simulator


def few_orders(desk: Desk, count: int) -> None:
    desk.broker.api.budget.set_limits([Limit("ORDERS", "DAY", 1, count)])


@KINDS
async def test_opening_leaves_room_for_closing(kind: str, tmp_path: Path) -> None:
    """Orders that open leave a tenth of those that may be placed to what closes."""
    async with opened(kind, tmp_path) as desk:
        few_orders(desk, 10)
        placed = [await desk.buy() for _ in range(5)]
        assert all(isinstance(each, Placed) for each in placed)
        with pytest.raises(BrokerUnavailable, match="nothing was sent"):
            for _ in range(10):
                await desk.buy()
        closed = await desk.place(Close(ORIGIN, "c", BTC, placed[0].ticket))
        assert isinstance(closed, Placed), closed


@KINDS
async def test_equity_after_an_outage_is_of_now(kind: str, tmp_path: Path) -> None:
    """Though the streams have told no price since, and the last one that they told is of before."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("1")
        desk.sim.quote(BTC, "60000", "60001")
        await trio.sleep(0.2)
        before = (await desk.broker.sample()).account.equity
        await desk.broker.aclose()
        await trio.sleep(0.2)
        desk.sim.quote(BTC, "50000", "50001")
        await desk.broker.connect()
        sample = await desk.broker.sample()
        assert sample.account.equity == before - 10_000


async def test_without_streams_stops_are_judged_by_the_last_price(tmp_path: Path) -> None:
    """Not by the one that was read when the broker was connected."""
    async with opened("futures", tmp_path) as desk:
        desk.sim.quote(BTC, "70000", "70001")
        await trio.sleep(0.2)
        held = await desk.buy("0.01")
        assert isinstance(held, Placed)
        for line in desk.broker.feed._lines.values():
            line.lost = "for a moment"
        said = await desk.place(Modify(ORIGIN, "c", held.ticket, new_sl=D(69000)))
        assert isinstance(said, Placed), said


async def test_the_dead_man_switch_of_one_symbol_leaves_others_alone(tmp_path: Path) -> None:
    """One that the exchange refuses, or is slow about, does not keep the switch of another one from being told."""
    async with opened("futures", tmp_path, symbols=("ETHUSDT", BTC)) as desk:
        real, armed = Asking.trade, []

        async def trade(asking: Asking, method: str, path: str, params: Mapping[str, Any], **how: Any) -> bytes:
            if params["symbol"] == "ETHUSDT":
                raise Refusal(-1121, "Invalid symbol.")
            armed.append(params["symbol"])
            return await real(asking, method, path, params, **how)

        with patch.object(Asking, "trade", trade):
            with pytest.raises(Refusal):
                await desk.broker.venue.arm(60)
            assert armed == [BTC]


async def test_a_dead_man_switch_that_is_not_told_in_time_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Though nothing is refused: the exchange may be about to take back all orders."""

    async def slow(venue: FuturesVenue, seconds: float) -> None:
        await trio.sleep_forever()

    with patch.object(FuturesVenue, "arm", slow):
        async with opened("futures", tmp_path) as desk:
            desk.broker.upkeep.dead_man_s = 0.3
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desk.broker.upkeep.keep_alive)
                await trio.sleep(0.3)
                nursery.cancel_scope.cancel()
    assert "fail.dead_man" in caplog.text


async def test_the_dead_man_switch_is_told_though_questions_have_used_their_share(tmp_path: Path) -> None:
    """Else the exchange would take back the orders of a gateway that lives."""
    async with opened("futures", tmp_path) as desk:
        budget = desk.broker.api.budget
        budget.set_limits([Limit("REQUEST_WEIGHT", "DAY", 1, 100_000)])
        with pytest.raises(NotSent):
            for _ in range(1000):
                budget.admit(1000)
        await desk.broker.venue.arm(60)
        assert isinstance(await desk.buy(), Placed)


@KINDS
async def test_the_doctor_says_why_streams_do_not_open(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not that nothing answers: REST does, and the trouble is on the way to the streams."""
    monkeypatch.setattr(examine_module, "STEP_WITHIN_S", 2.0)
    async with opened(kind, tmp_path) as desk:
        monkeypatch.setattr(simulator, "_refusal", lambda *_: 403)
        found = await examine(account_at(desk.sim, kind, name="c", symbols=(BTC,)))
    assert (found[-1].what, found[-1].state) == ("streams", "fail")
    assert "HTTP status 403" in found[-1].detail


async def test_an_authority_s_file_that_can_t_be_read_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a gateway that begins with it names its broker, too."""
    monkeypatch.setenv("QUANTMIND_CA", str(tmp_path / "none.pem"))
    keys = {"api_key": Secret("key"), "api_secret": Secret("secret")}
    config = BinanceBrokerConfig(name="c", symbols=(BTC,), **keys)
    (found,) = await examine(config)
    assert found.state == "fail"
    assert "none.pem" in found.detail
    with pytest.raises(ValueError, match=r"none\.pem"):
        build(config)


@needs_openssl
async def test_letting_go_fails_for_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority's file is read once: it may be away when connections are let go."""
    authority = Authority.make(tmp_path)
    monkeypatch.setenv("QUANTMIND_CA", str(authority.file))
    clock = ServerClock()
    api = Api("https://localhost:1", None, clock, Budget(SPOT, clock.now))
    authority.file.unlink()
    await api.aclose()


async def test_a_clock_that_is_set_while_it_is_measured(tmp_path: Path) -> None:
    """A round trip in which it was set counts for nothing, though somebody else has noticed that in between: spot's
    ticks would have times that are ahead, and keep them, since no time goes back.
    """
    set_by = [0.0]
    clock = ServerClock(lambda: time.time() + set_by[0])

    async def call(api: Api, method: str, path: str, params: Mapping[str, Any], **how: Any) -> bytes:
        await trio.lowlevel.checkpoint()
        if not set_by[0]:
            set_by[0] = 3600.0
            clock.now_ms()  # as a request that is signed does
        return b'{"serverTime":%d}' % (time.time() * 1000)

    ahead = []
    real = ServerClock.note

    def note(of: ServerClock, *what: Any) -> None:
        real(of, *what)
        if of.is_measured:
            ahead.append(abs(of.now() - time.time()))

    api = Api("http://localhost:1", None, clock, Budget(SPOT, clock.now))
    with patch.object(Api, "call", call), patch.object(ServerClock, "note", note):
        await api.measure("/api/v3/time")
    assert len(ahead) == 2
    assert max(ahead) < 1


async def test_a_symbol_that_spot_does_not_know_any_more_leaves_others_their_prices(tmp_path: Path) -> None:
    """What is quiet is asked for together, and one that was taken off the exchange is refused with all others."""
    async with opened("spot", tmp_path, symbols=(BTC, "ETHUSDT")) as desk:
        rows = await desk.broker.venue.prices([BTC, "GONEUSDT"])
        assert [row[0] for row in rows] == [BTC]


async def test_a_refusal_of_the_account_s_stream_shows_no_listen_key(nursery: trio.Nursery) -> None:
    """Whoever refuses a connection may say which address it was: that of futures has the listen key in it."""

    async def refuse(stream: trio.SocketStream) -> None:
        head = (await stream.receive_some(65536)).decode()
        said = f"no such page: {head.split()[1]}".encode()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
        await stream.aclose()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, refuse, [listener])
    port = listener.socket.getsockname()[1]
    with pytest.raises(HandshakeRefused) as caught:
        async with connect(f"ws://127.0.0.1:{port}/private/ws/aSecretListenKey", peer="Binance"):
            pass
    assert "404: no such page: " in str(caught.value)
    assert "aSecretListenKey" not in str(caught.value)


@pytest.mark.parametrize(("kind", "testnet"), HOSTS)
def test_an_address_of_the_exchange_itself_leaves_streams_where_they_are(kind: str, testnet: bool) -> None:
    """They are on other hosts: an account whose `base_url` is the exchange's own would never have a stream."""
    hosts = HOSTS[kind, testnet]
    assert hosts_of(BinanceBrokerConfig(name="c", type=kind, base_url=f"{hosts.rest}/")) == hosts
    assert hosts_of(BinanceBrokerConfig(name="c", type=kind, base_url="http://127.0.0.1:9")).rest != hosts.rest


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By how much this machine's clock was set; each broker that is begun goes by it."""
    by = [0.0]
    monkeypatch.setattr(binance_desk, "build", partial(build, wall=lambda: time.time() + by[0]))
    return by


@KINDS
async def test_a_clock_that_is_set_ahead_makes_no_request_absent(kind: str, tmp_path: Path, step: list[float]) -> None:
    """One that is on its way yet is absent when the exchange would refuse it, and not when a clock was corrected."""
    async with opened(kind, tmp_path, recv_window_ms=5000) as desk:
        desk.broker.finder.window_s = desk.broker.desk.window_s = 6.0
        desk.sim.faults.late_s = 1.0
        desk.sim.faults.lose = "late"
        tag = new_tag()
        assert isinstance(await desk.buy(tag=tag), Unknown)
        step[0] = 3600.0
        assert await desk.broker.find(tag) is None
        await trio.sleep(1.5)
        assert isinstance(await desk.broker.find(tag), Placed)


@KINDS
async def test_a_clock_that_is_set_back_leaves_no_change_undecided(
    kind: str, tmp_path: Path, step: list[float]
) -> None:
    """Stops whose request nobody heard of are seen to when it can't arrive any more, and not an hour later."""
    async with opened(kind, tmp_path) as desk:
        held = await desk.buy(sl=D(57000))
        assert isinstance(held, Placed)
        tag = new_tag()
        desk.sim.faults.lose = "request"
        assert isinstance(await desk.place(Modify(ORIGIN, "c", held.ticket, new_sl=D(58000)), tag), Unknown)
        desk.sim.faults.lose = None
        step[0] = -3600.0

        async def decided() -> bool:
            return await desk.broker.find(tag) is not None

        await desk.until(decided)


async def reduced(desk: Desk, ticket: int) -> Outcome:
    """Half a position is closed, and the governor has said that it takes risk away."""
    close, tag = Close(ORIGIN, "c", BTC, ticket, volume=D("0.01")), new_tag()
    return await desk.broker.place(approved(close, tag, reduces=True), tag)


@KINDS
async def test_a_close_is_sent_while_streams_can_t_be_opened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REST answers, and no stream does: whoever is connected anew meanwhile is not kept from closing."""
    monkeypatch.setattr(broker_module, "OPENS_WITHIN_S", 0.3)
    async with opened(kind, tmp_path) as desk:
        held = await desk.buy("0.02")
        assert isinstance(held, Placed)
        monkeypatch.setattr(simulator, "_refusal", lambda *_: 503)
        desk.sim.end_connections()
        await trio.sleep(0.2)
        with pytest.raises(BrokerUnavailable):
            await desk.broker.connect()
        with pytest.raises(BrokerUnavailable):
            await desk.buy()
        closed = await reduced(desk, held.ticket)
        assert isinstance(closed, Placed), closed
        await desk.broker.aclose()
        closed = await reduced(desk, held.ticket)
        assert isinstance(closed, Placed), closed


@KINDS
async def test_rules_that_the_exchange_changes_are_told(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price step or a symbol's closing that comes while we run: whoever connects anew is told of it, once."""
    monkeypatch.setattr(broker_module, "RULES_EVERY_S", 0.1)
    async with opened(kind, tmp_path) as desk:
        await trio.sleep(0.4)
        await desk.broker.poll()
        known = desk.sim.engine.symbols
        known[BTC] = attrs.evolve(known[BTC], max_orders=7)
        await trio.sleep(0.4)
        await desk.broker.poll()
        assert desk.broker.rules[BTC].max_orders == 7
        known[BTC] = attrs.evolve(known[BTC], tick=D("0.5"))

        async def told() -> bool:
            try:
                await desk.broker.poll()
            except BrokerUnavailable as error:
                return "changed the rules of BTCUSDT" in str(error)
            return False

        await desk.until(told)
        (spec,) = await desk.broker.connect()
        assert spec.tick_size == D("0.5")
        await trio.sleep(0.4)
        await desk.broker.poll()
        del known[BTC]
        await trio.sleep(0.4)
        await desk.broker.poll()


async def test_a_symbol_is_not_missing_for_another_refusal(tmp_path: Path) -> None:
    """One that spot does not know makes it be asked for each; what it refuses then for another reason is told so."""
    async with opened("spot", tmp_path) as desk:
        real, asked = Asking.get, []

        async def get(asking: Asking, path: str, params: Mapping[str, Any], **how: Any) -> bytes:
            asked.append(path)
            if len(asked) > 1:
                raise Refusal(-1003, "Too many requests.", 429)
            return await real(asking, path, params, **how)

        with patch.object(Asking, "get", get), pytest.raises(Refusal, match="Too many"):
            await desk.broker.venue.rules([BTC, "GONEUSDT"])


@pytest.mark.parametrize("host", ["api..binance.com", ".localhost", "...", f"{'x' * 64}.com"])
async def test_a_host_that_can_t_be_looked_up_is_no_base_url(host: str) -> None:
    """It is told at the start: to look it up would raise what is no trouble of the network, again and again."""
    keys = {"api_key": Secret("key"), "api_secret": Secret("secret")}
    with pytest.raises(ValueError, match="is no base URL"):
        build(BinanceBrokerConfig(name="c", symbols=(BTC,), base_url=f"https://{host}", **keys))


async def test_an_account_is_traded_though_trades_of_its_market_can_t_be_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Futures tell them on a path of their own, on which sources disagree; prices and the account do not need it."""
    real = simulator._refusal

    def refusal(exchange: Any, target: str) -> int | None:
        return 404 if target.startswith("/market") else real(exchange, target)

    monkeypatch.setattr(simulator, "_refusal", refusal)
    async with opened("futures", tmp_path) as desk:
        assert isinstance(await desk.buy(), Placed)
        found = await examine(account_at(desk.sim, "futures", name="c", symbols=(BTC,)), ticks_within_s=0.2)
        (streams,) = [each for each in found if each.what == "streams"]
        assert (streams.state, "404" in streams.detail) == ("warn", True)


@KINDS
async def test_a_position_is_closed_by_the_steps_of_now(kind: str, tmp_path: Path) -> None:
    """What the exchange trades in larger steps than it did when the position was opened."""
    async with opened(kind, tmp_path) as desk:
        held = await desk.buy("0.025")
        assert isinstance(held, Placed)
        known = desk.sim.engine.symbols
        known[BTC] = attrs.evolve(known[BTC], step=D("0.01"), min_qty=D("0.01"))
        await desk.broker.connect()
        closed = await desk.place(Close(ORIGIN, "c", BTC, held.ticket))
        assert isinstance(closed, Placed), closed
        assert closed.volume == D("0.02")
