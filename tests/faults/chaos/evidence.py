"""What history and ledger say, arranged by request and by tag. Plain data; judging is for `check_history`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs
from faults.chaos.answers import Reply, Said, said
from faults.chaos.records import AT, KIND, Record


@attrs.define
class Answer:
    """One answer to a copy of a request."""

    at: float
    """When it was there, Unix seconds."""
    reply: Reply

    @property
    def said(self) -> Said:
        return said(self.reply)

    @property
    def order_id(self) -> str | None:
        found: str | None = self.reply.get("order_id")
        return found


@attrs.define
class Asked:
    """A request with everything that was said of it."""

    request_id: str
    ea_name: str
    body: dict[str, Any]
    first_asked_at: float
    answers: list[Answer] = attrs.field(factory=list)
    """All of them, the final one included, in the order in which they came."""
    final: Answer | None = None
    """What was said when everything had settled."""
    given_up: bool = False
    """Its client asks no more: the position that it was to close has not been there for long."""
    status: Record | None = None
    """What GET /commands said of it at the end."""

    @property
    def opens(self) -> bool:
        return self.body.get("type") == "trade_open" or self.body.get("path") == "/trade"

    @property
    def group(self) -> tuple[str, int, str]:
        """EA, magic and symbol, of an order that opens."""
        return self.ea_name, self.body.get("magic", 0), self.body.get("symbol", "")

    @property
    def order_ids(self) -> set[str]:
        """Every order that an answer named: more than one is one too many."""
        return {answer.order_id for answer in self.answers if answer.order_id is not None}


@attrs.frozen
class Filled:
    """A fill of the ledger."""

    tag: str
    entry: str
    ticket: int
    symbol: str
    side: str
    volume: Decimal
    price: Decimal | None
    deal: int
    profit: Decimal
    balance: Decimal


@attrs.define
class Recorded:
    """The log of the gateway's journal."""

    lines: int = 0
    gaps: list[int] = attrs.field(factory=list)
    """Numbers of lines that do not follow the line before them."""
    states: dict[str, list[str]] = attrs.field(factory=lambda: defaultdict(list))
    """By order: its states in the order of the log, `intent` first."""
    deals: dict[int, str | None] = attrs.field(factory=dict)
    """By ticket: the order of ours that made it."""
    events: list[Record] = attrs.field(factory=list)
    _before: Record | None = None

    def take(self, line: Record) -> None:
        """Take in the next line of an export."""
        before, self._before = self._before, line
        self.lines += 1
        if before is not None and (line["seq"], line["prev"]) != (before["seq"] + 1, before["hash"]):
            self.gaps.append(line["seq"])
        body = line["body"]
        match line[KIND]:
            case "intent" | "outcome":
                self.states[line["order_id"]].append(body["state"])
            case "deal":
                self.deals[body["ticket"]] = line["order_id"]
            case "event":
                self.events.append(body)


@attrs.define
class Evidence:
    """All of it."""

    asked: dict[str, Asked] = attrs.field(factory=dict)
    unasked: list[str] = attrs.field(factory=list)
    """Ids of answers to nothing that was asked."""
    kills: list[Record] = attrs.field(factory=list)
    view: Record | None = None
    verdict: Record | None = None
    """What `quantmind journal verify` said of the journal."""
    fills: list[Filled] = attrs.field(factory=list)
    arrivals: dict[str, list[float]] = attrs.field(factory=lambda: defaultdict(list))
    """By tag: when an order of it was sent to the broker, delivered or not."""
    absents: dict[str, float] = attrs.field(factory=dict)
    """By tag: when the broker first said that it has surely never had it."""
    recorded: Recorded | None = None
    """What the gateway's own log says; None: it was not given."""

    @property
    def by_tag(self) -> dict[str, list[Filled]]:
        found: dict[str, list[Filled]] = defaultdict(list)
        for fill in self.fills:
            found[fill.tag].append(fill)
        return found


def gather(history: Iterable[Record], ledger: Iterable[Record], lines: Iterable[Record] | None = None) -> Evidence:
    """Arrange a history, a ledger and the gateway's own log."""
    evidence = Evidence()
    for record in history:
        _take_history(evidence, record)
    for record in ledger:
        _take_ledger(evidence, record)
    if lines is not None:
        evidence.recorded = Recorded()
        for line in lines:
            evidence.recorded.take(line)
    return evidence


def _take_history(evidence: Evidence, record: Record) -> None:
    kind = record[KIND]
    if kind == "ask":
        evidence.asked.setdefault(
            record["request_id"], Asked(record["request_id"], record["ea"], record["body"], record[AT])
        )
    elif kind in ("answer", "final"):
        asked = evidence.asked.get(record["request_id"])
        if asked is None:
            evidence.unasked.append(str(record["request_id"]))
        elif record["reply"] is None:
            asked.given_up = True
        else:
            answer = Answer(record[AT], record["reply"])
            asked.answers.append(answer)
            if kind == "final":
                asked.final = answer
    elif kind == "kill":
        evidence.kills.append(record)
    elif kind == "status" and record["request_id"] in evidence.asked:
        evidence.asked[record["request_id"]].status = record
    elif kind == "view":
        evidence.view = record
    elif kind == "verdict":
        evidence.verdict = record


def _take_ledger(evidence: Evidence, record: Record) -> None:
    kind = record[KIND]
    if kind == "arrival":
        evidence.arrivals[record["tag"]].append(record[AT])
    elif kind == "absent":
        evidence.absents.setdefault(record["tag"], record[AT])
    elif kind == "fill":
        evidence.fills.append(
            Filled(
                tag=record["tag"],
                entry=record["entry"],
                ticket=record["ticket"],
                symbol=record["symbol"],
                side=record["side"],
                volume=Decimal(record["volume"]),
                price=number(record["price"]),
                deal=record["deal"],
                profit=Decimal(record["profit"]),
                balance=Decimal(record["balance"]),
            )
        )


def number(value: Any) -> Decimal | None:
    """A number as JSON gave it, exact to what was written."""
    return None if value is None else Decimal(str(value))
