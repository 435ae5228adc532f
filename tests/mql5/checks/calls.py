"""A third look at MQL5 sources: each call is of a function that is there, with as many arguments as it takes.

It has a tokenizer of its own: what the translator takes for a string or a comment is not believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import attrs

TABLE = Path(__file__).with_name("builtins.json")
GONE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|^[ \t]*\#[ \t]*(?:include|property)[^\n]*""",
    re.DOTALL | re.MULTILINE,
)
PIECE = re.compile(r"[A-Za-z_]\w*|[0-9][\w.]*|::|\S")
WORD = re.compile(r"[A-Za-z_]\w*")
NO_CALLS = frozenset(
    {"if", "while", "for", "switch", "return", "sizeof", "case", "operator", "define", "template", "else", "new"}
    | {"delete", "do", "dynamic_cast", "typename", "and", "or", "not"}
)
TYPES = frozenset(
    {"void", "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "string"}
    | {"datetime", "color"}
)
DECLARING = frozenset({"*", "&", "~", ">", "::"})
BEHIND_A_NAME = frozenset({"(", ";", "[", "=", ",", ")", "~"})


@attrs.frozen
class Piece:
    """A word, a number or a sign, and its line."""

    text: str
    line: int


@attrs.frozen
class Wrong:
    """A call that can't be."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@cache
def table() -> dict[str, tuple[int, int]]:
    """Built-in functions with the fewest and the most arguments."""
    return {name: (low, high) for name, (low, high) in json.loads(TABLE.read_text(encoding="utf-8")).items()}


def pieces_of(text: str) -> list[Piece]:
    """A text in pieces: a literal is one 0, comments are nothing."""

    def blank(match: re.Match[str]) -> str:
        literal = "0" if match[0][0] in "\"'" else " "
        return literal + "\n" * match[0].count("\n")

    found: list[Piece] = []
    for number, line in enumerate(GONE.sub(blank, text).split("\n"), start=1):
        found += [Piece(piece, number) for piece in PIECE.findall(line)]
    return found


def declared(pieces: list[Piece]) -> set[str]:
    """Names that stand where something is declared: behind a type, as a macro, as a class."""
    names: set[str] = set()
    for before, piece, behind in zip([Piece("", 0), *pieces], pieces, [*pieces[1:], Piece("", 0)], strict=False):
        if WORD.fullmatch(piece.text) is None:
            continue
        typed = WORD.fullmatch(before.text) is not None and before.text not in NO_CALLS - {"define", "typename"}
        marked = before.text in DECLARING and behind.text in BEHIND_A_NAME
        if typed or marked:
            names.add(piece.text)
    return names


def arguments_at(pieces: list[Piece], open_: int) -> int:
    """How many arguments the call whose bracket stands there has."""
    depth, commas, filled = 0, 0, False
    for piece in pieces[open_:]:
        depth += piece.text in ("(", "[", "{")
        depth -= piece.text in (")", "]", "}")
        if depth == 0:
            return commas + 1 if filled else 0
        commas += depth == 1 and piece.text == ","
        filled = filled or not (depth == 1 and piece.text == "(")
    return commas


def calls_in(pieces: list[Piece]) -> Iterator[tuple[int, bool]]:
    """Places of the names that are called, and whether `::` alone stands before one."""
    for at in range(len(pieces) - 1):
        name = pieces[at].text
        if pieces[at + 1].text != "(" or WORD.fullmatch(name) is None or name in NO_CALLS | TYPES:
            continue
        before = pieces[at - 1].text if at else ""
        before_that = pieces[at - 2].text if at > 1 else ""
        if before == "::":
            if WORD.fullmatch(before_that) is None or before_that in ("return", "case"):
                yield at, True
        elif before not in (".", "~") and (WORD.fullmatch(before) is None or before in NO_CALLS - {"new", "define"}):
            yield at, False


def wrong_calls(path: Path, others: Iterable[Path] = ()) -> list[Wrong]:
    """Calls of a file that can't be; `others` are the files whose functions it may call."""
    pieces = pieces_of(path.read_text(encoding="utf-8-sig"))
    known = declared(pieces)
    for other in others:
        known |= declared(pieces_of(other.read_text(encoding="utf-8-sig")))
    return list(_wrong(path, pieces, known))


def _wrong(path: Path, pieces: list[Piece], known: set[str]) -> Iterator[Wrong]:
    for at, is_global in calls_in(pieces):
        name, line = pieces[at].text, pieces[at].line
        if name in known and not (is_global and name in table()):
            continue
        if name not in table():
            yield Wrong(path.name, line, f"there is no function {name}")
            continue
        low, high = table()[name]
        count = arguments_at(pieces, at + 1)
        if not low <= count <= high:
            yield Wrong(path.name, line, f"{name} takes {low} to {high} arguments, and has {count}")
