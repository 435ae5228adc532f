"""A second look at MQL5 sources: a grammar of C++ that other people wrote, after what MQL5 adds to it is levelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import tree_sitter_cpp
from tree_sitter import Language, Node, Parser

LEVELLED = (
    (re.compile(r"^[ \t]*s?input\s+group\b[^\n]*", re.MULTILINE), ""),
    (re.compile(r"^([ \t]*)s?input\s+", re.MULTILINE), r"\1"),
    (re.compile(r"\b[DC]'[^'\n]*'"), "0"),
)
"""Patterns and what stands for them. No line goes."""


def levelled(text: str) -> str:
    """The text as C++ has it, with the same lines."""
    for pattern, other in LEVELLED:
        text = pattern.sub(other, text)
    return text


def errors_of(text: str) -> list[tuple[int, str]]:
    """Lines that the grammar does not know, with what stands there."""
    source = levelled(text).encode()
    tree = Parser(Language(tree_sitter_cpp.language())).parse(source)
    return [
        (node.start_point[0] + 1, source[node.start_byte : node.end_byte][:60].decode(errors="replace"))
        for node in _wrong(tree.root_node)
    ]


def errors_in(path: Path) -> list[tuple[int, str]]:
    """The same of a file."""
    return errors_of(path.read_text(encoding="utf-8-sig"))


def _wrong(node: Node) -> Iterator[Node]:
    if node.type == "ERROR" or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from _wrong(child)
