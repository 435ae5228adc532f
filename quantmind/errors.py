"""Errors of the product's own, by whose fault they are.

QuantMindError
├── BrokerUnavailable   the broker can't be reached; nothing was sent
├── JournalDown         a record could not be made durable; it is not kept
└── StartError          the gateway can't start: `exit_code` says which kind
"""

from __future__ import annotations


class QuantMindError(Exception):
    """Base class of what this package raises on purpose."""


class BrokerUnavailable(QuantMindError):
    """The broker can't be reached, and nothing was sent to it."""


class JournalDown(QuantMindError):
    """A record could not be made durable."""


class StartError(QuantMindError):
    """The gateway can't start. `exit_code` is what the process ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
