"""Bridge messages: what is sent is what is read, and nothing else can be read."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, Cause, Deal, Entry, PendingOrder, Position
from quantmind.domain.orders import (
    Absent,
    Cancel,
    Close,
    Filling,
    Modify,
    Open,
    OrderType,
    Origin,
    Placed,
    Proposal,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved, Terms, approve
from quantmind.domain.symbols import usual_spec
from quantmind.wire import bridge

ORIGIN = Origin("bridge", 4711)
PROPOSALS: tuple[Proposal, ...] = (
    Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY),
    Open(
        ORIGIN,
        "demo",
        "USDJPY",
        Decimal("1.00"),
        Side.SELL,
        OrderType.LIMIT,
        Decimal("150.123"),
        Decimal(151),
        Decimal("149.5"),
        reduce=True,
        comment='a "quoted" [one] €',
        expiration=1_795_424_400.5,
        deviation=10,
        filling=Filling.IOC,
    ),
    Close(ORIGIN, "demo", "EURUSD", 2**63),
    Close(ORIGIN, "demo", "EURUSD", 7, Decimal("0.01"), 8),
    Modify(ORIGIN, "demo", 9, new_sl=Decimal(0), new_tp=Decimal("1.2")),
    Modify(ORIGIN, "demo", 9, new_price=Decimal("1.10000"), new_expiration=0.0),
    Cancel(ORIGIN, "demo", 10),
)


def approved(proposal: Proposal, *, reduces: bool = False) -> Approved:
    terms = Terms(Decimal(1), None)
    return approve(proposal, terms, approval_id="a", incarnation=1, deadline=1e9, reduces=reduces)


@pytest.mark.parametrize("reduces", [False, True])
@pytest.mark.parametrize("proposal", PROPOSALS, ids=lambda each: type(each).__name__)
def test_an_order_arrives_as_it_was_approved(proposal: Proposal, reduces: bool) -> None:
    """Every field of it, to the last digit."""
    request = bridge.request_of(approved(proposal, reduces=reduces), "0123456789abcdef", "17")
    read = bridge.decode(bridge.encode(request))
    assert read == request
    assert isinstance(read, bridge.Trading)
    assert (read.id, read.tag, read.reduces) == ("17", "0123456789abcdef", reduces)
    assert bridge.proposal_of(read, "demo") == proposal


def test_an_order_without_a_side_is_not_sent() -> None:
    """It can't be carried out."""
    with pytest.raises(ValueError, match="side"):
        bridge.request_of(approved(Open(ORIGIN, "demo", "EURUSD", Decimal(1))), "a", "1")


POSITION = Position(
    ticket=1,
    symbol="EURUSD",
    side=Side.BUY,
    volume=Decimal("0.10"),
    price_open=Decimal("1.10000"),
    price_current=Decimal("1.10010"),
    profit=Decimal("1.00"),
    time_msc=1_795_424_400_123,
    sl=Decimal("1.09"),
    swap=Decimal("-0.5"),
    magic=7,
    comment="[sl 1.0]",
    tag="t",
)
ORDER = PendingOrder(2, "EURUSD", Side.SELL, OrderType.STOP, Decimal(1), Decimal("1.1"), 5, expiration_msc=6, tag="u")
DEAL = Deal(
    ticket=3,
    order=4,
    position=1,
    symbol="EURUSD",
    side=Side.SELL,
    entry=Entry.OUT,
    volume=Decimal("0.10"),
    price=Decimal("1.10010"),
    profit=Decimal("-1.00"),
    cause=Cause.SL,
    time_msc=9,
    commission=Decimal("-0.35"),
)
ACCOUNT = Account(1, "Demo", "USD", 100, "hedging", *(Decimal("10000.10"),) * 5)
PLACED = Placed(10009, order=4, deal=3, ticket=1, price=Decimal("1.10010"), volume=Decimal("0.10"), comment="ok")
REPLIES: tuple[msgspec.Struct, ...] = (
    bridge.Welcome(protocol=1, account=5, server="S", margin_mode="netting", symbols=("EURUSD",)),
    bridge.Symbols(symbols=(usual_spec("EURUSD"), usual_spec("XAUUSD")), terminal_names={"EURUSD": "EURUSD.r"}),
    bridge.Ticks(number=3, ticks=(Quote("EURUSD", 1.1, 1.10001, 7, volume=2.5),), crossed=1, confirmed=("USDJPY",)),
    bridge.Holdings(account=ACCOUNT, positions=(POSITION,), orders=(ORDER,)),
    bridge.Deals(deals=(DEAL,)),
    bridge.Result.of(PLACED),
    bridge.Result.of(Refused(10016, "no")),
    bridge.Result.of(Unknown("nobody knows")),
    bridge.Found.of(PLACED),
    bridge.Found.of(Absent()),
    bridge.Found.of(None),
    bridge.Nothing(),
)


@pytest.mark.parametrize("data", REPLIES, ids=lambda each: type(each).__name__)
def test_a_reply_arrives_as_it_was_said(data: msgspec.Struct) -> None:
    """Every value of it."""
    reply = bridge.decode_reply(bridge.encode_reply("x", data))
    assert (reply.id, reply.error) == ("x", None)
    assert bridge.read(reply.data, type(data)) == data


def test_answers_of_find_and_place_come_back() -> None:
    """As the port has them."""
    for outcome in (PLACED, Refused(1, "x"), Unknown("y")):
        assert bridge.Result.of(outcome).outcome() == outcome
    for found in (PLACED, Absent(), None):
        assert bridge.Found.of(found).answer() == found


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"refused":{"retcode":1,"comment":""},"unknown":{"reason":""}}'],
)
def test_an_outcome_is_one_thing(data: bytes) -> None:
    """Neither nothing nor two of them."""
    with pytest.raises(bridge.BridgeFault, match="one of"):
        bridge.read(data, bridge.Result).outcome()
    with pytest.raises(bridge.BridgeFault, match="placed exactly"):
        bridge.read(b'{"found":"placed"}', bridge.Found).answer()


def test_an_error_says_why() -> None:
    """With its code, and never without words."""
    reply = bridge.decode_reply(bridge.encode_error("3", bridge.UNAVAILABLE, "no terminal"))
    assert (reply.id, reply.code, reply.error) == ("3", "unavailable", "no terminal")
    assert bridge.decode_reply(b'{"type":"reply","id":"3","ok":false}').error == "it says no more"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("volume", "1E+999999999"),
        ("volume", "1e19"),
        ("volume", "0.000000000000000000001"),
        ("volume", '"NaN"'),
        ("volume", '"Infinity"'),
        ("price", "-1e400"),
        ("expiration", "1e300"),
        ("magic", "99999999999999999999"),
        ("deviation", "1.5"),
        ("side", '"long"'),
        ("tag", "null"),
        ("volume", "true"),
        ("colour", '"red"'),
    ],
)
def test_a_wrong_value_is_named(field: str, value: str) -> None:
    """Numbers that arithmetic never ends with, too."""
    fields = {"id": '"1"', "type": '"order_send"', "tag": '"t"', "symbol": '"EURUSD"', "volume": "1", "side": '"buy"'}
    raw = "{" + ",".join(f'"{name}":{said}' for name, said in {**fields, field: value}.items()) + "}"
    with pytest.raises(bridge.BridgeFault) as raised:
        bridge.decode(raw.encode())
    assert field in str(raised.value) or "out of" in str(raised.value) or "Number" in str(raised.value)


def test_a_reply_with_absurd_numbers_is_none() -> None:
    """Wherever in it they are."""
    holdings = json.loads(bridge.encode_reply("1", REPLIES[3]))["data"]
    holdings["positions"][0]["volume"] = 1e30
    with pytest.raises(bridge.BridgeFault, match=r"positions\[0\]\.volume"):
        bridge.read(json.dumps(holdings).encode(), bridge.Holdings)
    holdings["positions"][0].update(volume=1, time_msc=10**18)
    with pytest.raises(bridge.BridgeFault, match="time_msc"):
        bridge.read(json.dumps(holdings).encode(), bridge.Holdings)


def test_too_long_is_refused() -> None:
    """Before anything is read of it."""
    with pytest.raises(bridge.BridgeFault, match="bytes"):
        bridge.decode(b" " * (bridge.MAX_REQUEST_BYTES + 1))


def test_a_token_is_not_shown() -> None:
    """Whatever prints the greeting."""
    hello = bridge.Hello(id="1", protocol=1, token="secret-secret-secret")
    assert "secret" not in repr(hello)
    assert bridge.decode(bridge.encode(hello)) == hello


GUARD = bridge.Guard(
    seq=1,
    every_s=1.0,
    broker="mine",
    trading_state="reduce_only",
    cause="no price comes",
    known=True,
    floor=Decimal("9500.10"),
    next_floor=Decimal("9450.00"),
    next_reset=1_795_820_400.0,
    time=1_795_800_000.123,
)


def test_what_a_guard_is_told_and_says() -> None:
    """Money to the last digit, and every key, also where it has nothing to say."""
    raw = bridge.encode(GUARD)
    assert b'"floor":9500.10,"next_floor":9450.00' in raw
    assert bridge.decode_guard(raw) == GUARD
    nothing = msgspec.structs.replace(GUARD, known=False, floor=None, next_floor=None, next_reset=None, cause=None)
    assert list(json.loads(bridge.encode(nothing))) == ["type", *GUARD.__struct_fields__]
    said = bridge.Guarded(seq=7, state="cut_off", session="s")
    assert bridge.decode_guarded(bridge.encode(said)) == said
    assert json.loads(bridge.encode(said)) == {"type": "guarded", "seq": 7, "state": "cut_off", "session": "s"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", "-1"),
        ("seq", "1.5"),
        ("seq", "true"),
        ("seq", "1e3"),
        ("seq", "99999999999999999999"),
        ("state", '"on"'),
        ("state", "null"),
        ("session", "5"),
        ("session", '"\\ud800"'),
        ("type", '"guard"'),
        ("type", '"reply"'),
    ],
)
def test_what_is_no_word_of_a_guard(field: str, value: str) -> None:
    """It is refused, and neither is it a reply."""
    fields = {"type": '"guarded"', "seq": "1", "state": '"flat"', "session": '"s"', field: value}
    raw = ("{" + ",".join(f'"{name}":{said}' for name, said in fields.items()) + "}").encode()
    with pytest.raises(bridge.BridgeFault):
        bridge.decode_guarded(raw)
    with pytest.raises(bridge.BridgeFault):
        bridge.decode_said(bridge.encode(bridge.Guarded(seq=1, state="flat")))


def test_a_bridge_has_a_guard_if_it_says_so() -> None:
    """One that does not has none."""
    offer = {"type": "bridge_hello", "id": "1", "protocol": 1, "account": 5, "server": "S", "margin_mode": "hedging"}
    for said, expected in (({}, False), ({"guard": False}, False), ({"guard": True}, True)):
        read = bridge.decode_hello(json.dumps({**offer, **said}).encode())
        assert isinstance(read, bridge.Offer)
        assert read.guard is expected
    with pytest.raises(bridge.BridgeFault, match="guard"):
        bridge.decode_hello(json.dumps({**offer, "guard": 1}).encode())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS: tuple[type[Any], ...] = (
    bridge.Welcome,
    bridge.Symbols,
    bridge.Ticks,
    bridge.Holdings,
    bridge.Deals,
    bridge.Result,
)


@given(st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    """And nothing else happens."""
    for read in (
        bridge.decode,
        bridge.decode_reply,
        bridge.decode_guard,
        bridge.decode_guarded,
        *(lambda data, k=kind: bridge.read(data, k) for kind in KINDS),
    ):
        with contextlib.suppress(bridge.BridgeFault):
            read(raw)


@given(st.sampled_from(PROPOSALS), st.data())
def test_a_changed_byte_never_gets_through_as_another_error(proposal: Proposal, data: st.DataObject) -> None:
    """A message with bytes changed is another message or a fault."""
    raw = bytearray(bridge.encode(bridge.request_of(approved(proposal), "tag", "1")))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = bridge.decode(bytes(raw))
    except bridge.BridgeFault:
        return
    assert bridge.decode(bridge.encode(read)) == read


@given(st.data(), st.sampled_from(["watching", "cut_off", "flattening", "flat", "off"]), st.integers(0, 2**63))
def test_a_changed_byte_of_a_guard_s_word(data: st.DataObject, state: bridge.GuardState, seq: int) -> None:
    """Is another word, or none."""
    raw = bytearray(bridge.encode(bridge.Guarded(seq=seq, state=state, session="abc")))
    assert bridge.decode_guarded(bytes(raw)) == bridge.Guarded(seq=seq, state=state, session="abc")
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(bridge.BridgeFault):
        read = bridge.decode_guarded(bytes(raw))
        assert bridge.decode_guarded(bridge.encode(read)) == read
