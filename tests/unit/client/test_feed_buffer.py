"""The buffer before a slow consumer: bounded, and exact about what it dropped."""

from __future__ import annotations

from typing import Any

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.client.channel_events import AccountUpdate, ChannelSnapshot, RiskUpdate
from quantmind.client.feed_buffer import FeedBuffer
from quantmind.client.feed_events import (
    Connected,
    Disconnected,
    FeedStatus,
    FeedWarning,
    Gap,
    NewEpoch,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)

HISTORIES = examples(1_000, 200)


def tick(seq: int, symbol: str = "A") -> Tick:
    return Tick(symbol, "demo", 1.0, 1.1, 0.0, 0.0, seq, 1.0, seq)


def drained(buffer: FeedBuffer) -> list[Any]:
    events = []
    while (event := buffer.take()) is not None:
        events.append(event)
    return events


def test_in_order_while_there_is_room() -> None:
    """A consumer that keeps up gets everything as it came."""
    buffer = FeedBuffer(10)
    events = [NewEpoch("e", None), tick(1), tick(2), Gap("A", "demo", 3, 4), tick(5)]
    buffer.extend(events)
    assert (len(buffer), buffer.peak) == (5, 5)
    assert drained(buffer) == events
    assert (buffer.take(), buffer.conflated) == (None, 0)


def test_the_newest_of_each_symbol_stays() -> None:
    """A full buffer keeps the newest tick of each symbol, behind a gap with exactly what went."""
    buffer = FeedBuffer(4)
    buffer.extend([tick(1), tick(1, "B"), tick(2), tick(3), tick(2, "B")])
    assert drained(buffer) == [
        Gap("A", "demo", 1, 2, conflated=True),
        tick(3),
        Gap("B", "demo", 1, 1, conflated=True),
        tick(2, "B"),
    ]
    assert buffer.conflated == 3


def test_gaps_join() -> None:
    """What was lost on the way and what was dropped here become one gap; one of the way alone stays what it was."""
    buffer = FeedBuffer(3)
    buffer.extend([tick(1), Gap("A", "demo", 2, 4), tick(5), tick(9, "B")])
    assert drained(buffer) == [Gap("A", "demo", 1, 4, conflated=True), tick(5), tick(9, "B")]
    buffer = FeedBuffer(3)
    buffer.extend([Gap("A", "demo", 2, 4), tick(5), tick(8, "B"), tick(9, "B")])
    assert drained(buffer)[:2] == [Gap("A", "demo", 2, 4), tick(5)]


def test_a_new_epoch_covers_what_was_before() -> None:
    """It says that ticks were missed, so those before it go; the first `previous` stays."""
    buffer = FeedBuffer(5)
    buffer.extend([tick(1), NewEpoch("b", "a"), tick(1), NewEpoch("c", "b"), tick(1), tick(2)])
    assert drained(buffer) == [NewEpoch("c", "a"), Gap("A", "demo", 1, 1, conflated=True), tick(2)]


def test_of_states_the_newest_stays() -> None:
    """Old news of a feed, a symbol or the connection says nothing any more."""
    buffer = FeedBuffer(3)
    news: list[Any] = [
        Disconnected("x", 1, 0.1),
        SymbolRejected("Z", "unknown_symbol"),
        FeedStatus("stale", "demo", "A", 5),
        FeedWarning("internal", "x"),
        Connected(again=True, down_s=1.0),
        Subscribed("A"),
    ]
    buffer.extend([*news, *news])
    assert drained(buffer) == news


def test_a_reset_begins_anew() -> None:
    """After a reset numbers are not compared with those before."""
    buffer = FeedBuffer(3)
    buffer.extend([tick(8), SeqReset("A", "demo", 8, 2), tick(2), tick(3)])
    assert drained(buffer) == [SeqReset("A", "demo", 8, 2), Gap("A", "demo", 2, 2, conflated=True), tick(3)]


def risk(seq: int) -> RiskUpdate:
    return RiskUpdate("demo", seq, "t", {})


def test_updates_of_channels_stay() -> None:
    """Ticks make room for them; of accounts the newest stays, and a snapshot covers what was before it."""
    buffer = FeedBuffer(10)
    accounts = [AccountUpdate("demo", seq, "t", {}) for seq in (1, 2)]
    snapshot = ChannelSnapshot("risk", 5, (), missed=True)
    events = [risk(4), snapshot, risk(6), accounts[0], *map(tick, range(1, 6)), accounts[1], risk(7), tick(6)]
    buffer.extend(events)
    assert drained(buffer) == [
        snapshot,
        risk(6),
        accounts[1],
        risk(7),
        Gap("A", "demo", 1, 5, conflated=True),
        tick(6),
    ]
    assert not buffer.take_lost()


def test_updates_that_fill_the_buffer_go_and_are_told() -> None:
    """All of them, once: what is left of a channel would have a hole."""
    buffer = FeedBuffer(10)
    buffer.extend([ChannelSnapshot("risk", 1, ()), tick(1), *map(risk, range(2, 12))])
    assert drained(buffer) == [tick(1)]
    assert buffer.take_lost()
    assert not buffer.take_lost()
    buffer.extend([risk(20)])
    assert drained(buffer) == [risk(20)]


symbols = st.sampled_from("ABC")


@settings(max_examples=HISTORIES, deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from(["tick", "gap", "take", "epoch"]), symbols), max_size=80))
def test_what_is_dropped_is_told(capacity: int, steps: list[tuple[str, str]]) -> None:
    """For every consumer, however slow: ticks and gaps of a symbol follow on each other without a hole."""
    buffer = FeedBuffer(capacity)
    published = dict.fromkeys("ABC", 0)
    expected: dict[str, int] = {}
    epochs = 0

    def consume(event: Any) -> None:
        if isinstance(event, NewEpoch):
            expected.clear()
        elif isinstance(event, Gap):
            assert event.from_seq == expected.get(event.symbol, 1)
            assert event.count >= 1
            expected[event.symbol] = event.to_seq + 1
        else:
            assert event.seq == expected.get(event.symbol, 1)
            expected[event.symbol] = event.seq + 1

    for kind, symbol in steps:
        if kind == "take":
            event = buffer.take()
            if event is not None:
                consume(event)
        elif kind == "epoch":
            epochs += 1
            published = dict.fromkeys("ABC", 0)
            buffer.extend([NewEpoch(str(epochs), str(epochs - 1))])
        else:
            missed = 2 if kind == "gap" else 0
            first = published[symbol] + 1
            published[symbol] += missed + 1
            gap = [Gap(symbol, "demo", first, first + missed - 1)] if missed else []
            buffer.extend([*gap, tick(published[symbol], symbol)])
        assert len(buffer) <= max(capacity, 14) + 2
    for event in drained(buffer):
        consume(event)
    assert {symbol: seq - 1 for symbol, seq in expected.items()} == {s: seq for s, seq in published.items() if seq}
