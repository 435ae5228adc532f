"""A tree of text to the objects of the model, with every fault on the way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.config.faults import Fault
from quantmind.config.interpolate import Malformed, Unset, expand
from quantmind.config.kinds import Choice, Flag, Leaf, Location, Refused, SecretText, Text
from quantmind.config.pending import refusal
from quantmind.config.settings import Anything, Kind, ListOf, MapOf, Maybe, OneOf, Section, Setting, settings_of
from quantmind.config.show import show_node, show_path
from quantmind.config.suggest import suggestion
from quantmind.config.tree import ListNode, MapNode, Node, Scalar

FAULTY: Final = object()
"""Stands for a value with a fault, which has been reported."""

# Finding the nearest name is the dearest step; a file with more misspelt keys than this has another problem.
_SUGGESTIONS: Final = 100


@attrs.frozen
class Mark:
    """A key that is written in the file and readable; `shown` is its value for a message."""

    line: int
    value: Any
    shown: str


@attrs.define
class Checker:
    """Reads a tree by the table of keys; `faults` and `marks` grow as it goes.

    Attributes:
        file: The file's name for faults.
        folder: What relative paths count from.
        environ: The environment.
        faults: What was wrong so far.
        secrets: Variables that a secret key refers to; no message shows their values, wherever they stand.
        marks: The values that were written, by their path.
        lines: Where each mapping's key stands, by its path.
    """

    file: str
    folder: Path
    environ: Mapping[str, str]
    faults: list[Fault] = attrs.field(factory=list)
    secrets: frozenset[str] = frozenset()
    marks: dict[tuple[str, ...], Mark] = attrs.field(factory=dict)
    lines: dict[tuple[str, ...], int] = attrs.field(factory=dict)
    _broker: str | None = None
    _active: bool = True
    _unknown: int = 0

    def fault(self, line: int, path: tuple[str, ...], message: str) -> None:
        """Report one thing to change."""
        self.faults.append(Fault(self.file, line, show_path(path), message))

    def section(self, model: type, node: Node, path: tuple[str, ...], given: Mapping[str, Any]) -> Any:
        """Return an object of `model`; a key with a fault has its default there, so that later checks can go on."""
        entries = self._entries(node, path)
        if entries is None:
            return FAULTY
        settings = settings_of(model)
        for name, (key, _) in entries.items():
            if name not in settings:
                self._unknown_key(key, settings, (*path, name))
        values: dict[str, Any] = {}
        complete = True
        for name, setting in settings.items():
            if name in entries:
                value = self._setting(setting, *entries[name], (*path, name))
                if value is not FAULTY:
                    values[name] = value
            elif setting.required:
                self.fault(node.line, path, f'the key "{name}" is missing; it must be {_says(setting.kind)}')
            complete &= name in values or not setting.required
        return model(**values, **given) if complete else FAULTY

    def _unknown_key(self, key: Scalar, settings: Mapping[str, Setting], path: tuple[str, ...]) -> None:
        self._unknown += 1
        if key.text == "<<":
            self.fault(key.line, path, 'merge keys ("<<") are not supported; write the keys out')
        elif self._unknown > _SUGGESTIONS:
            self.fault(key.line, path, "unknown key")
        elif (home := _home(key.text, settings)) is not None:
            self.fault(key.line, path, f'unknown key; it belongs into "{home}"')
        else:
            self.fault(key.line, path, f"unknown key; {suggestion(key.text, settings, 'keys here')}")

    def _setting(self, setting: Setting, key: Scalar, node: Node, path: tuple[str, ...]) -> Any:
        self.lines[path] = key.line
        value = self.read(setting.kind, node, path)
        if value is not FAULTY:
            shown = self._show(node, setting.kind)
            self.marks[path] = Mark(key.line, value, shown)
            if self._active:
                message = refusal(path, shown, value, None if setting.required else setting.default_value())
                if message is not None:
                    self.fault(key.line, path, message)
        return value

    def _show(self, node: Node, kind: Kind) -> str:
        expanded = expand(node, self.environ, self.secrets) if isinstance(node, Scalar) else node
        return show_node(node if isinstance(expanded, Unset) else expanded, secret=is_secret(kind))

    def read(self, kind: Kind, node: Node, path: tuple[str, ...]) -> Any:
        """Return the value of a node, or FAULTY when it has none and that has been reported."""
        match kind:
            case Anything():
                found = self._expanded(node, path, Text()) if isinstance(node, Scalar) else node
                return _plain(found) if isinstance(found, Scalar | ListNode | MapNode) else found
            case Section(builds):
                return self.section(builds, node, path, {})
            case OneOf(classes):
                return self._one_of(classes, node, path)
            case MapOf():
                return self._map(kind, node, path)
            case ListOf(inner, items):
                if not isinstance(node, ListNode):
                    self.fault(node.line, path, f"must be a list of {items}, was {show_node(node)}; write [a, b] or []")
                    return FAULTY
                values = [self.read(inner, item, (*path, str(place))) for place, item in enumerate(node.items, 1)]
                return FAULTY if any(value is FAULTY for value in values) else tuple(values)
            case Maybe(inner):
                if isinstance(node, Scalar) and node.is_null:
                    return None
                if isinstance(inner, Section):
                    return self.read(inner, node, path)
                return self._leaf(inner, node, path, nullable=True)
            case _:
                return self._leaf(kind, node, path, nullable=False)

    def _map(self, kind: MapOf, node: Node, path: tuple[str, ...]) -> Any:
        entries = self._entries(node, path)
        if entries is None:
            return FAULTY
        values: dict[str, Any] = {}
        for name, (key, value) in entries.items():
            inner = (*path, name)
            self.lines[inner] = key.line
            try:
                kind.name.parse(attrs.evolve(key, plain=False))
            except Refused:
                self.fault(key.line, inner, f"the name of a {kind.names} must be {kind.name.says}")
                continue
            with self._inside_broker(name, value) if kind.brokers else _nothing():
                read = self.read(kind.kind, value, inner)
            if read is not FAULTY:
                values[name] = read
        if len(entries) < kind.least:
            self.fault(node.line, path, f"name at least {kind.least} {kind.names}, or remove the key")
            return FAULTY
        return values

    def _one_of(self, classes: Mapping[str, type], node: Node, path: tuple[str, ...]) -> Any:
        entries = self._entries(node, path, quiet=True)
        if entries is None:
            self._entries(node, path)
            return FAULTY
        if "type" not in entries:
            self._entries(node, path)
            self.fault(node.line, path, f'the key "type" is missing; it must be {Choice(tuple(classes)).says}')
            return FAULTY
        _, value = entries["type"]
        chosen = self._leaf(Choice(tuple(classes)), value, (*path, "type"), nullable=False)
        if chosen is FAULTY:
            self._entries(node, path)
            return FAULTY
        given = {"name": self._broker} if len(path) == 2 and path[0] == "brokers" else {}
        return self.section(classes[chosen], node, path, given)

    @contextmanager
    def _inside_broker(self, name: str, node: Node) -> Iterator[None]:
        entries = self._entries(node, (), quiet=True) or {}
        enabled = True
        if "enabled" in entries:
            _, value = entries["enabled"]
            try:
                expanded = expand(value, self.environ) if isinstance(value, Scalar) else None
                enabled = Flag().parse(expanded) if isinstance(expanded, Scalar) else False
            except (Malformed, Refused):
                enabled = False  # the fault is reported when the key is read
        self._broker, self._active = name, enabled
        try:
            yield
        finally:
            self._broker, self._active = None, True

    def _entries(
        self, node: Node, path: tuple[str, ...], *, quiet: bool = False
    ) -> dict[str, tuple[Scalar, Node]] | None:
        if isinstance(node, Scalar) and node.is_null:
            return {}
        if not isinstance(node, MapNode):
            if not quiet:
                self.fault(node.line, path, f'must be a mapping ("key: value"), was {show_node(node)}')
            return None
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in node.pairs:
            first = entries.setdefault(key.text, (key, value))[0]
            if first is not key and not quiet:
                message = f"written twice, on lines {first.line} and {key.line}; keep one"
                self.fault(key.line, (*path, key.text), message)
        return entries

    def _leaf(self, kind: Leaf, node: Node, path: tuple[str, ...], *, nullable: bool) -> Any:
        secret = isinstance(kind, SecretText)
        says = f"{kind.says}{' or null' if nullable else ''}"
        if not isinstance(node, Scalar):
            self.fault(node.line, path, f"must be {says}, was {show_node(node)}")
            return FAULTY
        scalar = self._expanded(node, path, kind)
        if not isinstance(scalar, Scalar):
            return scalar
        if nullable and scalar.is_null and not (secret and scalar.text):
            return None
        try:
            value = kind.parse(scalar)
        except Refused as refused:
            was = "" if secret else f", was {show_node(scalar)}"
            way_out = f"; {refused}" if str(refused) else ""
            self.fault(node.line, path, f"must be {says}{was}{way_out}")
            return FAULTY
        return self._located(kind, scalar, value, path) if isinstance(kind, Location) else value

    def _expanded(self, node: Scalar, path: tuple[str, ...], kind: Leaf) -> Any:
        try:
            found = expand(node, self.environ, self.secrets)
        except Malformed as malformed:
            self.fault(node.line, path, str(malformed))
            return FAULTY
        if not isinstance(found, Unset):
            return found
        if not self._active and path[2:] != ("enabled",):
            # Nothing uses the value of a disabled broker, so it may stay as it is written.
            return self._as_written(kind, node)
        names = " and ".join(found.names)
        what = "environment variable" if len(found.names) == 1 else "environment variables"
        verb = "is" if len(found.names) == 1 else "are"
        need = f' (broker "{self._broker}" needs it)' if self._broker is not None else ""
        message = f"{what} {names} {verb} not set{need}; set it or write ${{{found.names[0]}:-default}}"
        self.fault(node.line, path, message)
        return FAULTY

    def _as_written(self, kind: Leaf, node: Scalar) -> Any:
        if isinstance(kind, Location):
            return self.folder / node.text
        try:
            return kind.parse(attrs.evolve(node, plain=False)) if isinstance(kind, SecretText | Text) else FAULTY
        except Refused:
            return FAULTY

    def _located(self, kind: Location, scalar: Scalar, text: str, path: tuple[str, ...]) -> Any:
        try:
            location = self.folder / Path(text).expanduser()
            found = not kind.must_exist or not self._active or location.is_file()
        except (OSError, RuntimeError, ValueError):
            # A name that is too long, a folder that we may not enter, a "~name" of nobody.
            location, found = self.folder, False
        if found:
            return location
        was = show_node(scalar)
        message = f"must be {kind.says}, was {was}, which is no file in or from {self.folder}; correct the path"
        self.fault(scalar.line, path, message)
        return FAULTY


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _home(key: str, settings: Mapping[str, Setting]) -> str | None:
    """The one section here that has such a key, where it was written beside that section instead of into it."""
    homes = [
        name
        for name, setting in settings.items()
        if isinstance(kind := setting.kind.kind if isinstance(setting.kind, Maybe) else setting.kind, Section)
        and key in settings_of(kind.builds)
    ]
    return homes[0] if len(homes) == 1 else None


def _says(kind: Kind) -> str:
    return str(getattr(kind, "says", "a mapping"))


def is_secret(kind: Kind) -> bool:
    """Return whether values of a kind must never be shown."""
    return isinstance(kind, SecretText) or (isinstance(kind, Maybe) and is_secret(kind.kind))


def _plain(node: Node) -> Any:
    match node:
        case Scalar():
            return None if node.is_null else node.text
        case ListNode():
            return tuple(map(_plain, node.items))
        case MapNode():
            return {key.text: _plain(value) for key, value in node.pairs}
