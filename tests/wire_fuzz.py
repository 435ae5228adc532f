"""What every decoder has to stand: bytes of any kind, and answers with a value that was replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from quantmind.adapters.binance.faults import WireFault

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "Infinity", "-1", "1e9", "", "0", "1_0", " 1", "\u0661", "9" * 400, "BUY", "TRADE"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a payload."""
    yield at
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from places(each, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """The payload with another value there."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(value[at[0]], at[1:], new)
    return copy


def spoiled(payload: Any) -> st.SearchStrategy[bytes]:
    """Bodies: the payload with one or two values replaced, or cut short, or anything at all."""

    def with_some(draws: list[tuple[int, Any]]) -> bytes:
        spoilt = payload
        for index, new in draws:
            ways = list(places(spoilt))
            spoilt = replaced(spoilt, ways[index % len(ways)], new)
        return json.dumps(spoilt).encode()

    body = json.dumps(payload).encode()
    return st.one_of(
        st.lists(st.tuples(st.integers(0, 1000), VALUES), min_size=1, max_size=2).map(with_some),
        st.integers(0, len(body)).map(lambda end: body[:end]),
        st.binary(max_size=60),
        st.sampled_from([b"[" * 3000, b'{"a":' * 3000, b"null", b'"\xff"', b'{"e":"\xff"}']),
    )


def reads_or_faults(decoder: Callable[[bytes], Any], body: bytes) -> Any:
    """What is read; the error where it can't be: the only one that there is, in words that can be shown."""
    read: Any = None
    try:
        read = decoder(body)
    except WireFault as fault:
        read = fault
    if isinstance(read, WireFault):
        assert str(read).isprintable()
        assert len(str(read)) < 600
    return read


def refused(decoder: Callable[[bytes], Any], payload: Any) -> WireFault:
    """The error of a payload that can't be read."""
    read = reads_or_faults(decoder, json.dumps(payload).encode())
    assert isinstance(read, WireFault)
    return read
