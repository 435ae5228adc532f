"""A small campaign, made up, in which every rule holds: tests plant their faults in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.adapters.binance.names import Role, client_id, number, tag_number

Record = dict[str, Any]

BOUGHT, WAITS, TAKEN_BACK, CANCEL, STOPS, REFUSED, MOVE = (letter * 16 for letter in "abcdefg")
"""Order ids of the requests."""
AT: Final = 1000.0


@attrs.define
class Story:
    """What the files of a run hold."""

    history: list[Record]
    ledger: list[Record]
    record: list[Record]

    def write(self, folder: Path) -> None:
        """As a campaign does."""
        for name, lines in attrs.asdict(self).items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def ask(self, tag: str, body: Record, reply: Record, end: str) -> None:
        """One more request, and what the log says that became of it."""
        self.history += _asked(tag, body, {"status": "success", **reply})
        for line in _carried_out(tag, end):
            self.record.append(_numbered(line, len(self.record) + 1))
        next(line for line in self.history if line["kind"] == "verdict")["lines"] = len(self.record)

    def replies(self, request_id: str) -> list[Record]:
        """Each answer to a request, to be changed."""
        kinds = ("answer", "final")
        return [line["reply"] for line in self.history if line["kind"] in kinds and line["request_id"] == request_id]

    def order(self, order_id: int) -> Record:
        """An order of the exchange, to be changed."""
        return next(line for line in self.ledger if line["kind"] == "order" and line["orderId"] == order_id)

    @property
    def view(self) -> Record:
        """What the gateway shows, to be changed."""
        return next(line for line in self.history if line["kind"] == "view")


def clean() -> Story:
    """One is bought and gets a stop, one waits, one is taken back, and one is refused."""
    done: Record = {"status": "success"}
    ticket, waiting, gone = tag_number(BOUGHT), tag_number(WAITS), tag_number(TAKEN_BACK)
    refused = {"status": "error", "code": "broker_refused", "message": "no", "order_id": REFUSED}
    limit = {"type": "trade_open", "side": "buy", "order_type": "limit", "price": 40000.0}
    bought = {**done, "ticket": ticket, "price": 60000.0, "volume": 0.01}
    history = [
        *_asked(BOUGHT, {"type": "trade_open", "side": "buy", "volume": 0.01}, bought),
        *_asked(WAITS, {**limit, "volume": 0.02}, {**done, "ticket": waiting, "volume": 0.02, "pending": True}),
        *_asked(TAKEN_BACK, {**limit, "volume": 0.03}, {**done, "ticket": gone, "volume": 0.03, "pending": True}),
        *_asked(CANCEL, {"type": "trade_cancel", "ticket": gone}, {**done, "ticket": gone, "volume": 0.03}),
        *_asked(STOPS, {"type": "trade_modify", "ticket": ticket, "new_sl": 35000.5}, {**done, "ticket": ticket}),
        *_asked(REFUSED, {"type": "trade_open", "side": "buy", "volume": 0.04}, refused),
        _view(ticket, waiting),
        {"kind": "verdict", "t": AT, "ok": True, "lines": 13, "faults": []},
    ]
    return Story(history, _ledger(), _record())


def placed(said: str, order_id: int) -> Record:
    """The exchange has carried out a request."""
    return {"kind": "done", "t": AT, "done": "placed", "client_id": said, "order_id": order_id}


def row(said: str, order_id: int, status: str, quantity: str, **more: Any) -> Record:
    """An order of the exchange that has not traded, unless it is said otherwise."""
    nothing = {"executedQty": "0", "cummulativeQuoteQty": "0", "price": "40000", "stopPrice": "0"}
    names = {"orderId": order_id, "clientOrderId": said, "side": "BUY", "type": "LIMIT"}
    return {"kind": "order", "t": AT, **names, "status": status, "origQty": quantity, **nothing, **more}


def _asked(tag: str, body: Record, reply: Record) -> list[Record]:
    request_id = f"r-{tag[0]}"
    told = {"order_id": tag, "timestamp": AT, "request_id": request_id, **reply}
    common = {"t": AT, "request_id": request_id}
    return [
        {"kind": "ask", **common, "ea": "ea", "body": {"symbol": "BTCUSDT", "magic": 1, **body}},
        {"kind": "answer", **common, "reply": dict(told)},
        {"kind": "final", **common, "reply": dict(told)},
    ]


def _view(ticket: int, waiting: int) -> Record:
    status = {"orders": "ready", "trading": {"state": "active"}, "books": {"state": "agreed"}}
    return {
        "kind": "view",
        "t": AT,
        "positions": [{"ticket": ticket, "volume": 0.01, "sl": 35000.5, "tp": None}],
        "orders": [{"ticket": waiting, "price": 40000.0, "volume": 0.02}],
        "deals": [{"ticket": number("deal", "BTCUSDT", 1, 1), "volume": 0.01}],
        "account": {"free_margin": 400.0},
        "status": status,
        "exchange": {"stops": {"missing": {}}},
    }


def _ledger() -> list[Record]:
    names = [client_id(Role.ORDER, tag) for tag in (BOUGHT, WAITS, TAKEN_BACK)]
    stop = client_id(Role.STOP_LOSS, STOPS)
    filled = {"executedQty": "0.01", "cummulativeQuoteQty": "600", "price": "0"}
    return [
        *(placed(said, order_id) for order_id, said in enumerate([*names, stop], 1)),
        {"kind": "done", "t": AT, "done": "canceled", "client_id": names[2], "order_id": 3},
        row(names[0], 1, "FILLED", "0.01", **filled),
        row(names[1], 2, "NEW", "0.02"),
        row(names[2], 3, "CANCELED", "0.03"),
        row(stop, 4, "NEW", "0.01", side="SELL", type="STOP_LOSS", price="0", stopPrice="35000.50"),
        {"kind": "trade", "t": AT, "symbol": "BTCUSDT", "id": 1, "orderId": 1, "qty": "0.01"},
        {"kind": "balance", "t": AT, "asset": "BTC", "free": "0", "locked": "0.01"},
        {"kind": "balance", "t": AT, "asset": "USDT", "free": "300", "locked": "100"},
    ]


def _record() -> list[Record]:
    ends = {BOUGHT: "filled", WAITS: "placed", TAKEN_BACK: "cancelled"}
    ends |= {CANCEL: "done", STOPS: "done", REFUSED: "refused"}
    lines: list[Record] = []
    for tag, end in ends.items():
        lines += _carried_out(tag, end)
    lines.append({"kind": "deal", "order_id": BOUGHT, "body": {"ticket": number("deal", "BTCUSDT", 1, 1)}})
    return [_numbered(line, seq) for seq, line in enumerate(lines, 1)]


def _carried_out(tag: str, end: str) -> list[Record]:
    return [
        {"kind": "intent", "order_id": tag, "body": {"state": "intent"}},
        {"kind": "outcome", "order_id": tag, "body": {"state": end}},
    ]


def _numbered(line: Record, seq: int) -> Record:
    return {**line, "t": AT, "seq": seq, "prev": f"hash-{seq - 1}", "hash": f"hash-{seq}"}
