"""A trading day of ten symbols, at speed: true ticks for everybody, books that add up, and a gateway as it began."""

from __future__ import annotations

import os
import statistics
import sys
from decimal import Decimal

import pytest
import trio
from faults.day_run import BALANCE, WATCHED, Plan, Told, configure, figures, live_through, thirds
from faults.generated_day import SYMBOLS, generate
from faults.health import HAS_PROC, NO_PROC, nodes_of, serious
from faults.paper_book import balance_of, check_deals
from gateway_process import running

from quantmind.client import Failed

SHORT = Plan(from_hour=13, minutes=6, speed=36.0, trade_pause_s=0.05, visitors=2, most_growth_kb=24 * 1024)
WHOLE = Plan(from_hour=0, minutes=1440, speed=120.0, trade_pause_s=0.3, visitors=2, most_growth_kb=64 * 1024)
KEEPS_OPEN = 8
"""Descriptors and actors that visitors hold at one moment and not at another, far less than their visits."""
MOST_WAITING = 96 * 1024
"""For one client: a piece that is being written (64 KiB), the newest tick of each symbol, and answers."""


@pytest.fixture(
    scope="module", params=[pytest.param(SHORT, id="short"), pytest.param(WHOLE, id="whole", marks=pytest.mark.long)]
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    plan: Plan = request.param
    folder = tmp_path_factory.mktemp("day")
    day = generate(
        folder / "day.ticks", from_hour=plan.from_hour, minutes=plan.minutes, ticks_a_day=90_000 * len(SYMBOLS)
    )
    told, began = Told(plan, day), os.times()
    with running(configure(folder, day, plan), "--json-log") as gateway:
        trio.run(live_through, gateway, told)
        gateway.process.terminate()
        told.exit_code = gateway.process.wait(timeout=60)
    told.log, ended = gateway.log, os.times()
    # Of a process that has ended, and 0 on Windows, where nobody adds it up.
    told.gateway_cpu_s = ended.children_user + ended.children_system - began.children_user - began.children_system
    told.clients_cpu_s = ended.user + ended.system - began.user - began.system
    print(figures(told))
    return told


def test_fast_clients_get_every_tick_or_are_told_the_gap(told: Told) -> None:
    """A client has each recorded tick from its first on, or was told of the gap, and was behind when it had one."""
    for watcher, symbols, conflated in zip(told.watchers, WATCHED, told.conflated, strict=True):
        assert len(watcher.epochs) == 1
        assert watcher.disconnected == 0
        assert watcher.first_seq.keys() == {("demo", symbol) for symbol in symbols}
        owed = sum(told.day.count(symbol) - watcher.first_seq["demo", symbol] + 1 for symbol in symbols)
        assert watcher.ticks + watcher.missing == owed
        assert watcher.missing <= conflated
    # The day began with this one, so it has the first of each.
    assert set(told.watchers[0].first_seq.values()) == {1}


def test_a_slow_reader_gets_true_ticks_and_the_newest(told: Told) -> None:
    """Who reads slowly gets fewer ticks, each true and in order, and at the end the last one of each symbol."""
    last: dict[str, int] = {}
    for tick in told.slow_ticks:
        told.day.check_values(tick["symbol"], tick["seq"], tick["bid"], tick["ask"], tick["time_msc"])
        assert tick["seq"] > last.get(tick["symbol"], 0)
        last[tick["symbol"]] = tick["seq"]
    assert last == {symbol: told.day.count(symbol) for symbol in SYMBOLS}
    assert told.slow_conflated > 0, "it was not slow, so nothing was shown"


def test_clients_came_and_went(told: Told) -> None:
    """Each way of leaving was gone, many times; what visitors were sent was held against the recording meanwhile."""
    assert told.visits.keys() == {"leaves", "unsubscribes", "vanishes"}
    assert told.visits.total() >= 9


def test_the_account_adds_up(told: Told) -> None:
    """The deals are the traders' fills, and balance and equity are exactly what deals and positions make them."""
    check_deals(told.book, told.deals)
    assert told.book.closed
    assert all(isinstance(refusal, Failed) and refusal.code == "broker_refused" for refusal in told.book.refused)
    closed = {deal["position"] for deal in told.deals if deal["entry"] == "out"}
    assert {position["ticket"] for position in told.positions} == told.book.opened.keys() - closed
    balance = Decimal(str(told.account["balance"]))
    assert balance == balance_of(BALANCE, told.deals)
    held = sum((Decimal(str(item["profit"])) + Decimal(str(item["swap"])) for item in told.positions), Decimal(0))
    assert Decimal(str(told.account["equity"])) == balance + held
    assert told.account["positions"] == len(told.positions)


def test_every_actor_runs_as_it_began(told: Told) -> None:
    """No actor was ever started again, has failed, or was seen not running; those of clients are gone."""
    assert told.prober is not None
    assert told.prober.not_running == []
    for node in nodes_of(told.actors):
        assert (node["state"], node["restarts"], node["last_error"]) == ("running", 0, None), node
        assert node["incarnation"] <= 1, node
    assert told.before is not None
    assert told.after is not None
    assert (told.after.actors, told.after.clients) == (told.before.actors, 0)


def test_queues_stay_bounded(told: Told) -> None:
    """No mailbox was ever over its capacity, refused, lost or let a message grow old; no client's outbox grew."""
    assert told.prober is not None
    for node in nodes_of(told.actors):
        mailbox = node["mailbox"]
        assert mailbox["queued"] <= mailbox["peak"] <= mailbox["capacity"], node
        assert (mailbox["dropped"], mailbox["refused"], mailbox["expired"]) == (0, 0, 0), node
    assert 0 < told.prober.peak_bytes_waiting <= MOST_WAITING


def test_status_and_actors_agree(told: Told) -> None:
    """What /status counts is what /actors lists and what the day had."""
    nodes, status = nodes_of(told.actors), told.status
    assert status["actors"] == {
        "total": len(nodes),
        "by_state": {"running": len(nodes)},
        "restarts": 0,
        "not_running": [],
    }
    [broker] = status["brokers"]
    assert (broker["feed"], broker["ticks_crossed"], broker["ticks_dropped"]) == ("ended", 0, 0)
    assert broker["ticks_polled"] == status["hub"]["ticks_published"] == told.day.total
    assert (status["hub"]["ticks_unchanged"], status["hub"]["ticks_unknown"], status["hub"]["sink_errors"]) == (0, 0, 0)
    assert (status["hub"]["sinks"], status["hub"]["groups"]) == (0, 0)
    commands = status["zmq_commands"]
    sent = 2 * len(told.book.closed) + (len(told.book.opened) - len(told.book.closed)) + len(told.book.refused)
    assert commands["received"] >= sent
    assert commands["in_flight"] == 0
    assert (commands["malformed"], commands["unauthorized"], commands["busy"], commands["lost"]) == (0, 0, 0, 0)


def test_the_log_has_no_error(told: Told) -> None:
    """Nothing of level error or critical was logged, nothing that is no log line, and the end was in order."""
    assert serious(told.log) == []
    if sys.platform != "win32":  # there it is ended without being asked
        assert told.exit_code == 0


def test_actors_do_not_grow(told: Told) -> None:
    """There are not more actors in the last third of the day than in the first, but for who visits just now."""
    assert told.prober is not None
    first, last = thirds(told.prober.footprints)
    assert max(each.actors for each in last) <= max(each.actors for each in first) + KEEPS_OPEN


@pytest.mark.skipif(not HAS_PROC, reason=NO_PROC)
def test_memory_and_descriptors_do_not_grow(told: Told) -> None:
    """Neither grows from the first third to the last beyond its bound, and clients leave no descriptor behind."""
    assert told.prober is not None
    assert told.before is not None
    assert told.after is not None
    first, last = thirds(told.prober.footprints)
    assert max(each.descriptors or 0 for each in last) <= max(each.descriptors or 0 for each in first) + KEEPS_OPEN
    assert (told.after.descriptors or 0) <= (told.before.descriptors or 0)
    grown = statistics.median(each.memory_kb or 0 for each in last) - statistics.median(
        each.memory_kb or 0 for each in first
    )
    assert grown <= told.plan.most_growth_kb
