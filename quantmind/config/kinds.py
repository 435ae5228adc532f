"""What a single value may be: how it is read, how a message names it, and its JSON Schema."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import attrs

from quantmind.config.secret import Secret
from quantmind.config.suggest import nearest
from quantmind.config.tree import Scalar
from quantmind.domain.tokens import digest_in, moment_in

Schema = Mapping[str, Any]

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
    """A text, optionally of a form: `pattern` matches all of it and `form` says so in words; `empty` allows ""."""

    form: str = "a text"
    pattern: str = ""
    most: int = 1024
    empty: bool = False

    @property
    def says(self) -> str:
        return self.form

    def parse(self, scalar: Scalar) -> str:
        text = scalar.text
        if self.empty and not text and (not scalar.plain or scalar.variables):
            return text
        _refuse_trap(scalar)
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
        return {"type": ["string", "number"], "minLength": 0 if self.empty else 1, "maxLength": self.most}


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
class TokenHash(SecretText):
    """The hash of a token; its text is in no message, since it may be the token itself that was pasted here."""

    says: str = "sha256: and 64 hex digits in lower case, as `quantmind token add` writes it"

    def parse(self, scalar: Scalar) -> Secret:
        try:
            digest_in(scalar.text)
        except ValueError:
            raise Refused("never the token itself") from None
        return Secret(scalar.text)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}


@attrs.frozen
class Moment:
    """When something ends: a date, whose whole day still counts, or a moment, both in UTC."""

    says: str = "a date such as 2027-01-31, or a time in UTC such as 2027-01-31T18:00:00Z"

    def parse(self, scalar: Scalar) -> str:
        _refuse_trap(scalar)
        try:
            moment_in(scalar.text)
        except (ValueError, OverflowError):
            raise Refused("there must be such a day") from None
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z)?$"}


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
        near = nearest(scalar.text, self.options) if not scalar.hidden else None
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
        _refuse_trap(scalar)
        if scalar.text in ("localhost", "::1"):
            return scalar.text
        try:
            loopback = ipaddress.IPv4Address(scalar.text).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise Refused(
                "nobody is asked who he is here; endpoints that others may reach are listed under secure, beside it"
            )
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string"}


@attrs.frozen
class ListenHost:
    """An address or name of this machine to listen on, whoever reaches it."""

    says: str = "an address or a host name of this machine, without port"

    def parse(self, scalar: Scalar) -> str:
        _refuse_trap(scalar)
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?", scalar.text):
            raise Refused("write it as 127.0.0.1, ::1, 10.0.0.5, 0.0.0.0 or gateway.example")
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string"}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on; of names, only localhost is taken to be so."""
    try:
        return host in ("localhost", "::1") or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _refuse_trap(scalar: Scalar) -> None:
    # `country: NO` is false to YAML; who writes it where a text stands may mean either, so we ask.
    if scalar.variables and scalar.text:
        return
    if scalar.boolean is not None:
        read = "true" if scalar.boolean else "false"
        if scalar.hidden:
            raise Refused(f"YAML reads this word as {read}; put a text in quotes")
        raise Refused(f'YAML reads {scalar.text} as {read}; a text is written "{scalar.text}"')
    if scalar.is_null or not scalar.text:
        raise Refused("nothing stands here; write a value or remove the key")
