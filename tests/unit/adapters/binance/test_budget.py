"""The budget of requests: nothing goes out beyond a limit, whatever is asked and answered."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.budget import (
    BANNED_S,
    FUTURES,
    LONGEST_S,
    LONGEST_THROTTLED_S,
    ORDERS,
    RAW,
    SPOT,
    THROTTLED_S,
    WEIGHT,
    Budget,
    Limit,
)
from quantmind.adapters.binance.errors import NotSent

MINUTE = 1_700_000_040.0
"""A full minute of the exchange."""


@attrs.define
class World:
    now: float = MINUTE
    """By the exchange's clock."""
    steady: float = 100.0
    limits: tuple[Limit, ...] = SPOT
    budget: Budget = attrs.field(init=False)

    @budget.default
    def _made(self) -> Budget:
        return Budget(self.limits, lambda: self.now, lambda: self.steady)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds

    def used(self, name: str) -> int:
        return self.budget.snapshot()["used"][name]["used"]


def test_defaults() -> None:
    """Before the exchange has told its limits, those of its documentation count."""
    assert World().budget.snapshot() == {
        "used": {
            "REQUEST_WEIGHT 1M": {"used": 0, "limit": 6000},
            "ORDERS 10S": {"used": 0, "limit": 100},
            "ORDERS 1D": {"used": 0, "limit": 200_000},
            "RAW_REQUESTS 5M": {"used": 0, "limit": 300_000},
        },
        "banned_until": None,
        "bans": 0,
        "throttled": 0,
        "held_back": 0,
    }
    used = World(limits=FUTURES).budget.snapshot()["used"]
    assert {name: each["limit"] for name, each in used.items()} == {
        "REQUEST_WEIGHT 1M": 2400,
        "ORDERS 10S": 300,
        "ORDERS 1M": 1200,
    }


def test_limits_of_the_exchange() -> None:
    """What the exchange says replaces what is there by kind and keeps what was used; strange limits are passed over."""
    world = World()
    world.budget.admit(50, order=True)
    world.budget.set_limits(
        [
            Limit(WEIGHT, "MINUTE", 1, 1200),
            Limit(ORDERS, "SECOND", 10, 50),
            Limit("CONNECTIONS", "MINUTE", 5, 300),
            Limit(ORDERS, "FORTNIGHT", 1, 5),
            Limit(ORDERS, "HOUR", 1, 0),
        ]
    )
    assert world.budget.snapshot()["used"] == {
        "RAW_REQUESTS 5M": {"used": 1, "limit": 300_000},
        "REQUEST_WEIGHT 1M": {"used": 50, "limit": 1200},
        "ORDERS 10S": {"used": 1, "limit": 50},
    }


def test_room_for_orders() -> None:
    """Questions leave a fifth of the weight to orders, and to look-ups of what nobody knows."""
    world = World()
    world.budget.admit(4800)
    with pytest.raises(NotSent, match=r"request weight is 6000 in 60 s, of which 4800 .* 4800 are used .* wait 60.0 s"):
        world.budget.admit(1)
    world.budget.admit(1, order=True)
    world.budget.admit(1199, reserve=True)
    with pytest.raises(NotSent, match="6000 are used"):
        world.budget.admit(1, reserve=True)
    with pytest.raises(NotSent, match="6000 are used"):
        world.budget.admit(1, order=True, reserve=True)
    assert world.budget.snapshot()["held_back"] == 3


def test_room_for_closes() -> None:
    """Orders that open leave a tenth of the orders to those that close."""
    world = World()
    for _ in range(90):
        world.budget.admit(1, order=True)
    with pytest.raises(NotSent, match="orders is 100 in 10 s, of which 90"):
        world.budget.admit(1, order=True)
    for _ in range(10):
        world.budget.admit(1, order=True, reserve=True)
    with pytest.raises(NotSent, match="wait 10"):
        world.budget.admit(1, order=True, reserve=True)
    world.budget.admit(1)


def test_what_is_not_sent_is_not_counted() -> None:
    """A request that one window holds back is counted in none."""
    world = World(limits=(Limit(WEIGHT, "MINUTE", 1, 100), Limit(ORDERS, "SECOND", 10, 1)))
    world.budget.admit(1, order=True)
    with pytest.raises(NotSent, match="orders"):
        world.budget.admit(1, order=True)
    assert world.used("REQUEST_WEIGHT 1M") == 1


def test_windows_begin_with_their_interval() -> None:
    """What is used is free again at the full minute, and the wait until then is named."""
    world = World()
    world.wait(45.5)
    world.budget.admit(6000, reserve=True)
    with pytest.raises(NotSent, match=r"wait 14\.5 s"):
        world.budget.admit(1)
    world.wait(14.4)
    with pytest.raises(NotSent):
        world.budget.admit(1)
    world.wait(0.1)
    world.budget.admit(4800)


def test_headers() -> None:
    """The exchange's number counts when it is higher: others use the same address."""
    world = World()
    world.budget.admit(10, order=True)
    told = {"X-MBX-USED-WEIGHT": "1", "x-mbx-used-weight-1m": "500", "X-MBX-ORDER-COUNT-10S": "0", "Date": "now"}
    world.budget.heard(told, world.now)
    assert (world.used("REQUEST_WEIGHT 1M"), world.used("ORDERS 10S")) == (500, 1)
    world.budget.heard({"X-MBX-ORDER-COUNT-1D": "777", "X-MBX-USED-WEIGHT-1S": "9"}, world.now)
    assert world.used("ORDERS 1D") == 777
    world.budget.counted(ORDERS, "SECOND", 10, 5, world.now)
    assert world.used("ORDERS 10S") == 5


def test_late_headers() -> None:
    """What an answer says of a window that was over when it came does not burden the next one."""
    world = World()
    world.wait(59)
    sent = world.now
    world.wait(2)
    world.budget.heard({"X-MBX-USED-WEIGHT-1M": "5999"}, sent)
    assert world.used("REQUEST_WEIGHT 1M") == 0


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=20), max_size=5), st.floats(0, 2e9))
def test_any_headers(headers: dict[str, str], sent: float) -> None:
    """Headers that are none of these, or hold no number, are passed over."""
    World().budget.heard(headers, sent)


@given(st.from_regex(r"X-MBX-(USED-WEIGHT|ORDER-COUNT)-[0-9]{1,4}[SMHD]", fullmatch=True), st.text(max_size=12))
def test_any_counts(name: str, value: str) -> None:
    """A count that is no number changes nothing, and none makes a window smaller."""
    world = World()
    world.budget.heard({name: value}, world.now)
    assert all(each["used"] >= 0 for each in world.budget.snapshot()["used"].values())


@pytest.mark.parametrize(
    ("status", "retry_after", "said", "wait"),
    [
        (429, "17", "", 17),
        (429, None, "", THROTTLED_S),
        (429, "soon", "", THROTTLED_S),
        (429, "0", "", 1),
        (429, "86400000", "", LONGEST_THROTTLED_S),
        (418, "300", "", 300),
        (418, None, "", BANNED_S),
        (418, None, f"Way too many requests; IP(1.2.3.4) banned until {int(MINUTE * 1000) + 90_000}. Use ...", 90),
        (418, "99999999999999", "", LONGEST_S),
    ],
)
def test_banned(status: int, retry_after: str | None, said: str, wait: float) -> None:
    """After a 429 or 418 nothing goes out until the exchange says, whatever is set meanwhile."""
    world = World()
    world.budget.refused(status, -1003, retry_after, said)
    assert world.budget.banned_until == pytest.approx(world.now + wait)
    assert world.budget.snapshot()["bans" if status == 418 else "throttled"] == 1
    world.now += 1e6
    with pytest.raises(NotSent, match=r"nothing is sent for another .* until 20"):
        world.budget.admit(1, order=True, reserve=True)
    world.steady += wait - 0.01
    with pytest.raises(NotSent):
        world.budget.admit(1)
    world.steady += 0.02
    world.budget.admit(1)
    assert world.budget.banned_until is None


def test_a_shorter_ban_does_not_shorten() -> None:
    """Answers of requests that were under way do not end a longer ban."""
    world = World()
    world.budget.refused(418, -1003, "600")
    world.budget.refused(429, -1003, "5")
    world.wait(500)
    with pytest.raises(NotSent, match="1 times 429, 1 times 418"):
        world.budget.admit(1)


def test_too_many_orders() -> None:
    """A 429 for too many orders holds back orders alone: what takes them back and looks up goes on."""
    world = World()
    world.budget.refused(429, -1015, "30")
    with pytest.raises(NotSent, match=r"no new orders .* another 30\.0 s"):
        world.budget.admit(1, order=True, reserve=True)
    world.budget.admit(1)
    assert world.budget.banned_until is None
    world.wait(31)
    world.budget.admit(1, order=True)


def test_clock_that_goes_back_a_little() -> None:
    """A clock that is corrected over the end of a window does not open one twice; corrected by much, it goes on."""
    world = World()
    world.budget.admit(6000, reserve=True)
    world.now -= 0.5
    with pytest.raises(NotSent):
        world.budget.admit(1)
    world.now += 0.5
    with pytest.raises(NotSent):
        world.budget.admit(1)
    world.now -= 7200
    with pytest.raises(NotSent):
        world.budget.admit(1)
    world.wait(60)
    world.budget.admit(1)


LIMITS = (
    Limit(WEIGHT, "MINUTE", 1, 40),
    Limit(ORDERS, "SECOND", 10, 5),
    Limit(ORDERS, "MINUTE", 1, 12),
    Limit(RAW, "MINUTE", 5, 60),
)
SECONDS = {"SECOND": 1, "MINUTE": 60}
STEP = st.one_of(
    st.tuples(st.just("wait"), st.floats(0, 25)),
    st.tuples(st.just("ask"), st.integers(1, 20), st.booleans(), st.booleans()),
    st.tuples(st.just("others"), st.integers(0, 30), st.integers(0, 5)),
)


@given(st.lists(STEP, max_size=80))
def test_never_beyond_a_limit(steps: list[tuple]) -> None:
    """No request that goes out finds the exchange's own count beyond a limit, in any window."""
    world = World(limits=LIMITS)
    exchange: dict[tuple, int] = {}

    def count(kind: str, number: int) -> None:
        for limit in LIMITS:
            if limit.kind == kind:
                key = (limit, world.now // (SECONDS[limit.interval] * limit.number))
                exchange[key] = exchange.get(key, 0) + number

    def counts() -> dict[Limit, int]:
        return {
            limit: exchange.get((limit, world.now // (SECONDS[limit.interval] * limit.number)), 0) for limit in LIMITS
        }

    for step in steps:
        if step[0] == "wait":
            world.wait(step[1])
        elif step[0] == "others":
            count(WEIGHT, step[1])
            count(ORDERS, step[2])
            now = counts()
            world.budget.heard(
                {
                    "x-mbx-used-weight-1m": str(now[LIMITS[0]]),
                    "x-mbx-order-count-10s": str(now[LIMITS[1]]),
                    "x-mbx-order-count-1m": str(now[LIMITS[2]]),
                },
                world.now,
            )
        else:
            _, weight, order, reserve = step
            before = counts()
            try:
                world.budget.admit(weight, order=order, reserve=reserve)
            except NotSent:
                fits = before[LIMITS[0]] + weight <= 32 and before[LIMITS[3]] + 1 <= 48
                assert order or not fits
                continue
            count(WEIGHT, weight)
            count(RAW, 1)
            count(ORDERS, int(order))
            assert all(used <= limit.limit for limit, used in counts().items() if order or limit.kind != ORDERS)
            assert order or reserve or counts()[LIMITS[0]] <= 32
