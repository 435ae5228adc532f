"""Texts that others chose, made harmless for a terminal and for who reads line by line. Pure."""

from __future__ import annotations

import json


def visible(text: str) -> str:
    """The text on one line, with an escape for whatever does not print: controls, line ends, marks of direction."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def json_visible(text: str) -> str:
    """JSON text that means the same, with everything that does not print as `\\u…`."""
    if text.isprintable():
        return text
    # In JSON these can only be inside of strings; what surrogates stand for was no text to begin with.
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
