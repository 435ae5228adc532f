"""What C++ would take and MQL5 does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .lexer import Token
from .model import Function, Model, Parameter
from .problems import Problem
from .words import BASE_TYPES, CPP_ONLY, HANDLERS, NOT_SUPPORTED, RESERVED, SCALARS, UNHANDLED

Found = Iterator[tuple[int, str]]
BEFORE_A_UNARY_STAR = frozenset({"(", ",", "=", "return", ";", "{", "}"})


def _text(tokens: list[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def words(tokens: list[Token]) -> Found:
    """Words of C++, and those that this host does not do."""
    for at, token in enumerate(tokens):
        if token.kind == "word" and token.text in CPP_ONLY:
            yield at, f"`{token.text}` is C++, not MQL5"
        elif token.kind == "word" and token.text in NOT_SUPPORTED and _text(tokens, at - 1) != ".":
            yield at, NOT_SUPPORTED[token.text]


def letters(tokens: list[Token]) -> Found:
    """Characters and operators that MQL5 does not know."""
    for at, token in enumerate(tokens):
        before = _text(tokens, at - 1)
        if token.kind == "other" or token.text in ("#", "##"):
            separator = token.text == "'" and at > 0 and tokens[at - 1].kind == "number"
            yield at, "numbers have no digit separators" if separator else f"`{token.text}` has no meaning here"
        elif token.kind == "char" and at > 0 and tokens[at - 1].kind == "number" and not token.spaced:
            yield at, "numbers have no digit separators"
        elif token.text == "->":
            yield at, "`->` is not MQL5: members of what a pointer points to are behind `.`"
        elif token.text == "...":
            yield at, "a function can't have a variable number of parameters"
        elif token.kind == "string" and before in ("R", "L", "u", "U", "u8", "LR") and not token.spaced:
            yield at, f"a string can't have the prefix {before}"


def pointers(tokens: list[Token]) -> Found:
    """Pointers are to objects, and are not followed by a star."""
    for at, token in enumerate(tokens):
        behind = at + 2
        named = behind < len(tokens) and tokens[behind].kind == "word"
        if token.text in SCALARS and _text(tokens, at + 1) == "*" and (named or _text(tokens, behind) in (")", "*")):
            yield at, f"there are no pointers to {token.text}: only to objects of classes"
        if token.text == "*" and _text(tokens, at + 1) == "*":
            yield at, "there are no pointers to pointers"
        if token.text == "new":
            name = at + 1
            if _text(tokens, name) in BASE_TYPES or _text(tokens, name + 1) == "[":
                yield at, "`new` makes objects of classes; for arrays there is ArrayResize"
        if token.text == "delete" and _text(tokens, at + 1) == "[":
            yield at, "delete[] is C++: arrays are freed by ArrayFree"
        of_function = _text(tokens, at + 2) == ")" and _text(tokens, at + 3) == "("
        if token.text == "*" and _text(tokens, at - 1) in BEFORE_A_UNARY_STAR and not of_function:
            yield at, "`*` before a pointer is C++: members are behind `.`"


def statements(tokens: list[Token]) -> Found:
    """Forms of C++ that look like MQL5."""
    for at, token in enumerate(tokens):
        following = _text(tokens, at + 1)
        if token.text == "=" and following in ("default", "delete") and _text(tokens, at + 2) == ";":
            yield at, f"={following} is C++, not MQL5"
        elif token.text == "{" and following == "." and tokens[at + 1].kind == "op":
            yield at, "members can't be initialised by name"
        elif token.text in ("if", "while", "switch") and following == "(" and _text(tokens, at + 2) in BASE_TYPES:
            if at + 3 < len(tokens) and tokens[at + 3].kind == "word":
                yield at, f"a variable can't be declared within `{token.text}(...)`"
        elif token.text == "[" and following == "]" and _text(tokens, at + 2) in ("(", "{"):
            if _text(tokens, at - 1) in ("=", "(", ",", "return"):
                yield at, "lambdas are C++, not MQL5"
        elif token.text == "[" and following in ("=", "&") and _text(tokens, at + 2) == "]":
            yield at, "lambdas are C++, not MQL5"
        elif token.text == "std" and following == "::":
            yield at, "`std::` is C++, not MQL5"
        elif token.text in ("!", "~") and following == "=" and not tokens[at + 1].spaced:
            yield at, f"`{token.text}=` has no meaning here"


def names(tokens: list[Token]) -> Found:
    """Reserved words as names."""
    for at, token in enumerate(tokens[:-1]):
        following = tokens[at + 1].text
        if token.text in BASE_TYPES and following in BASE_TYPES | {
            "group",
            "pack",
            "offsetof",
            "this",
            "delete",
            "input",
        }:
            yield at + 1, f"`{following}` is a reserved word and can't be a name"
        if token.text in ("class", "struct", "enum") and following in RESERVED:
            yield at + 1, f"`{following}` is a reserved word and can't be a name"


TOKEN_CHECKS: tuple[Callable[[list[Token]], Found], ...] = (words, letters, pointers, statements, names)


class ModelChecks:
    """Checks of what is declared, with the built-in functions' names."""

    def __init__(self, tokens: list[Token], model: Model, built_in: frozenset[str]) -> None:
        self._tokens = tokens
        self._model = model
        self._built_in = built_in

    def run(self) -> Found:
        for function in self._model.functions:
            yield from self._parameters(function)
            if function.free:
                yield from self._name(function)
        for one in self._model.declarations:
            if one.is_input and (one.scope != "global" or any(each.dims or each.pointer for each in one.declarators)):
                yield one.start, "an input is one value, and stands outside of functions"
            if one.is_input and self._is_object(self._tokens[one.type_at].text):
                yield one.start, "an input can't be an object"
            if one.is_input and any(len(each.name) > 63 for each in one.declarators):
                yield one.start, "the name of an input has 63 characters at most"
            for each in one.declarators:
                if each.pointer and self._tokens[one.type_at].text in SCALARS:
                    yield (
                        each.name_at,
                        f"there are no pointers to {self._tokens[one.type_at].text}: only to objects of classes",
                    )
                if one.scope == "for" and each.dims:
                    yield each.name_at, "an array can't be declared within `for(...)`"
                if not each.dims or each.dims[0][1] > each.dims[0][0] + 1:
                    continue
                if any(close == open_ + 1 for open_, close in each.dims[1:]):
                    yield each.name_at, "only the first dimension of an array may be open"
        for one in self._model.enums:
            if one.name in RESERVED:
                yield one.name_at, f"`{one.name}` is a reserved word and can't be a name"

    def _name(self, function: Function) -> Found:
        if function.name in self._built_in and function.name not in HANDLERS:
            yield function.name_at, f"`{function.name}` is a built-in function and can't be defined again"
        if function.name in UNHANDLED:
            yield function.name_at, f"this host does not call {function.name}"
        if function.name not in HANDLERS:
            return
        returns, wanted = HANDLERS[function.name]
        takes = tuple(self._signature(each) for each in function.parameters)
        if function.returns not in returns.split("|") or takes != wanted:
            yield function.name_at, f"{function.name} is {returns} {function.name}({', '.join(wanted)})"

    def _signature(self, one: Parameter) -> str:
        text = ("const " if one.constant else "") + self._tokens[one.type_at].text
        return text + (" &" if one.reference else "")

    def _parameters(self, function: Function) -> Found:
        for one in function.parameters:
            what = self._tokens[one.type_at].text
            if one.dims and not one.reference:
                yield one.start, f"the array `{one.name}` has to be passed by reference: {what} &{one.name}[]"
            elif one.dims and function.template:
                yield one.start, "arrays as parameters of a function template are not supported by this host"
            elif self._is_object(what) and not one.reference and not one.pointer:
                yield one.start, f"the object `{one.name}` has to be passed by reference: const {what} &{one.name}"
            elif one.pointer and what in SCALARS:
                yield one.start, f"there are no pointers to {what}: only to objects of classes"
            if one.name in RESERVED:
                yield one.name_at, f"`{one.name}` is a reserved word and can't be a name"

    def _is_object(self, name: str) -> bool:
        return name in self._model.objects() or name.startswith("Mql")


def problems_of(tokens: list[Token], model: Model, built_in: frozenset[str]) -> list[Problem]:
    """All that is wrong, each place once."""
    found: dict[tuple[int, str], Problem] = {}
    for check in TOKEN_CHECKS:
        for at, message in check(tokens):
            found.setdefault((at, message), Problem(tokens[at].file, tokens[at].line, message))
    for at, message in ModelChecks(tokens, model, built_in).run():
        found.setdefault((at, message), Problem(tokens[at].file, tokens[at].line, message))
    return [found[key] for key in sorted(found, key=lambda key: key[0])]
