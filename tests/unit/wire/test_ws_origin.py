"""Which web pages may connect."""

from __future__ import annotations

import pytest

from quantmind.wire.ws_origin import origin_allowed


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:1",
        "http://[::1]:65535",
        "HTTP://LOCALHOST",
    ],
)
def test_no_browser_and_this_machine_may(origin: str | None) -> None:
    """Without configuration, programs and pages of this machine may connect."""
    assert origin_allowed(origin, [])


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://localhost:3000.evil.example",
        "http://localhost:",
        "http://127.0.0.2",
        "file://",
        "http://evil.example#http://localhost",
        "http://localhost, https://evil.example",
        "http://localhost\n",
        "ws://localhost",
    ],
)
def test_anything_else_may_not(origin: str) -> None:
    """What only looks like this machine is refused."""
    assert not origin_allowed(origin, [])


def test_listed_pages_may_by_exact_match() -> None:
    """Scheme, host and port all count; capitals do not; this machine still may."""
    allowed = ["https://Desk.example:8443"]
    assert origin_allowed("https://desk.example:8443", allowed)
    assert origin_allowed("http://localhost:5", allowed)
    for other in ("http://desk.example:8443", "https://desk.example", "https://a.desk.example:8443"):
        assert not origin_allowed(other, allowed)
