"""The exchange's clock: measured by round trips, carried on by the monotonic clock, bounded by events."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.clock import INTERVAL_S, SAMPLES, SPREAD_S, ServerClock

START = 1_700_000_000.0


@attrs.define
class World:
    """What time it is, here and at the exchange."""

    ahead_s: float = 0.0
    """The exchange's clock against the true time."""
    off_s: float = 0.0
    """Our wall clock against the true time."""
    true: float = START
    slept_s: float = 0.0
    clock: ServerClock = attrs.field(init=False)

    @clock.default
    def _made(self) -> ServerClock:
        return ServerClock(self.wall, self.monotonic)

    def wall(self) -> float:
        return self.true + self.off_s

    def monotonic(self) -> float:
        return self.true - START + 500 - self.slept_s

    def server_ms(self) -> int:
        return int((self.true + self.ahead_s) * 1000)

    def trip(self, there_s: float, back_s: float) -> None:
        sent = self.wall()
        self.true += there_s
        said = self.server_ms()
        self.true += back_s
        self.clock.note(sent, self.wall(), said)

    def measure(self) -> None:
        for _ in range(SAMPLES):
            self.trip(0.02, 0.02)

    def due(self) -> bool:
        return self.clock.due(self.monotonic())


def test_not_measured() -> None:
    """Until it is measured, our own clock is all there is, and it is said to be due."""
    world = World(ahead_s=2)
    assert world.due()
    assert not world.clock.is_measured
    assert (world.clock.offset_ms, world.clock.error_ms, world.clock.event_bound_ms) == (None, None, None)
    assert world.clock.now_ms() == int(START * 1000)
    assert world.clock.now() == START
    assert world.clock.snapshot() == {
        "offset_ms": None,
        "error_ms": None,
        "event_bound_ms": None,
        "measured_s_ago": None,
        "measurements": 0,
        "jumps": 0,
        "refusals": 0,
    }


def test_measured() -> None:
    """The offset is taken in the middle of a round trip, and is wrong by half of it at most."""
    world = World(ahead_s=2)
    world.trip(0.1, 0.1)
    assert world.clock.offset_ms == pytest.approx(2000, abs=1)
    assert world.clock.error_ms == pytest.approx(100)
    assert world.due()
    world.trip(0.1, 0.1)
    world.trip(0.1, 0.1)
    assert not world.due()
    assert world.clock.snapshot()["measurements"] == 1


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_shortest_trip_counts(order: list[int]) -> None:
    """Of a few round trips the shortest counts, whenever it comes."""
    trips = [(0.01, 0.01), (0.2, 0.01), (0.01, 1.5)]
    world = World(ahead_s=-3)
    for number in order:
        world.trip(*trips[number])
    assert world.clock.error_ms == pytest.approx(10)
    assert world.clock.offset_ms == pytest.approx(-3000, abs=1)


def test_a_longer_trip_of_a_later_measurement() -> None:
    """What was measured later counts, though its round trips are longer: clocks drift."""
    world = World(ahead_s=1)
    world.measure()
    world.true += SPREAD_S + 1
    world.ahead_s = 1.2
    world.trip(0.1, 0.1)
    assert world.clock.offset_ms == pytest.approx(1200, abs=1)


@given(
    st.floats(-5e3, 5e3),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=5),
    st.floats(0, 1e4),
)
def test_never_ahead(ahead_s: float, trips: list[tuple[float, float]], later_s: float) -> None:
    """A time to sign with is never ahead of the exchange's, and behind by the shortest round trip at most."""
    world = World(ahead_s=ahead_s)
    for trip in trips:
        world.trip(*trip)
    world.true += later_s
    behind = world.server_ms() - world.clock.now_ms()
    assert -2 <= behind <= min(sum(trip) for trip in trips) * 1000 + 3


def test_due_again() -> None:
    """It is measured anew after half an hour."""
    world = World()
    world.measure()
    world.true += INTERVAL_S - 1
    assert not world.due()
    world.true += 2
    assert world.due()
    world.measure()
    assert not world.due()


def test_refused() -> None:
    """A refused time is measured anew at once, and what is measured then replaces what was wrong."""
    world = World()
    world.measure()
    world.ahead_s = 3
    world.clock.refused()
    assert world.due()
    world.trip(0.5, 0.5)
    assert world.clock.offset_ms == pytest.approx(3000, abs=1)
    assert world.clock.snapshot()["refusals"] == 1


@pytest.mark.parametrize("by_s", [-3600.0, -1.0, 1.0, 86_400.0])
def test_wall_clock_set(by_s: float) -> None:
    """Our wall clock is set: what is signed does not notice, and it is measured anew."""
    world = World(ahead_s=0.5)
    world.measure()
    world.off_s += by_s
    assert abs(world.server_ms() - world.clock.now_ms()) < 50
    assert world.due()
    assert world.clock.offset_ms == pytest.approx(500 - by_s * 1000, abs=1)
    world.measure()
    assert not world.due()
    assert world.clock.snapshot()["jumps"] == 1


def test_wall_clock_set_during_a_trip() -> None:
    """A round trip in which our wall clock was set says nothing."""
    world = World()
    world.measure()
    sent = world.wall()
    world.off_s -= 60
    world.true += 60.05
    world.clock.note(sent, world.wall(), world.server_ms())
    assert world.clock.offset_ms == pytest.approx(60_000, abs=1)
    assert world.due()


def test_slept() -> None:
    """After the machine slept it is measured anew; until then the time is behind, which does no harm."""
    world = World()
    world.measure()
    world.true += 600
    world.slept_s += 600
    assert world.clock.now_ms() <= world.server_ms()
    assert world.due()
    world.measure()
    assert world.clock.offset_ms == pytest.approx(0, abs=1)


def test_answer_before_question() -> None:
    """A round trip of less than nothing says nothing."""
    world = World()
    world.clock.note(START, START - 0.1, 0)
    assert not world.clock.is_measured


def test_event_bound() -> None:
    """The tightest bound of the last half to whole minute is kept."""
    clock = ServerClock()
    clock.note_event(1000, 2270)
    clock.note_event(1500, 2000)
    assert clock.event_bound_ms == 1270
    clock.note_event(32_000, 32_900)
    assert clock.event_bound_ms == 1270
    clock.note_event(59_999, 60_099)
    assert clock.event_bound_ms == 1270
    clock.note_event(60_000, 60_100)
    assert clock.event_bound_ms == 900
    clock.note_event(200_000, 200_000)
    assert clock.event_bound_ms == 0


def test_event_bound_after_a_jump() -> None:
    """What events said of a wall clock that was set since is forgotten."""
    world = World()
    world.clock.note_event(world.wall() * 1000, world.wall() * 1000 + 5000)
    world.off_s += 10
    world.clock.now_ms()
    assert world.clock.event_bound_ms is None


@given(st.lists(st.tuples(st.integers(0, 150_000), st.integers(-5000, 5000)), min_size=1, max_size=60))
def test_bound_is_of_an_event_in_the_window(events: list[tuple[int, int]]) -> None:
    """The bound is that of an event of the last minute, and none of the last half minute was tighter."""
    clock = ServerClock()
    ordered = sorted(events)
    for received, bound in ordered:
        clock.note_event(received, received + bound)
    last = ordered[-1][0]
    minute = [bound for received, bound in ordered if last - received < 60_000]
    half = [bound for received, bound in ordered if last - received < 30_000]
    assert clock.event_bound_ms in minute
    assert clock.event_bound_ms >= max(half)
