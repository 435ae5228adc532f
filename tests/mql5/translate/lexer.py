"""Source text to tokens. White space and comments are not kept, but which token begins a line is."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from .problems import NotMql5, Problem

PATTERN = re.compile(
    r"""
      (?P<joined>\\[ \t]*\n)
    | (?P<space>[ \t\r\f]+|//[^\n]*)
    | (?P<lines>\n|/\*.*?\*/)
    | (?P<date>D'[^'\n]*')
    | (?P<color>C'[^'\n]*')
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<char>'(?:[^'\\\n]|\\[^\n])+')
    | (?P<number>0[xX][0-9a-fA-F]+\w*|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<op><<=|>>=|\.\.\.|->|::|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||\#\#|[-+*/%&|^]=|[-+*/%&|^!~<>=?:;,.(){}\[\]\#])
    | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)


@attrs.define
class Token:
    """A piece of a source. `first`: nothing but white space stands before it on its line."""

    kind: str
    text: str
    file: Path
    line: int
    first: bool = False
    spaced: bool = False

    def moved(self, file: Path, line: int) -> Token:
        """The same piece as if it stood elsewhere, which is what becomes of a macro's body."""
        return attrs.evolve(self, file=file, line=line, first=False)


def read_source(path: Path) -> str:
    """The text of a file: UTF-16 with a mark, UTF-8 with or without one."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as wrong:
        raise NotMql5([Problem(path, 1, f"the file is neither UTF-8 nor UTF-16: {wrong}")]) from wrong


def tokens_of(text: str, path: Path) -> list[Token]:
    """All tokens of a text."""
    found: list[Token] = []
    line, first, spaced = 1, True, False
    for match in PATTERN.finditer(text):
        kind, piece = match.lastgroup or "other", match.group()
        if kind in ("joined", "space", "lines"):
            spaced = True
            first = first or (kind == "lines" and "\n" in piece)
        else:
            found.append(Token(kind, piece, path, line, first, spaced))
            first = spaced = False
        line += piece.count("\n")
    return found


def lines_of(tokens: list[Token]) -> list[list[Token]]:
    """Tokens by the lines on which they begin; a line that is joined to the next is one with it."""
    lines: list[list[Token]] = []
    for token in tokens:
        if token.first or not lines:
            lines.append([])
        lines[-1].append(token)
    return lines
