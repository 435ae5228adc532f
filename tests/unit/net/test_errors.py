"""What the errors say."""

from __future__ import annotations

import pytest

from quantmind.net.errors import AddressTaken, NetError, PeerGone


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AddressTaken("127.0.0.1", 8765), "127.0.0.1:8765 is taken by another program; stop it or set another port"),
        (AddressTaken("::1", 8765), "[::1]:8765 is taken by another program; stop it or set another port"),
        (PeerGone(None, "no handshake within 10 s"), "the connection ended before it opened: no handshake within 10 s"),
        (PeerGone(4008, "stalled"), "the connection ended with code 4008: stalled"),
        (PeerGone(1006, ""), "the connection ended with code 1006"),
    ],
)
def test_the_text_says_what_and_where(error, text):
    """Every error of the network is a NetError with a whole sentence."""
    assert isinstance(error, NetError)
    assert str(error) == text
