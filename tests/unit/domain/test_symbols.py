"""Symbols: grids of prices and volumes."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.symbols import usual_spec

EURUSD = usual_spec("EURUSD")
volumes = st.decimals(0, 10**9, places=4) | st.decimals(0, 2, places=6)
grids = st.builds(
    lambda step, low, high: attrs.evolve(
        EURUSD, volume_step=step, volume_min=step * low, volume_max=step * (low + high)
    ),
    st.sampled_from([Decimal(t) for t in ("0.001", "0.01", "0.1", "1", "0.3")]),
    st.integers(1, 9),
    st.integers(0, 1000),
)


@given(volumes, grids)
def test_floor_volume(volume: Decimal, spec: object) -> None:
    """The floor is tradable or 0, not above the volume, and less than a step below it inside the limits."""
    floored = spec.floor_volume(volume)  # type: ignore[attr-defined]
    assert floored <= volume
    assert floored == 0 or spec.on_volume_grid(floored)  # type: ignore[attr-defined]
    if spec.on_volume_grid(volume):  # type: ignore[attr-defined]
        assert floored == volume
    if spec.volume_min <= volume <= spec.volume_max:  # type: ignore[attr-defined]
        assert volume - floored < spec.volume_step  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "digits", "contract", "base", "profit"),
    [
        ("EURUSD", 5, 100_000, "EUR", "USD"),
        ("USDJPY", 3, 100_000, "USD", "JPY"),
        ("eurusd.r", 5, 100_000, "EUR", "USD"),
        ("XAUUSD", 2, 100, "XAU", "USD"),
        ("XAGUSD", 3, 5000, "XAG", "USD"),
        ("US500", 2, 1, "USD", "USD"),
    ],
)
def test_usual_spec(name: str, digits: int, contract: int, base: str, profit: str) -> None:
    """A name tells the usual retail specification."""
    spec = usual_spec(name)
    assert (spec.digits, spec.contract_size, spec.currency_base, spec.currency_profit) == (
        digits,
        contract,
        base,
        profit,
    )
    assert spec.tick_size == spec.point


def test_prices() -> None:
    """Prices round to ticks with all digits; a pip is ten points on 3 and 5 digits."""
    assert str(EURUSD.round_price(Decimal("1.084996"))) == "1.08500"
    assert EURUSD.pip == Decimal("0.0001")
    assert usual_spec("XAUUSD").pip == Decimal("0.01")
    assert EURUSD.on_price_grid(Decimal("1.08501"))
    assert not EURUSD.on_price_grid(Decimal("1.085015"))
