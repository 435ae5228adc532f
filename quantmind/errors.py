"""Errors of the product's own, by whose fault they are.

QuantMindError
├── BrokerUnavailable   the broker can't be reached; nothing was sent
├── JournalDown         a record could not be made durable; it is not kept
├── StateDown           the router's state could not be kept, or not be read
└── StartError          the gateway can't start: `exit_code` says which kind
"""

from __future__ import annotations

EXIT_REFUSED = 1
"""What was asked of a running gateway was refused; nothing was done."""
EXIT_USAGE = 2
"""The process ends with it after wrong usage or a faulty configuration."""
EXIT_UNAVAILABLE = 69
"""An address is taken, or a needed service is absent."""
EXIT_GAVE_UP = 70
"""It gave up after restarts."""
EXIT_UNKNOWN = 75
"""What was asked of a running gateway went out, and its outcome is not known."""


class QuantMindError(Exception):
    """Base class of what this package raises on purpose."""


class BrokerUnavailable(QuantMindError):
    """The broker can't be reached, and nothing was sent to it."""


class JournalDown(QuantMindError):
    """A record could not be made durable."""


class StateDown(QuantMindError):
    """Where the router's state is kept can't be written or read now."""


class StartError(QuantMindError):
    """The gateway can't start. `exit_code` is what the process ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
