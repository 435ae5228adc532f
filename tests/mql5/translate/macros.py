"""#define: macros and what becomes of their uses."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .lexer import Token

MOST_PARAMETERS = 8


@attrs.frozen
class Macro:
    """`parameters` is None where the name stands for itself."""

    name: str
    parameters: tuple[str, ...] | None
    body: tuple[Token, ...]


class MacroError(Exception):
    """A definition or a use that MQL5 does not know."""


def definition(line: list[Token]) -> Macro:
    """The macro of a line `# define NAME ...`."""
    if len(line) < 3 or line[2].kind != "word":
        raise MacroError("#define needs a name")
    name, rest = line[2], line[3:]
    if not rest or rest[0].text != "(" or rest[0].spaced:
        return Macro(name.text, None, tuple(rest))
    end = next((at for at, token in enumerate(rest) if token.text == ")"), None)
    if end is None:
        raise MacroError(f"the parameters of the macro {name.text} have no end")
    names = [token.text for token in rest[1:end] if token.text != ","]
    if len(names) > MOST_PARAMETERS:
        raise MacroError(f"the macro {name.text} has {len(names)} parameters, and {MOST_PARAMETERS} are allowed")
    if "..." in names:
        raise MacroError(f"the macro {name.text} has a variable number of parameters")
    return Macro(name.text, tuple(names), tuple(rest[end + 1 :]))


def arguments_at(tokens: list[Token], at: int) -> tuple[list[list[Token]], int]:
    """The arguments of a use whose bracket stands at `at`, and the place behind them."""
    depth, arguments = 0, [[]]
    for place in range(at, len(tokens)):
        token = tokens[place]
        depth += token.text in ("(", "[", "{") and token.kind == "op"
        depth -= token.text in (")", "]", "}") and token.kind == "op"
        if depth == 0:
            return arguments, place + 1
        if depth == 1 and token.text == ",":
            arguments.append([])
        elif place > at:
            arguments[-1].append(token)
    raise MacroError(f"the arguments of the macro {tokens[at - 1].text} have no end")


def quoted(tokens: list[Token]) -> str:
    """#x: the argument as a string."""
    text = "".join((" " if token.spaced and at else "") + token.text for at, token in enumerate(tokens))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Macros:
    """The macros that are defined at a place of the sources."""

    def __init__(self) -> None:
        self._known: dict[str, Macro] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def define(self, macro: Macro) -> None:
        self._known[macro.name] = macro

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def expand(self, tokens: list[Token], within: frozenset[str] = frozenset()) -> list[Token]:
        """Tokens without macros. What comes of a macro stands where it was used."""
        found: list[Token] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            macro = self._known.get(token.text) if token.kind == "word" else None
            follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
            at += 1
            if macro is None or macro.name in within or (macro.parameters is not None and follows != "("):
                found.append(token)
                continue
            arguments: list[list[Token]] = []
            if macro.parameters is not None:
                arguments, at = arguments_at(tokens, at)
            made = [piece.moved(token.file, token.line) for piece in self._filled(macro, arguments, within)]
            if made:
                made[0].first, made[0].spaced = token.first, True
            found += self.expand(made, within | {macro.name})
        return found

    def _filled(self, macro: Macro, arguments: list[list[Token]], within: frozenset[str]) -> Iterator[Token]:
        # The body with its parameters replaced; ## joins what is beside it.
        names = macro.parameters or ()
        if names and len(arguments) != len(names):
            raise MacroError(f"the macro {macro.name} takes {len(names)} arguments, and has {len(arguments)}")
        by_name = dict(zip(names, arguments, strict=False))
        pieces: list[Token] = []
        paste = quote = False
        for token in macro.body:
            if token.text == "##":
                paste = True
                continue
            if token.text == "#" and names:
                quote = True
                continue
            given = by_name.get(token.text) if token.kind == "word" else None
            if quote:
                new = [attrs.evolve(token, kind="string", text=quoted(given or []))]
            elif given is None:
                new = [attrs.evolve(token)]
            else:
                new = list(given) if paste else self.expand(given, within)
            if paste and pieces and new:
                joined = pieces.pop()
                new = [attrs.evolve(joined, text=joined.text + new[0].text), *new[1:]]
            pieces += new
            paste = quote = False
        yield from pieces
