"""The risk mandate: how much risk an operator lets be taken at all, whatever each EA may and each rule allows."""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs

_ZERO, _ONE = Decimal(0), Decimal(1)


class MandateMode(enum.Enum):
    """How much risk may be added. The order is from free to shut."""

    NORMAL = "normal"
    REDUCED = "reduced"
    NONE = "none"


class BadValue(ValueError):
    """A value that may not be set: which `field`, and in words what is wrong with it and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@attrs.frozen
class Mandate:
    """What is mandated, by whom, since when (Unix seconds) and why. Make one that comes from outside with `checked`.

    No EA's multiplier counts for more than `max_multiplier`, and under `NONE` nothing adds exposure at all.
    """

    mode: MandateMode = MandateMode.NORMAL
    max_multiplier: Decimal = _ONE
    by: str = ""
    reason: str = ""
    since: float = 0.0

    @classmethod
    def checked(cls, mode: str, max_multiplier: Decimal | None, *, by: str, reason: str, since: float) -> Mandate:
        """A mandate from words and a number; a mode says its number itself where it has only one.

        Raises:
            BadValue: there is no such mode, or the number does not fit it.
        """
        try:
            known = MandateMode(mode)
        except ValueError:
            modes = ", ".join(each.value for each in MandateMode)
            raise BadValue("mode", f"mode is {mode[:24]!r}, it must be one of {modes}") from None
        return cls(known, _fitting(known, max_multiplier), by, reason, since)

    @property
    def cap(self) -> Decimal:
        """The most that a multiplier may count for, 0 to 1. What can't be right counts as 0."""
        if self.mode is MandateMode.NONE or not self.max_multiplier.is_finite():
            return _ZERO
        return min(max(self.max_multiplier, _ZERO), _ONE)

    def widens(self, other: Mandate) -> bool:
        """Whether more may be risked under this one than under the other."""
        return self.cap > other.cap

    def __str__(self) -> str:
        """In a few words, for reasons."""
        said = ", ".join(part for part in (self.reason, f"by {self.by}" if self.by else "") if part)
        size = f"reduced to {self.max_multiplier}" if self.mode is MandateMode.REDUCED else self.mode.value
        return f"{size} ({said})" if said else size


def _fitting(mode: MandateMode, number: Decimal | None) -> Decimal:
    if mode is MandateMode.REDUCED:
        if number is None:
            detail = "max_multiplier is missing: reduced needs one above 0 and below 1, such as 0.5"
            raise BadValue("max_multiplier", detail)
        if not (number.is_finite() and _ZERO < number < _ONE):
            detail = f"max_multiplier is {number}, with reduced it must be above 0 and below 1; see normal and none"
            raise BadValue("max_multiplier", detail)
        return number
    only = _ONE if mode is MandateMode.NORMAL else _ZERO
    if number is not None and not (number.is_finite() and number == only):
        detail = f"max_multiplier is {number}, with {mode.value} it is {only}; leave it out, or say reduced"
        raise BadValue("max_multiplier", detail)
    return only


UNBOUND = Mandate()
"""As it is where nobody has mandated anything."""
UNREAD = Mandate(MandateMode.NONE, _ZERO, reason="it has not been read back yet")
"""Before anybody knows what is mandated, nothing may be added."""
