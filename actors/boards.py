"""Plain objects that are read and not asked: the newest truth, without a queue in between.

Each has one writer. They outlive incarnations, so that a halt, a governor's term or a price's age does not
vanish with the actor that wrote it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any

import attrs
import trio

from actors.account_board import AccountBoard
from actors.condition_board import Conditions
from actors.halts import HaltLatch
from actors.news_board import NewsBoard
from actors.risk_board import RiskBoard
from actors.router_board import RouterBoard
from actors.stop_board import StopBoard
from quantmind.domain.accounts import Deal
from quantmind.domain.bars import BarSeries
from quantmind.domain.breaker import Breaker
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.rules.throttles import FINE
from quantmind.domain.symbols import SymbolSpec


@attrs.define(eq=False)
class Term:
    """The incarnation of the governor whose approvals count, 0 before the first, and when it turned last."""

    incarnation: int = 0
    began_at: float = -math.inf
    """When this incarnation was ready (monotonic seconds)."""
    turned_at: float = -math.inf
    """When the governor last began to work on what it was told (monotonic seconds)."""


@attrs.define(eq=False)
class Multipliers:
    """Each EA's own multiplier, 0 to 1. Written by the governor. An EA that never said one has 1.

    `on_change` hears of each value that is another than before.
    """

    on_change: Callable[[str, Decimal], None] | None = None
    _by_ea: dict[str, Decimal] = attrs.field(factory=dict, init=False)

    def read(self, ea_name: str) -> Decimal:
        return self._by_ea.get(ea_name, Decimal(1))

    def all(self) -> Mapping[str, Decimal]:
        """What EAs said, by their names."""
        return dict(self._by_ea)

    def set(self, ea_name: str, value: Decimal) -> None:
        before = self.read(ea_name)
        self._by_ea[ea_name] = value
        if self.on_change is not None and value != before:
            self.on_change(ea_name, value)


@attrs.frozen
class PricedAt:
    """A quote and when the feed last confirmed it (monotonic seconds)."""

    quote: Quote
    confirmed_at: float


@attrs.define(eq=False)
class Prices:
    """The last price of each symbol at each broker, with the age of its last confirmation. Written by pollers."""

    _by_key: dict[tuple[str, str], PricedAt] = attrs.field(factory=dict, init=False)

    def read(self, broker: str, symbol: str) -> PricedAt | None:
        return self._by_key.get((broker, symbol))

    def confirm(self, broker: str, quotes: Iterable[Quote], at: float) -> None:
        for quote in quotes:
            self._by_key[broker, quote.symbol] = PricedAt(quote, at)

    def confirm_again(self, broker: str, symbols: Iterable[str], at: float) -> None:
        """The last prices of these symbols still hold; of those that never had one nothing is said."""
        for symbol in symbols:
            priced = self._by_key.get((broker, symbol))
            if priced is not None:
                self._by_key[broker, symbol] = PricedAt(priced.quote, at)

    def confirm_all(self, broker: str, at: float) -> None:
        """The feed is up and its quiet symbols are as they were."""
        for key, priced in self._by_key.items():
            if key[0] == broker:
                self._by_key[key] = PricedAt(priced.quote, at)


@attrs.define(eq=False)
class Catalog:
    """What each broker trades, in the order of the configuration. Written by pollers when they connect.

    For market data a bare name is the first broker's that has it; `NAME@broker` names one.
    """

    brokers: tuple[str, ...]
    _specs: dict[str, dict[str, SymbolSpec]] = attrs.field(factory=dict, init=False)

    def set(self, broker: str, specs: Iterable[SymbolSpec]) -> None:
        self._specs[broker] = {spec.name: spec for spec in specs}

    def spec(self, broker: str, symbol: str) -> SymbolSpec | None:
        return self._specs.get(broker, {}).get(symbol)

    def symbols(self, broker: str) -> Mapping[str, SymbolSpec]:
        return self._specs.get(broker, {})

    def resolve(self, name: str) -> tuple[str, str] | None:
        """(broker, symbol) that a client's name means, or None."""
        symbol, at, broker = name.rpartition("@")
        if at:
            return (broker, symbol) if self.spec(broker, symbol) is not None else None
        for candidate in self.brokers:
            if self.spec(candidate, name) is not None:
                return candidate, name
        return None

    def names(self) -> list[str]:
        """Every name that resolves, bare where the first broker has it and `NAME@broker` elsewhere."""
        names: dict[str, None] = {}
        for broker in self.brokers:
            for symbol in self._specs.get(broker, {}):
                names[symbol if symbol not in names else f"{symbol}@{broker}"] = None
        return list(names)


@attrs.frozen
class Silent:
    """A symbol whose feed is not live: `stale` or `closed`, and since when (Unix seconds)."""

    state: str
    since: float


@attrs.frozen
class Recovered:
    """What was tried last with a silent feed. `at` is Unix seconds, `error` why it could not be done, if so."""

    step: str
    symbols: tuple[str, ...]
    silent_s: float
    at: float
    error: str | None = None


@attrs.define(eq=False)
class Link:
    """How a broker's connection is: written by its poller and executor, read by /status and the edges."""

    feed: str = "connecting"
    feed_since: float = 0.0
    feed_error: str | None = None
    orders: str = "connecting"
    orders_error: str | None = None
    closes_error: str | None = None
    """Why what reduces risk can't be sent, or None."""
    crossed: int = 0
    overruns: int = 0
    dropped: int = 0
    ticks: int = 0
    sample: Any = None
    """The newest account sample (`quantmind.domain.accounts.Sample`), or None."""
    account_error: str | None = None
    """Why the account could not be read last, or None."""
    changed: trio.Event = attrs.field(factory=trio.Event)
    """Set by the executor when an order has changed the account; the poller then reads it early, and renews this."""
    deals_error: str | None = None
    """Why the newest deals could not be read, or None."""
    breaker: Breaker = attrs.field(factory=Breaker)
    """Told by whatever stands before the broker (`quantmind.adapters.guarded`)."""
    silent: dict[str, Silent] = attrs.field(factory=dict)
    """Symbols that are not live while the feed as a whole may be; by name."""
    recoveries: dict[str, int] = attrs.field(factory=dict)
    """How often each step was tried with a silent feed."""
    recovered: Recovered | None = None
    """The last of these steps."""


@attrs.define(eq=False)
class Links:
    """One `Link` for each broker."""

    _by_broker: dict[str, Link] = attrs.field(factory=dict, init=False)

    def of(self, broker: str) -> Link:
        link = self._by_broker.get(broker)
        if link is None:
            link = self._by_broker[broker] = Link()
        return link

    def all(self) -> Mapping[str, Link]:
        return dict(self._by_broker)


@attrs.define(eq=False)
class EaConnection:
    """What is known of one EA: by whom it was last heard (Unix seconds), since when, how often, what it said."""

    ea_name: str
    magic: int
    connected_at: float
    last_seen: float
    last_heartbeat: float | None = None
    messages: int = 0
    heartbeats: int = 0
    """How many of the messages were heartbeats."""
    symbol: str = ""
    version: str = ""
    balance: Decimal | None = None
    equity: Decimal | None = None
    broker: str | None = None
    """The account that its last command went to, or None while it named none that there is."""


@attrs.define(eq=False)
class EaRegistry:
    """EAs by name and magic; bounded, the one unheard for longest goes first. Written by the commands actor."""

    capacity: int = 4096
    _by_key: OrderedDict[tuple[str, int], EaConnection] = attrs.field(factory=OrderedDict, init=False)
    _latest: dict[str, int] = attrs.field(factory=dict, init=False)
    """The magic that each EA named last."""
    _beats: OrderedDict[str, float] = attrs.field(factory=OrderedDict, init=False)
    """When each EA sent its last heartbeat, whatever its magic, or was heard first before it has sent one (monotonic
    seconds: silence is no matter of a clock that somebody sets)."""

    def heard(self, ea_name: str, magic: int | None, now: float) -> EaConnection:
        """Note a message; one that carries no magic (None) is of the magic that the EA named last."""
        if magic is None:
            magic = self._latest.get(ea_name, 0)
        key = (ea_name, magic)
        connection = self._by_key.get(key)
        if connection is None:
            if len(self._by_key) >= self.capacity:
                (name, oldest), _ = self._by_key.popitem(last=False)
                if self._latest.get(name) == oldest:
                    del self._latest[name]
            connection = self._by_key[key] = EaConnection(ea_name, magic, now, now)
        self._by_key.move_to_end(key)
        self._latest[ea_name] = magic
        if ea_name not in self._beats:
            self._note_beat(ea_name)
        connection.last_seen = now
        connection.messages += 1
        return connection

    def beat(self, connection: EaConnection, now: float) -> None:
        """Note a heartbeat."""
        connection.last_heartbeat = now
        connection.heartbeats += 1
        self._note_beat(connection.ea_name)

    def _note_beat(self, ea_name: str) -> None:
        self._beats[ea_name] = trio.current_time()
        self._beats.move_to_end(ea_name)
        if len(self._beats) > self.capacity:
            self._beats.popitem(last=False)

    def silent_since(self, ea_name: str) -> float | None:
        """When an EA, whatever its magic, sent its last heartbeat, or was heard first and has sent none (monotonic
        seconds); None: it was not heard."""
        return self._beats.get(ea_name)

    def all(self) -> list[EaConnection]:
        return list(self._by_key.values())


@attrs.define(eq=False)
class DealBook:
    """The newest deals of one account, each once, by time and then by ticket. Written by its poller."""

    capacity: int = 10_000
    read_at: float | None = None
    """When the broker was last asked with success (monotonic seconds, when it was asked); None: never."""
    version: int = 0
    """Grows with each change."""
    _deals: list[Deal] = attrs.field(factory=list, init=False)
    _tickets: set[int] = attrs.field(factory=set, init=False)

    def add(self, deals: Iterable[Deal]) -> int:
        """Take in what is new of these deals; how many that was."""
        new = {deal.ticket: deal for deal in deals if deal.ticket not in self._tickets}
        if new:
            kept = sorted([*self._deals, *new.values()], key=lambda deal: (deal.time_msc, deal.ticket))
            self._deals = kept[-self.capacity :]
            self._tickets = {deal.ticket for deal in self._deals}
            self.version += 1
        return len(new)

    def all(self) -> Sequence[Deal]:
        """Every deal that is kept, oldest first; never changed afterwards."""
        return self._deals

    def since(self, msc: float) -> Sequence[Deal]:
        """The deals from this moment on (Unix ms), oldest first. Found, and not looked for from the first on."""
        return self._deals[bisect_left(self._deals, msc, key=lambda deal: deal.time_msc) :]

    @property
    def newest_msc(self) -> int | None:
        """The time of the newest deal, or None without any."""
        return self._deals[-1].time_msc if self._deals else None


@attrs.define(eq=False)
class DealBooks:
    """One `DealBook` for each broker."""

    _by_broker: dict[str, DealBook] = attrs.field(factory=dict, init=False)

    def of(self, broker: str) -> DealBook:
        book = self._by_broker.get(broker)
        if book is None:
            book = self._by_broker[broker] = DealBook()
        return book


@attrs.define(eq=False)
class Reconciliation:
    """How an account's books stand. Written by its bookkeeper. Times in Unix seconds."""

    state: str = "beginning"
    """beginning, agreed, in_doubt (a difference that may be of timing), drift, blind (no account to compare with),
    unwritten (the journal can't write)."""
    since: float = 0.0
    error: str | None = None
    compared_at: float | None = None
    """The last comparison with a fresh sample."""
    recorded: int = 0
    """Deals, positions and orders written down since the start."""
    outside: int = 0
    """Deals that no order and no approval of ours explains."""
    drifts: int = 0
    flagged: tuple[Flagged, ...] = ()


@attrs.frozen
class Flagged:
    """A position whose volume is not explained. Lots signed, long with plus; `since` in Unix seconds."""

    ticket: int
    symbol: str
    ours: Decimal
    theirs: Decimal
    since: float


@attrs.define(eq=False)
class Reconciliations:
    """One `Reconciliation` for each broker."""

    _by_broker: dict[str, Reconciliation] = attrs.field(factory=dict, init=False)

    def of(self, broker: str) -> Reconciliation:
        found = self._by_broker.get(broker)
        if found is None:
            found = self._by_broker[broker] = Reconciliation()
        return found


@attrs.define(eq=False)
class BarBoard:
    """The bars of each symbol at each broker, of what was published. Written by the hub; bounded by the catalog."""

    _by_key: dict[tuple[str, str], BarSeries] = attrs.field(factory=dict, init=False)

    def of(self, broker: str, symbol: str) -> BarSeries:
        """The series of a symbol, for whoever writes it; made where there is none."""
        series = self._by_key.get((broker, symbol))
        if series is None:
            series = self._by_key[broker, symbol] = BarSeries()
        return series

    def read(self, broker: str, symbol: str) -> BarSeries | None:
        """The series of a symbol, or None before its first tick."""
        return self._by_key.get((broker, symbol))


@attrs.define(eq=False)
class Patience:
    """Whether a write was given up and none has worked since: nobody then waits long for the journal.

    Written by whoever writes to the journal: what one of them has waited for, the next need not wait for again.
    """

    lost: bool = False


@attrs.define(eq=False)
class Boards:
    """All of them, as the tree hands them round."""

    catalog: Catalog
    halts: HaltLatch = attrs.field(factory=HaltLatch)
    term: Term = attrs.field(factory=Term)
    multipliers: Multipliers = attrs.field(factory=Multipliers)
    prices: Prices = attrs.field(factory=Prices)
    links: Links = attrs.field(factory=Links)
    eas: EaRegistry = attrs.field(factory=EaRegistry)
    deals: DealBooks = attrs.field(factory=DealBooks)
    bars: BarBoard = attrs.field(factory=BarBoard)
    books: Reconciliations = attrs.field(factory=Reconciliations)
    patience: Patience = attrs.field(factory=Patience)
    router: RouterBoard = attrs.field(factory=RouterBoard)
    accounts: AccountBoard = attrs.field(factory=AccountBoard)
    risk: RiskBoard = attrs.field(factory=RiskBoard)
    news: NewsBoard = attrs.field(factory=NewsBoard)
    stop_file: StopBoard = attrs.field(factory=StopBoard)
    conditions: Conditions = attrs.field(factory=Conditions)

    def multiplier(self, ea_name: str, broker: str | None = None) -> Decimal:
        """What an EA's volume is multiplied by: its own multiplier, or what is mandated where that is less, times what
        an account's throttles leave."""
        own = min(self.multipliers.read(ea_name), self.router.mandate.cap)
        throttle = self.risk.multiplier(broker)
        # A square has a tail of digits that says nothing; rounded down, it never counts for more.
        return own if throttle == 1 else (own * throttle).quantize(FINE, ROUND_DOWN)
