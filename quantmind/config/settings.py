"""The declarative table of keys: each attrs field of the model is one line of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

import attrs

from quantmind.config.kinds import Leaf

_KEY: Final = "quantmind.setting"


@attrs.frozen
class Maybe:
    """A kind of single value or a mapping with known keys, or nothing (null)."""

    kind: "Leaf | Section"


@attrs.frozen
class ListOf:
    """A list of values of one kind; `items` names them in a message."""

    kind: "Kind"
    items: str


@attrs.frozen
class MapOf:
    """Names, each of a form, to values of one kind.

    Attributes:
        name: What a name must be.
        kind: What each value must be.
        names: The names in words, for messages and the documentation's `<name>`.
        least: How many there must be.
        brokers: Each value is a broker, which is told its name and checked more mildly while disabled.
    """

    name: Leaf
    kind: "Kind"
    names: str
    least: int = 0
    brokers: bool = False


@attrs.frozen
class Section:
    """A mapping with known keys, which becomes an object of `builds`."""

    builds: type


@attrs.frozen
class OneOf:
    """A mapping whose key `type` says which class it becomes."""

    classes: Mapping[str, type]


@attrs.frozen
class Anything:
    """A value that is not looked into."""


Kind: TypeAlias = Maybe | ListOf | MapOf | Section | OneOf | Anything | Leaf


@attrs.frozen
class Setting:
    """One key of the configuration.

    Attributes:
        name: The key, which is also the attribute's name in the model.
        kind: What it may be.
        about: Its meaning, for users.
        default: Its default, or `attrs.NOTHING` when it must be written.
        default_text: How the documentation shows the default when the value itself would mislead.
    """

    name: str
    kind: Kind
    about: str
    default: Any
    default_text: str | None = None

    @property
    def required(self) -> bool:
        """Whether the key must be written."""
        return self.default is attrs.NOTHING

    def default_value(self) -> Any:
        """Return the default, made anew when it is made by a function."""
        return self.default.factory() if isinstance(self.default, attrs.Factory) else self.default  # type: ignore[arg-type]


def setting(
    kind: Kind, about: str, *, default: Any = attrs.NOTHING, default_text: str | None = None, converter: Any = None
) -> Any:
    """Return an attrs field that is also a line of the table of keys."""
    if isinstance(default, type):
        default = attrs.Factory(default)
    line = Setting("", kind, about, default, default_text)
    return attrs.field(default=default, converter=converter, metadata={_KEY: line})


@cache
def settings_of(model: type) -> Mapping[str, Setting]:
    """Return the keys that a class of the model has, in order."""
    fields = [field for field in attrs.fields(model) if _KEY in field.metadata]
    # A subclass that narrows `type` has it last among its fields; a reader wants it first.
    fields.sort(key=lambda field: field.name != "type")
    return {field.name: attrs.evolve(field.metadata[_KEY], name=field.name) for field in fields}


def walk(model: type, path: str = "") -> Iterator[tuple[str, type, Setting]]:
    """Give every key of a model and below it once, with its dotted path (`*` for any name) and its class."""
    yield from _walk(model, path, set())


def _walk(model: type, path: str, seen: set[type]) -> Iterator[tuple[str, type, Setting]]:
    if model in seen:
        return
    seen.add(model)
    for each in settings_of(model).values():
        here = f"{path}.{each.name}" if path else each.name
        yield here, model, each
        for below, inner in models_of(each.kind, here):
            yield from _walk(inner, below, seen)


def models_of(kind: Kind, path: str) -> Iterator[tuple[str, type]]:
    """Give the classes that a value of a kind at `path` may become, each with its path."""
    match kind:
        case ListOf(inner) | Maybe(inner):
            yield from models_of(inner, path)
        case MapOf(kind=inner):
            yield from models_of(inner, f"{path}.*")
        case OneOf(classes):
            yield from ((path, model) for model in dict.fromkeys(classes.values()))
        case Section(model):
            yield path, model
