"""The model as plain values for people and programs to read."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from quantmind.config.rules import ABSENT
from quantmind.config.secret import MASK, Secret
from quantmind.config.settings import settings_of


def described(value: Any) -> Any:
    """Return a value of the model as dicts, lists, texts and numbers; secrets as `****`."""
    model: type = type(value)
    if attrs.has(model):
        values = ((name, getattr(value, name)) for name in settings_of(model))
        return {name: described(each) for name, each in values if each is not ABSENT}
    match value:
        case Secret():
            return MASK
        case Path():
            return str(value)
        case Decimal():
            return plain_number(value)
        case Mapping():
            return {name: described(each) for name, each in value.items()}
        case tuple():
            return [described(each) for each in value]
    return value


def plain_number(value: Decimal) -> int | float | str:
    """Return a Decimal as the number that shows exactly the same, else as its text."""
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)
