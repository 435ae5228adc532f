"""Private channels at the client, without a socket: whole snapshots, and where it goes on, whatever is said to it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.client.channel_events import (
    AccountUpdate,
    ChannelSnapshot,
    ChannelUpdate,
    DealUpdate,
    GatewayEvent,
    OrderUpdate,
    PositionUpdate,
    RiskUpdate,
)
from quantmind.client.errors import FeedRefused
from quantmind.client.feed_channels import FeedChannels
from quantmind.client.feed_events import Connected, FeedWarning, NewEpoch, Recovered, Subscribed, Tick
from quantmind.client.feed_state import FeedState, GatewayFault
from quantmind.wire import ws_messages
from quantmind.wire.ws_messages import ChannelPart

RISK = {"broker": "demo", "state": "halted"}


def answer(seq: int, recovered: bool | None = None, **snapshots: int) -> str:
    part = ChannelPart(tuple(snapshots), snapshots if not recovered else {}, seq)
    return ws_messages.subscribed((), (), 0, "e1", part=part, recovered=recovered).decode()


def message(kind: str, seq: int, data: Any = RISK, *, snapshot: bool = False) -> str:
    mark = {"snapshot": True} if snapshot else {}
    return json.dumps({"type": kind, **mark, "journal_seq": seq, "broker": "demo", "time": "t", "data": data})


class Feeding:
    def __init__(self, *channels: str, symbols: tuple[str, ...] = ()) -> None:
        self.state = FeedState(FeedChannels.of(channels))
        self.state.add(symbols)
        self.sent = self.open()

    def open(self) -> list[Any]:
        self.sent = [json.loads(text) for text in self.state.opened()]
        return self.sent

    def hear(self, *texts: str) -> list[Any]:
        return [event for text in texts for event in self.state.received(text, 0.0)]

    def reconnect(self) -> list[Any]:
        self.state.lost(0.0)
        return self.open()


def test_a_subscription_to_channels() -> None:
    """What is asked, and a snapshot that is told when it is whole; then each message as its own class."""
    feed = Feeding("risk", "orders", "events", "account")
    assert feed.sent == [{"type": "subscribe", "channels": ["risk", "orders", "events", "account"]}]
    assert not feed.state.up
    events = feed.hear(answer(7, risk=2, orders=0, events=0, account=1))
    assert events == [
        NewEpoch("e1", None),
        Connected(again=False, down_s=0.0),
        ChannelSnapshot("orders", 7, ()),
        ChannelSnapshot("events", 7, ()),
    ]
    assert feed.hear(message("risk", 7, snapshot=True)) == []
    risk = RiskUpdate("demo", 7, "t", RISK)
    assert feed.hear(message("risk", 7, snapshot=True)) == [ChannelSnapshot("risk", 7, (risk, risk))]
    assert feed.hear(message("account", 7, {"balance": 1}, snapshot=True)) == [
        ChannelSnapshot("account", 7, (AccountUpdate("demo", 7, "t", {"balance": 1}),))
    ]
    told = feed.hear(
        message("order", 8, {"state": "filled", "order_id": "a1"}),
        message("position", 9, {"ticket": 17, "state": "open"}),
        message("position", 10, {"ticket": 17, "state": "closed"}),
        message("deal", 11, {"ticket": 3}),
        message("event", 12, {"name": "drift"}),
        message("account", 12, {"balance": 2}),
    )
    assert [type(event) for event in told] == [
        *(OrderUpdate, PositionUpdate, PositionUpdate, DealUpdate, GatewayEvent, AccountUpdate),
    ]
    assert (told[0].state, told[0].order_id, told[0].channel) == ("filled", "a1", "orders")
    assert (told[1].ticket, told[1].open, told[2].open, told[4].name) == (17, True, False, "drift")


def test_numbers_are_exact() -> None:
    """Money does not become a float on its way."""
    feed = Feeding("account")
    feed.hear(answer(1, account=0))
    (update,) = feed.hear(message("account", 1, {}).replace("{}", '{"balance":10000.10,"leverage":100}'))
    assert update.data == {"balance": Decimal("10000.10"), "leverage": 100}
    assert str(update.data["balance"]) == "10000.10"


def test_after_an_outage_it_goes_on() -> None:
    """It says where it is, and what was missed follows; a message that it has already is not told twice."""
    feed = Feeding("risk", "events")
    feed.hear(answer(7, risk=0, events=0), message("risk", 9))
    assert feed.reconnect() == [
        {"type": "subscribe", "channels": ["risk", "events"], "resume": {"journal_seq": 9}},
    ]
    events = feed.hear(answer(9, recovered=True, risk=0, events=0), message("risk", 9), message("risk", 10))
    assert events == [
        Connected(again=True, down_s=0.0),
        Recovered((), ("risk", "events")),
        RiskUpdate("demo", 10, "t", RISK),
    ]
    assert feed.state.channels.at == 10


def test_where_it_can_not_go_on_it_begins_anew() -> None:
    """The snapshot says that something was missed; that of an account never does."""
    feed = Feeding("risk", "account")
    feed.hear(answer(7, risk=0, account=0))
    feed.reconnect()
    events = feed.hear(answer(50, recovered=False, risk=0, account=0))
    assert events[-2:] == [ChannelSnapshot("risk", 50, (), missed=True), ChannelSnapshot("account", 50, ())]
    again = feed.hear(answer(60, recovered=False, risk=0))
    assert again == [ChannelSnapshot("risk", 60, (), missed=True)], "a gap at the gateway, without a reconnection"
    assert feed.state.channels.at == 60


def test_a_heartbeat_moves_the_place() -> None:
    """A quiet channel does not fall behind what the gateway keeps; it never goes back."""
    feed = Feeding("risk")
    feed.hear(answer(7, risk=1))
    feed.hear(ws_messages.heartbeat("t", 1, "e1", 9).decode())
    assert feed.state.channels.at is None, "the snapshot is not whole"
    feed.hear(message("risk", 7, snapshot=True), ws_messages.heartbeat("t", 1, "e1", 90).decode())
    assert feed.state.channels.at == 90
    feed.hear(ws_messages.heartbeat("t", 1, "e1", 80).decode(), ws_messages.heartbeat("t", 1, "e1").decode())
    assert feed.state.channels.at == 90


def test_half_a_snapshot_is_none() -> None:
    """What was cut begins anew; a part of it that was told can't be gone on from."""
    feed = Feeding("risk", "orders")
    feed.hear(answer(5, risk=0, orders=0))
    feed.reconnect()
    feed.hear(answer(7, recovered=False, risk=0, orders=2), message("order", 7, snapshot=True))
    assert feed.reconnect() == [{"type": "subscribe", "channels": ["risk", "orders"]}]
    events = feed.hear(answer(9, risk=0, orders=0))
    assert [event for event in events if isinstance(event, ChannelSnapshot)] == [
        ChannelSnapshot("risk", 9, (), missed=True),
        ChannelSnapshot("orders", 9, (), missed=True),
    ]


def test_who_is_too_slow_begins_anew() -> None:
    """Nothing is told past what was dropped until the next snapshot, also over an outage."""
    feed = Feeding("risk")
    feed.hear(answer(7, risk=0))
    assert [json.loads(text) for text in feed.state.channels_dropped()] == [{"type": "subscribe", "channels": ["risk"]}]
    assert feed.hear(message("risk", 8)) == []
    assert feed.hear(answer(9, risk=0), message("risk", 10)) == [
        ChannelSnapshot("risk", 9, (), missed=True),
        RiskUpdate("demo", 10, "t", RISK),
    ]
    feed.reconnect()
    feed.state.channels_dropped()
    events = feed.hear(answer(10, recovered=True, risk=0), message("risk", 11), answer(12, risk=0))
    assert events[-1] == ChannelSnapshot("risk", 12, (), missed=True), (
        "what was asked for before it was dropped is not told"
    )
    assert not any(isinstance(event, RiskUpdate) for event in events)
    feed.state.channels_dropped()
    assert feed.reconnect() == [{"type": "subscribe", "channels": ["risk"]}]


def test_symbols_and_channels_are_asked_for_apart() -> None:
    """So that what is missing of one does not spoil the other."""
    feed = Feeding("risk", symbols=("EURUSD",))
    assert feed.sent == [{"type": "subscribe", "symbols": ["EURUSD"]}, {"type": "subscribe", "channels": ["risk"]}]


def test_a_journal_that_is_down_is_asked_again() -> None:
    """`internal` is no refusal; what is not confirmed is asked for after a pause."""
    feed = Feeding("risk")
    assert feed.hear(ws_messages.error("internal", "later").decode()) == [FeedWarning("internal", "later")]
    due_at = feed.state.due_at
    assert due_at is not None
    assert [json.loads(text) for text in feed.state.due(due_at)] == [{"type": "subscribe", "channels": ["risk"]}]
    feed.hear(answer(7, risk=0), ws_messages.error("rate_limited", "later").decode())
    due_at = feed.state.due_at
    assert due_at is not None
    assert feed.state.due(due_at) == []


@pytest.mark.parametrize("code", ["unknown_channel", "forbidden", "unauthorized"])
def test_refusals_of_channels_end_it(code: str) -> None:
    """With the gateway's words."""
    with pytest.raises(FeedRefused, match=code):
        Feeding("risk").hear(ws_messages.error(code, "because").decode())


def test_what_was_not_asked_for_is_not_told() -> None:
    """A later gateway may say more."""
    feed = Feeding("risk")
    assert feed.hear(message("risk", 1)) == [], "of a connection that has not confirmed it"
    feed.hear(answer(7, risk=0, orders=2))
    assert feed.hear(message("order", 8), message("trade", 9)) == []


@pytest.mark.parametrize(
    "texts",
    [
        (answer(7, risk=-1),),
        (answer(7, risk=10**9),),
        (answer(7, risk=0), message("risk", 7, snapshot=True)),
        (answer(7, risk=1), answer(8, risk=0)),
        (answer(7, recovered=True, risk=0),),
        (answer(7, risk=1), message("risk", 8)),
        (answer(7, risk=0), '{"type":"risk"}'),
        (answer(7, risk=0), '{"type":"risk","journal_seq":"8","data":{}}'),
        (answer(7, risk=0), '{"type":"risk","journal_seq":8,"data":[]}'),
    ],
)
def test_what_no_gateway_sends_of_channels(texts: tuple[str, ...]) -> None:
    """Such a connection is dropped."""
    with pytest.raises(GatewayFault):
        Feeding("risk").hear(*texts)


@pytest.mark.parametrize("channels", ["risk", ["trades"], ["risk", ""]])
def test_channels_that_cannot_be(channels: Any) -> None:
    """A wrong name is told with what there is."""
    with pytest.raises(ValueError, match="channel"):
        FeedChannels.of(channels)


# --- ticks that come back --------------------------------------------------------------------------------------------


def tick(seq: int, symbol: str = "EURUSD", broker: str = "demo") -> str:
    data = {"symbol": symbol, "bid": 1.1, "ask": 1.2, "time_msc": 5, "seq": seq, "broker": broker}
    return json.dumps({"type": "tick", "data": data})


def welcome(*names: str, recovered: bool | None = None, epoch: str = "e1") -> str:
    return ws_messages.subscribed(names, (), len(names), epoch, recovered=recovered).decode()


def test_ticks_go_on_within_an_epoch() -> None:
    """Those that had come, and those that had not yet; a new symbol begins by itself."""
    feed = Feeding(symbols=("EURUSD", "GBPUSD"))
    feed.hear(welcome("EURUSD", "GBPUSD"), tick(7))
    feed.state.lost(0.0)
    feed.state.add(["USDJPY"])
    assert feed.open() == [
        {
            "type": "subscribe",
            "symbols": ["EURUSD", "GBPUSD"],
            "resume": {"epoch": "e1", "seq": {"EURUSD": 7, "GBPUSD": 0}},
        },
        {"type": "subscribe", "symbols": ["USDJPY"]},
    ]
    events = feed.hear(welcome("EURUSD", "GBPUSD", recovered=True), tick(8), tick(1, "GBPUSD"), tick(9))
    assert events[:4] == [
        Connected(again=True, down_s=0.0),
        Recovered(("EURUSD", "GBPUSD"), ()),
        Subscribed("EURUSD"),
        Subscribed("GBPUSD"),
    ]
    assert [(event.symbol, event.seq) for event in events[4:] if isinstance(event, Tick)] == [
        ("EURUSD", 8),
        ("GBPUSD", 1),
        ("EURUSD", 9),
    ]
    assert len(events) == 7, "no gap is told"


def test_a_new_epoch_is_not_gone_on_from() -> None:
    """What was seen of the one before is over."""
    feed = Feeding(symbols=("EURUSD",))
    feed.hear(welcome("EURUSD"), tick(7))
    feed.reconnect()
    events = feed.hear(welcome("EURUSD", recovered=False, epoch="e2"))
    assert NewEpoch("e2", "e1") in events
    assert not any(isinstance(event, Recovered) for event in events)
    assert feed.reconnect()[0]["resume"] == {"epoch": "e2", "seq": {"EURUSD": 0}}


def test_a_name_that_may_be_of_two_brokers_begins_anew() -> None:
    """`EURUSD` is not said to be where `EURUSD@live` is; each name that is sure goes on."""
    feed = Feeding(symbols=("EURUSD", "EURUSD@live", "GBPUSD@demo"))
    feed.hear(welcome("EURUSD", "EURUSD@live", "GBPUSD@demo"), tick(3, broker="live"))
    first, second = feed.reconnect()
    assert first["resume"]["seq"] == {"EURUSD@live": 3, "GBPUSD@demo": 0}
    assert second == {"type": "subscribe", "symbols": ["EURUSD"]}
    feed.hear(welcome("EURUSD", "EURUSD@live", "GBPUSD@demo"), tick(5), tick(4, broker="live"))
    assert feed.reconnect()[0]["resume"]["seq"] == {"EURUSD": 5, "EURUSD@live": 4, "GBPUSD@demo": 0}


def test_many_symbols_that_come_back_fit_into_messages() -> None:
    """Below the gateway's 64 KiB, with the longest names there are."""
    names = tuple(f"{number:04}".ljust(64, "ż") for number in range(250))
    feed = Feeding(symbols=names)
    feed.hear(welcome(*names))
    texts = [json.dumps(sent, ensure_ascii=False) for sent in feed.reconnect()]
    assert len(texts) == 3
    assert max(len(text.encode()) for text in texts) < 64 * 1024


# --- whatever comes --------------------------------------------------------------------------------------------------

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.integers(-5, 5), st.booleans(), st.text(max_size=3), st.just({}), st.just({"risk": 1})
)
TEXTS = st.one_of(
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, "symbols": [], "epoch": "e1", **fields}),
        st.sampled_from(["subscribed", "risk", "order", "account", "heartbeat"]),
        st.dictionaries(st.sampled_from(["journal_seq", "data", "channels", "snapshots", "snapshot", "broker"]), JUNK),
    ),
    st.builds(answer, st.integers(0, 9), st.sampled_from([None, True, False]), risk=st.integers(0, 2)),
    st.builds(message, st.sampled_from(["risk", "event"]), st.integers(0, 9), snapshot=st.booleans()),
)


@settings(max_examples=examples(2_000, 500), deadline=None)
@given(st.lists(st.one_of(TEXTS, st.sampled_from(["lost", "dropped"])), max_size=12))
def test_arbitrary_messages_of_channels(texts: list[str]) -> None:
    """They make events or a fault, and nothing else; lines are told in order."""
    feed = Feeding("risk", "events")
    at = -1
    for text in texts:
        if text == "lost":
            feed.reconnect()
        elif text == "dropped":
            feed.state.channels_dropped()
        else:
            try:
                events = feed.hear(text)
            except GatewayFault:
                feed.reconnect()
                continue
            for event in events:
                if isinstance(event, ChannelSnapshot):
                    at = event.journal_seq
                elif isinstance(event, ChannelUpdate):
                    assert event.journal_seq > at
                    at = event.journal_seq
