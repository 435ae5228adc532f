"""What can come of a request to Binance, by what is known of it afterwards.

BinanceError
├── NotSent           nothing went out: no connection, a ban, or the budget of requests is used up
├── Refusal           the exchange answered that it did not do it
└── OutcomeUnknown    it went out, and nobody can say what became of it: look it up, never send it again
"""

from __future__ import annotations

from quantmind.adapters.binance.records import Order
from quantmind.errors import QuantMindError


class BinanceError(QuantMindError):
    """A request had no answer that can be used."""


class NotSent(BinanceError):
    """Nothing went out, so nothing was done. Says what is unreachable, or until when it is to be waited."""


class Refusal(BinanceError):
    """The exchange answered with an error.

    Attributes:
        code: its number, as -2010; 0 where the answer had none.
        said: its own words.
        status: of HTTP, or of the WebSocket API.
        data: what else the answer had, as raw JSON.
    """

    restored: Order | None = None
    """What was taken back for it, and placed again as it was."""

    def __init__(self, code: int, said: str, status: int = 400, data: bytes = b"") -> None:
        super().__init__(f"{said} ({code})" if code else said)
        self.code, self.said, self.status, self.data = code, said, status, data


class OutcomeUnknown(BinanceError):
    """It went out. A 5xx, -1006, -1007, a time-out or a lost connection: it may have been done."""
