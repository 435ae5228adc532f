"""Numbers of the wire, read exactly and within bounds.

A JSON number may be so large that arithmetic on it never ends (`1E+999999999` is a fine Decimal), so a number's
text is looked at before it becomes one.
"""

from __future__ import annotations

import re
from decimal import Decimal

MAX_DIGITS = 20
MAX_EXPONENT = 12

_NUMBER = re.compile(rb"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,9}))?\Z")


class BadNumber(ValueError):
    """The text is not a number that the protocol takes; the message says why."""


def decimal_from_json(raw: bytes) -> Decimal:
    """The exact value of a JSON number's text.

    Raises:
        BadNumber: it is no number, or has more than 20 digits or an exponent beyond ±12.
    """
    match = _NUMBER.match(raw)
    if match is None:
        shown = raw[:24].decode("utf-8", "replace")
        raise BadNumber(f"{shown} is not a number")
    _, whole, fraction, exponent = match.groups()
    if len(whole.lstrip(b"0")) + len(fraction or b"") > MAX_DIGITS:
        raise BadNumber(f"the number has more than {MAX_DIGITS} digits")
    if exponent is not None and abs(int(exponent)) > MAX_EXPONENT:
        raise BadNumber(f"the number's exponent is beyond ±{MAX_EXPONENT}")
    return Decimal(raw.decode("ascii"))
