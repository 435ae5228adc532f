"""Records that channels tell of, as the actors write them, drawn at random too; and what a client makes of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, PendingOrder, Position, Sample
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.orders import OrderType, Side
from quantmind.records import Event, Holding, Intent, Record, Setting, Settled
from quantmind.wire import holdings

AT = 1_795_424_400.5


def intent(order_id: str = "a1", at: float = AT, **asked: Any) -> Intent:
    body = {
        "type": "trade_open",
        "symbol": "EURUSD",
        "ticket": 0,
        "volume": "0.5",
        "side": "buy",
        "order_type": "market",
        "price": None,
        "sl": "1.08",
        "tp": None,
        "approved_volume": "0.30",
        **asked,
    }
    return Intent(order_id, "demo", "alpha", 7, "EURUSD", f"r-{order_id}", "f", body, at)


def settled(order_id: str = "a1", state: str = "filled", at: float = AT + 1, **reply: Any) -> Settled:
    given = {
        "status": "success",
        "ticket": 17,
        "price": Decimal("1.08510"),
        "volume": Decimal("0.30"),
        "retcode": 10009,
    }
    return Settled(order_id, OrderState(state), {**given, **reply}, at, KnownBy.ANSWER, {"sent_at": at})


def position(ticket: int = 17, volume: str = "0.30", sl: str | None = None) -> dict[str, Any]:
    stop = None if sl is None else Decimal(sl)
    item = Position(
        *(ticket, "EURUSD", Side.BUY, Decimal(volume), Decimal("1.08510"), Decimal("1.0850"), Decimal("-0.30")),
        time_msc=1_795_424_400_123,
        sl=stop,
        tag="a1",
    )
    return holdings.position(item, "demo")


def waiting(ticket: int = 18, price: str = "1.0700") -> dict[str, Any]:
    item = PendingOrder(
        *(ticket, "EURUSD", Side.BUY, OrderType.LIMIT, Decimal("0.10"), Decimal(price), 1_795_424_400_123), tag="a2"
    )
    return holdings.order(item, "demo")


def held(kind: str, ticket: int, data: dict[str, Any] | None, at: float = AT, order_id: str | None = None) -> Holding:
    return Holding("demo", kind, ticket, data, at, order_id, "order")


def deal(ticket: int = 3) -> dict[str, Any]:
    return {"ticket": ticket, "symbol": "EURUSD", "broker": "demo", "cause": "client", "volume": Decimal("0.30")}


def held_position(ticket: int) -> Holding:
    return held("position", ticket, position(ticket))


def held_order(ticket: int) -> Holding:
    return held("order", ticket, waiting(ticket))


def held_deal(ticket: int) -> Holding:
    return held("deal", ticket, deal(ticket))


def gone(kind: str, ticket: int) -> Holding:
    return held(kind, ticket, None)


def state(value: str = "reduce_only", broker: str = "demo", at: float = AT) -> Setting:
    return Setting(f"state:{broker}", {"state": value, "cause": "a test (by me)", "since": at}, at)


def multiplier(value: str = "0.5", ea_name: str = "alpha", at: float = AT) -> Setting:
    return Setting(f"multiplier:{ea_name}", {"value": value, "by": "owner"}, at)


def hold(rule: str = "daily_loss", value: str | None = "halted", broker: str = "demo", at: float = AT) -> Setting:
    held = None if value is None else {"state": value, "cause": f"{rule}: below the floor", "since": at}
    return Setting(f"hold:{broker}:{rule}", held, at)


def flattening(name: str = "demo", magic: int | None = None, at: float = AT, over: bool = False) -> Setting:
    wanted = {"broker": name, "cause": "a test", "since": at, "magic": magic, "positions": True, "orders": True}
    return Setting(f"flatten:{name}" + ("" if magic is None else f":{magic}"), None if over else wanted, at)


def day(began: float = AT, balance: str | None = "10000.00", at: float = AT, logged: bool = True) -> Setting:
    """An account's book. Without a line of its own only what was seen last changes."""
    baseline = None if balance is None else {"day": began, "balance": balance, "equity": None, "source": "seen"}
    value = {
        "day": began,
        "baseline": baseline,
        "seen": {"at": at, "balance": "10000.00", "equity": str(at), "flat": True},
        "highest_balance": balance,
        "highest_equity": str(at),
        "trading_days": 2,
        "last_traded": None,
        "best_day": "0",
        "profit_days": "0",
    }
    return Setting("risk:demo", value, at, logged=logged)


def regime(label: str | None = "trend", at: float = AT) -> Setting:
    said = {"revision": 3, "label": label, "symbols": {"EURUSD": "news"}, "by": "owner", "reason": "NFP", "since": at}
    return Setting("router:regime", said, at)


def mandate(mode: str = "reduced", number: str = "0.5", at: float = AT) -> Setting:
    said = {"revision": 4, "mode": mode, "max_multiplier": number, "by": "owner", "reason": "NFP", "since": at}
    return Setting("router:mandate", said, at)


def event(name: str = "drift", at: float = AT) -> Event:
    return Event(name, "demo", {"ticket": 17, "ours": Decimal("0.30"), "theirs": Decimal(0)}, at)


def sample(balance: str = "10000.00", broker: str = "demo", taken_at: float = 0.0) -> Sample:
    money = Decimal(balance)
    account = Account(1, "Demo", "USD", 100, "hedging", money, money, Decimal(0), money, Decimal(0))
    return Sample(broker, account, (), (), taken_at)


ORDER_IDS = ["a1", "a2", "a3"]
STATES = ["unknown", "placed", "filled", "refused", "not_sent", "cancelled", "partly_filled"]
TIMES = st.integers(0, 10**9).map(lambda ms: 1_795_424_400 + ms / 1000)

RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(intent, st.sampled_from(ORDER_IDS), TIMES),
    st.builds(settled, st.sampled_from(ORDER_IDS), st.sampled_from(STATES), TIMES),
    st.builds(
        lambda ticket, volume, at, order_id: held("position", ticket, position(ticket, volume), at, order_id),
        st.integers(1, 3),
        st.sampled_from(["0.10", "0.20"]),
        TIMES,
        st.sampled_from([None, "a1"]),
    ),
    st.builds(
        lambda ticket, price, at, order_id: held("order", ticket, waiting(ticket, price), at, order_id),
        st.integers(1, 3),
        st.sampled_from(["1.0", "1.1"]),
        TIMES,
        st.sampled_from([None, "a2"]),
    ),
    st.builds(
        lambda kind, ticket, at: Holding("demo", kind, ticket, None, at),
        st.sampled_from(["position", "order"]),
        st.integers(1, 3),
        TIMES,
    ),
    st.builds(lambda ticket, at: held("deal", ticket, deal(ticket), at), st.integers(1, 3), TIMES),
    st.builds(state, st.sampled_from(["active", "halted"]), st.sampled_from(["demo", "live"]), TIMES),
    st.builds(multiplier, st.sampled_from(["0.5", "1"]), st.sampled_from(["alpha", "beta"]), TIMES),
    st.builds(lambda key, at: Setting(key, None, at), st.sampled_from(["state:demo", "multiplier:alpha"]), TIMES),
    st.builds(event, st.sampled_from(["drift", "linked", "limit.broken", "hold.over"]), TIMES),
    st.builds(
        hold,
        st.sampled_from(["daily_loss", "max_loss"]),
        st.sampled_from(["halted", None]),
        st.sampled_from(["demo", "live"]),
        TIMES,
    ),
    st.builds(flattening, st.just("demo"), st.sampled_from([None, 7]), TIMES, st.booleans()),
    st.builds(regime, st.sampled_from(["trend", None]), TIMES),
    st.builds(mandate, st.sampled_from(["reduced", "normal"]), st.just("0.5"), TIMES),
    st.builds(day, st.sampled_from([AT, AT + 86_400]), st.sampled_from(["10000.00", None]), TIMES),
    st.builds(lambda at: Setting("router:ticks:demo", {"EURUSD": [at]}, at, logged=False), TIMES),
)


def key_of(message: dict[str, Any]) -> tuple[Any, ...] | None:
    """What a message is about, as docs/protocol.md says; None: it only happened."""
    data = message["data"]
    match message["type"]:
        case "order" if data["source"] == "gateway":
            return ("order", data["order_id"])
        case "order":
            return ("waiting", message["broker"], data["ticket"])
        case "position":
            return ("position", message["broker"], data["ticket"])
        case "risk":
            about = data["about"]
            if about == "event":
                return None
            names = {"hold": ("broker", "rule"), "flattening": ("broker", "magic"), "multiplier": ("ea_name",)}
            return (about, *(data.get(name) for name in names.get(about, ("broker",))))
    return None


OVER = {"filled", "partly_filled", "done", "refused", "not_sent", "cancelled", "expired", "closed", "gone", None}


@attrs.define
class Folded:
    """What a client knows to hold after the messages of its channels."""

    held: dict[tuple[Any, ...], dict[str, Any]] = attrs.field(factory=dict)

    def take(self, message: dict[str, Any]) -> None:
        key, data = key_of(message), message["data"]
        if key is None:
            return
        if (
            data.get("state", "") in OVER
            or data.get("since", "") is None
            or ("risk_multiplier" in data and data["risk_multiplier"] is None)
        ):
            self.held.pop(key, None)
        else:
            before = self.held.get(key)
            self.held[key] = _standing(data, before)

    def of(self, *kinds: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        return {key: data for key, data in self.held.items() if key[0] in kinds}


# What a snapshot says of it: of an order whose outcome is not known, what was known before; and an order that is not
# named is the one that was named before.
def _standing(data: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    if data.get("state") == "unknown":
        nothing = dict.fromkeys(("price", "volume", "sl", "tp", "profit", "retcode", "message"))
        time = data["time"] if before is None else before["time"]
        return {**data, **nothing, "time": time, "ticket": data["ticket"] if data["command"] != "trade_open" else None}
    if before is not None and data.get("order_id") is None and before.get("order_id") is not None:
        return {**data, "order_id": before["order_id"]}
    return data


def unframed(data: bytes) -> list[Any]:
    """The messages in joined text frames, numbers exact."""
    messages, at = [], 0
    while at < len(data):
        assert data[at] == 0x81
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        messages.append(json.loads(data[start : start + size], parse_float=Decimal))
        at = start + size
    return messages
