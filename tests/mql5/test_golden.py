"""What MQL5 says is read by the gateway, and what the gateway says by MQL5, as Python's own client reads it."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zmq
from mql5.build import build, require_gpp
from mql5.program import run

from quantmind.client.replies import UnreadableReply, read_reply
from quantmind.wire import commands

PROGRAMS = Path(__file__).parent / "programs"
GOLDEN = sorted((Path(__file__).parents[1] / "protocol" / "commands").glob("*.json"))
STATUSES = {"no_answer": 0, "success": 1, "rejected": 2, "error": 3, "unknown": 4}
MATCHED = {"<text>": "a text", "<number>": 1795424400.25, "<integer>": 18446744073709551615, "<any>": 12.5}


def filled(value: Any) -> Any:
    """A golden answer with something in the place of each matcher."""
    if isinstance(value, dict):
        return {key: filled(each) for key, each in value.items() if each != "<absent>"}
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, str) and value.startswith("$"):
        return 17 if value.endswith(("ticket", "order")) else "an-id"
    return MATCHED.get(value, value) if isinstance(value, str) else value


def answers() -> list[bytes]:
    """All that the golden files expect."""
    found = []
    for file in GOLDEN:
        golden = json.loads(file.read_text(encoding="utf-8"))
        if "expect" in golden:
            found.append(json.dumps(filled(golden["expect"]), ensure_ascii=False).encode())
    return found


def same(raw: bytes, said: dict[str, Any]) -> None:
    """Whether MQL5 read of an answer what Python's client reads."""
    reply = read_reply(raw)
    assert said["status"] == STATUSES[reply.status]
    assert said["approved"] == (reply.approved and reply.status == "success")
    for name in ("risk_multiplier", "approved_volume", "max_volume", "price", "volume", "sl", "tp", "profit"):
        assert said[name] == getattr(reply, name) or (said[name] == 0 and getattr(reply, name) is None), name
    for name in ("ticket", "order", "retcode"):
        assert said[name] == (getattr(reply, name) or 0), name
    for name in ("approval_id", "order_id", "code", "message", "trading_state"):
        assert said[name] == (getattr(reply, name) or ""), name
    assert said["rules"] == [each.rule for each in reply.reasons]


def test_each_golden_answer_is_read_as_python_reads_it(tmp_path: Path) -> None:
    """Field by field; tickets and money digit by digit."""
    require_gpp()
    raw = answers()
    assert len(raw) > 50
    (tmp_path / "MQL5" / "Files").mkdir(parents=True)
    (tmp_path / "MQL5" / "Files" / "answers.txt").write_bytes(b"".join(each + b"\n" for each in raw))
    finished = run(build(PROGRAMS / "read_answers.mq5"), folder=tmp_path, timeout=60)
    lines = list(finished.lines)
    assert lines.pop() == "done"
    for each, line in zip(raw, lines, strict=True):
        assert line != "none", each
        same(each, json.loads(line, parse_float=Decimal, parse_int=int))


@pytest.mark.parametrize("raw", [b"{}", b'{"status":"fine"}', b"[]", b'{"status":1}'])
def test_what_python_does_not_take_mql5_does_not(tmp_path: Path, raw: bytes) -> None:
    """An answer without a status is none, on both sides."""
    require_gpp()
    with pytest.raises(UnreadableReply):
        read_reply(raw)
    (tmp_path / "MQL5" / "Files").mkdir(parents=True)
    (tmp_path / "MQL5" / "Files" / "answers.txt").write_bytes(raw + b"\n")
    finished = run(build(PROGRAMS / "read_answers.mq5"), folder=tmp_path, timeout=60)
    assert list(finished.lines) == ["none", "done"]


def test_each_message_of_the_library_is_one_of_the_gateway_s() -> None:
    """Decoded by the gateway's own decoder, each field is what was asked for."""
    require_gpp()
    said: list[bytes] = []
    with zmq.Context() as context, context.socket(zmq.ROUTER) as door:
        door.linger = 0
        port = door.bind_to_random_port("tcp://127.0.0.1")
        ended = threading.Event()

        def answer() -> None:
            while not ended.is_set():
                if door.poll(50):
                    *route, body = door.recv_multipart()
                    said.append(body)
                    request_id = json.loads(body)["request_id"]
                    refusal = {"status": "rejected", "approved": False, "reasons": [], "request_id": request_id}
                    door.send_multipart([*route, json.dumps(refusal).encode()])

        thread = threading.Thread(target=answer)
        thread.start()
        finished = run(build(PROGRAMS / "say_all.mq5"), inputs={"InpPort": port}, timeout=60)
        ended.set()
        thread.join()
    assert list(finished.lines) == ["done"], finished.errors
    decoded = [commands.decode(each) for each in said]
    assert [commands.kind_of(each) for each in decoded] == [
        *("trade_open", "trade_open", "trade_open", "trade_close", "trade_close", "trade_close"),
        *("trade_modify", "trade_modify", "trade_cancel", "trade_result", "trade_result", "risk_update"),
    ]
    bodies = [json.loads(each, parse_float=Decimal) for each in said]
    assert len({body["request_id"] for body in bodies}) == len(bodies)
    assert all(body["token"] == "a-token-0123456789" and body["broker"] == "demo" for body in bodies)
    opened, full = bodies[0], bodies[1]
    assert (opened["volume"], opened["magic"], "side" in opened, "execute" in opened) == (
        Decimal("0.1"),
        7,
        False,
        False,
    )
    assert (full["side"], full["order_type"], full["volume"], full["magic"]) == ("sell", "stop", Decimal("1.23"), 0)
    # 0.1 + 0.2 is 0.30000000000000004 to a double, and 0.3 to whoever trades.
    assert (full["sl"], full["tp"], full["price"]) == (Decimal("1.10001"), Decimal("0.3"), Decimal("150.005"))
    assert (full["comment"], full["expiration"]) == ('€ "x"', 1798761540)
    assert full["execute"] is full["reduce"] is True
    assert bodies[3]["ticket"] == 18446744073709551615
    assert bodies[3]["profit"] == Decimal("-12.345")
    assert (bodies[4]["volume"], bodies[5]["close_by"]) == (Decimal("0.05"), 18)
    assert (bodies[6]["new_sl"], bodies[6]["new_tp"]) == (Decimal("1.0801"), 0)
    assert ("new_sl" in bodies[7], bodies[7]["new_tp"], bodies[7]["new_price"]) == (
        False,
        Decimal("1.2"),
        Decimal("1.1"),
    )
    assert (bodies[9]["volume"], bodies[9]["retcode"], bodies[10]["volume"]) == (Decimal("0.1"), 10009, 0)
    assert "ticket" not in bodies[10]
    assert bodies[11]["risk_multiplier"] == Decimal("0.5")
