"""What a program declares. Places are positions in its list of tokens."""

from __future__ import annotations

import attrs


@attrs.define
class Parameter:
    """`const T *&name[dims]=default` of a function."""

    start: int
    end: int
    constant: bool
    type_at: int
    type_end: int
    pointer: bool
    reference: bool
    name: str
    name_at: int
    dims: list[tuple[int, int]]
    default_at: int | None


@attrs.define
class Function:
    """A function with its body, or its prototype where `body` is None. `owner`: the class it belongs to."""

    name: str
    owner: str
    in_class: bool
    template: bool
    start: int
    name_at: int
    open: int
    close: int
    parameters: list[Parameter]
    body: tuple[int, int] | None = None
    returns: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.owner}::{self.name}" if self.owner else self.name

    @property
    def free(self) -> bool:
        return not self.owner and not self.in_class


@attrs.define
class Declarator:
    """One name of a declaration. `value`: where its initialiser stands, without the =."""

    name: str
    name_at: int
    pointer: bool
    dims: list[tuple[int, int]]
    value: tuple[int, int] | None
    separator: int


@attrs.define
class Declaration:
    """Variables of one type. `scope` is global, class, block or for."""

    scope: str
    template: bool
    start: int
    type_at: int
    type_end: int
    specifiers: list[str]
    declarators: list[Declarator]

    @property
    def is_input(self) -> bool:
        return bool({"input", "sinput"} & set(self.specifiers))


@attrs.define
class Enum:
    """An enumeration; `end` is its semicolon."""

    name: str
    word_at: int
    name_at: int
    items: list[str]
    end: int
    in_class: bool
    template: bool


@attrs.define
class Class:
    """A class or a struct. `open` and `close` are None for what is only announced."""

    name: str
    word: str
    name_at: int
    base: str
    template: bool
    nested: bool
    open: int | None = None
    close: int | None = None
    has_destructor: bool = False


@attrs.define
class Model:
    """All of it."""

    types: set[str] = attrs.Factory(set)
    functions: list[Function] = attrs.Factory(list)
    declarations: list[Declaration] = attrs.Factory(list)
    enums: list[Enum] = attrs.Factory(list)
    classes: list[Class] = attrs.Factory(list)
    input_groups: list[tuple[int, int]] = attrs.Factory(list)

    def pointer_names(self) -> set[str]:
        """Names that stand for a pointer somewhere: variables, members, parameters, functions."""
        names = {one.name for each in self.declarations for one in each.declarators if one.pointer}
        names |= {one.name for each in self.functions for one in each.parameters if one.pointer}
        return names | {each.name for each in self.functions if each.returns.endswith("*")} | {"GetPointer"}

    def objects(self) -> set[str]:
        """Names of classes and structs of the program."""
        return {each.name for each in self.classes}
