"""Directives: includes, macros, conditions, properties. What comes out is one list of tokens without any of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from .lexer import Token, lines_of, read_source, tokens_of
from .macros import MacroError, Macros, definition
from .problems import NotMql5, Problem

INCLUDE = re.compile(r"""\#\s*include\s*(?:<([^>\n]+)>|"([^"\n]+)")\s*(?://[^\n]*|/\*[^\n]*)?$""")
PROPERTIES = frozenset(
    {"copyright", "link", "version", "description", "icon", "stacksize", "library", "service", "script_show_confirm"}
    | {"script_show_inputs"}
)
"""And those that begin with indicator_ or tester_."""
PREDEFINED = frozenset({"__MQL5__"})


@attrs.frozen
class Sources:
    """A program as one list of tokens, and the files that it came from."""

    tokens: list[Token]
    files: list[Path]
    properties: dict[str, str]


class Preprocessor:
    """Reads a file and all that it includes; mistakes are gathered in `problems`."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.problems: list[Problem] = []
        self._roots = roots
        self._macros = Macros()
        self._files: list[Path] = []
        self._seen: set[Path] = set()
        self._properties: dict[str, str] = {}
        self._texts: dict[Path, list[str]] = {}

    def run(self, source: Path) -> Sources:
        tokens = self._file(source, main=True)
        return Sources(tokens, self._files, self._properties)

    def _wrong(self, token: Token, message: str) -> None:
        self.problems.append(Problem(token.file, token.line, message))

    def _file(self, path: Path, *, main: bool = False) -> list[Token]:
        # A file is taken once, however often it is included.
        if path.resolve() in self._seen:
            return []
        self._seen.add(path.resolve())
        self._files.append(path)
        try:
            text = read_source(path)
        except NotMql5 as wrong:
            self.problems += wrong.problems
            return []
        self._texts[path] = text.split("\n")
        found: list[Token] = []
        waiting: list[Token] = []
        conditions: list[tuple[Token, bool]] = []
        for line in lines_of(tokens_of(text, path)):
            if line[0].text != "#":
                if all(holds for _, holds in conditions):
                    waiting += line
                continue
            # A macro's arguments may go over several lines, but not past a directive.
            found += self._expanded(waiting)
            waiting = []
            if not self._condition(line, conditions) and all(holds for _, holds in conditions):
                found += self._directive(line, main=main)
        for opened, _ in conditions:
            self._wrong(opened, f"#{opened.text} without #endif")
        return found + self._expanded(waiting)

    def _expanded(self, tokens: list[Token]) -> list[Token]:
        try:
            return [self._place(token) for token in self._macros.expand(tokens)]
        except MacroError as wrong:
            self._wrong(tokens[0], str(wrong))
            return tokens

    @staticmethod
    def _place(token: Token) -> Token:
        # The words that stand for where they stand.
        if token.text == "__LINE__" and token.kind == "word":
            return attrs.evolve(token, kind="number", text=str(token.line))
        if token.text == "__FILE__" and token.kind == "word":
            return attrs.evolve(token, kind="string", text=f'"{token.file.name}"')
        return token

    def _condition(self, line: list[Token], conditions: list[tuple[Token, bool]]) -> bool:
        # Whether the line is one of #ifdef, #ifndef, #else and #endif.
        word = line[1].text if len(line) > 1 else ""
        if word in ("ifdef", "ifndef"):
            name = line[2].text if len(line) > 2 else ""
            if not name:
                self._wrong(line[0], f"#{word} needs a name")
            defined = name in self._macros or name in PREDEFINED
            conditions.append((line[1], defined == (word == "ifdef")))
        elif word in ("else", "endif"):
            if not conditions:
                self._wrong(line[0], f"#{word} without #ifdef")
            else:
                opened, held = conditions.pop()
                if word == "else":
                    conditions.append((opened, not held))
        else:
            return False
        return True

    def _directive(self, line: list[Token], *, main: bool) -> list[Token]:
        word = line[1].text if len(line) > 1 else ""
        if word == "include":
            return self._include(line[0])
        if word == "define":
            try:
                self._macros.define(definition(line))
            except MacroError as wrong:
                self._wrong(line[0], str(wrong))
        elif word == "undef":
            self._macros.forget(line[2].text if len(line) > 2 else "")
        elif word == "property":
            self._property(line, main=main)
        elif word in ("import", "resource"):
            self._wrong(line[0], f"#{word}: libraries and resources are not for this project")
        else:
            self._wrong(line[0], f"#{word} is no directive of MQL5 (conditions are #ifdef, #ifndef, #else, #endif)")
        return []

    def _property(self, line: list[Token], *, main: bool) -> None:
        name = line[2].text if len(line) > 2 else ""
        if not main:
            self._wrong(line[0], "#property in an included file is ignored: keep it in the .mq5 file")
        elif name == "strict":
            self._wrong(line[0], "#property strict is MQL4")
        elif name not in PROPERTIES and not name.startswith(("indicator_", "tester_")):
            self._wrong(line[0], f"#property {name} is not known")
        else:
            value = line[3].text if len(line) > 3 else ""
            if name == "version" and not re.fullmatch(r'"\d+\.\d+"', value):
                self._wrong(line[0], f'#property version is a string of two numbers, as "1.0", and is {value}')
            self._properties.setdefault(name, value.strip('"'))

    def _include(self, token: Token) -> list[Token]:
        # The raw line: a path is no string with escapes.
        match = INCLUDE.search(self._texts[token.file][token.line - 1])
        if match is None:
            self._wrong(token, '#include needs <a path> or "a path"')
            return []
        rooted, beside = match.groups()
        name = (rooted or beside).replace("\\", "/")
        places = [root / name for root in self._roots] if rooted else [token.file.parent / name]
        for place in places:
            if place.is_file():
                return self._file(place)
        self._wrong(
            token,
            f"the included file {name} is not there (looked in {', '.join(str(place.parent) for place in places)})",
        )
        return []
