"""Market streams and the user streams of futures: who has subscribed to what, by which path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs
import msgspec
import trio

from quantmind.net.frames import text_frame
from quantmind.testing.binance.door import NORMAL, POLICY, WsLine
from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.settings import Settings

_SCOPES: Final = ("public", "market", "private")
_OF_PUBLIC: Final = frozenset({"bookTicker", "depth", "depth5", "depth10", "depth20", "rpiDepth"})
_MOST_NAME: Final = 128
_METHODS: Final = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


class _Bad(Exception):
    """A message of a client that is no request: code and text."""


@attrs.frozen
class Place:
    """What the path of a stream connection says.

    Attributes:
        scope: "public", "market" or "private" on futures; empty without such a part, and on spot.
        combined: each message is put into an envelope that names its stream.
        names: streams that the URL asks for.
    """

    scope: str
    combined: bool
    names: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, path: str, query: Mapping[str, str]) -> Place | None:
        """None: it is no path of streams."""
        parts = [part for part in path.split("/") if part]
        scope = ""
        if settings.kind == "futures" and parts and parts[0] in _SCOPES:
            scope = parts.pop(0)
        if parts == ["stream"]:
            names = query.get("streams", "").split("/")
        elif parts and parts[0] == "ws":
            names = parts[1:]
        else:
            return None
        if scope == "private":
            names.append(query.get("listenKey", ""))
        return cls(scope, parts[0] == "stream", tuple(name for name in names if name))


@attrs.define(eq=False)
class StreamLine:
    """One connection and its subscriptions."""

    hub: Streams
    line: WsLine
    place: Place
    combined: bool
    names: dict[str, None] = attrs.field(factory=dict, init=False)

    def begin(self) -> None:
        """Subscribe to what the URL names."""
        self._subscribe(self.place.names)

    def end(self) -> None:
        """No more is sent."""
        for name in tuple(self.names):
            self.hub.remove(name, self)

    def carries(self, name: str) -> bool:
        """Whether this path delivers that stream; others can be subscribed to, and nothing comes."""
        settings = self.hub.settings
        if settings.kind == "spot":
            return True
        if name in self.hub.listen_keys():
            return self.place.scope == "private"
        scope = self.place.scope or "public"
        kind = name.partition("@")[2].partition("@")[0] or name.removeprefix("!")
        if kind == "trade":
            return scope in settings.trade_paths
        return scope == ("public" if kind in _OF_PUBLIC else "market")

    def take(self, text: str) -> None:
        """A message of the client."""
        number: Any = None
        try:
            try:
                said = msgspec.json.decode(text)
            except msgspec.DecodeError:
                raise _Bad(3, "Invalid JSON: expected value at line 1 column 1") from None
            if not isinstance(said, dict):
                raise _Bad(2, "Invalid request: expected an object")
            number = said.get("id")
            result = self._answer(said)
        except _Bad as bad:
            code, words = bad.args
            answer: Payload = {"error": {"code": code, "msg": words}, "id": number}
        else:
            answer = {"result": result, "id": number}
        self.line.push(msgspec.json.encode(answer))

    def _answer(self, said: Payload) -> Any:
        method, number = said.get("method"), said.get("id")
        if not (isinstance(number, int | str) or number is None) or isinstance(number, bool):
            raise _Bad(2, "Invalid request: request ID must be an unsigned integer")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.names)
        if method is None:
            raise _Bad(2, "Invalid request: missing field `method` at line 1 column 1")
        params = said.get("params")
        if not isinstance(params, list):
            raise _Bad(2, "Invalid request: missing field `params` at line 1 column 1")
        if method == "SET_PROPERTY" and len(params) == 2 and params[0] == "combined":
            if not isinstance(params[1], bool):
                raise _Bad(1, "Invalid value type: expected Boolean")
            self.combined = params[1]
            return None
        if method == "GET_PROPERTY" and params == ["combined"]:
            return self.combined
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            raise _Bad(0, "Unknown property")
        if not all(isinstance(name, str) and 0 < len(name) <= _MOST_NAME for name in params):
            raise _Bad(2, "Invalid request: stream names must be strings")
        if method == "SUBSCRIBE":
            self._subscribe(params)
        elif method == "UNSUBSCRIBE":
            for name in params:
                self.hub.remove(name, self)
        else:
            raise _Bad(2, f"Invalid request: unknown variant `{method}`, expected one of {_METHODS}")
        return None

    def _subscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self.hub.add(name, self)
        if len(self.names) > self.hub.settings.max_streams:
            self.line.close(POLICY, "Too many streams")


@attrs.define(eq=False)
class Streams:
    """All connections of streams. `publish` never waits.

    Args:
        listen_keys: those that have a stream now.
        now_ms: the exchange's time.
    """

    settings: Settings
    listen_keys: Callable[[], set[str]]
    now_ms: Callable[[], int]
    muted: set[str] = attrs.field(factory=set, init=False)
    """Symbols whose market is told by a recording, and not by the engine."""
    published: int = attrs.field(default=0, init=False)
    _lines: dict[StreamLine, None] = attrs.field(factory=dict, init=False)
    _by_name: dict[str, dict[StreamLine, None]] = attrs.field(factory=dict, init=False)
    _more: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def lines(self) -> tuple[StreamLine, ...]:
        """Those that are open, oldest first."""
        return tuple(self._lines)

    def open(self, line: WsLine, place: Place) -> StreamLine:
        """A connection has begun."""
        opened = StreamLine(self, line, place, place.combined)
        self._lines[opened] = None
        line.on_text = opened.take
        line.on_age = lambda: self.say_shutdown(opened)
        opened.begin()
        return opened

    def close(self, line: StreamLine) -> None:
        """A connection is over."""
        line.end()
        self._lines.pop(line, None)

    def add(self, name: str, line: StreamLine) -> None:
        """Subscribe."""
        line.names[name] = None
        if line.carries(name):
            self._by_name.setdefault(name, {})[line] = None
            self._more.set()
            self._more = trio.Event()

    def remove(self, name: str, line: StreamLine) -> None:
        """Unsubscribe; nothing happens where it had not subscribed."""
        line.names.pop(name, None)
        taken = self._by_name.get(name)
        if taken is not None:
            taken.pop(line, None)
            if not taken:
                del self._by_name[name]

    def subscribers(self, name: str) -> tuple[StreamLine, ...]:
        """Who gets this stream."""
        return tuple(self._by_name.get(name, ()))

    async def subscribed(self, name: str, besides: Iterable[StreamLine] = ()) -> None:
        """Wait until somebody, other than these, has subscribed to a stream; the caller's cancel scope bounds it."""
        old = set(besides)
        while not set(self._by_name.get(name, ())) - old:
            await self._more.wait()

    def publish(self, name: str, payload: bytes) -> None:
        """Send a message of a stream to all that have subscribed to it."""
        self.published += 1
        lines = self._by_name.get(name)
        if not lines:
            return
        raw = enveloped = b""
        for each in tuple(lines):
            if each.combined:
                enveloped = enveloped or text_frame(b'{"stream":"%b","data":%b}' % (name.encode(), payload))
                each.line.push_frame(enveloped)
            else:
                raw = raw or text_frame(payload)
                each.line.push_frame(raw)

    def on_market(self, event: Payload) -> None:
        """An event of the engine's market; a trade is an aggregate trade, too."""
        symbol, kind, data = event["symbol"], event["kind"], event["data"]
        if symbol in self.muted:
            return
        self.publish(f"{symbol.lower()}@{kind}", msgspec.json.encode(data))
        if kind == "trade":
            joined = {"e": "aggTrade", "E": data["E"], "s": symbol, "a": data["t"], "p": data["p"], "q": data["q"]}
            joined |= {"f": data["t"], "l": data["t"], "T": data["T"], "m": data["m"]}
            if self.settings.kind == "spot":
                joined["M"] = True
            self.publish(f"{symbol.lower()}@aggTrade", msgspec.json.encode(joined))
        elif self.settings.kind == "futures":
            self.publish("!bookTicker", msgspec.json.encode(data))

    def on_user(self, event: Payload) -> None:
        """An event of the user, for all streams of listen keys; the one that a key has expired is its last."""
        payload = msgspec.json.encode(event)
        for key in self.listen_keys() | {str(event.get("listenKey", ""))}:
            self.publish(key, payload)

    def end_key(self, key: str) -> None:
        """A listen key was closed, and its streams end with it."""
        for each in self.subscribers(key):
            each.line.close(NORMAL)

    def say_shutdown(self, line: StreamLine) -> None:
        """Tell one connection that it will end soon."""
        event: Payload = {"e": "serverShutdown", "E": self.now_ms()}
        said = {"stream": "!serverShutdown", "data": event} if line.combined else event
        line.line.push(msgspec.json.encode(said))
