"""What a single value may be: how it is read, how a message names it, and its JSON Schema."""

import ipaddress
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

import attrs

from quantmind.config.secret import Secret
from quantmind.config.suggest import nearest
from quantmind.config.tree import Scalar

Schema = Mapping[str, Any]

# A decoder would turn 1E+999999999 into a Decimal gladly, and then hang.
MAX_DIGITS: Final = 20
MAX_EXPONENT: Final = 12

_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?(?:(?<=[0-9])\.[0-9]*|\.[0-9]+)?(?:(?<=[0-9.])[eE](?P<exponent>[-+]?[0-9]+))?"
)
_DIGITS: Final = re.compile(r"[0-9]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Refused(ValueError):
    """A value that is not of its kind; the text is a further way out, and empty when there is none to add."""


class Leaf(Protocol):
    """A kind of single value."""

    @property
    def says(self) -> str:
        """The kind in words that follow "must be"."""

    def parse(self, scalar: Scalar) -> Any:
        """Return the value, or raise `Refused`."""

    def schema(self) -> Schema:
        """Return the JSON Schema of the value."""


@attrs.frozen
class Text:
    """A text, optionally of a form: `pattern` matches all of it and `form` says so in words."""

    form: str = "a text"
    pattern: str = ""
    most: int = 1024

    @property
    def says(self) -> str:
        return self.form

    def parse(self, scalar: Scalar) -> str:
        _refuse_trap(scalar)
        text = scalar.text
        if len(text) > self.most:
            raise Refused(f"at most {self.most} characters are allowed")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise Refused
        if _CONTROL.search(text):
            raise Refused("write it on one line, without control characters")
        return text

    def schema(self) -> Schema:
        if self.pattern:
            return {"type": "string", "pattern": f"^(?:{self.pattern})$"}
        return {"type": ["string", "number"], "maxLength": self.most}


@attrs.frozen
class Currency:
    """A currency as three capital letters."""

    says: str = 'three capital letters such as "USD"'

    def parse(self, scalar: Scalar) -> str:
        _refuse_trap(scalar)
        if not re.fullmatch("[A-Z]{3}", scalar.text):
            raise Refused("write it in capitals" if re.fullmatch("[A-Za-z]{3}", scalar.text) else "")
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[A-Z]{3}$"}


@attrs.frozen
class SecretText:
    """A password, key or token; its text is in no message."""

    says: str = "a text"

    def parse(self, scalar: Scalar) -> Secret:
        if not scalar.text:
            raise Refused("it is empty; write the value or ${NAME} of an environment variable")
        if not scalar.variables and (scalar.boolean is not None or scalar.is_null):
            raise Refused("YAML reads this word as something else than text; put it in quotes")
        if _CONTROL.search(scalar.text):
            raise Refused("write it on one line, without control characters")
        return Secret(scalar.text)

    def schema(self) -> Schema:
        return {"type": ["string", "number"]}


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


@attrs.frozen
class Flag:
    """True or false, also as yes, no, on and off."""

    says: str = "true or false"

    def parse(self, scalar: Scalar) -> bool:
        value = scalar.boolean
        if value is None:
            quoted = not scalar.plain and attrs.evolve(scalar, plain=True).boolean is not None
            raise Refused("remove the quotes" if quoted else "")
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


@attrs.frozen
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    @property
    def says(self) -> str:
        *others, last = self.options
        return f"{', '.join(others)} or {last}" if others else last

    def parse(self, scalar: Scalar) -> str:
        if scalar.plain and scalar.text in self.options:
            return scalar.text
        _refuse_trap(scalar)
        if scalar.text in self.options:
            return scalar.text
        near = nearest(scalar.text, self.options) if not (scalar.variables or scalar.anchored) else None
        raise Refused(f'did you mean "{near}"?' if near else "")

    def schema(self) -> Schema:
        return {"enum": list(self.options)}


@attrs.frozen
class Location:
    """A path of a file or folder; a relative one counts from the configuration file's folder."""

    must_exist: bool = False

    @property
    def says(self) -> str:
        return "the path of a file" if self.must_exist else "a path"

    def parse(self, scalar: Scalar) -> str:
        _refuse_trap(scalar)
        if _CONTROL.search(scalar.text) or len(scalar.text) > 4096:
            raise Refused("write it on one line, at most 4096 characters, without control characters")
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


@attrs.frozen
class LoopbackHost:
    """An address that only this machine reaches."""

    says: str = "a loopback address: 127.0.0.1, ::1 or localhost"

    def parse(self, scalar: Scalar) -> str:
        if scalar.text == "localhost":
            return scalar.text
        try:
            address = ipaddress.ip_address(scalar.text)
        except ValueError:
            loopback = False
        else:
            loopback = address.is_loopback
        if not loopback:
            raise Refused("without TLS and credentials the gateway listens on loopback only")
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string"}


def _refuse_trap(scalar: Scalar) -> None:
    # `country: NO` is false to YAML; who writes it where a text stands may mean either, so we ask.
    if scalar.variables and scalar.text:
        return
    if scalar.boolean is not None:
        read = "true" if scalar.boolean else "false"
        hidden = f"YAML reads this word as {read}; put a text in quotes"
        raise Refused(
            hidden if scalar.anchored else f'YAML reads {scalar.text} as {read}; a text is written "{scalar.text}"'
        )
    if scalar.is_null or not scalar.text:
        raise Refused("nothing stands here; write a value or remove the key")


def _decimal(scalar: Scalar) -> Decimal:
    if not scalar.plain:
        raise Refused("remove the quotes" if _is_decimal(scalar.text) else "")
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
    if re.fullmatch(r"[-+]?[0-9][0-9_,: ']*(\.[0-9_]*)?", scalar.text):
        return "write plain digits: no leading zeros, separators or colons"
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
