"""Who sees how an exchange's connections are."""

from __future__ import annotations

import types

import pytest

from quantmind.edges.rest.reads import _seen
from quantmind.wire.auth import Identity

PART = {"coins": {"connected": True}, "perps": {"connected": False}}


@pytest.mark.parametrize(("brokers", "seen"), [((), {"coins", "perps"}), (("coins",), {"coins"}), (("paper",), set())])
def test_a_token_sees_the_exchanges_that_it_reaches(brokers: tuple[str, ...], seen: set[str]) -> None:
    """One that is bound to other brokers sees none of them; other parts of the status are for everybody."""
    ask = types.SimpleNamespace(identity=Identity("t", frozenset({"read"}), brokers=frozenset(brokers)))
    assert set(_seen("exchanges", PART, ask)) == seen
    assert _seen("hub", PART, ask) == PART
