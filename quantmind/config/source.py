"""YAML text to a tree with line numbers, within limits; the only importer of `yaml`."""

import re
from collections.abc import Iterator
from typing import Final

import attrs
import yaml

from quantmind.config.faults import ConfigError, Fault
from quantmind.config.tree import ListNode, MapNode, Node, Scalar

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 10_000
MAX_DEPTH: Final = 32

_STRING_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")

# What YAML allows in a file, which is also what we allow in a value after escapes such as "\0" are resolved.
_NOT_TEXT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# PyYAML's words for a syntax error, and ours. Its own may quote the text, which may be a secret.
_PROBLEMS: Final = (
    ("'\\t' that cannot start any token", "a tab cannot stand here; indent with spaces"),
    ("that cannot start any token", 'a value that begins with @, ` or % needs quotes around it: "…"'),
    ("undefined alias", 'a "*" begins an alias and no such anchor stands above; put such a value in quotes'),
    (
        "mapping values are not allowed",
        'a ":" cannot stand here; check the indentation, and put a value with ": " in quotes',
    ),
    ("could not find expected ':'", 'this is not "key: value"; a ":" or a closing quote is missing'),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("unknown escape character", 'a "\\" in double quotes begins an escape; use single quotes or write \\\\'),
    ("expected escape sequence", "the digits of an escape in double quotes are missing; use single quotes"),
    ("unexpected document separator", "a quote is opened and not closed before the next document"),
    ("while parsing a flow", 'a "," or the closing bracket is missing'),
    ("expected the node content", "a value is missing, or begins with a sign of YAML and needs quotes"),
    ("expected <block end>", "the indentation does not fit the lines above, or a quote or bracket ends too early"),
    ("sequence entries are not allowed", 'a "-" of a list cannot stand here; begin it on its own line'),
    ("expected alphabetic or numeric", 'a value that begins with & or * needs quotes around it: "…"'),
    ("expected '<document start>'", "the text goes on after its end; check the indentation of this line"),
)


# These are noticed long after their place.
_LATE: Final = ("found unexpected end of stream", "found unexpected document separator", "could not find expected ':'")


class _Unreadable(Exception):
    """Reading cannot go on."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message


@attrs.frozen
class _Sized:
    """A node with what it costs when an alias repeats it."""

    node: Node
    nodes: int
    height: int


def parse(text: str | bytes, file: str) -> tuple[MapNode, list[Fault]]:
    """Read one YAML document; gives the tree and the faults that did not end the reading.

    Args:
        text: The document; bytes must be UTF-8.
        file: Its name for the faults.

    Raises:
        ConfigError: The text cannot be read on.
    """
    try:
        builder = _Builder(_decoded(text))
        root = builder.document()
    except _Unreadable as stop:
        raise ConfigError([Fault(file, stop.line, "", stop.message)]) from None
    faults = [Fault(file, line, "", message) for line, message in builder.faults]
    if isinstance(root, Scalar) and root.is_null:
        root = MapNode((), 1)
    if not isinstance(root, MapNode):
        message = 'the file must be a mapping of keys such as "brokers:"'
        raise ConfigError([*faults, Fault(file, root.line, "", message)])
    return root, faults


def _decoded(text: str | bytes) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _Unreadable(0, f"the file is {size} bytes long; at most {MAX_BYTES} are read")
    if isinstance(text, bytes):
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _Unreadable(1, "the file is UTF-16; save it as UTF-8")
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise _Unreadable(
                line, f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
            ) from None
    found = _NOT_TEXT.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise _Unreadable(line, f"the character U+{ord(found[0]):04X} cannot stand in YAML; remove it")
    return text


def is_text(text: str) -> bool:
    """Return whether a value has only characters that can be printed and stored."""
    return _NOT_TEXT.search(text) is None


class _Builder:
    """Builds the tree from PyYAML's events, so that every limit holds before the memory is spent."""

    def __init__(self, text: str) -> None:
        self.faults: list[tuple[int, str]] = []
        self._text = text
        self._events = _events(text)
        self._anchors: dict[str, _Sized | None] = {}
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Scalar("", 1)
        root = self._node(next(self._events), 0).node
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Unreadable(_line(after), 'a second document begins here; remove the "---"')
        return root

    def _node(self, event: yaml.Event, depth: int) -> _Sized:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._count(1, _line(event))
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        if isinstance(event, yaml.CollectionStartEvent):
            sized = self._collection(event, depth + 1)
        else:
            sized = self._scalar(event)
        if anchor is not None:
            self._anchors[anchor] = sized = attrs.evolve(sized, node=_hidden(sized.node))
        return sized

    def _alias(self, event: yaml.AliasEvent, depth: int) -> _Sized:
        line = _line(event)
        if event.anchor not in self._anchors:
            raise _Unreadable(line, dict(_PROBLEMS)["undefined alias"])
        target = self._anchors[event.anchor]
        if target is None:
            raise _Unreadable(line, "an alias stands inside what it repeats; write the value out")
        self._count(target.nodes, line)
        self._deep_enough(depth + target.height, line)
        return attrs.evolve(target, node=attrs.evolve(target.node, line=line))

    def _scalar(self, event: yaml.Event) -> _Sized:
        assert isinstance(event, yaml.ScalarEvent)
        line = _line(event)
        if event.tag not in _STRING_TAGS:
            self.faults.append((line, "a tag cannot stand here; put a value that begins with ! in quotes"))
        if not is_text(event.value):
            self.faults.append((line, "a value has an escape for a character that is no text; remove it"))
        return _Sized(Scalar(event.value, line, plain=event.implicit[0] and event.style is None), 1, 0)

    def _collection(self, event: yaml.CollectionStartEvent, depth: int) -> _Sized:
        line = _line(event)
        self._deep_enough(depth, line)
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.faults.append((line, "a tag (!…) cannot be used here; remove it"))
        parts: list[_Sized] = []
        while not isinstance(part := next(self._events), yaml.CollectionEndEvent):
            parts.append(self._node(part, depth))
        nodes = 1 + sum(part.nodes for part in parts)
        height = 1 + max((part.height for part in parts), default=0)
        if isinstance(event, yaml.SequenceStartEvent):
            return _Sized(ListNode(tuple(part.node for part in parts), line), nodes, height)
        pairs: list[tuple[Scalar, Node]] = []
        for name, value in zip(parts[::2], parts[1::2], strict=True):
            if isinstance(name.node, Scalar):
                pairs.append((name.node, value.node))
            else:
                self.faults.append((name.node.line, "a key must be a single word, not a list or mapping"))
        return _Sized(MapNode(tuple(pairs), line), nodes, height)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Unreadable(line, f"more than {MAX_NODES} values, counting what aliases repeat; shorten the file")

    def _deep_enough(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise _Unreadable(line, f"nested deeper than {MAX_DEPTH} levels; check the brackets and the indentation")


def _hidden(node: Node) -> Node:
    # What is anchored may be repeated under a key that shows its value while the first is a password.
    match node:
        case Scalar():
            return attrs.evolve(node, hidden=True)
        case ListNode():
            return attrs.evolve(node, items=tuple(map(_hidden, node.items)))
        case MapNode():
            return attrs.evolve(node, pairs=tuple((name, _hidden(value)) for name, value in node.pairs))


def _line(event: yaml.Event) -> int:
    return int(getattr(event.start_mark, "line", -1)) + 1


def _syntax(error: yaml.MarkedYAMLError) -> _Unreadable:
    said = f"{error.problem} {error.context}"
    ours = next((ours for theirs, ours in _PROBLEMS if theirs in said), "check quotes, colons and indentation")
    at: int = getattr(error.problem_mark or error.context_mark, "line", -1)
    began: int = getattr(error.context_mark, "line", at)
    if error.problem is not None and error.problem.startswith(_LATE):
        at = began
    if "while parsing a flow" in said and began < at:
        ours += f" (opened on line {began + 1})"
    return _Unreadable(at + 1, f"not YAML: {ours}")


def _events(text: str) -> Iterator[yaml.Event]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets these through for numbers in %YAML and for "\U" escapes beyond Unicode.
        raise _Unreadable(loader.line + 1, "not YAML: a number in an escape or a directive is too large") from None
