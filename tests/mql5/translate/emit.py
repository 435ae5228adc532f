"""A program as C++. Each token is written as it is, or as an edit says; #line leads errors back to the sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from . import literals
from .lexer import Token
from .model import Class, Declaration, Declarator, Enum, Function, Model, Parameter
from .problems import Problem
from .words import HANDLERS

MOST_EMPTY_LINES = 8


def line_mark(token: Token) -> str:
    """From here on, errors are of this place."""
    name = str(token.file).replace("\\", "\\\\").replace('"', '\\"')
    return f'\n#line {token.line} "{name}"\n'


class Edits:
    """What is written instead of tokens, before them and behind them."""

    def __init__(self) -> None:
        self.instead: dict[int, str] = {}
        self.before: dict[int, str] = defaultdict(str)
        self.behind: dict[int, str] = defaultdict(str)

    def drop(self, start: int, end: int) -> None:
        for at in range(start, end):
            self.instead[at] = ""


class Emitter:
    """One program. `run` gives the C++ of it, without what stands around it."""

    def __init__(self, tokens: list[Token], model: Model) -> None:
        self.problems: list[Problem] = []
        self._tokens = tokens
        self._model = model
        self._edits = Edits()
        self._pointers = model.pointer_names()
        self._bases = {each.base for each in model.classes if each.base}
        self._functions = {each.name for each in model.functions if each.free}
        self._opens: dict[int, int] = {}

    def run(self) -> str:
        self._note_brackets()
        for start, end in self._model.input_groups:
            self._edits.drop(start, end)
        for one in self._model.classes:
            self._class(one)
        for one in self._model.enums:
            self._enum(one)
        for one in self._model.functions:
            self._function(one)
        for one in self._model.declarations:
            self._declaration(one)
        self._functions_with_defaults()
        self._expressions()
        return self._announcements() + self._written()

    def handlers(self) -> list[str]:
        """Handlers that the program has a body for."""
        return sorted(
            {each.name for each in self._model.functions if each.free and each.body and each.name in HANDLERS}
        )

    # --- tokens ---

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    def _is(self, at: int, kind: str) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].kind == kind

    def _note_brackets(self) -> None:
        stack: list[int] = []
        for at, token in enumerate(self._tokens):
            if token.kind == "op" and token.text in "([{":
                stack.append(at)
            elif token.kind == "op" and token.text in ")]}" and stack:
                self._opens[at] = stack.pop()

    def _plain(self, start: int, end: int) -> str:
        # Tokens on one line, with their own edits.
        return " ".join(text for at in range(start, end) if (text := self._edits.instead.get(at, self._token(at))))

    def _token(self, at: int) -> str:
        token = self._tokens[at]
        writers: dict[str, Callable[[str], str]] = {
            "date": literals.date,
            "color": literals.color,
            "char": literals.char,
            "number": literals.number,
        }
        try:
            if token.kind in writers:
                return writers[token.kind](token.text)
            if token.kind == "string":
                return self._string(at)
        except literals.NoLiteral as wrong:
            self.problems.append(Problem(token.file, token.line, str(wrong)))
            return token.text
        if token.kind == "word" and token.text == "NULL":
            return "::mql::null"
        return token.text

    def _string(self, at: int) -> str:
        # The first of several side by side stands for all.
        if self._is(at - 1, "string"):
            return ""
        end = at + 1
        while self._is(end, "string"):
            end += 1
        return literals.string([self._text(place) for place in range(at, end)])

    # --- declarations ---

    def _class(self, one: Class) -> None:
        # Destructors are virtual in MQL5, said or not.
        if one.open is not None and one.name in self._bases and not one.has_destructor and one.word == "class":
            self._edits.behind[one.open] += f" public: virtual ~{one.name}() {{}} private:"

    def _enum(self, one: Enum) -> None:
        self._edits.behind[one.name_at] += " : int"
        items = ", ".join(f'{{long({name}), "{name}"}}' for name in one.items)
        friend = "friend " if one.in_class else ""
        self._edits.behind[one.end] += (
            f" {friend}inline ::mql::enum_names enum_names_of({one.name})"
            f" {{ static const ::mql::enum_name all[] = {{{items}}};"
            f' return {{"{one.name}", all, {len(one.items)}}}; }}'
        )

    def _function(self, one: Function) -> None:
        for each in one.parameters:
            self._parameter(each)
        if one.in_class and one.name.startswith("~") and self._text(one.start) != "virtual":
            self._edits.before[one.start] += "virtual "
        if one.body:
            for at in range(*one.body):
                if self._text(at) in ("__FUNCTION__", "__FUNCSIG__") and self._is(at, "word"):
                    self._edits.instead[at] = literals.string([f'"{one.full_name}"'])

    def _parameter(self, one: Parameter) -> None:
        if not one.dims:
            return
        kind = "cview" if one.constant else "view"
        item = self._plain(one.type_at, one.type_end) + ("*" if one.pointer else "")
        for open_, close in reversed(one.dims[1:]):
            item = f"::mql::fixed<{item}, {self._plain(open_ + 1, close)}>"
        self._edits.drop(one.start, one.dims[-1][1] + 1)
        self._edits.instead[one.start] = f"::mql::{kind}<{item}> {one.name}"

    def _declaration(self, one: Declaration) -> None:
        if one.is_input:
            self._input(one)
        elif any(each.dims for each in one.declarators):
            self._arrays(one)

    def _input(self, one: Declaration) -> None:
        kind = self._plain(one.type_at, one.type_end)
        self._edits.drop(one.start, one.type_end)
        self._edits.instead[one.start] = f"static const {kind}"
        for each in one.declarators:
            if each.value is None:
                self._edits.behind[each.name_at] += f' = ::mql::input<{kind}>("{each.name}", {kind}())'
            else:
                self._edits.before[each.value[0]] += f'::mql::input<{kind}>("{each.name}", {kind}('
                self._edits.behind[each.value[1] - 1] += "))"

    def _arrays(self, one: Declaration) -> None:
        # Each name gets a declaration of its own: in C++ the brackets belong to the type.
        specifiers = "".join(word + " " for word in one.specifiers)
        kind = self._plain(one.type_at, one.type_end)
        self._edits.drop(one.start, one.type_end)
        for each in one.declarators:
            if each.pointer:
                self._edits.instead[each.name_at - 1] = ""
            item = self._array_type(kind + ("*" if each.pointer else ""), each)
            self._edits.before[each.name_at] += f"{specifiers}{item} "
            for open_, close in each.dims:
                self._edits.drop(open_, close + 1)
            if self._text(each.separator) == ",":
                self._edits.instead[each.separator] = ";"
            if each.dims and each.value:
                self._braces(each.value, len(each.dims))

    def _array_type(self, item: str, one: Declarator) -> str:
        for open_, close in reversed(one.dims):
            if close > open_ + 1:
                item = f"::mql::fixed<{item}, {self._plain(open_ + 1, close)}>"
            elif one.value and self._text(one.value[0]) == "{":
                # Its items say how many there are; such an array is no dynamic one.
                item = f"::mql::fixed<{item}, {self._count(one.value[0])}>"
            else:
                item = f"::mql::array<{item}>"
        return item

    def _count(self, open_: int) -> int:
        # Items between braces.
        depth, count, filled = 0, 0, False
        for at in range(open_, len(self._tokens)):
            text = self._text(at) if self._is(at, "op") else ""
            depth += text in ("(", "[", "{")
            depth -= text in (")", "]", "}")
            if depth == 0:
                return count + filled
            if depth == 1 and text == ",":
                count, filled = count + 1, False
            elif at > open_:
                filled = True
        return count

    def _braces(self, value: tuple[int, int], dims: int) -> None:
        # An array within a struct needs a brace for each of both.
        depth = 0
        for at in range(*value):
            if self._text(at) == "{" and self._is(at, "op"):
                depth += 1
                if depth <= dims:
                    self._edits.before[at] += "{"
            elif self._text(at) == "}" and self._is(at, "op"):
                if depth <= dims:
                    self._edits.behind[at] += "}"
                depth -= 1

    # --- announcements: in MQL5 a function may be used before it is defined ---

    def _prototype(self, one: Function, *, defaults: bool) -> str:
        pieces = []
        for each in one.parameters:
            end = each.end if defaults or each.default_at is None else each.default_at
            pieces.append(self._plain(each.start, end))
        head = self._plain(one.start, one.open)
        return f"{head}({', '.join(pieces)});"

    def _announced(self) -> list[Function]:
        return [each for each in self._model.functions if each.free and each.body and not each.template]

    def _announcements(self) -> str:
        classes = {each.name: each.word for each in self._model.classes if not each.template and not each.nested}
        lines = [f"{word} {name};" for name, word in classes.items()]
        lines += [f"enum {each.name} : int;" for each in self._model.enums if not each.in_class]
        for each in self._announced():
            lines.append(line_mark(self._tokens[each.start]).strip() + "\n" + self._prototype(each, defaults=False))
        return "\n".join(lines) + "\n"

    def _functions_with_defaults(self) -> None:
        # Defaults are said once: before the first function or class of the file, if what they need is known there.
        firsts: dict[object, int] = {}
        for start in sorted([each.start for each in self._model.functions if each.free] + self._class_starts()):
            firsts.setdefault(self._tokens[start].file, start)
        known_at = {name: each.end for each in self._model.enums for name in each.items}
        known_at |= {
            one.name: one.name_at
            for each in self._model.declarations
            for one in each.declarators
            if each.scope == "global"
        }
        for one in self._announced():
            defaults = [each for each in one.parameters if each.default_at is not None]
            first = firsts.get(self._tokens[one.start].file, one.start)
            needed = [self._text(at) for each in defaults for at in range(each.default_at or 0, each.end)]
            if not defaults or first == one.start or any(known_at.get(name, -1) > first for name in needed):
                continue
            self._edits.before[first] += self._prototype(one, defaults=True) + " "
            for each in defaults:
                self._edits.drop(each.default_at or 0, each.end)

    def _class_starts(self) -> list[int]:
        return [
            each.name_at - 1
            for each in self._model.classes
            if each.open is not None and not each.nested and not each.template
        ]

    # --- expressions ---

    def _expressions(self) -> None:
        for at, token in enumerate(self._tokens):
            if token.kind == "op" and token.text == ".":
                self._dot(at)
            elif token.kind == "op" and token.text == "::":
                self._global(at)
            elif token.kind == "word" and token.text == "new":
                self._new(at)
            elif token.kind == "word" and token.text == "delete":
                self._delete(at)

    def _dot(self, at: int) -> None:
        # Before what may be a pointer stands a call that gives its object.
        if self._text(at - 1) == "this" and self._is(at - 1, "word"):
            self._edits.instead[at] = "->"
            return
        start, name = self._operand(at - 1)
        if name in self._pointers or not name:
            self._edits.before[start] = "::mql::at(" + self._edits.before[start]
            self._edits.behind[at - 1] += ")"

    def _operand(self, at: int) -> tuple[int, str]:
        # Where the expression that ends at `at` begins, and the name that it ends with; none: it is in brackets.
        name = None
        while True:
            while at in self._opens and self._text(at) in (")", "]"):
                at = self._opens[at] - 1
            if not self._is(at, "word") or self._text(at) in ("return", "case", "else", "delete"):
                return at + 1, name or ""
            name = self._text(at) if name is None else name
            if self._text(at - 1) == "::":
                at -= 2 if self._is(at - 2, "word") else 1
            if self._text(at - 1) != ".":
                return at, name
            at -= 2

    def _global(self, at: int) -> None:
        # ::Name, where no class stands before it.
        if not self._is(at + 1, "word") or (self._is(at - 1, "word") and self._text(at - 1) != "return"):
            return
        if self._text(at - 1) != ">":
            self._edits.instead[at] = "::prog::" if self._text(at + 1) in self._functions else "::mql::"

    def _new(self, at: int) -> None:
        end = at + 1
        if self._text(end + 1) == "<":
            while self._text(end) != ">":
                end += 1
        if self._text(end + 1) == "(":
            end = next((close for close, open_ in self._opens.items() if open_ == end + 1), end)
        self._edits.before[at] += "::mql::made("
        self._edits.behind[end] += ")"

    def _delete(self, at: int) -> None:
        end = at
        while end < len(self._tokens) and self._text(end) != ";":
            end += 1
        self._edits.instead[at] = "::mql::unmade("
        self._edits.behind[end - 1] += ")"

    # --- text ---

    def _written(self) -> str:
        pieces: list[str] = []
        file, line = None, 0
        for at, token in enumerate(self._tokens):
            if token.file != file or not 0 <= token.line - line <= MOST_EMPTY_LINES:
                pieces.append(line_mark(token))
            elif token.line > line:
                pieces.append("\n" * (token.line - line))
            else:
                pieces.append(" ")
            file, line = token.file, token.line
            pieces += (
                self._edits.before.get(at, ""),
                self._edits.instead.get(at, self._token(at)),
                self._edits.behind.get(at, ""),
            )
        return "".join(pieces)
