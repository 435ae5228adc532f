"""Binance from a user's chair: gateways in processes of their own, over the exchange that is made up."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, done, quantmind, running, until, write_config
from metric_walk import Samples, parsed, value

from quantmind.testing.binance.in_thread import SimulatorThread, start_simulator_thread
from quantmind.testing.binance.ledger import Done
from quantmind.testing.binance.simulator import KEYS
from quantmind.testing.binance.spot_account import Charge, Commission
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.symbols import SPOT_SYMBOLS, SymbolSettings

MONEY = {"USDT": Decimal(100_000)}
FEES = Commission(maker=Decimal("0.001"), taker=Decimal("0.001"))
"""Of what is received: of a coin that is bought a part goes, as on a real account without BNB."""
PAPER = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}


@contextlib.contextmanager
def exchange(**arguments: Any) -> Iterator[SimulatorThread]:
    """A spot exchange whose prices walk; its account has nothing but money unless it is said otherwise."""
    with start_simulator_thread(**{"engine": SpotEngine(balances=MONEY, commission=FEES), **arguments}) as sim:
        sim.do(lambda it: it.start_walk(every_s=0.1))
        yield sim


def coins(url: str, **more: Any) -> dict[str, Any]:
    """A broker at that address."""
    return {
        "type": "binance_spot",
        "api_key": KEYS.api_key,
        "api_secret": KEYS.secret,
        "base_url": url,
        "symbols": ["BTCUSDT", "ETHUSDT"],
        **more,
    }


def configured(folder: Path, sim: SimulatorThread, **more: Any) -> Path:
    """A gateway with this account alone."""
    return write_config(folder, {"coins": coins(sim.url, **more)}, poll_interval_ms=50, account_interval_ms=100)


def fault(sim: SimulatorThread, **changes: Any) -> None:
    """Let something go wrong from now on, or be right again."""

    def change(it: Any) -> None:
        for name, what in changes.items():
            setattr(it.faults, name, what)

    sim.do(change)


def is_active(gateway: GatewayProcess) -> bool:
    """Whether it may trade, and its account and prices are known."""
    broker = gateway.get("/status")["brokers"][0]
    return bool(broker["trading"]["state"] == "active" and broker["condition"]["state"] == "ok")


def status(gateway: GatewayProcess) -> Any:
    """What /status says of the exchange."""
    return gateway.get("/status")["exchanges"]["coins"]


def bid(gateway: GatewayProcess) -> float:
    return float(gateway.get("/ticks/BTCUSDT")["bid"])


def scrape(gateway: GatewayProcess) -> Samples:
    """What GET /metrics gives."""
    request = urllib.request.Request(gateway.addresses["rest"] + "metrics", headers={"X-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return parsed(answer.read().decode())


def buying(request_id: str, **more: Any) -> dict[str, Any]:
    """A command to buy a hundredth of a bitcoin."""
    return {
        "type": "trade_open",
        "ea_name": "a",
        "magic": 7,
        "symbol": "BTCUSDT",
        "volume": 0.01,
        "side": "buy",
        "execute": True,
        "token": TOKEN,
        "request_id": request_id,
        "timestamp": time.time(),
        **more,
    }


def placed(sim: SimulatorThread) -> list[Decimal | None]:
    """How much of each market order was filled at the exchange, in order."""
    found = sim.do(lambda it: it.executed())
    return [each.quantity for each in found if each.done is Done.PLACED and not each.waits]


def open_orders(sim: SimulatorThread) -> list[dict[str, Any]]:
    """What waits at the exchange."""
    found: list[dict[str, Any]] = sim.do(lambda it: it.engine.handle("GET", "/api/v3/openOrders", {}))
    return found


def prices_of(orders: list[dict[str, Any]]) -> set[Decimal]:
    """At which they are set off, or filled."""
    return {Decimal(each["stopPrice"]) or Decimal(each["price"]) for each in orders}


def test_a_day_of_trading(tmp_path: Path) -> None:
    """Ticks come; an order with stops is filled once and shown everywhere; its stops change; it is closed."""
    with exchange() as sim, running(configured(tmp_path, sim)) as gateway:
        until(lambda: is_active(gateway))
        first = gateway.get("/ticks/BTCUSDT")
        until(lambda: gateway.get("/ticks/BTCUSDT")["seq"] > first["seq"])
        at = bid(gateway)
        sl, tp = round(at - 1000), round(at + 1000)
        opened = gateway.command(order := buying("first", sl=sl, tp=tp))
        assert (opened["status"], opened["sl"], opened["tp"]) == ("success", sl, tp), opened
        assert gateway.command(order)["ticket"] == opened["ticket"]
        assert placed(sim) == [Decimal("0.01")]
        assert prices_of(open_orders(sim)) == {Decimal(sl), Decimal(tp)}
        (position,) = until(lambda: gateway.get("/positions")["items"])
        assert (position["ticket"], position["symbol"], position["magic"]) == (opened["ticket"], "BTCUSDT", 7)
        assert (position["side"], position["volume"], position["sl"], position["tp"]) == ("buy", 0.00999, sl, tp)
        account = gateway.get("/account")
        assert (account["currency"], account["positions"], account["trade_allowed"]) == ("USDT", 1, True)
        assert abs(account["balance"] - 100_000) < 10
        assert abs(account["equity"] - account["balance"]) < 10
        ticket = {"ea_name": "a", "magic": 7, "execute": True, "token": TOKEN, "ticket": opened["ticket"]}
        ticket["timestamp"] = time.time()
        changed = gateway.command(
            {**ticket, "type": "trade_modify", "new_sl": sl - 100, "new_tp": tp + 100, "request_id": "change"}
        )
        assert changed["status"] == "success", changed
        assert prices_of(open_orders(sim)) == {Decimal(sl - 100), Decimal(tp + 100)}
        closed = gateway.command({**ticket, "type": "trade_close", "symbol": "BTCUSDT", "request_id": "close"})
        assert closed["status"] == "success", closed
        assert placed(sim) == [Decimal("0.01"), Decimal("0.00999")]
        assert open_orders(sim) == []
        until(lambda: gateway.get("/positions")["items"] == [])
        deals = until(lambda: found if len(found := gateway.get("/deals")["items"]) == 2 else None)
        assert [(each["entry"], each["volume"], each["magic"]) for each in deals] == [
            ("in", 0.01, 7),
            ("out", 0.00999, 7),
        ]
        assert status(gateway)["stops"] == {"placed": 2, "failed": 0, "file": None, "missing": {}}
        assert gateway.stop() == 0
        assert KEYS.secret not in "\n".join(gateway.log)


def books(gateway: GatewayProcess) -> Any:
    """What the record of the account says of itself."""
    return gateway.get("/status")["brokers"][0]["books"]


@pytest.mark.parametrize("charge", Charge)
def test_what_a_fee_takes_of_a_coin_is_no_drift(charge: Charge, tmp_path: Path) -> None:
    """Fees in what was bought, or in a coin that is followed, make positions smaller, and the record explains it."""
    bnb = SymbolSettings("BNBUSDT", "BNB", "USDT", step=Decimal("0.001"), min_qty=Decimal("0.001"))
    engine = SpotEngine(
        [SPOT_SYMBOLS[0], bnb],
        {**MONEY, "BNB": Decimal("1.0005")},
        attrs.evolve(FEES, charge=charge),
    )
    with exchange(engine=engine) as sim, running(configured(tmp_path, sim, symbols=["BTCUSDT", "BNBUSDT"])) as gateway:
        until(lambda: is_active(gateway))
        until(lambda: books(gateway)["state"] == "agreed")
        reads = status(gateway)["reads"]
        opened = gateway.command(buying("first"))
        assert opened["status"] == "success", opened
        time.sleep(4.5)  # what does not fit is drift after three seconds
        assert (books(gateway)["state"], books(gateway)["drifts"]) == ("agreed", 0), books(gateway)
        assert status(gateway)["reads"] == reads
        held = {each["symbol"]: each["volume"] for each in gateway.get("/positions")["items"]}
        fees = [each for each in gateway.get("/deals")["items"] if each["cause"] == "fee"]
        if charge is Charge.RECEIVED:
            assert (held, fees) == ({"BTCUSDT": 0.00999, "BNBUSDT": 1.0}, [])
        else:
            assert (held, len(fees)) == ({"BTCUSDT": 0.01, "BNBUSDT": 0.999}, 1)
            assert (fees[0]["symbol"], fees[0]["entry"], fees[0]["order"]) == ("BNBUSDT", "out", 0)
            assert fees[0]["commission"] < 0 == fees[0]["profit"]


def test_a_short_day_of_futures(tmp_path: Path) -> None:
    """A contract is sold with stops, once; `quantmind flatten` closes it, and its stops go with it."""

    def stops() -> set[Decimal]:
        waiting = sim.do(lambda it: it.engine.handle("GET", "/fapi/v1/openAlgoOrders", {}))
        return {Decimal(each["triggerPrice"]) for each in waiting}

    with start_simulator_thread("futures") as sim:
        sim.do(lambda it: it.start_walk(every_s=0.1))
        config = configured(tmp_path, sim, type="binance_futures", leverage=5, position_mode="one_way")
        with running(config) as gateway:
            until(lambda: is_active(gateway))
            at = round(bid(gateway))
            sl, tp = at + 1000, at - 1000
            opened = gateway.command(order := buying("first", side="sell", sl=sl, tp=tp))
            assert (opened["status"], opened["sl"], opened["tp"]) == ("success", sl, tp), opened
            assert gateway.command(order)["ticket"] == opened["ticket"]
            assert placed(sim) == [Decimal("0.01")]
            assert stops() == {Decimal(sl), Decimal(tp)}
            (position,) = until(lambda: gateway.get("/positions")["items"])
            assert (position["ticket"], position["side"], position["volume"]) == (opened["ticket"], "sell", 0.01)
            account = gateway.get("/account")
            assert (account["leverage"], account["margin_mode"]) == (5, "netting")
            assert abs(account["margin"] - 120) < 1
            done(config, "flatten", "--yes", "--reason", "the day is over", "--within", "20")
            assert placed(sim) == [Decimal("0.01")] * 2
            until(lambda: stops() == set())
            deals = until(lambda: found if len(found := gateway.get("/deals")["items"]) == 2 else None)
            assert [(each["entry"], each["side"]) for each in deals] == [("in", "sell"), ("out", "buy")]
            assert status(gateway)["market"]["trades_path"] == "market"


def examined(config: Path, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """What `quantmind doctor` ends with, and its findings of the exchange: state and detail of each."""
    ran = quantmind(config, "doctor", "--json", *words)
    found = json.loads(ran.stdout)["findings"]
    of = {each["what"]: (each["state"], each["detail"]) for each in found if each["what"].startswith("coins: ")}
    return ran.returncode, {what.removeprefix("coins: "): said for what, said in of.items()}


@pytest.mark.parametrize("kind", ["spot", "futures"])
def test_the_doctor_looks_at_an_exchange(kind: str, tmp_path: Path) -> None:
    """It changes nothing; and what is wrong is told with the way out."""
    account = {"type": f"binance_{kind}"}
    if kind == "futures":
        account |= {"leverage": 7, "position_mode": "hedge", "margin_type": "isolated"}
    with start_simulator_thread(kind) as sim:
        sim.do(lambda it: it.start_walk(every_s=0.1))
        code, found = examined(configured(tmp_path, sim, **account))
        wrong = {what for what, (state, _) in found.items() if state != "ok"}
        assert (code, wrong) == (0, {"setting"} if kind == "futures" else set()), found
        assert set(found) >= {"exchange", "clock", "account", "limits", "streams", "BTCUSDT", "BTCUSDT prices"}
        if kind == "futures":
            assert "leverage of ETHUSDT is 20, and 7 is wanted" in found["setting"][1]
            assert sim.do(lambda it: set(it.engine.book.account.leverages.values())) == {20}
        assert sim.do(lambda it: it.executed()) == ()
        code, found = examined(configured(tmp_path, sim, **account, symbols=["NONEUSDT"]))
        assert (code, found["symbols"][0]) == (1, "fail")
        assert "does not trade NONEUSDT: correct `symbols`" in found["symbols"][1]
        code, found = examined(configured(tmp_path, sim, **account, api_secret="a-wrong-secret-of-nobody"))
        assert (code, found["account"][0]) == (1, "fail")
        assert "-1022" in found["account"][1]
        sim.do(lambda it: setattr(it.faults, "clock_ahead_s", 1.27))
        code, found = examined(configured(tmp_path, sim, **account), "--ticks-within", "5")
        assert (code, found["clock"][0]) == (0, "warn")
        assert "ms behind the exchange's" in found["clock"][1]
    code, found = examined(configured(tmp_path, sim, **account))
    assert (code, found["exchange"][0]) == (1, "fail")
    assert "refuses connections; check base_url" in found["exchange"][1]


def test_a_key_that_is_not_there_is_told_before_the_start(tmp_path: Path) -> None:
    """By `quantmind check` and by the gateway, with the broker and the setting."""
    account = coins("http://127.0.0.1:9", private_key_path="none.pem", api_secret=None)
    config = write_config(tmp_path, {"perps": {**account, "type": "binance_futures"}})
    for command in ("check", "run"):
        ran = quantmind(config, command)
        assert ran.returncode == 2
        assert "brokers.perps.private_key_path: the private key" in ran.stderr, ran.stderr
        assert "is not there; name the file" in ran.stderr


def test_the_kill_switch(tmp_path: Path) -> None:
    """`quantmind flatten` takes back what waits, stops that belong together too, and sells all that is held."""
    with exchange(engine=SpotEngine(commission=FEES)) as sim:
        config = configured(tmp_path, sim)
        text = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps({**text, "risk": {"accounts": {"coins": {"max_volume": 50}}}}), encoding="utf-8")
        with running(config) as gateway:
            until(lambda: is_active(gateway))
            at = bid(gateway)
            assert gateway.command(buying("a", sl=round(at - 1000), tp=round(at + 1000)))["status"] == "success"
            waiting = gateway.command(buying("b", order_type="limit", price=round(at - 2000)))
            assert waiting["status"] == "success", waiting
            assert len(open_orders(sim)) == 3
            flat = done(config, "flatten", "--yes", "--reason", "the day is over", "--within", "20")
            assert flat, flat
            assert open_orders(sim) == []
            held = sim.do(lambda it: {asset: it.engine.account.free(asset) for asset in ("BTC", "ETH")})
            assert held["BTC"] < Decimal("0.0001"), held
            assert held["ETH"] < Decimal("0.01"), held
            assert gateway.get("/positions")["items"] == []
            assert gateway.command(buying("c"))["approved"] is False


def test_killed_while_an_answer_is_lost(tmp_path: Path) -> None:
    """Started again the gateway finds the order, does not send it twice, and places the stops that it never had."""
    with exchange() as sim:
        config = configured(tmp_path, sim)
        with running(config) as gateway:
            until(lambda: is_active(gateway))
            at = bid(gateway)
            sl, tp = round(at - 1000), round(at + 1000)
            fault(sim, lose="answer", no_data="error", events_lost=True)
            order = buying("first", sl=sl, tp=tp)
            with zmq.Context() as context, context.socket(zmq.REQ) as asking:
                asking.setsockopt(zmq.LINGER, 0)
                asking.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
                asking.send_json(order)
                until(lambda: placed(sim))
                gateway.kill()
            assert open_orders(sim) == []
        fault(sim, lose=None, no_data=None, events_lost=False)
        with running(config) as gateway:
            found = until(lambda: settled(gateway, "first"))
            assert found["state"] == "filled", found
            until(lambda: is_active(gateway))
            assert gateway.command(order)["ticket"] == found["reply"]["ticket"]
            assert placed(sim) == [Decimal("0.01")]
            until(lambda: prices_of(open_orders(sim)) == {Decimal(sl), Decimal(tp)})
            (position,) = until(lambda: [each for each in gateway.get("/positions")["items"] if each["sl"]])
            assert (position["ticket"], position["magic"]) == (found["reply"]["ticket"], 7)


def settled(gateway: GatewayProcess, request_id: str) -> Any:
    """What became of a command, once that is known."""
    found = gateway.get(f"/commands/{request_id}")
    return found if found["state"] not in ("intent", "sent", "unknown", "approved") else None


def test_a_ban(tmp_path: Path) -> None:
    """After a 418 nothing goes out until its time is over; /status says until when, and so is whoever asks told."""
    with exchange() as sim, running(configured(tmp_path, sim)) as gateway:
        until(lambda: is_active(gateway))
        over = time.time() + 4
        fault(sim, banned_until=over)
        refused = gateway.command(buying("a"))
        assert refused["status"] != "success", refused
        budget = status(gateway)["budget"]
        assert over - 0.5 <= budget["banned_until"] <= over + 1.5
        assert value(scrape(gateway), "exchange_banned_until_timestamp_seconds", broker="coins") > time.time()
        again = gateway.command(buying("b"))
        assert again["status"] != "success", again
        assert "nothing is sent for another" in json.dumps(again), again
        until(lambda: status(gateway)["budget"]["banned_until"] is None)
        assert time.time() >= over
        until(lambda: is_active(gateway))
        budget = status(gateway)["budget"]
        assert budget["bans"] == 1
        assert budget["held_back"] >= 1
        assert placed(sim) == []
        assert gateway.command(buying("c"))["status"] == "success"


def test_another_clock_and_new_words(tmp_path: Path) -> None:
    """An exchange that is 1.27 s ahead is measured and traded with; words that are new to us are counted."""
    symbols = [attrs.evolve(each, status="AUCTION_2027") if each.name == "ETHUSDT" else each for each in SPOT_SYMBOLS]
    with exchange(engine=SpotEngine(symbols, MONEY, FEES)) as sim:
        fault(sim, clock_ahead_s=1.27)
        with running(configured(tmp_path, sim)) as gateway:
            until(lambda: is_active(gateway))
            assert abs(status(gateway)["clock"]["offset_ms"] - 1270) < 100
            assert gateway.command(buying("a"))["status"] == "success"
            sim.do(lambda it: it.engine.on_event({"e": "somethingOf2027", "E": int(it.exchange.clock() * 1000)}))
            until(lambda: "event=somethingOf2027" in status(gateway)["strange"])
            assert status(gateway)["strange"]["symbolStatus=AUCTION_2027"] >= 1
            assert gateway.command(buying("b", symbol="ETHUSDT", volume=0.1))["status"] != "success"
            assert gateway.command(buying("c"))["status"] == "success"


def test_a_path_that_is_silently_dead(tmp_path: Path) -> None:
    """Prices move and the stream says nothing: that is seen, told, connected anew, and over once it speaks again."""
    with exchange() as sim, running(configured(tmp_path, sim)) as gateway:
        until(lambda: is_active(gateway))
        fault(sim, silent_paths={"/stream"})
        until(lambda: status(gateway)["market"]["silent_deaths"] == 1)
        assert any("die.stream name=market" in line for line in gateway.log)
        last = gateway.get("/ticks/BTCUSDT")["seq"]
        fault(sim, silent_paths=set())
        until(lambda: gateway.get("/ticks/BTCUSDT")["seq"] > last + 3)
        until(lambda: is_active(gateway))
        assert "it said nothing while prices moved" in status(gateway)["market"]["lines"]["market"]["gaps"]
        assert gateway.command(buying("a"))["status"] == "success"


def test_a_host_that_can_t_be_reached(tmp_path: Path) -> None:
    """/status and the log say which it is; the paper account beside it trades."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    brokers = {"coins": coins(f"http://127.0.0.1:{port}"), "paper": PAPER}
    with running(write_config(tmp_path, brokers)) as gateway:
        words = f"127.0.0.1:{port} refuses connections; check base_url"
        until(lambda: words in json.dumps(gateway.get("/status")["brokers"][0]))
        until(lambda: gateway.get("/status")["brokers"][1]["condition"]["state"] == "ok")
        order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1, "broker": "paper"}
        assert gateway.post("/trade", order)[0] == 200
        assert gateway.get("/status")["exchanges"]["coins"]["connected"] is False
        assert any(words in line for line in gateway.log)


def test_a_secret_that_is_wrong(tmp_path: Path) -> None:
    """The reason says what has to be checked, and tells nothing of the secret."""
    with exchange() as sim, running(configured(tmp_path, sim, api_secret="another-secret")) as gateway:
        found = until(lambda: re.search("check that the secret", json.dumps(gateway.get("/status")["brokers"][0])), 10)
        assert found
        assert status(gateway)["connected"] is False
        assert "another-secret" not in "\n".join(gateway.log) + json.dumps(gateway.get("/status"))
