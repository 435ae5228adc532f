"""GET /metrics: the figures of /status in Prometheus' text format, whatever brokers and symbols are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from metric_walk import Samples, parsed, value, without_a_row
from prometheus_client import REGISTRY
from unit.edges.rest.harness import HEADERS, NOW, open_world

from actors.boards import Flagged, Silent
from actors.condition_board import Cause, Condition
from actors.halts import Halt
from quantmind.domain.breaker import Path as CallPath
from quantmind.domain.risk import TradingState
from quantmind.edges.rest.metric_rows import Metric
from quantmind.edges.rest.metric_table import LEFT_OUT, METRICS
from quantmind.edges.rest.metrics import expose

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"


async def scraped(world: Any) -> Samples:
    response = await world.app.test_client().get("/metrics", headers=HEADERS)
    assert response.status_code == 200
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    return parsed((await response.get_data()).decode())


async def test_a_broker() -> None:
    """States are 1 for what holds and 0 for all others, ages are seconds, errors are 0 or 1."""
    async with open_world() as world:
        world.put_tick(age_s=2.5)
        world.put_sample()
        link = world.boards.links.of("demo")
        link.ticks, link.crossed, link.deals_error = 120, 3, "it does not answer"
        world.boards.halts.hold("demo", "daily_loss", Halt(TradingState.REDUCE_ONLY, "the limit", NOW))
        found = await scraped(world)
    assert value(found, "broker_feed_state", broker="demo", state="live") == 1
    assert value(found, "broker_feed_state", broker="demo", state="stale") == 0
    assert value(found, "broker_ticks_polled_total", broker="demo") == 120
    assert value(found, "broker_ticks_crossed_total", broker="demo") == 3
    assert value(found, "broker_deals_error", broker="demo") == 1
    assert value(found, "broker_orders_error", broker="demo") == 0
    assert value(found, "broker_tick_age_seconds", broker="demo", symbol="EURUSD") == pytest.approx(2.5, abs=0.5)
    assert value(found, "broker_trading_state", broker="demo", state="reduce_only") == 1
    assert value(found, "broker_trading_hold", broker="demo", rule="daily_loss", state="reduce_only") == 1
    assert value(found, "up") == 1
    version = world.context.version
    assert value(found, "build_info", version=version, protocol="1") == 1
    assert value(found, "figures_unreadable") == 0


async def test_commands_and_actors() -> None:
    """Commands by door and status, their times as a summary, and each actor with its mailbox."""
    async with open_world() as world:
        world.put_tick()
        client = world.app.test_client()
        body = b'{"type":"heartbeat","ea_name":"alpha","symbol":"EURUSD","magic":7}'
        headers = {**HEADERS, "Content-Type": "application/json"}
        for sent in (body, body, b'{"type":"nothing"}'):
            await client.post("/command", headers=headers, data=sent)
        door = world.context.door
        parts = {"http_commands": lambda: {"in_flight": door.in_flight, **attrs.asdict(door.statistics)}}
        with_parts(world, parts)
        found = await scraped(world)
    assert value(found, "commands_received_total", door="http") == 3
    assert value(found, "commands_malformed_total", door="http") == 1
    assert value(found, "commands_answered_total", door="http", status="success") == 2
    assert value(found, "command_duration_seconds_count", type="heartbeat") == 2
    assert value(found, "command_duration_seconds", type="heartbeat", quantile="0.5") > 0
    assert 0 < value(found, "command_duration_seconds_sum", type="heartbeat") < 60
    actor = next(dict(labels)["actor"] for name, labels in found if name == "quantmind_actor_mailbox_peak")
    assert value(found, "actor_state", actor=actor, state="running") == 1
    assert value(found, "actor_state", actor=actor, state="failed") == 0


def with_parts(world: Any, parts: Mapping[str, Any]) -> None:
    """Give the door further parts of /status."""
    object.__setattr__(world.context, "parts", {**world.context.parts, **parts})


async def test_a_broker_in_trouble() -> None:
    """Why new risk is kept from it, its breaker, its silent symbols, and what was tried."""
    async with open_world() as world:
        link = world.boards.links.of("demo")
        for _ in range(5):
            link.breaker.failed(CallPath.ORDERS, "no answer", trio.current_time())
        link.silent["EURUSD"] = Silent("stale", NOW)
        link.recoveries["reconnect"] = 3
        link.closes_error = "a bug"
        world.boards.conditions.set("demo", Condition((Cause("breaker", "it is open"),), NOW))
        found = await scraped(world)
    assert value(found, "broker_degraded", broker="demo", cause="breaker") == 1
    assert value(found, "broker_degraded", broker="demo", cause="feed_stale") == 0
    assert value(found, "broker_breaker_state", broker="demo", state="open") == 1
    assert value(found, "broker_breaker_opened_total", broker="demo") == 1
    assert value(found, "broker_call_failures_total", broker="demo") == 5
    assert value(found, "broker_call_failures_in_a_row", broker="demo", path="orders") == 5
    assert 50 < value(found, "broker_breaker_probe_seconds", broker="demo") <= 60
    assert value(found, "broker_symbol_silent", broker="demo", symbol="EURUSD", state="stale") == 1
    assert value(found, "broker_feed_recoveries_total", broker="demo", step="reconnect") == 3
    assert value(found, "broker_feed_recoveries_total", broker="demo", step="restart") == 0
    assert value(found, "broker_closes_error", broker="demo") == 1


async def test_what_a_flood_meets() -> None:
    """Turns that were waited for, by door, and commands without a place, by whose there was none."""
    turns = {"http": {"waited": 7, "pressed": 2, "waiting": 1}}
    parts = {"turns": lambda: turns, "http_commands": lambda: {"no_place": {"sender": 4}}}
    async with open_world() as world:
        with_parts(world, parts)
        found = await scraped(world)
    assert value(found, "turns_waited_total", door="http") == 7
    assert value(found, "turns_pressed_total", door="http") == 2
    assert value(found, "turns_waiting", door="http") == 1
    assert value(found, "commands_without_place_total", door="http", of="sender") == 4


async def test_a_part_that_breaks() -> None:
    """The rest is there, and it says which one broke."""

    def broken() -> Mapping[str, Any]:
        raise RuntimeError("a bug")

    async with open_world() as world:
        with_parts(world, {"hub": broken, "loop": lambda: {"last_ms": 4.0, "max_ms": 13.5, "late": 2}})
        found = await scraped(world)
    assert value(found, "status_part_failed", part="hub") == 1
    assert value(found, "status_part_failed", part="loop") == 0
    assert value(found, "loop_lag_max_seconds") == 0.0135
    assert not any(name.startswith("quantmind_hub_") for name, _ in found)


async def test_denials() -> None:
    """By door and reason."""
    async with open_world() as world:
        with_parts(world, {"tokens": lambda: {"known": 2, "expired": ["a"], "denied": {"http.unknown_token": 3}}})
        found = await scraped(world)
    assert value(found, "tokens_denied_total", door="http", reason="unknown_token") == 3
    assert value(found, "tokens_expired") == 1


async def test_nothing_is_registered_for_everybody() -> None:
    """The library's own registry, which others of the process may use, has nothing of ours after a scrape."""
    async with open_world() as world:
        await scraped(world)
        await scraped(world)
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("quantmind_")]


# --- what a figure of /status needs ----------------------------------------------------------------------------------


async def test_a_figure_that_nobody_thought_of_is_found() -> None:
    """The walk through /status sees one that has neither a row nor a reason, in a part and in a broker."""
    async with open_world() as world:
        world.put_tick()
        world.put_sample()
        flagged = Flagged(7, "EURUSD", Decimal("0.1"), Decimal(0), NOW)
        world.boards.books.of("demo").flagged = (flagged,)
        response = await world.app.test_client().get("/status", headers=HEADERS)
        document = await response.get_json()
    assert without_a_row(document) == []
    document["hub"] = {"new": 1}
    document["brokers"][0]["breaker"] = {"open": True}
    assert without_a_row(document) == ["brokers.demo.breaker.open", "hub.new"]


# --- the format ------------------------------------------------------------------------------------------------------


def test_names_and_labels() -> None:
    """By Prometheus' conventions; rows of one name agree, and no row is written twice."""
    by_name: dict[str, Metric] = {}
    for row in METRICS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name), row.name
        assert not re.search(r"_(ms|msc|total|count|sum)$", row.name), row.name
        first = by_name.setdefault(row.name, row)
        assert (row.kind, row.help) == (first.kind, first.help), row.name
        assert row.help.endswith("."), row.name
        if row.kind != "summary":
            assert sorted(row.all_labels) == sorted(first.all_labels), row.name
        steps = row.path.count("*")
        assert len(row.labels) in (steps, steps + 1), row.name
    assert len({(row.path, row.name, row.suffix, row.fixed) for row in METRICS}) == len(METRICS)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=12) | st.sampled_from(
    ['"', "\\", "\n", '\\"', "\\n", 'a"} 1\nb', "{}", "#", "é", " "]
)


@given(broker=NAMES, symbol=NAMES, age=st.none() | st.integers(0, 10**12))
def test_any_name_comes_back(broker: str, symbol: str, age: int | None) -> None:
    """What Prometheus reads is what was said, with quotes, backslashes and ends of lines."""
    document = {"brokers": {broker: {"tick_age_ms": {symbol: age}, "ticks_polled": 7, "feed": symbol}}}
    found = parsed(expose(document).decode())
    assert value(found, "broker_ticks_polled_total", broker=broker) == 7
    assert value(found, "broker_feed_state", broker=broker, state=symbol) == 1
    ages = {labels: age for (name, labels), age in found.items() if name == "quantmind_broker_tick_age_seconds"}
    assert ages == ({} if age is None else {(("broker", broker), ("symbol", symbol)): age / 1000})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
        lambda below: st.dictionaries(st.sampled_from(["error", "denied", "known", "feed"]), below, max_size=3),
        max_leaves=10,
    )
)
def test_a_part_of_another_shape(part: Any) -> None:
    """Where a part is not what it should be, there is less to read, it is counted, and nothing crashes."""
    document = {"tokens": part, "brokers": {"demo": part}}
    found = parsed(expose(document).decode())
    assert value(found, "up") == 1
    known = isinstance(part, dict) and isinstance(part.get("known"), list)
    assert value(found, "figures_unreadable") >= known


def test_the_documentation() -> None:
    """docs/metrics.md has exactly the metrics that there are, and every figure that is left out."""
    text = DOCS.read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if line.startswith("| `quantmind_")]
    assert shown == list(dict.fromkeys(map(documented, METRICS)))
    reasons = [line for line in text.splitlines() if line.startswith("| `/status` ")]
    assert reasons == [f"| `/status` `{path}` | {why} |" for path, why in LEFT_OUT.items()]


def documented(row: Metric) -> str:
    labels = ("type", "quantile") if row.kind == "summary" else sorted(row.all_labels)
    return f"| `{row.full_name}` | {row.kind} | {', '.join(labels)} | {row.help} |"
