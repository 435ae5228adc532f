"""A configuration text as a tree that remembers lines: what the YAML reader gives and the checks take."""

from typing import Final, TypeAlias

import attrs

_BOOLEANS: Final = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@attrs.frozen
class Scalar:
    """A single value, as text.

    Attributes:
        text: What stands in the file, quotes and escapes resolved, variables expanded.
        line: Its line, counted from 1.
        plain: Written without quotes, so that `true`, `12` and nothing at all mean more than their letters.
        hidden: It may be a secret (an alias repeats it, a password's variable is in it), so no message shows it.
        variables: The environment variables whose values are part of the text.
    """

    text: str
    line: int
    plain: bool = True
    hidden: bool = False
    variables: tuple[str, ...] = ()

    @property
    def is_null(self) -> bool:
        """Whether YAML reads this as nothing."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    @property
    def boolean(self) -> bool | None:
        """What YAML 1.1 reads this as if that is a boolean (also yes, no, on and off), else None."""
        if not self.plain or self.text not in (self.text.lower(), self.text.upper(), self.text.capitalize()):
            return None
        return _BOOLEANS.get(self.text.lower())


@attrs.frozen
class ListNode:
    """A list of values, with the line on which it begins."""

    items: tuple["Node", ...]
    line: int


@attrs.frozen
class MapNode:
    """Keys with their values in file order, doubles included, with the line on which it begins."""

    pairs: tuple[tuple[Scalar, "Node"], ...]
    line: int


Node: TypeAlias = Scalar | ListNode | MapNode
