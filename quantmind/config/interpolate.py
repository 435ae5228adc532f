"""`${NAME}` and `${NAME:-default}` in a value, from the environment."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import attrs

from quantmind.config.source import is_text
from quantmind.config.tree import ListNode, MapNode, Node, Scalar

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<open>\{))"
)

# Such a variable is a secret wherever it stands, so a password under the wrong key is still not shown.
_SECRET_NAME: Final = re.compile("PASS|PWD|PW$|SECRET|TOKEN|KEY|HASH|CREDENTIAL|AUTH", re.IGNORECASE)


@attrs.frozen
class Unset:
    """A value that needs environment variables which are not set."""

    names: tuple[str, ...]


class Malformed(ValueError):
    """A `${` that cannot be read, or a variable whose value is no text; the message has no part of the value."""


def expand(scalar: Scalar, environ: Mapping[str, str], secrets: Collection[str] = ()) -> Scalar | Unset:
    """Return the scalar with its variables in place; what a variable holds is never read as YAML structure.

    As in a shell, the default stands in for a variable that is unset or empty, and `$$` is a single `$`.
    Around a value without quotes, space is dropped, as YAML does.

    Args:
        scalar: The value as it is written.
        environ: The environment.
        secrets: Variables whose values no message may show, besides those whose names say so.

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
        if not value and default is not None:
            return str(default)
        used.append(name)
        if value is None:
            unset.append(name)
            return ""
        if not is_text(value):
            raise Malformed(f"the environment variable {name} holds a character that is no text; set it anew")
        return value

    text = _REFERENCE.sub(value_of, scalar.text)
    if unset:
        return Unset(tuple(dict.fromkeys(unset)))
    if scalar.plain:
        text = text.strip()
    hidden = scalar.hidden or any(name in secrets or _SECRET_NAME.search(name) for name in used)
    return attrs.evolve(scalar, text=text, hidden=hidden, variables=tuple(dict.fromkeys(used)))


def secret_variables(node: Node, names: Collection[str], *, inside: bool = False) -> Iterator[str]:
    """Give the environment variables that stand under a key of `names`, which are those of secrets."""
    match node:
        case Scalar() if inside:
            yield from (found["name"] for found in _REFERENCE.finditer(node.text) if found["name"])
        case ListNode(items):
            for item in items:
                yield from secret_variables(item, names, inside=inside)
        case MapNode(pairs):
            for key, value in pairs:
                yield from secret_variables(value, names, inside=inside or key.text in names)
