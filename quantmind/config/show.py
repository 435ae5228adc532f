"""Values and keys as a message may show them: short, on one line, and never a secret."""

import re
from typing import Final

from quantmind.config.tree import ListNode, MapNode, Node, Scalar

_LONGEST: Final = 60
_NUMBER: Final = re.compile(r"[-+.]?[0-9][-+.\w]{0,40}")
_BARE: Final = re.compile(r"[A-Za-z0-9_#&@+/-][A-Za-z0-9_.#&@+/-]{0,59}")


def show_node(node: Node, *, secret: bool = False) -> str:
    """Return a value for a message: its text in quotes, or what it is when its text must not be seen."""
    match node:
        case ListNode():
            return "a list"
        case MapNode():
            return "a mapping"
    variables = " and ".join(f"${{{name}}}" for name in node.variables)
    if secret or node.hidden:
        return f"the value of {variables}" if variables else "a value that is not shown"
    return f"{_text(node)} (from {variables})" if variables else _text(node)


def _text(node: Scalar) -> str:
    if node.is_null:
        return "null" if node.text else "empty"
    if node.plain and (node.boolean is not None or _NUMBER.fullmatch(node.text)):
        return node.text
    return _quoted(node.text)


def show_key(text: str) -> str:
    """Return a key for a message, in quotes when it is no ordinary word."""
    return text if _BARE.fullmatch(text) else _quoted(text)


def show_path(path: tuple[str, ...]) -> str:
    """Return a key with those around it, joined by dots."""
    return ".".join(map(show_key, path))


def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + '"'
