"""The feed's rules without a socket: every missed tick is told before the next one, whatever the gateway says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.client.errors import FeedRefused
from quantmind.client.feed_events import (
    Connected,
    FeedStatus,
    FeedWarning,
    Gap,
    NewEpoch,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)
from quantmind.client.feed_state import MAX_SYMBOLS, NAMES_PER_MESSAGE, PING, FeedState, GatewayFault
from quantmind.wire import ws_messages

EXAMPLES = examples(2_000, 500)
HISTORIES = examples(1_000, 200)


def tick(seq: int, symbol: str = "EURUSD", *, snapshot: bool = False, broker: str = "demo") -> str:
    data = {"symbol": symbol, "bid": 1.1, "ask": 1.2, "last": 0.0, "volume": 0.0, "time": "", "time_msc": 5}
    message: dict[str, Any] = {"type": "tick", "data": {**data, "spread": 1.0, "seq": seq, "broker": broker}}
    if snapshot:
        message["snapshot"] = True
    return json.dumps(message)


def welcome(*names: str, epoch: str = "e1", rejected: tuple[tuple[str, str], ...] = ()) -> str:
    return ws_messages.subscribed(names, rejected, len(names), epoch).decode()


class Feeding:
    """A state that is fed, and what it told."""

    def __init__(self, *names: str) -> None:
        self.state = FeedState()
        self.state.add(names)
        self.now = 0.0

    def hear(self, *texts: str) -> list[Any]:
        return [event for text in texts for event in self.state.received(text, self.now)]

    def reconnect(self) -> list[str]:
        self.state.lost(self.now)
        return self.state.opened()


def seqs(events: list[Any]) -> list[Any]:
    """Ticks by number, gaps by their ends; other events left out."""
    told: list[Any] = []
    for event in events:
        if isinstance(event, Tick):
            told.append(event.seq)
        elif isinstance(event, Gap):
            told.append((event.from_seq, event.to_seq))
    return told


def test_a_subscription() -> None:
    """It says what is wanted, and tells the epoch, the connection, the symbols and the last known tick."""
    feed = Feeding("EURUSD")
    assert json.loads(feed.state.opened()[0]) == {"type": "subscribe", "symbols": ["EURUSD"]}
    assert feed.hear(welcome("EURUSD"), tick(7, snapshot=True), tick(8)) == [
        NewEpoch("e1", None),
        Connected(again=False, down_s=0.0),
        Subscribed("EURUSD"),
        Tick("EURUSD", "demo", 1.1, 1.2, 0.0, 0.0, 5, 1.0, 7, snapshot=True),
        Tick("EURUSD", "demo", 1.1, 1.2, 0.0, 0.0, 5, 1.0, 8),
    ]


def test_a_jump_is_a_gap() -> None:
    """Whatever is missing within an epoch is named, exactly, before the next tick."""
    feed = Feeding("EURUSD", "GBPUSD")
    events = feed.hear(
        welcome("EURUSD", "GBPUSD"), tick(7, snapshot=True), tick(1, "GBPUSD"), tick(10), tick(2, "GBPUSD")
    )
    assert seqs(events) == [7, 1, (8, 9), 10, 2]


def test_the_first_tick_of_a_symbol_is_number_one() -> None:
    """A subscription begins with the last tick; where there was none, the first that comes is the first there is."""
    feed = Feeding("EURUSD")
    assert seqs(feed.hear(welcome("EURUSD"), tick(1))) == [1]
    feed = Feeding("EURUSD")
    assert seqs(feed.hear(welcome("EURUSD"), tick(4))) == [(1, 3), 4]


def test_a_reconnection_tells_what_was_missed() -> None:
    """The snapshot of a new connection closes the account of the one before."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"), tick(7, snapshot=True))
    feed.now = 3.0
    assert len(feed.reconnect()) == 1
    feed.now = 5.0
    events = feed.hear(welcome("EURUSD"), tick(12, snapshot=True), tick(13))
    assert events[:2] == [Connected(again=True, down_s=2.0), Subscribed("EURUSD")]
    assert seqs(events) == [(8, 11), 12, 13]
    feed.reconnect()
    assert seqs(feed.hear(welcome("EURUSD"), tick(13, snapshot=True), tick(14))) == [14]


def test_ticks_missed_before_the_first_are_told() -> None:
    """Subscribed before the first tick, lost, and back after the fifth: four or five are missing."""
    feed = Feeding("EURUSD@demo")
    feed.hear(welcome("EURUSD@demo"))
    feed.reconnect()
    assert seqs(feed.hear(welcome("EURUSD@demo"), tick(5, snapshot=True))) == [(1, 4), 5]


def test_a_new_epoch_counts_anew() -> None:
    """After a restart of the hub nothing is compared with the numbers of before."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"), tick(7, snapshot=True))
    events = feed.hear(welcome("EURUSD", epoch="e2"), tick(1, snapshot=True), tick(2))
    assert events[0] == NewEpoch("e2", "e1")
    assert seqs(events) == [1, 2]


def test_a_heartbeat_changes_no_epoch() -> None:
    """It overtakes ticks that wait, and those still count in the epoch before."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"), tick(7, snapshot=True))
    assert feed.hear(ws_messages.heartbeat("", 1, "e2").decode()) == []
    assert seqs(feed.hear(tick(8))) == [8]


def test_counting_backwards_is_told() -> None:
    """No gateway does it; if one does, the consumer hears of it."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"), tick(7, snapshot=True))
    assert feed.hear(tick(3))[0] == SeqReset("EURUSD", "demo", 7, 3)
    assert seqs(feed.hear(tick(4))) == [4]


def test_rejected_symbols_are_asked_for_again() -> None:
    """A broker that is not connected yet knows none of its symbols; the pauses double up to 30 s."""
    feed = Feeding("EURUSD", "NOPE")
    feed.state.opened()
    refusal = welcome("EURUSD", rejected=(("NOPE", "unknown_symbol"),))
    assert SymbolRejected("NOPE", "unknown_symbol") in feed.hear(refusal)
    pauses = []
    for _ in range(8):
        due_at = feed.state.due_at
        assert due_at is not None
        pauses.append(due_at - feed.now)
        assert feed.state.due(due_at - 0.001) == []
        feed.now = due_at
        assert json.loads(feed.state.due(due_at)[0]) == {"type": "subscribe", "symbols": ["NOPE"]}
        assert feed.hear(welcome(rejected=(("NOPE", "unknown_symbol"),))) == [], "told once"
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert feed.hear(welcome("NOPE")) == [Subscribed("NOPE")]
    feed.state.remove(["NOPE"])
    assert feed.hear(welcome(rejected=(("NOPE", "unknown_symbol"),))) == []


def test_symbols_come_and_go() -> None:
    """A symbol that was given up is told no more, and begins anew when it is wanted again."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"), tick(7, snapshot=True))
    assert [json.loads(text) for text in feed.state.remove(["EURUSD"])] == [
        {"type": "unsubscribe", "symbols": ["EURUSD"]}
    ]
    assert feed.hear(tick(8)) == []
    feed.state.add(["EURUSD"])
    assert feed.hear(tick(9)) == [], "of the subscription before"
    assert seqs(feed.hear(welcome("EURUSD"), tick(12, snapshot=True))) == [12]
    assert feed.state.add(["EURUSD"]) == []
    assert feed.state.symbols == ("EURUSD",)


def test_two_names_of_one_symbol() -> None:
    """To the gateway either name ends the subscription, so the other is asked for again."""
    feed = Feeding("EURUSD", "EURUSD@demo")
    said = [json.loads(text) for text in feed.state.remove(["EURUSD@demo"])]
    assert said == [
        {"type": "unsubscribe", "symbols": ["EURUSD@demo"]},
        {"type": "subscribe", "symbols": ["EURUSD"]},
    ]


def test_many_symbols_fit_into_messages() -> None:
    """A message stays below the gateway's limit, with the longest names there are."""
    names = [f"{number:04}".ljust(64, "ż") for number in range(3 * NAMES_PER_MESSAGE + 1)]
    feed = Feeding(*names)
    said = feed.state.opened()
    assert len(said) == 4
    assert max(len(text.encode()) for text in said) < 64 * 1024
    assert [name for text in said for name in json.loads(text)["symbols"]] == names
    with pytest.raises(ValueError, match=str(MAX_SYMBOLS)):
        feed.state.add([f"S{number}" for number in range(MAX_SYMBOLS)])


@pytest.mark.parametrize("names", ["EURUSD", [""], ["x" * 65], ["a\nb"], [5]])
def test_names_that_cannot_be(names: Any) -> None:
    """A wrong name is told with its value, and nothing is changed."""
    state = FeedState()
    with pytest.raises(ValueError, match="symbols"):
        state.add(names)
    assert state.symbols == ()


def test_without_symbols_a_pong_is_the_sign() -> None:
    """A feed with no symbols yet asks for a word, and is connected when it comes."""
    feed = Feeding()
    assert feed.state.opened() == [PING]
    assert feed.hear(ws_messages.pong("").decode()) == [Connected(again=False, down_s=0.0)]
    assert feed.state.up


def test_states_of_feeds() -> None:
    """What the gateway says of a feed goes on, for symbols that are wanted."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"))
    stale = ws_messages.status("stale", broker="demo", symbol="EURUSD", age_ms=12).decode()
    other = ws_messages.status("stale", broker="demo", symbol="GBPUSD", age_ms=12).decode()
    assert feed.hear(stale, other, ws_messages.status("stopping").decode()) == [
        FeedStatus("stale", "demo", "EURUSD", 12),
        FeedStatus("stopping"),
    ]


@pytest.mark.parametrize("code", ["unauthorized", "forbidden", "invalid_message"])
def test_refusals_end_it(code: str) -> None:
    """What trying again does not mend is an error, with the gateway's own words."""
    with pytest.raises(FeedRefused, match=f"{code}: because"):
        Feeding("EURUSD").hear(ws_messages.error(code, "because").decode())


def test_a_later_protocol_is_refused() -> None:
    """What it may mean is not known here."""
    with pytest.raises(FeedRefused, match="protocol 2"):
        Feeding("EURUSD").hear(welcome("EURUSD").replace('"protocol":1', '"protocol":2'))


@pytest.mark.parametrize("code", ["rate_limited", "internal"])
def test_a_busy_gateway_is_asked_again(code: str) -> None:
    """What it did not do is said, and asked for again."""
    feed = Feeding("EURUSD")
    feed.state.opened()
    assert feed.hear(ws_messages.error(code, "later").decode()) == [FeedWarning(code, "later")]
    assert feed.state.due_at is not None
    assert json.loads(feed.state.due(feed.state.due_at)[0])["symbols"] == ["EURUSD"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"type":1}',
        "[" * 100_000,
        '{"type":"tick"}',
        '{"type":"tick","data":{}}',
        tick(0),
        tick(1).replace("1.1", "1e999"),
        tick(1).replace("1.1", "NaN"),
        tick(1).replace("1.1", "true"),
        '{"type":"subscribed","symbols":["EURUSD"]}',
        '{"type":"error"}',
        '{"type":"error","code":"max_clients","message":"full"}',
    ],
)
def test_what_no_gateway_sends(text: str) -> None:
    """Such a connection is dropped, with the reason."""
    with pytest.raises(GatewayFault):
        Feeding("EURUSD").hear(welcome("EURUSD"), text)


def test_a_flood_of_symbols_is_bounded() -> None:
    """A gateway that sends what nobody asked for does not fill the memory."""
    feed = Feeding("EURUSD")
    feed.hear(welcome("EURUSD"))
    with pytest.raises(GatewayFault, match="more symbols"):
        for number in range(100):
            feed.hear(tick(1, broker=f"b{number}"))


# --- whatever comes --------------------------------------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=60),
    st.builds(json.dumps, st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)),
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}),
        st.sampled_from(["tick", "subscribed", "status", "error", "heartbeat", "pong", "later"]),
        st.dictionaries(
            st.sampled_from(["data", "symbols", "epoch", "rejected", "protocol", "state", "code", "broker", "symbol"]),
            st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=3),
        ),
    ),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts)
def test_arbitrary_texts(text: str) -> None:
    """Whatever is sent makes events, a refusal or a fault, and nothing else."""
    told = ""
    try:
        Feeding("EURUSD").hear(text)
    except (FeedRefused, GatewayFault) as error:
        told = str(error)
    assert len(told) < 1000


@settings(max_examples=HISTORIES, deadline=None)
@given(st.data())
def test_no_tick_is_lost_silently(data: st.DataObject) -> None:
    """Over outages, conflation and new epochs: what comes and what is told missing are all that there was."""
    feed = Feeding("EURUSD")
    published, epoch, connected = 0, 1, False
    told: list[Any] = []
    heard_epochs: list[str] = []
    first: int | None = None
    for step in data.draw(st.lists(st.sampled_from(["publish", "drop", "lose", "connect", "restart"]), max_size=40)):
        events: list[Any] = []
        if step == "publish":
            published += 1
            if connected:
                events = feed.hear(tick(published))
        elif step == "drop":
            published += 1
        elif step == "lose":
            feed.state.lost(0.0)
            connected = False
        elif step == "restart":
            epoch, published, told, first = epoch + 1, min(published, 1), [], None
            if connected:
                events = feed.hear(welcome("EURUSD", epoch=f"e{epoch}"))
                events += feed.hear(tick(1, snapshot=True)) if published else []
        elif not connected:
            connected = True
            feed.state.opened()
            events = feed.hear(welcome("EURUSD", epoch=f"e{epoch}"))
            events += feed.hear(tick(published, snapshot=True)) if published else []
        heard_epochs += [event.epoch for event in events if isinstance(event, NewEpoch)]
        for item in seqs(events):
            begin, end = item if isinstance(item, tuple) else (item, item)
            assert begin <= end
            first = begin if first is None else first
            told += range(begin, end + 1)
        assert told == ([] if first is None else list(range(first, first + len(told))))
    assert len(heard_epochs) == len(set(heard_epochs))
