"""What others send can neither forge a line of the log nor command a terminal: each event is one line that prints."""

from __future__ import annotations

import http.server
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway_process
import pytest
from gateway_process import TOKEN, GatewayProcess, running, until
from raw_ws import RawClient
from security.attacker import CLOSE, HOST, JSON, UPGRADE, request, sized, spoken, token_header
from security.conftest import made_config

from quantmind.cli import main, output
from quantmind.cli.gateway import as_json
from quantmind.domain.visible import json_visible, visible
from quantmind.logs import JsonFormatter, PlainFormatter

NASTY = {
    "line feed": "a\n2026-11-23T09:00:00.123Z CRITICAL quantmind.risk break.limit broker=demo",
    "carriage return": "a\rsee: all is well",
    "escape": "a\x1b[2J\x1b]0;title\x07",
    "one-byte CSI": "a\x9b31m",
    "next line": "a\x85b",
    "line separator": "a\u2028b\u2029c",
    "right to left": "a\u202eb\u2066c\u2069",
    "zero width": "a\u200bb\ufeffc",
    "null and delete": "a\x00b\x7fc",
    "half a pair": "a\ud800b",
    "a tag": "a\U000e0041b",
}
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S+ \S.*|  .*")
KNOWN = token_header(TOKEN)


def record(message: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("quantmind.test", logging.WARNING, __file__, 1, message, values, exc_info)


# --- how a line is made -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nasty", NASTY)
def test_a_line_is_one_line_that_prints(nasty: str) -> None:
    """In both forms of the log, whatever stands in the message; in JSON it comes back as it was."""
    plain = PlainFormatter().format(record("take.it from=%s", NASTY[nasty]))
    assert plain.isprintable()
    as_object = JsonFormatter().format(record("take.it from=%s", NASTY[nasty]))
    assert as_object.isprintable()
    assert json.loads(as_object)["message"] == f"take.it from={NASTY[nasty]}"


@pytest.mark.parametrize("nasty", NASTY)
def test_a_traceback_forges_no_line(nasty: str) -> None:
    """Its lines are indented, since an error may quote what was sent."""
    error = ValueError(NASTY[nasty])
    first, *others = PlainFormatter().format(record("fail.it", error=error)).split("\n")
    assert first.isprintable()
    assert others
    assert all(line.startswith("  ") and line.isprintable() for line in others)
    assert JsonFormatter().format(record("fail.it", error=error)).isprintable()


@pytest.mark.parametrize("nasty", NASTY)
def test_what_is_made_visible_prints(nasty: str) -> None:
    """And a text that prints stays as it is, in every language."""
    assert visible(NASTY[nasty]).isprintable()
    assert json_visible(json.dumps([NASTY[nasty]], ensure_ascii=False)).isprintable()
    for text in ("Ärger über 5 €", "Заявка", "口座", "\\n"):
        assert visible(text) == text


# --- what a running gateway logs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_log_is_forged_from_no_door(tmp_path: Path, form: str) -> None:
    """Names, comments, symbols, hosts, origins, paths, agents and tokens full of controls leave lines that print."""
    options = ("--verbose",) if form == "plain" else ("--verbose", "--json-log")
    with running(made_config(tmp_path), *options) as gateway:
        for text in NASTY.values():
            send_everywhere(gateway, text)
        until(lambda: any("reason=origin" in line for line in gateway.log))
        assert gateway.stop() == 0
    assert len(gateway.log) > 30
    for line in gateway.log:
        assert line.isprintable(), ascii(line)
        if form == "json":
            assert {"time", "level", "logger", "message"} <= set(json.loads(line))
        else:
            assert LINE.fullmatch(line), ascii(line)
    assert not [line for line in gateway.log if "break.limit" in line and "CRITICAL quantmind.risk" in line[:60]]


def send_everywhere(gateway: GatewayProcess, text: str) -> None:
    """One text in every place where a client's text goes, at every door."""
    field = json.dumps(text)
    for fields in (
        f'"type":"heartbeat","ea_name":{field}',
        f'"type":"heartbeat","ea_name":"x","broker":{field},"version":{field},"symbol":{field}',
        f'"type":{field},"ea_name":"x"',
        f'"type":"heartbeat","ea_name":"x","broker":"demo","token":{field}',
        f'"type":"heartbeat","ea_name":"x","broker":"demo","request_id":{field}',
        f'"type":"heartbeat","ea_name":"x",{field}:1',
        f'"type":"trade_open","ea_name":"x","broker":"demo","symbol":{field},"volume":0.1,"magic":1',
        f'"type":"trade_open","ea_name":"x","broker":"demo","symbol":"EURUSD","volume":0.1,"magic":1,"comment":{field}',
    ):
        gateway.command(b"{" + fields.encode() + b"}")
    raw = text.encode("utf-8", "surrogatepass")
    for line, headers in (
        (b"GET /" + raw, (HOST, KNOWN)),
        (b"GET /status?" + raw, (HOST, KNOWN)),
        (b"GET /status", (b"Host: " + raw + b"\r\n", KNOWN)),
        (b"GET /status", (HOST, b"Origin: " + raw + b"\r\n", KNOWN)),
        (b"GET /status", (HOST, b"User-Agent: " + raw + b"\r\n", KNOWN)),
        (b"GET /status", (HOST, b"X-Token: " + raw + b"\r\n")),
        (b"GET /account?broker=" + "".join(f"%{byte:02x}" for byte in raw).encode(), (HOST, KNOWN)),
        (b"GET /bars/" + "".join(f"%{byte:02x}" for byte in raw).encode(), (HOST, KNOWN)),
    ):
        spoken(gateway.port("rest"), request(line, *headers, CLOSE))
    reason = json.dumps({"state": "reduce_only", "reason": text}).encode()
    spoken(gateway.port("rest"), request(b"POST /risk/state", HOST, KNOWN, JSON, sized(reason), CLOSE, body=reason))
    for headers in ((b"Origin: " + raw + b"\r\n",), (b"Authorization: Bearer " + raw + b"\r\n",)):
        spoken(gateway.port("websocket"), request(b"GET /", HOST, UPGRADE, *headers), until=b"\r\n\r\n")
    client = RawClient(gateway.port("websocket"))
    client.send_text(b'{"type":"subscribe","symbols":[' + field.encode() + b"]}")
    client.send_text(b'{"type":"auth","token":' + field.encode() + b"}")
    client.collect()
    until(lambda: len([each for each in client.messages() if each["type"] in ("error", "subscribed")]) >= 2)
    client.leave()


# --- what a subcommand prints -----------------------------------------------------------------------------------------


class HostileGateway(http.server.BaseHTTPRequestHandler):
    """Answers everything with texts that a terminal would obey."""

    text = ""
    status = 200

    def answer(self) -> None:
        each = {
            "ticket": 7,
            "symbol": self.text,
            "side": "buy",
            "volume": 0.1,
            "comment": self.text,
            "broker": self.text,
        }
        body = {
            **dict.fromkeys(("detail", "title", "message", "comment", "reason", "order_id", "state"), self.text),
            "code": "broker_refused", "retcode": 1, "retcode_text": self.text, "items": [each], "next": None,
            "brokers": [{"broker": "demo"}], "reasons": [{"rule": self.text, "message": self.text}], "eas": [],
        }  # fmt: skip
        raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HostileGateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_no_subcommand_prints_what_a_terminal_obeys(
    hostile: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a gateway, a broker or another client's comment says, in words and as JSON, done and refused."""
    broker = {"type": "mt5_mock", "symbols": {"EURUSD": {}}}
    config = gateway_process.write_config(tmp_path, {"demo": broker}, rest={"port": hostile})
    monkeypatch.setenv("QUANTMIND_TOKEN", TOKEN)
    said = 0
    for text in (text for name, text in NASTY.items() if name != "half a pair"):  # no gateway can send one
        for status in (200, 400, 403):
            monkeypatch.setattr(HostileGateway, "text", text)
            monkeypatch.setattr(HostileGateway, "status", status)
            for command in (["positions"], ["orders"], ["trade", "EURUSD", "buy", "0.1", "--yes"], ["cancel", "7"],
                            ["close", "7"], ["halt"], ["orders", "show", "abc"], ["state"], ["risk"]):  # fmt: skip
                for form in ([], ["--json"]):
                    # Of an answer that lacks a field it needs, a subcommand may break; it prints nothing then.
                    try:
                        main([*command, *form, "--config", str(config)])
                    except (KeyError, TypeError, AttributeError):
                        assert status == 200
                    out, err = capsys.readouterr()
                    said += bool(out + err)
                    for line in (out + err).split("\n"):
                        assert line.isprintable(), (command, form, ascii(line))
    assert said > 200


@pytest.mark.parametrize("nasty", NASTY)
def test_what_prints_lines_prints_no_controls(nasty: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The three ways in which subcommands print keep lines and nothing else that does not print."""
    text = NASTY[nasty].replace("\n", " ")
    for way in (output.say, output.complain, output.print_tame):
        way(f"one {text}\ntwo {text}")
    out, err = capsys.readouterr()
    lines = (out + err).split("\n")
    assert len(lines) == 7
    assert all(line.isprintable() for line in lines)
    assert as_json({"a": text.encode(errors="replace").decode()}).isprintable()
    assert json.loads(as_json({"a": "Ärger\u2028"})) == {"a": "Ärger\u2028"}
