"""`${NAME}` and `${NAME:-default}` in a value, from the environment."""

import re
from collections.abc import Mapping
from typing import Final

import attrs

from quantmind.config.source import is_text
from quantmind.config.tree import Scalar

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<open>\{))"
)


@attrs.frozen
class Unset:
    """A value that needs environment variables which are not set."""

    names: tuple[str, ...]


class Malformed(ValueError):
    """A `${` that cannot be read, or a variable whose value is no text; the message has no part of the value."""


def expand(scalar: Scalar, environ: Mapping[str, str]) -> Scalar | Unset:
    """Return the scalar with its variables in place; what a variable holds is never read as YAML structure.

    As in a shell, the default stands in for a variable that is unset or empty, and `$$` is a single `$`.
    Around a value without quotes, space is dropped, as YAML does.

    Raises:
        Malformed: The text has a `${` that is no reference, or a variable holds no text.
    """
    if "$" not in scalar.text:
        return scalar
    unset: list[str] = []
    used: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if found["open"]:
            raise Malformed('"${" must go on as ${NAME} or ${NAME:-default}; write $${ for the two signs themselves')
        name, default = found["name"], found["default"]
        value = environ.get(name)
        used.append(name)
        if default is not None:
            value = value or default
        if value is None:
            unset.append(name)
            return ""
        if not is_text(value):
            raise Malformed(f"the environment variable {name} holds a character that is no text; set it anew")
        return value

    text = _REFERENCE.sub(value_of, scalar.text)
    if unset:
        return Unset(tuple(dict.fromkeys(unset)))
    if scalar.plain and used:
        text = text.strip()
    return attrs.evolve(scalar, text=text, variables=tuple(dict.fromkeys(used)))
