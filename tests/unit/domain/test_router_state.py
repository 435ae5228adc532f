"""Regime, mandate, EAs and ticks as values: what may be set, how it is merged, that it comes back as it was kept."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.journal.chain import text as as_json
from quantmind.domain.risk import Mandate, MandateMode
from quantmind.domain.risk.mandate import UNBOUND, UNREAD, BadValue
from quantmind.domain.router_state import (
    FORGET_AFTER_S,
    MAX_SYMBOLS,
    SETTLED_S,
    KnownEa,
    Regime,
    RouterState,
    TickMark,
    ea_from_store,
    state_from_store,
    stored_mandate,
    stored_regime,
    ticks_from_store,
    to_forget,
)

SAID: dict[str, Any] = {"by": "owner", "reason": "why", "since": 1_795_424_400.0}
numbers = st.none() | st.decimals(allow_nan=True, allow_infinity=True)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


# --- the mandate ---------------------------------------------------------------------------------------------------


@given(st.sampled_from(["normal", "reduced", "none", "NONE", ""]), numbers)
def test_a_mandate_is_one_of_three(mode: str, number: Decimal | None) -> None:
    """Whatever is taken caps by what it says: 1, something between, or nothing; the rest is refused with its field."""
    found: list[Mandate] = []
    with contextlib.suppress(BadValue):
        found.append(Mandate.checked(mode, number, **SAID))
    if not found:
        with pytest.raises(BadValue, match=r"^(mode|max_multiplier) is"):
            Mandate.checked(mode, number, **SAID)
        return
    (mandate,) = found
    assert mandate.cap == {"normal": 1, "reduced": number, "none": 0}[mode]
    assert (mode == "reduced") == (0 < mandate.cap < 1)


@given(st.sampled_from(list(MandateMode)), numbers)
def test_a_cap_is_never_above_1(mode: MandateMode, number: Decimal | None) -> None:
    """However a mandate came about, it lets no more than 1 count, and what is no number counts as 0."""
    cap = Mandate(mode, Decimal("NaN") if number is None else number).cap
    assert 0 <= cap <= 1
    assert mode is not MandateMode.NONE or cap == 0


def test_before_it_was_read_nothing_may_be_added() -> None:
    """The mandate that nobody knows is the tightest one, and everything widens it but itself."""
    assert (UNREAD.cap, UNREAD.mode) == (0, MandateMode.NONE)
    assert UNBOUND.widens(UNREAD)
    assert not UNREAD.widens(UNBOUND)
    assert not UNBOUND.widens(UNBOUND)


def test_a_mandate_says_what_it_is() -> None:
    """In a reason stands how much, why and by whom."""
    assert str(Mandate.checked("reduced", Decimal("0.5"), **SAID)) == "reduced to 0.5 (why, by owner)"
    assert str(UNREAD) == "none (it has not been read back yet)"
    assert str(UNBOUND) == "normal"


# --- the regime ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "symbols", "field"),
    [
        ("", {}, "label"),
        ("x" * 33, {}, "label"),
        ("a\nb", {}, "label"),
        (None, {"EUR USD": "news"}, "symbols"),
        (None, {"EURUSD@": "news"}, "symbols"),
        (None, {"": "news"}, "symbols"),
        (None, {"EURUSD": " "}, "symbols.EURUSD"),
        (None, {f"S{n}": "news" for n in range(MAX_SYMBOLS + 1)}, "symbols"),
    ],
)
def test_what_is_no_regime(label: str | None, symbols: dict[str, str], field: str) -> None:
    """A label or a symbol's name that can't be one is refused with its field, the limit and the way out."""
    with pytest.raises(BadValue) as fault:
        Regime.checked(label, symbols, **SAID)
    assert fault.value.field == field
    assert len(fault.value.message) > 30


def test_a_symbol_has_its_own_regime_or_the_general_one() -> None:
    """The symbol's own label counts before the one for all; where nothing is said there is none."""
    regime = Regime.checked(" trend ", {"XAUUSD@demo": "range"}, **SAID)
    assert [regime.of(name) for name in ("EURUSD", "XAUUSD@demo")] == ["trend", "range"]
    assert Regime().of("EURUSD") is None


# --- kept and taken back -------------------------------------------------------------------------------------------

labels = st.none() | st.from_regex(r"[a-z]{1,32}", fullmatch=True)
states = st.builds(
    lambda revision, label, symbols, mode: RouterState(
        revision,
        Regime.checked(label, symbols, **SAID),
        Mandate.checked(mode, Decimal("0.30") if mode == "reduced" else None, **SAID),
    ),
    st.integers(0, 10**6),
    labels,
    st.dictionaries(st.from_regex(r"[A-Z]{3,6}", fullmatch=True), st.just("news"), max_size=4),
    st.sampled_from(["normal", "reduced", "none"]),
)


@given(states)
def test_what_is_kept_comes_back(state: RouterState) -> None:
    """Through JSON and back it is the same, revision and all."""
    regime, mandate = (json.loads(as_json(each(state))) for each in (stored_regime, stored_mandate))
    assert state_from_store(regime, mandate) == (state, [])


@given(states, states)
def test_the_newer_revision_counts(one: RouterState, other: RouterState) -> None:
    """Regime and mandate are kept when they change, so the higher of their revisions is the state's."""
    back, _ = state_from_store(stored_regime(one), stored_mandate(other))
    assert back == RouterState(max(one.revision, other.revision), one.regime, other.mandate)


def test_nothing_kept_is_nothing_said() -> None:
    """A new store has no regime and binds nobody."""
    assert state_from_store(None, None) == (RouterState(), [])


@given(st.none() | junk, junk.filter(lambda value: value is not None))
def test_a_mandate_that_is_not_understood_lets_nothing_be_added(regime: Any, mandate: Any) -> None:
    """What may have been `none` counts as that; the fault is told, and no junk is an exception."""
    state, faults = state_from_store(regime, mandate)
    assert state.mandate.cap == 0
    assert faults


@given(junk)
def test_junk_is_no_ea_and_no_tick(value: Any) -> None:
    """What can't be understood is left out."""
    assert ea_from_store("alpha", 7, value) is None
    assert all(isinstance(pair, tuple) for pair in ticks_from_store(value).values())


# --- EAs -----------------------------------------------------------------------------------------------------------

moments = st.integers(0, 1000).map(float)
eas = st.builds(
    lambda first, more, symbol, broker, version: KnownEa("alpha", 7, first, first + more, symbol, broker, version),
    moments,
    moments,
    st.sampled_from(["", "EURUSD", "XAUUSD"]),
    st.sampled_from([None, "demo", "live"]),
    st.sampled_from(["", "1", "2"]),
)


@given(eas, eas)
def test_merging_loses_nothing(one: KnownEa, other: KnownEa) -> None:
    """The longer time, and of each thing what was said last; a thing that is not said takes nothing away."""
    merged = one.merged(other)
    older, newer = sorted((one, other), key=lambda each: each.last_seen)
    assert (merged.first_seen, merged.last_seen) == (min(one.first_seen, other.first_seen), newer.last_seen)
    for name in ("symbol", "broker", "version"):
        assert getattr(merged, name) == (getattr(newer, name) or getattr(older, name))
    assert merged.merged(one).last_seen == merged.last_seen


@given(eas)
def test_an_ea_comes_back(ea: KnownEa) -> None:
    """Kept by name and magic, and the same when it is read."""
    assert ea_from_store("alpha", 7, json.loads(as_json(ea.stored()))) == ea


def known(name: str, first: float, last: float) -> KnownEa:
    return KnownEa(name, 0, first, last)


def test_who_is_forgotten() -> None:
    """Who was not heard for 30 days; above the capacity passers-by first, and of those the longest unheard."""
    now = FORGET_AFTER_S * 2
    gone = known("gone", 0, now - FORGET_AFTER_S - 1)
    stayed = known("stayed", now - 5000, now - 5000 + SETTLED_S)
    brief = [known(f"brief{n}", now - n, now - n) for n in (1, 2, 3)]
    everyone = [gone, stayed, *brief]
    assert to_forget(everyone, 10, now) == [gone.key]
    assert to_forget(everyone, 3, now) == [gone.key, ("brief3", 0)]
    assert to_forget(everyone, 1, now) == [gone.key, ("brief3", 0), ("brief2", 0), ("brief1", 0)]
    assert to_forget([stayed], 0, now) == [stayed.key]


@given(st.lists(st.tuples(moments, moments), max_size=30), st.integers(0, 20))
def test_never_more_than_the_capacity(times: list[tuple[float, float]], capacity: int) -> None:
    """What is left is at most the capacity, and no more is forgotten than must be."""
    everyone = [known(str(n), first, first + more) for n, (first, more) in enumerate(times)]
    forgotten = to_forget(everyone, capacity, 2000.0)
    assert len(forgotten) == len(set(forgotten)) == max(0, len(everyone) - capacity)


# --- ticks ---------------------------------------------------------------------------------------------------------


def test_a_feed_that_was_away() -> None:
    """From the last tick before the start to the first after it; by the gateway's clock, whatever the ticks say."""
    mark = TickMark(before=(5_000, 100.0))
    assert (mark.last, mark.away_s) == ((5_000, 100.0), None)
    mark = mark.seen(1_000, 160.0).seen(2_000, 170.0)
    assert (mark.last, mark.away_s) == ((2_000, 170.0), 60.0)
    assert mark.seen(2_000, 999.0) is mark
    assert TickMark().seen(1_000, 1.0).away_s is None
    assert TickMark(before=(1, 50.0)).seen(2, 40.0).away_s == 0.0
