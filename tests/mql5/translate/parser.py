"""Tokens to declarations. Expressions are not looked into: what they mean is for the C++ compiler."""

from __future__ import annotations

from contextlib import suppress

from .lexer import Token
from .model import Class, Declaration, Declarator, Enum, Function, Model, Parameter
from .problems import Problem
from .words import BASE_TYPES, CONTROL, RESERVED

TYPE_WORDS = frozenset({"class", "struct", "enum", "typename", "interface", "union"})
SPECIFIERS = frozenset({"static", "const", "virtual", "input", "sinput"})
PAIRS = {"(": ")", "[": "]", "{": "}"}
AFTER_WHICH_A_STATEMENT_BEGINS = frozenset({"{", "}", ";", ")", "else", "do", ":"})


class Lost(Exception):
    """The parser does not know what it sees; the problem is noted."""


def type_names(tokens: list[Token]) -> set[str]:
    """Names of types, wherever they are declared."""
    found = set(BASE_TYPES)
    for at, token in enumerate(tokens[:-1]):
        following = tokens[at + 1]
        if token.text in TYPE_WORDS and following.kind == "word":
            found.add(following.text)
        if token.kind == "word" and token.text.startswith(("Mql", "ENUM_")):
            found.add(token.text)
        if token.text == "typedef":
            star = next((place for place in range(at, min(at + 12, len(tokens))) if tokens[place].text == "*"), None)
            if star is not None:
                found.add(tokens[star + 1].text)
    return found


class Parser:
    """One program. `problems` has what can't be MQL5 already because of its declarations."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.problems: list[Problem] = []
        self.model = Model(types=type_names(tokens))
        self._closes = self._brackets()

    def run(self) -> Model:
        with suppress(Lost):
            self._scope(0, len(self.tokens), owner="", template=False)
        return self.model

    # --- tokens ---

    def _text(self, at: int) -> str:
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def _is_word(self, at: int) -> bool:
        return 0 <= at < len(self.tokens) and self.tokens[at].kind == "word"

    def _is_op(self, at: int) -> bool:
        return 0 <= at < len(self.tokens) and self.tokens[at].kind == "op"

    def _wrong(self, at: int, message: str) -> None:
        token = self.tokens[min(at, len(self.tokens) - 1)]
        self.problems.append(Problem(token.file, token.line, message))

    def _lost(self, at: int, message: str) -> Lost:
        self._wrong(at, message)
        return Lost()

    def _brackets(self) -> dict[int, int]:
        # Where each bracket is closed.
        closes: dict[int, int] = {}
        open_: list[int] = []
        for at, token in enumerate(self.tokens):
            if token.kind != "op":
                continue
            if token.text in PAIRS:
                open_.append(at)
            elif token.text in PAIRS.values():
                if not open_ or PAIRS[self._text(open_[-1])] != token.text:
                    self._wrong(at, f"`{token.text}` closes nothing")
                    return closes
                closes[open_.pop()] = at
        for at in open_:
            self._wrong(at, f"`{self._text(at)}` is not closed")
        return closes

    def _close(self, at: int) -> int:
        if at not in self._closes:
            raise Lost
        return self._closes[at]

    def _angle_close(self, at: int) -> int:
        depth = 0
        for place in range(at, min(at + 60, len(self.tokens))):
            depth += self._text(place) == "<"
            depth -= {">": 1, ">>": 2}.get(self._text(place), 0)
            if depth <= 0:
                return place
        raise self._lost(at, "`<` is not closed")

    # --- scopes ---

    def _scope(self, at: int, end: int, *, owner: str, template: bool) -> None:
        # What stands between functions: of the program, or of the class `owner`.
        while at < end:
            at = self._item(at, owner=owner, template=template)

    def _item(self, at: int, *, owner: str, template: bool) -> int:
        text = self._text(at)
        if text == ";":
            return at + 1
        if text == "template":
            at = self._template(at)
            return self._item(at, owner=owner, template=True)
        if text in ("public", "private", "protected") and self._text(at + 1) == ":":
            return at + 2
        if text in ("class", "struct"):
            return self._class(at, owner=owner, template=template)
        if text == "enum":
            return self._enum(at, owner=owner, template=template)
        if text == "typedef":
            return self._until(at, ";") + 1
        if text in ("input", "sinput") and self._text(at + 1) == "group":
            return self._input_group(at)
        return self._declaration(at, owner=owner, template=template)

    def _until(self, at: int, stop: str) -> int:
        while at < len(self.tokens):
            if self._text(at) == stop and self._is_op(at):
                return at
            at = self._close(at) + 1 if at in self._closes else at + 1
        raise self._lost(at, f"`{stop}` is missing")

    def _template(self, at: int) -> int:
        end = self._angle_close(at + 1)
        for place in range(at + 2, end):
            if self._text(place) == "=":
                self._wrong(place, "a template parameter can't have a default")
            if self._is_word(place) and self._text(place - 1) in ("<", ",") and self._text(place) != "typename":
                self._wrong(place, f"a template parameter is `typename T`, and this is `{self._text(place)}`")
        return end + 1

    def _input_group(self, at: int) -> int:
        end = at + 2
        while self._text(end).startswith('"'):
            end += 1
        if end == at + 2:
            self._wrong(at, "input group needs a name in quotes")
        end += self._text(end) == ";"
        self.model.input_groups.append((at, end))
        return end

    def _class(self, at: int, *, owner: str, template: bool) -> int:
        word, name_at = self._text(at), at + 1
        made = Class(self._text(name_at), word, name_at, "", template, bool(owner))
        at = name_at + 1
        if self._text(at) == "pack" or self._text(name_at) == "pack":
            raise self._lost(at, "packed structs are not supported by this host")
        if self._text(at) == "final":
            at += 1
        if self._text(at) == ":":
            at += 1
            if self._text(at) in ("public", "private", "protected"):
                at += 1
            made.base = self._text(at)
            at += 1
            if self._text(at) == "<":
                at = self._angle_close(at) + 1
            if self._text(at) == ",":
                raise self._lost(at, f"{made.name} has several bases, and MQL5 allows one")
        self.model.classes.append(made)
        if self._text(at) == ";":
            return at + 1
        if self._text(at) != "{":
            raise self._lost(at, f"`{{` is missing behind {word} {made.name}")
        made.open, made.close = at, self._close(at)
        self._scope(at + 1, made.close, owner=made.name, template=template)
        made.has_destructor = any(each.name == f"~{made.name}" for each in self.model.functions)
        if self._text(made.close + 1) != ";":
            raise self._lost(made.close, f"`;` is missing behind {word} {made.name}")
        return made.close + 2

    def _enum(self, at: int, *, owner: str, template: bool) -> int:
        name_at = at + 1
        if self._text(name_at) == "{":
            raise self._lost(at, "an enum needs a name")
        open_ = name_at + 1
        if self._text(open_) != "{":
            raise self._lost(at, f"`{{` is missing behind enum {self._text(name_at)}")
        close = self._close(open_)
        items = [
            self._text(place)
            for place in range(open_ + 1, close)
            if self._is_word(place) and self._text(place - 1) in ("{", ",")
        ]
        if self._text(close + 1) != ";":
            raise self._lost(close, f"`;` is missing behind enum {self._text(name_at)}")
        self.model.enums.append(Enum(self._text(name_at), at, name_at, items, close + 1, bool(owner), template))
        return close + 2

    # --- declarations ---

    def _type(self, at: int) -> int:
        # The place behind a type's name.
        if not self._is_word(at) or (self._text(at) in CONTROL):
            raise self._lost(at, f"a declaration is expected, and this is `{self._text(at)}`")
        at += 1
        if self._text(at) == "<":
            at = self._angle_close(at) + 1
        while self._text(at) == "::" and self._is_word(at + 1) and self._text(at + 1) in self.model.types:
            if not (self._is_word(at + 2) or self._text(at + 2) in ("*", "&")):
                break
            at += 2
        return at

    def _declaration(self, at: int, *, owner: str, template: bool) -> int:
        start = at
        specifiers: list[str] = []
        while self._text(at) in SPECIFIERS:
            specifiers.append(self._text(at))
            at += 1
        name_at = self._special(at, owner)
        if name_at is not None:
            return self._function(start, name_at, returns="", owner=owner, template=template)
        type_at = at
        at = type_end = self._type(at)
        pointer = self._text(at) == "*"
        at += pointer
        if self._text(at) == "&":
            if self._is_word(at + 1) and self._text(at + 2) in ("(", "::"):
                raise self._lost(at, "a function can't return a reference")
            raise self._lost(at, f"`{self._text(at + 1)}` is a reference: only parameters may be")
        if self._is_function(at):
            returns = "".join(self._text(place) for place in range(type_at, type_end)) + ("*" if pointer else "")
            return self._function(start, at, returns=returns, owner=owner, template=template)
        scope = "class" if owner else "global"
        return self._variables(scope, template, start, type_at, type_end, specifiers) + 1

    def _special(self, at: int, owner: str) -> int | None:
        # The name of a constructor or destructor, with its class before it where it stands outside.
        if self._text(at) == "~" and self._text(at + 1) == owner:
            return at
        if owner and self._text(at) == owner and self._text(at + 1) == "(":
            return at
        if self._is_word(at) and self._text(at + 1) == "::":
            behind = at + 2
            if self._text(behind) == "~" or (self._text(behind) == self._text(at) and self._text(behind + 1) == "("):
                return at
        return None

    def _is_function(self, at: int) -> bool:
        # Whether the declared name at `at` is a function's.
        if self._text(at) == "operator":
            return True
        place = at
        while self._is_word(place) and self._text(place + 1) == "::":
            place += 2
        if self._text(place) == "operator":
            return True
        if self._text(place + 1) != "(":
            return False
        first = place + 2
        begins = self._text(first)
        return begins in (")", "const") or begins in self.model.types

    def _function(self, start: int, at: int, *, returns: str, owner: str, template: bool) -> int:
        in_class = bool(owner)
        while self._is_word(at) and self._text(at + 1) == "::":
            owner = self._text(at)
            at += 2
        name_at = at
        name = self._text(at)
        if name == "~":
            name += self._text(at + 1)
            at += 1
        at += 1
        if name == "operator":
            if self._text(at) in ("(", "["):
                name += self._text(at) + self._text(at + 1)
                at += 2
            while self._text(at) != "(":
                name += self._text(at)
                at += 1
        if self._text(at) != "(":
            raise self._lost(at, f"`(` is missing behind {name}")
        close = self._close(at)
        made = Function(
            name, owner, in_class, template, start, name_at, at, close, self._parameters(at, close), returns=returns
        )
        self.model.functions.append(made)
        at = close + 1
        while self._text(at) in ("const", "override", "final"):
            at += 1
        if self._text(at) == "=":
            if self._text(at + 1) not in ("0", "NULL"):
                raise self._lost(at, f"a method can be =0, and not ={self._text(at + 1)}")
            at += 2
        if self._text(at) == ";":
            return at + 1
        if self._text(at) == ":":
            at = self._until(at, "{")
        if self._text(at) != "{":
            raise self._lost(at, f"a body or `;` is missing behind {name}(...)")
        made.body = (at, self._close(at))
        self._block(at + 1, made.body[1], template=template)
        return made.body[1] + 1

    def _parameters(self, open_: int, close: int) -> list[Parameter]:
        found: list[Parameter] = []
        at = open_ + 1
        if self._text(at) == "void" and at + 1 == close:
            return found
        while at < close:
            end = self._parameter_end(at, close)
            found.append(self._parameter(at, end))
            at = end + 1
        return found

    def _parameter_end(self, at: int, close: int) -> int:
        while at < close and self._text(at) != ",":
            at = self._close(at) + 1 if at in self._closes else at + 1
        return at

    def _parameter(self, start: int, end: int) -> Parameter:
        at = start
        if self._text(at) == "...":
            raise self._lost(at, "a function can't have a variable number of parameters")
        constant = self._text(at) == "const"
        at += constant
        type_at, type_end = at, self._type(at)
        at = type_end
        pointer = self._text(at) == "*"
        at += pointer
        reference = self._text(at) == "&"
        at += reference
        name, name_at = "", at
        if self._is_word(at) and at < end:
            name = self._text(at)
            at += 1
        dims, at = self._dims(at)
        default_at = at if self._text(at) == "=" and at < end else None
        if default_at is None and at != end:
            raise self._lost(at, f"a parameter is expected, and this is `{self._text(at)}`")
        return Parameter(start, end, constant, type_at, type_end, pointer, reference, name, name_at, dims, default_at)

    def _dims(self, at: int) -> tuple[list[tuple[int, int]], int]:
        dims: list[tuple[int, int]] = []
        while self._text(at) == "[":
            dims.append((at, self._close(at)))
            at = self._close(at) + 1
        return dims, at

    def _variables(
        self, scope: str, template: bool, start: int, type_at: int, type_end: int, specifiers: list[str]
    ) -> int:
        # The declarators up to the semicolon, whose place is returned.
        made = Declaration(scope, template, start, type_at, type_end, specifiers, [])
        at = type_end
        while True:
            pointer = self._text(at) == "*"
            at += pointer
            if not self._is_word(at):
                raise self._lost(at, f"a name is expected, and this is `{self._text(at)}`")
            name_at = at
            if self._text(at) in RESERVED:
                raise self._lost(at, f"`{self._text(at)}` is a reserved word and can't be a name")
            while self._text(at + 1) == "::":
                at += 2
            dims, at = self._dims(at + 1)
            value = None
            if self._text(at) == "=":
                begin = at + 1
                at = self._value_end(begin)
                value = (begin, at)
            elif self._text(at) == "(":
                at = self._close(at) + 1
            elif self._text(at) == "{":
                raise self._lost(at, f"`{self._text(name_at)}` is initialised by braces alone: write `=`")
            if self._text(at) not in (",", ";"):
                raise self._lost(at, f"`;` is missing behind the declaration of {self._text(name_at)}")
            made.declarators.append(Declarator(self._text(name_at), name_at, pointer, dims, value, at))
            if self._text(at) == ";":
                break
            at += 1
        self.model.declarations.append(made)
        return at

    def _value_end(self, at: int) -> int:
        while self._text(at) not in (",", ";"):
            if at >= len(self.tokens):
                raise self._lost(at, "`;` is missing")
            at = self._close(at) + 1 if at in self._closes else at + 1
        return at

    # --- statements ---

    def _block(self, at: int, end: int, *, template: bool) -> None:
        # Declarations in a function's body; the rest is passed over.
        while at < end:
            at = self._statement(at, template=template)

    def _statement(self, at: int, *, template: bool) -> int:
        before = self._text(at - 1)
        begins = before in AFTER_WHICH_A_STATEMENT_BEGINS
        in_for = before == "(" and self._text(at - 2) == "for"
        if self._text(at) in ("class", "struct", "enum", "template") and begins:
            raise self._lost(at, f"a {self._text(at)} can't be declared within a function")
        if not begins and not in_for:
            return at + 1
        start = at
        specifiers: list[str] = []
        while self._text(at) in ("static", "const"):
            specifiers.append(self._text(at))
            at += 1
        if not self._is_type(at):
            return start + 1
        type_at, at = at, self._type(at)
        if self._text(at) == "&" and self._is_word(at + 1) and self._text(at + 2) in ("=", ";", ":"):
            raise self._lost(at, f"`{self._text(at + 1)}` is a reference: only parameters may be")
        name = at + (self._text(at) == "*")
        if self._text(name) == "{":
            return start + 1
        if not self._is_word(name) or (before == ":" and self._text(name + 1) not in ("=", ";", "[", ",", "(")):
            return start + 1
        if in_for and self._text(name + 1) == ":":
            raise self._lost(name, "a `for` over the items of an array is not MQL5")
        scope = "for" if in_for else "block"
        return self._variables(scope, template, start, type_at, at, specifiers)

    def _is_type(self, at: int) -> bool:
        return self._is_word(at) and self._text(at) in self.model.types and self._text(at) != "void"
