"""Whatever is sent: the decoders give a value or a problem, and the app never answers 500.

See `examples` for how many inputs each decoder sees.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
import trio
from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from unit.edges.rest.harness import OWNER, open_world

from quantmind.domain.order_life import NEXT, OrderState
from quantmind.edges.rest import ROUTES
from quantmind.records import KINDS
from quantmind.wire import commands
from quantmind.wire.problems import TITLES, HttpProblem, trade_problem
from quantmind.wire.rest import (
    deal_after,
    ea_after,
    flag_of,
    kinds_of,
    magic_of,
    moment_of,
    open_state_of,
    order_after,
    page,
    page_limit,
    parse_query,
    percent_in,
    refuse_token,
    request_id_in_path,
    seq_of,
    ticket_after,
    ticket_in_path,
    timeframe_of,
)
from quantmind.wire.rest_bodies import (
    BaselineSaid,
    RouterChange,
    StateChange,
    check_command,
    close_command,
    decode_baseline,
    decode_close,
    decode_order_change,
    decode_position_change,
    decode_router_state,
    decode_settlement,
    decode_state,
    decode_trade,
    modify_command,
)

EXAMPLES = examples(700, 200)
"""Of each kind of body and query, which share one decoder; a command's own is fuzzed in tests/unit/wire."""
BRIEF = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

FIELDS = ["symbol", "action_type", "volume", "stop_loss", "sl", "take_profit", "tp", "broker", "order_type", "price"]
FIELDS += [
    "expiration",
    "deviation",
    "filling",
    "close_by",
    "comment",
    "state",
    "reason",
    "flatten",
    "balance",
    "equity",
    "highest_balance",
    "highest_equity",
    "type",
    "ea_name",
    "magic",
    "request_id",
    "execute",
    "side",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["BUY", "SELL", "EURUSD", "market", "limit", "halted", "active", "trade_open", "heartbeat"]),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), VALUES, max_size=8)
NUMBERS = st.sampled_from(
    ["1E+999999999", "NaN", "-0", "1e5", "00", "0.1", "9" * 400, "1e-400", "-1", "true", '"1"', "[]"]
)
NEAR = st.builds(
    lambda number, name: f'{{"symbol":"EURUSD","action_type":"BUY","volume":0.1,"{name}":{number}}}'.encode(),
    NUMBERS,
    st.sampled_from(FIELDS),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    OBJECTS.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    NEAR,
    st.sampled_from(
        [b"[" * 5000, b'{"a":' * 3000, b'"\\ud800"', b'{"symbol":"\\ud800"}', b"\xff\xfe", b"null", b"1" * 5000]
    ),
)


def sound(problem: HttpProblem) -> None:
    """A problem document that a client can read."""
    body = json.loads(problem.encode())
    assert 400 <= problem.status < 500
    assert body["status"] == problem.status
    assert body["code"] in TITLES
    assert body["detail"]
    assert len(body["detail"]) < 1500
    assert len(problem.encode()) < 4000


@BRIEF
@given(BODIES)
@example(b'{"symbol":"EURUSD","action_type":"BUY","volume":1E+999999999}')
def test_trade_bodies(raw):
    """A command that the commands' own decoder takes, or a problem."""
    try:
        command = decode_trade(raw, ea_name="rest:owner", request_id="k")
    except HttpProblem as problem:
        sound(problem)
        return
    decoded = commands.decode(command)
    assert isinstance(decoded, commands.Trade)
    assert decoded.execute
    assert decoded.side is not None
    sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    assert decoded.volume == sent["volume"]


MONEY = st.one_of(st.none(), st.integers(-3, 10**15), st.decimals(-10, 10**6, places=2).map(float), LEAVES)
BASELINES = st.one_of(
    BODIES,
    st.fixed_dictionaries(
        {"balance": MONEY, "reason": st.text(max_size=5) | st.just("seen")},
        optional=dict.fromkeys(("equity", "highest_balance", "highest_equity", "broker"), MONEY),
    ).map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda number, name: f'{{"reason":"x","balance":1,"{name}":{number}}}'.encode(), NUMBERS, st.just("equity")
    ),
)


@BRIEF
@given(BASELINES)
@example(b'{"balance":1E+999999999,"reason":"x"}')
@example(b'{"balance":10000,"balance":9000,"reason":"x"}')
def test_baseline_bodies(raw):
    """Money above 0, exactly as it was written, with a reason; or a problem."""
    try:
        said = decode_baseline(raw)
    except HttpProblem as problem:
        sound(problem)
        return
    assert isinstance(said, BaselineSaid)
    assert 1 <= len(said.reason) <= 200
    sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    for name in ("balance", "equity", "highest_balance", "highest_equity"):
        value = getattr(said, name)
        assert value == sent.get(name)
        assert value is None or (value.is_finite() and value > 0)
    assert said.balance is not None


@BRIEF
@given(BODIES)
def test_state_bodies(raw):
    """A change of state with a reason, or a problem."""
    try:
        change = decode_state(raw)
    except HttpProblem as problem:
        sound(problem)
        return
    assert isinstance(change, StateChange)
    assert 1 <= len(change.reason) <= 200


SETTLEMENTS = st.one_of(
    BODIES,
    st.fixed_dictionaries(
        {"outcome": st.sampled_from([state.value for state in OrderState]) | LEAVES, "reason": st.text() | LEAVES},
        optional={
            "ticket": st.integers(-1, 2**65) | LEAVES,
            **{name: st.decimals().map(str) | LEAVES for name in ("price", "volume", "profit")},
            "force": LEAVES,
            "by": LEAVES,
        },
    ).map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda outcome, name, number: f'{{"outcome":"{outcome}","reason":"r","{name}":{number}}}'.encode(),
        st.sampled_from(["filled", "partly_filled", "not_sent", "placed"]),
        st.sampled_from(["ticket", "price", "volume", "profit", "force", "reason"]),
        NUMBERS,
    ),
)


SHARES = st.one_of(NUMBERS, st.decimals(-2, 2, places=3).map(str), st.sampled_from(["0", "1", "0.5", "null"]))
PARTS = st.one_of(
    VALUES.map(json.dumps),
    st.builds(
        lambda mode, name, number: f'{{"mode":{json.dumps(mode)},"{name}":{number}}}',
        st.sampled_from(["normal", "reduced", "none", "REDUCED", "", None, 1]),
        st.sampled_from(["max_multiplier", "max", "mode"]),
        SHARES,
    ),
    st.dictionaries(
        st.sampled_from(["label", "symbols", "mode", "by"]),
        st.none()
        | st.text(max_size=40)
        | st.dictionaries(st.text(max_size=40), st.text(max_size=40) | LEAVES, max_size=3),
        max_size=3,
    ).map(json.dumps),
)
STATES = st.one_of(
    BODIES,
    st.dictionaries(
        st.sampled_from(["regime", "mandate", "reason", "revision"]) | st.text(max_size=5),
        PARTS | st.just('"why"') | SHARES,
        max_size=4,
    ).map(lambda body: ("{" + ",".join(f"{json.dumps(name)}:{part}" for name, part in body.items()) + "}").encode()),
)


@BRIEF
@given(SETTLEMENTS)
@example(b'{"outcome":"filled","reason":"r","volume":1E+999999999}')
@example(b'{"outcome":"filled","reason":"r","profit":-1.5,"ticket":5}')
def test_settlement_bodies(raw):
    """What an order may have become, with a reason and numbers that make sense, or a problem."""
    try:
        word = decode_settlement(raw)
    except HttpProblem as problem:
        sound(problem)
        return
    sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    assert word.state in NEXT[OrderState.UNKNOWN]
    assert word.state.value == sent["outcome"]
    assert 1 <= len(word.reason) <= 200
    assert word.reason.isprintable()
    assert word.force is sent.get("force", False)
    for name in ("ticket", "price", "volume", "profit"):
        assert getattr(word, name) == sent.get(name)
    assert all(value is None or value > 0 for value in (word.ticket, word.price, word.volume))
    if word.state not in (OrderState.FILLED, OrderState.PARTLY_FILLED):
        assert (word.price, word.volume, word.profit) == (None, None, None)


@given(STATES)
@example(b'{"mandate":{"mode":"reduced","max_multiplier":1E+999999999},"reason":"why"}')
@example(b'{"mandate":{"mode":"none","mode":"normal"},"reason":"why"}')
@example(b'{"regime":{"label":"\\ud800"},"reason":"why"}')
@example(b'{"revision":99999999999999999999,"reason":"why","mandate":{"mode":"none"}}')
def test_router_state_bodies(raw):
    """A change with who and why whose mandate caps by what it says, or a problem."""
    try:
        change = decode_router_state(raw, by="owner", now=1.0)
    except HttpProblem as problem:
        sound(problem)
        return
    assert isinstance(change, RouterChange)
    sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    assert (change.regime is None, change.mandate is None) == ("regime" not in sent, "mandate" not in sent)
    for said in (change.regime, change.mandate):
        assert said is None or (said.by, said.reason, said.since) == ("owner", sent["reason"].strip(), 1.0)
    if change.mandate is not None:
        given_number = sent["mandate"].get("max_multiplier")
        only = {"normal": 1, "none": 0}.get(sent["mandate"]["mode"], given_number)
        assert change.mandate.cap == only
        assert given_number in (None, only)
    if change.regime is not None:
        assert all(1 <= len(label) <= 32 and label.isprintable() for label in change.regime.symbols.values())


@BRIEF
@given(BODIES)
def test_command_bodies(raw):
    """Taken exactly when the commands' own decoder takes it."""
    try:
        check_command(raw)
    except HttpProblem as problem:
        sound(problem)
        with pytest.raises(commands.CommandFault):
            commands.decode(raw)
        return
    commands.decode(raw)


TARGET = {"ea_name": "rest:owner", "request_id": "k", "broker": "demo", "ticket": 7}
CHANGES = st.one_of(
    BODIES,
    st.dictionaries(
        st.sampled_from(["stop_loss", "sl", "take_profit", "tp", "price", "expiration", "volume", "close_by"]),
        st.one_of(LEAVES, st.decimals(allow_nan=False, allow_infinity=False).map(str), st.datetimes().map(str)),
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
)


@BRIEF
@given(CHANGES)
@example(b'{"volume":1E+999999999}')
def test_close_bodies(raw):
    """A close of that ticket and of no other, or a problem."""
    try:
        command = close_command(decode_close(raw), symbol="EURUSD", **TARGET)
    except HttpProblem as problem:
        sound(problem)
        return
    decoded = commands.decode(command)
    assert isinstance(decoded, commands.Trade)
    assert (decoded.kind, decoded.ticket, decoded.symbol, decoded.execute) == ("trade_close", 7, "EURUSD", True)
    sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal) if raw.strip() else {}
    assert (decoded.volume, decoded.close_by) == (sent.get("volume"), sent.get("close_by"))


@BRIEF
@given(CHANGES)
@example(b'{"expiration":"2026-11-23T09:00:00Z"}')
@example(b'{"stop_loss":null,"price":1.1}')
@example(b'{"sl":1.1,"sl":0}')
def test_change_bodies(raw):
    """A change of that ticket; a stop that was not named stays, whatever else was sent."""
    for decode in (decode_position_change, decode_order_change):
        try:
            command = modify_command(decode(raw), **TARGET)
        except HttpProblem as problem:
            sound(problem)
            continue
        decoded = commands.decode(command)
        assert isinstance(decoded, commands.Trade)
        assert (decoded.kind, decoded.ticket, decoded.execute) == ("trade_modify", 7, True)
        sent = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
        assert decoded.sl == sent.get("sl", sent.get("stop_loss"))
        assert decoded.tp == sent.get("tp", sent.get("take_profit"))
        assert decoded.price == sent.get("price")


NAMES = ["limit", "after", "broker", "match", "token", "x", "before", "newest", "kind", "since", "request_id"]
QUERIES = st.one_of(
    st.binary(max_size=100),
    st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=8)), max_size=4).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "surrogatepass")
    ),
)


@BRIEF
@given(QUERIES)
def test_queries(raw):
    """Known parameters, each once and with a value, or a problem; a token is never taken."""
    try:
        refuse_token(raw)
        query = parse_query(raw, ("limit", "after", "broker", "match"))
        limit, after = page_limit(query), ticket_after(query)
    except HttpProblem as problem:
        sound(problem)
        return
    assert set(query) <= {"limit", "after", "broker", "match"}
    assert all(query.values())
    assert 1 <= limit <= 1000
    assert after is None or after >= 0


NEAR_VALUES = st.one_of(
    st.text(max_size=50),
    st.from_regex(r"-?[0-9]{1,22}[.@][A-Za-z0-9]{0,22}", fullmatch=True),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.integers().map(str),
    st.lists(st.sampled_from([*KINDS, "intents", ""]), max_size=20).map(",".join),
    st.sampled_from(
        ["M1", "true", "h4", "D1", "2026-11-23T09:00:00+02:00", "2026-11-23 09:00:00Z", "0001-01-01T00:00:00Z"]
    ),
)


@BRIEF
@given(NEAR_VALUES)
def test_values_of_queries(text):
    """Each reader gives a value or a problem, whatever the text."""
    readers = {
        "after": (ticket_after, deal_after, ea_after, order_after, lambda query: moment_of(query, "after")),
        "magic": (magic_of,),
        "stop_percent": (lambda query: percent_in(query, "stop_percent"),),
        "timeframe": (timeframe_of,),
        "before": (lambda query: seq_of(query, "before"),),
        "newest": (lambda query: flag_of(query, "newest"),),
        "kind": (lambda query: kinds_of(query, KINDS),),
        "ticket": (lambda query: ticket_in_path(query["ticket"]),),
        "state": (open_state_of,),
        "request_id": (lambda query: request_id_in_path(query["request_id"]),),
    }
    for name, each in readers.items():
        for read in each:
            try:
                read({name: text})
            except HttpProblem as problem:
                sound(problem)


@given(st.sets(st.integers(0, 50)), st.integers(1, 10))
def test_pages_give_each_item_once(items, limit):
    """Following `next` from the start gives everything in order."""
    found, after = [], None
    while True:
        taken, after = page(items, lambda item: item, after, limit)
        found += taken
        if after is None:
            break
    assert found == sorted(items)


@given(st.sampled_from(["rejected", "unknown", "error"]), st.sampled_from(sorted(TITLES)), st.text(max_size=20))
def test_every_reply_has_a_status(status, code, message):
    """No reply of the command path is left without an answer over HTTP."""
    problem = trade_problem({"status": status, "code": code, "message": message, "reasons": [], "request_id": "k"})
    assert problem is not None
    assert 400 <= problem.status <= 504
    assert json.loads(problem.encode())["request_id"] == "k"


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
PLACES = {"<symbol>": "EURUSD", "<broker>": "demo", "<ticket>": "100"}
VISIBLE = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#")
PATHS = st.one_of(
    st.sampled_from([re.sub(r"<[\w:]+>", lambda place: PLACES.get(place[0], "x1"), route.rule) for route in ROUTES]),
    st.text(VISIBLE, max_size=20).map(lambda text: "/" + text),
)
WHOLE = settings(max_examples=examples(150, 40), deadline=None, suppress_health_check=list(HealthCheck))


@WHOLE
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
            PATHS,
            QUERIES,
            st.dictionaries(
                st.sampled_from(["Origin", "Host", "Content-Type", "Idempotency-Key", "Authorization", "Accept"]),
                HEADER,
                max_size=3,
            ),
            BODIES,
        ),
        max_size=10,
    )
)
def test_the_app_never_answers_500(asks):
    """Random methods, paths, queries, headers and bodies: an answer below 500 (or 503), and problems in their form."""

    async def main() -> None:
        async with open_world() as world:
            for method, path, query, headers, body in asks:
                response = await ask(world.app, method, path, query, headers, body)
                status, kind = response
                assert status < 500 or status == 503, (method, path, query, headers, body)
                if status >= 400:
                    assert kind == b"application/problem+json"

    # What looks for a ticket waits for the next sample, and here none comes.
    trio.run(main, clock=MockClock(autojump_threshold=0))


async def ask(app, method, path, query, headers, body) -> tuple[int, bytes]:
    """One request as a server gives it to the app."""
    raw = {"host": "127.0.0.1", "x-token": OWNER, "content-type": "application/json"}
    raw |= {name.lower(): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in raw.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5005),
        "extensions": {},
        "state": {},
    }
    got: list[dict] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if not waiting:
            await trio.sleep_forever()
        return waiting.pop()

    async def send(message):
        got.append(message)

    await app(scope, receive, send)
    return got[0]["status"], dict(got[0]["headers"]).get(b"content-type", b"")
