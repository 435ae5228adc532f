"""Switches that make a paper broker fail on purpose, for tests of whatever stands in front of a broker."""

from __future__ import annotations

from typing import Literal

import attrs

from quantmind.ports import Recovery


@attrs.define
class Faults:
    """What goes wrong now; each switch works until it is set back.

    Attributes:
        connect_error: `connect` raises BrokerUnavailable with this text.
        connect_delay_s: `connect` takes so many seconds; `math.inf` for a broker that never answers.
        poll_error: `poll` raises BrokerUnavailable with this text.
        poll_silent: `poll` gives nothing; the feed goes on where it was when this is set back.
        silent_symbols: `poll` leaves out what it has of these; it is gone.
        cured_by: the step of `recover` that sets the two before it back; None: none does.
        recover_error: `recover` raises BrokerUnavailable with this text.
        sample_error: `sample` does.
        place_error: `place` does, and nothing was sent.
        place_unknown: `place` answers Unknown; `executed`: the order was carried out and its answer lost,
            `lost`: the order never arrived. `find` tells which.
        place_delay_s: the answer of `place` takes so many seconds. The order is carried out before them, so a
            caller that is cancelled meanwhile does not undo it.
        find_error: `find` raises BrokerUnavailable with this text.
        find_blind: `find` can't tell yet and answers None.
    """

    connect_error: str | None = None
    connect_delay_s: float = 0.0
    poll_error: str | None = None
    poll_silent: bool = False
    silent_symbols: frozenset[str] = frozenset()
    cured_by: Recovery | None = None
    recover_error: str | None = None
    sample_error: str | None = None
    place_error: str | None = None
    place_unknown: Literal["executed", "lost"] | None = None
    place_delay_s: float = 0.0
    find_error: str | None = None
    find_blind: bool = False
