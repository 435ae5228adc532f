"""Numbers: whole ones, measures and exact amounts, each within a range."""

import math
import re
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.config.kinds import Refused, Schema
from quantmind.config.tree import Scalar

# A decoder would turn 1E+999999999 into a Decimal gladly, and then hang.
MAX_DIGITS: Final = 20
MAX_EXPONENT: Final = 12

_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?(?:(?<=[0-9])\.[0-9]*|\.[0-9]+)?(?:(?<=[0-9.])[eE](?P<exponent>[-+]?[0-9]+))?"
)
_DIGITS: Final = re.compile(r"[0-9]")


@attrs.frozen
class Whole:
    """A whole number within a range."""

    least: int
    most: int

    @property
    def says(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def parse(self, scalar: Scalar) -> int:
        if not scalar.plain:
            raise Refused("remove the quotes" if _WHOLE.fullmatch(scalar.text) else "")
        if not _WHOLE.fullmatch(scalar.text):
            raise Refused(_number_hint(scalar))
        if len(_DIGITS.findall(scalar.text)) > MAX_DIGITS or not self.least <= (value := int(scalar.text)) <= self.most:
            raise Refused
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@attrs.frozen
class Number:
    """A number within a range: `above` (not itself allowed) or `least`, to `most`."""

    least: float | None = None
    above: float | None = None
    most: float = 1e9

    @property
    def says(self) -> str:
        return _range_words(self.least, self.above, self.most)

    def parse(self, scalar: Scalar) -> float:
        value = float(_decimal(scalar))
        if not math.isfinite(value) or not _within(value, self.least, self.above, self.most):
            raise Refused
        return value

    def schema(self) -> Schema:
        return _range_schema(self.least, self.above, self.most)


@attrs.frozen
class Amount:
    """Money or a size, exactly as written: 0.1 stays 0.1."""

    least: int | None = None
    above: int | None = None
    most: int = 10**12

    @property
    def says(self) -> str:
        return _range_words(self.least, self.above, self.most)

    def parse(self, scalar: Scalar) -> Decimal:
        value = _decimal(scalar)
        if not _within(value, self.least, self.above, self.most):
            raise Refused
        return value

    def schema(self) -> Schema:
        return _range_schema(self.least, self.above, self.most)


def _decimal(scalar: Scalar) -> Decimal:
    if not scalar.plain:
        raise Refused("remove the quotes" if _is_decimal(scalar.text) else _number_hint(scalar))
    if not _is_decimal(scalar.text):
        raise Refused(_number_hint(scalar))
    found = _DECIMAL.fullmatch(scalar.text)
    assert found is not None
    mantissa = re.split("[eE]", scalar.text)[0]
    exponent = found["exponent"] or "0"
    if len(_DIGITS.findall(mantissa)) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent)) > MAX_EXPONENT:
        raise Refused(f"at most {MAX_DIGITS} digits and an exponent within ±{MAX_EXPONENT} are read")
    return Decimal(scalar.text)


def _is_decimal(text: str) -> bool:
    return bool(_DIGITS.search(text)) and _DECIMAL.fullmatch(text) is not None


def _number_hint(scalar: Scalar) -> str:
    if scalar.boolean is not None:
        return "true and false are no numbers"
    if scalar.text.lower().lstrip("+-") in (".nan", ".inf", "nan", "inf", "infinity"):
        return "it must be finite"
    if _is_decimal(scalar.text):
        return "write it without decimals"
    if re.fullmatch(r"[-+]?(0[xXoO][0-9A-Fa-f_]+|[0-9][0-9_,:.' ]*)", scalar.text):
        return "write plain digits: no leading zeros, separators or colons"
    if scalar.text.endswith("%") and _is_decimal(scalar.text[:-1].strip()):
        return f"write {scalar.text[:-1].strip()}, without the sign"
    return ""


def _within(value: Any, least: Any, above: Any, most: Any) -> bool:
    return bool((least is None or value >= least) and (above is None or value > above) and value <= most)


def _range_words(least: float | None, above: float | None, most: float) -> str:
    if above is not None:
        return f"a number above {above:g} and up to {most:.15g}"
    return f"a number from {least:g} to {most:.15g}" if least is not None else f"a number up to {most:.15g}"


def _range_schema(least: float | None, above: float | None, most: float) -> Schema:
    schema: dict[str, Any] = {"type": "number"}
    if least is not None:
        schema["minimum"] = least
    if above is not None:
        schema["exclusiveMinimum"] = above
    return {**schema, "maximum": most}
