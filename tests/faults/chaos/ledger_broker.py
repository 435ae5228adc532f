"""A broker in a process of its own, whose ledger tells what really happened.

It speaks JSON lines over TCP on loopback. Whoever connects may trade, and may set what goes wrong (`mischief`). Every
order that is seen here, and every fill, once, stands in the ledger before anything is answered. It runs until its
standard input ends.

    python -m faults.chaos.ledger_broker --ledger ledger.jsonl --seed 7
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import trio
from faults.chaos.book import BASES, DONE, REQUOTE, Book, Fill, Refusal, plain
from faults.chaos.lines import BROKEN, Lines
from faults.chaos.mischief import Fate, Mischief
from faults.chaos.records import Appender

Message = dict[str, Any]

MOST_DEALS = 10_000


@attrs.define(eq=False)
class Session:
    """One connection."""

    number: int
    lines: Lines

    async def send(self, message: Message, after_s: float = 0.0) -> None:
        """Say something, if they are still there."""
        await trio.sleep(after_s)
        try:
            await self.lines.send(message)
        except BROKEN:
            return

    def drained(self) -> bool:
        """Whether all that was sent here so far has been read: of a peer that has gone, all there will ever be."""
        raw = self.lines.stream.socket
        return raw.fileno() == -1 or not select.select([raw], [], [], 0)[0]


@attrs.define(eq=False)
class LedgerBroker:
    """The account, and everyone who is connected to it."""

    ledger: Appender
    mischief: Mischief
    nursery: trio.Nursery
    book: Book = attrs.field(factory=Book)
    counts: Counter[str] = attrs.field(factory=Counter)
    sessions: set[Session] = attrs.field(factory=set)
    held: set[str] = attrs.field(factory=set)
    """Tags of orders that are still on their way."""
    seen_at: dict[str, float] = attrs.field(factory=dict)
    """When a tag came, or was first asked about."""
    blind_s: dict[str, float] = attrs.field(factory=dict)

    async def serve(self, stream: trio.SocketStream) -> None:
        self.counts["connections"] += 1
        session = Session(self.counts["connections"], Lines(stream))
        self.sessions.add(session)
        try:
            while (batch := await session.lines.receive()) is not None:
                # Without a wait between: what has been read from a connection has been dealt with.
                for message in batch:
                    self._take(session, message)
        finally:
            self.sessions.discard(session)
            session.lines.close()

    def _take(self, session: Session, message: Message) -> None:
        op, number = message["op"], message["id"]
        if op == "order_send":
            self._order(session, message)
            return
        if op in ("account", "deals", "find") and self.mischief.happens("drop_read"):
            self.counts["dropped_reads"] += 1
            return
        self._post(session, {"id": number, **self._answer(session, op, message)})

    def _answer(self, session: Session, op: str, message: Message) -> Message:
        match op:
            case "symbols":
                return {"symbols": {name: str(self.book.price(name)) for name in BASES}}
            case "account":
                positions = [plain(held) for held in self.book.positions.values()]
                return {"balance": str(self.book.balance), "positions": positions}
            case "deals":
                deals = [plain(fill) for fill in self.book.fills if fill.deal and fill.time_msc >= message["since_msc"]]
                return {"deals": deals[-MOST_DEALS:]}
            case "find":
                return self._find(session, message["tag"])
            case "rates":
                self.mischief.set(message["rates"])
                return {}
            case "state":
                return {"counts": dict(self.counts), "held": len(self.held)}
            case _:
                return {"error": f"there is no op {op}"}

    # --- orders --------------------------------------------------------------------------------------------------

    def _order(self, session: Session, message: Message) -> None:
        tag, fate = message["tag"], self.mischief.fate()
        if fate.delivery == "copy" and (message["action"] != "open" or fate.requoted):
            # Only an open that was carried out is refused a second time by a broker like this; the copy of another
            # order would be carried out.
            fate = attrs.evolve(fate, delivery="", answer="twice")
        self.seen_at.setdefault(tag, trio.current_time())
        self._note(
            "arrival",
            tag=tag,
            action=message["action"],
            connection=session.number,
            id=message["id"],
            delivery=fate.delivery,
            answer=fate.answer,
        )
        match fate.delivery:
            case "lose":
                pass
            case "lose_and_close":
                session.lines.close()
            case "hold":
                self.held.add(tag)
                self.nursery.start_soon(self._hold, session, message, fate)
            case _:
                self._carry_out(session, message, fate)

    async def _hold(self, session: Session, message: Message, fate: Fate) -> None:
        await trio.sleep(fate.hold_s)
        self.held.discard(message["tag"])
        self._carry_out(session, message, fate)

    def _carry_out(self, session: Session, message: Message, fate: Fate) -> None:
        answers = [self._once(message, fate.requoted)]
        if fate.delivery == "copy":
            answers.append(self._once(message, False))
            if fate.slow_s * 1000 % 2 < 1:
                answers.reverse()
        if fate.answer in ("drop", "drop_and_close"):
            self._note("dropped", tag=message["tag"], how=fate.answer)
            if fate.answer == "drop_and_close":
                session.lines.close()
            return
        if fate.answer == "twice":
            answers *= 2
        after_s = {"late": fate.hold_s, "slow": fate.slow_s}.get(fate.answer, 0.0)
        self.nursery.start_soon(self._say, session, answers, after_s)

    async def _say(self, session: Session, answers: list[Message], after_s: float) -> None:
        await trio.sleep(after_s)
        for answer in answers:
            await session.send(answer)

    def _once(self, message: Message, requoted: bool) -> Message:
        """Carry out, or refuse; in the ledger when this returns."""
        tag, number = message["tag"], message["id"]
        outcome: Fill | Refusal = Refusal(tag, REQUOTE, "the price has moved")
        if not requoted:
            outcome = self.book.carry_out(message, round(time.time() * 1000))
        if isinstance(outcome, Refusal):
            self._note("duplicate" if outcome.duplicate else "refusal", **plain(outcome))
            return {"id": number, "result": "duplicate" if outcome.duplicate else "refused", **plain(outcome)}
        self._note("fill", **plain(outcome))
        if outcome.deal and self.mischief.happens("events"):
            self._tell_everyone(outcome)
        return {"id": number, "result": "filled", "retcode": DONE, **plain(outcome)}

    def _tell_everyone(self, fill: Fill) -> None:
        for _ in range(2 if self.mischief.happens("events") else 1):
            self.counts["events"] += 1
            for session in self.sessions:
                self._post(session, {"event": "deal", **plain(fill)})

    # --- what became of a tag ------------------------------------------------------------------------------------

    def _find(self, session: Session, tag: str) -> Message:
        """Filled, absent, or null where it can't be told yet: never absent of what may still come."""
        now = trio.current_time()
        since_s = now - self.seen_at.setdefault(tag, now)
        if tag in self.held or since_s < self.blind_s.setdefault(tag, self.mischief.blind_s()):
            self.counts["blind_finds"] += 1
            return {"found": None}
        fills = self.book.by_tag.get(tag)
        if fills:
            return {"found": {"retcode": DONE, **plain(fills[0])}}
        # A gateway that was killed has closed its connection, and what it said before may not have been read yet.
        if not all(other.drained() for other in self.sessions if other is not session):
            self.counts["blind_finds"] += 1
            return {"found": None}
        self._note("absent", tag=tag)
        return {"found": "absent"}

    # --- telling -------------------------------------------------------------------------------------------------

    def _note(self, kind: str, **fields: Any) -> None:
        self.counts[kind] += 1
        self.ledger.write({"kind": kind, **fields})

    def _post(self, session: Session, message: Message) -> None:
        self.nursery.start_soon(session.send, message)


async def run(ledger: Path, seed: int) -> None:
    appender = Appender(ledger, durable=True)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        broker = LedgerBroker(appender, Mischief(seed), nursery)
        nursery.start_soon(trio.serve_listeners, broker.serve, listeners)
        print(json.dumps({"port": listeners[0].socket.getsockname()[1]}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    trio.run(run, options.ledger, options.seed)


if __name__ == "__main__":
    main()
