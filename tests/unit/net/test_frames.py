"""Frames from server to client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, TextMessage

from quantmind.net.frames import close_frame, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_a_text_frame_is_read_back_by_wsproto(size):
    """Each of the three length forms is what an independent parser expects."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(b"x" * size))
    event = next(client.events())
    assert isinstance(event, TextMessage)
    assert event.data == "x" * size
    assert event.message_finished


@given(code=st.sampled_from([1000, 1001, 1009, 1011, 1013, 4001, 4008, 4029]), reason=st.text(max_size=200))
def test_a_close_frame_is_read_back_by_wsproto(code, reason):
    """A Close frame carries its code, and as much of the reason as fits."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(close_frame(code, reason))
    event = next(client.events())
    assert isinstance(event, CloseConnection)
    assert event.code == code
    assert reason.startswith(event.reason or "")
    assert len(reason.encode()) > 120 or event.reason == reason
