"""How a simulator behaves that has no faults: the exchange's limits and times, which tests may shorten."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

Kind = Literal["spot", "futures"]

MINUTES: Final = 60.0
HOURS: Final = 3600.0


@attrs.frozen
class Settings:
    """Limits and times of one exchange; the defaults are those of spot.

    Attributes:
        weight_1m: request weight in a minute.
        orders: how many may be placed, by seconds of the window.
        connects_5m: WebSocket connections in five minutes.
        ignored_429s: requests beyond the limit in one window that are answered with 429; the next one bans for
            `first_ban_s`, and each further ban is twice as long.
        incoming_per_s: WebSocket messages of a client in a second, pings and pongs among them. One more ends it.
        max_streams: subscriptions of one connection.
        ping_every_s, pong_within_s: of the server; without a pong the connection is cut.
        life_s: a connection is cut at this age, and told so `notice_s` before; 0: it is not told.
        trade_paths: which paths of futures carry `@trade`: sources disagree, so a test tries each.
        head_within_s: a client that does not say what it wants in so long is let go.
        idle_s: so is an HTTP connection without a request.
    """

    kind: Kind = "spot"
    weight_1m: int = 6000
    orders: tuple[tuple[int, int], ...] = ((10, 100), (86_400, 200_000))
    connects_5m: int = 300
    ignored_429s: int = 10
    first_ban_s: float = 2 * MINUTES
    incoming_per_s: int = 5
    max_streams: int = 1024
    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    life_s: float = 24 * HOURS
    notice_s: float = 10 * MINUTES
    trade_paths: frozenset[str] = frozenset({"market"})
    head_within_s: float = 10.0
    idle_s: float = 60.0


SPOT: Final = Settings()
FUTURES: Final = Settings(
    kind="futures",
    weight_1m=2400,
    orders=((10, 300), (60, 1200)),
    incoming_per_s=10,
    max_streams=200,
    ping_every_s=3 * MINUTES,
    pong_within_s=10 * MINUTES,
)


def settings_of(kind: Kind, **changes: Any) -> Settings:
    """Those of an exchange, with some of them changed.

    Raises:
        TypeError: there is no such setting.
    """
    return attrs.evolve(SPOT if kind == "spot" else FUTURES, **changes)
