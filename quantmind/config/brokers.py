"""The model of `brokers:`: one class for each type of broker, one for each type of feed."""

# ruff: noqa: RUF009 - `setting` gives an attrs field, as `attrs.field` does.

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import attrs

from quantmind.config.hours import SessionDays, SessionHours, SwapConfig, ZoneName
from quantmind.config.kinds import Choice, Currency, Flag, Location, SecretText, Text
from quantmind.config.numbers import Amount, Number, Whole
from quantmind.config.secret import Secret
from quantmind.config.settings import ListOf, MapOf, Maybe, OneOf, Section, setting

SYMBOL: Final = Text("1 to 31 letters, digits and . _ # & -", "[A-Za-z0-9._#&-]{1,31}")
# Broker names are part of ZeroMQ topics (tick.BROKER.SYMBOL) and addresses (SYMBOL@BROKER).
BROKER_NAME: Final = Text('1 to 32 letters, digits, _ and -, and not "default"', "(?!default$)[A-Za-z0-9_-]{1,32}")
PORT: Final = Whole(0, 65535)

_EXECUTIONS: Final = Choice(("market", "instant"))
_FILLINGS: Final = ListOf(Choice(("fok", "ioc")), "filling modes")
_SLIPPAGE_SIDES: Final = Choice(("worse", "both"))
_ORDER_TYPES: Final = ("market", "limit", "stop", "sl", "tp", "close_by")
_PROBABILITY: Final = Number(least=0, most=1)
_POINTS: Final = Whole(0, 1_000_000)
_SESSIONS: Final = MapOf(SessionDays(), SessionHours(), "session")
_SWAP_RATE: Final = Maybe(Amount(least=-1_000_000, most=1_000_000))
_AS_THE_BROKER: Final = "null: as the broker's."


@attrs.frozen(kw_only=True)
class SymbolOverrides:
    """What differs from the usual specification of a symbol; None keeps the usual value."""

    digits: int | None = setting(Maybe(Whole(0, 10)), "Decimal places of a price.", default=None)
    contract_size: Decimal | None = setting(
        Maybe(Amount(above=0)), "Units of the base currency in one lot.", default=None
    )
    tick_size: Decimal | None = setting(Maybe(Amount(above=0)), "Smallest step of a price.", default=None)
    volume_min: Decimal | None = setting(Maybe(Amount(above=0)), "Smallest volume of an order, in lots.", default=None)
    volume_max: Decimal | None = setting(Maybe(Amount(above=0)), "Largest volume of an order, in lots.", default=None)
    volume_step: Decimal | None = setting(Maybe(Amount(above=0)), "Step of volumes, in lots.", default=None)
    stops_level: int | None = setting(
        Maybe(Whole(0, 1_000_000)), "Nearest distance of a stop to the price, in points.", default=None
    )
    freeze_level: int | None = setting(
        Maybe(_POINTS), "Nearer to the price than so many points stops and orders can't be changed.", default=None
    )
    currency_base: str | None = setting(Maybe(Currency()), "Currency that is bought and sold.", default=None)
    currency_profit: str | None = setting(
        Maybe(Currency()), "Currency of the price and so of the profit.", default=None
    )
    start_price: Decimal | None = setting(Maybe(Amount(above=0)), "Where the random walk begins.", default=None)
    spread: int | None = setting(Maybe(Whole(0, 1_000_000)), "Spread of the random walk, in points.", default=None)
    swap_long: Decimal | None = setting(
        _SWAP_RATE, "Swap of a buy for each lot and night, in points; a charge is negative.", default=None
    )
    swap_short: Decimal | None = setting(
        _SWAP_RATE, "Swap of a sell for each lot and night, in points; a charge is negative.", default=None
    )
    trade_mode: str | None = setting(
        Maybe(Choice(("full", "long_only", "short_only", "close_only", "disabled"))),
        "What may be traded; null: full.",
        default=None,
    )
    order_types: tuple[str, ...] | None = setting(
        ListOf(Choice(_ORDER_TYPES), "order types"),
        "What may be asked for.",
        default=None,
        default_text="[market, limit, stop, sl, tp, close_by]",
    )
    sessions: Mapping[str, str] | None = setting(
        _SESSIONS, "Hours in which it trades; `{}`: always.", default=None, default_text="as the broker's"
    )
    sessions_zone: str | None = setting(Maybe(ZoneName()), f"Time zone of `sessions`; {_AS_THE_BROKER}", default=None)
    execution: str | None = setting(
        Maybe(_EXECUTIONS), f"Whose price a market order fills at; {_AS_THE_BROKER}", default=None
    )
    filling: tuple[str, ...] | None = setting(
        _FILLINGS, "Filling modes of market orders.", default=None, default_text="as the broker's"
    )
    slippage: int | None = setting(Maybe(_POINTS), f"Largest slippage, in points; {_AS_THE_BROKER}", default=None)
    slippage_side: str | None = setting(
        Maybe(_SLIPPAGE_SIDES), f"Which way slippage goes; {_AS_THE_BROKER}", default=None
    )
    requotes: float | None = setting(
        Maybe(_PROBABILITY), f"Share of instant executions with a new price; {_AS_THE_BROKER}", default=None
    )
    requote_points: int | None = setting(
        Maybe(Whole(1, 1_000_000)), f"Farthest that a requote moves the price; {_AS_THE_BROKER}", default=None
    )
    fill_volume_max: Decimal | None = setting(
        Maybe(Amount(above=0)), f"Lots that one market order is filled with at most; {_AS_THE_BROKER}", default=None
    )


@attrs.frozen(kw_only=True)
class RandomWalkFeed:
    """Made-up prices; the same seed makes the same prices."""

    type: str = setting(Choice(("random_walk",)), "Made-up prices.", default="random_walk")
    seed: int = setting(Whole(0, 2**63 - 1), "The same seed gives the same prices.", default=1)
    volatility: float | None = setting(
        Maybe(Number(above=0, most=10)),
        "Yearly volatility as a fraction, 0.1 for 10 %; null: usual for the symbol.",
        default=None,
    )
    ticks_per_s: float | None = setting(
        Maybe(Number(above=0, most=10_000)), "Ticks a second for each symbol; null: one in each poll.", default=None
    )


@attrs.frozen(kw_only=True)
class ReplayFeed:
    """Recorded prices, from a file."""

    type: str = setting(Choice(("replay",)), "Recorded prices.", default="replay")
    path: Path = setting(Location(must_exist=True), "File of recorded ticks; relative to the configuration's folder.")
    more_paths: tuple[Path, ...] = setting(
        ListOf(Location(must_exist=True), "files"), "Further files, merged with the first by time.", default=()
    )
    format: str | None = setting(
        Maybe(Choice(("quantmind", "lean", "mt5", "histdata", "truefx", "dukascopy", "dukascopy_hour"))),
        "Format of the files, see recordings.md; null: told from what a file begins with.",
        default=None,
    )
    zone: str | None = setting(
        Maybe(
            Text(
                "UTC, an offset as +02:00, new_york_close, or a name as Europe/Athens",
                r"UTC|[+-][01][0-9]:[0-5][0-9]|new_york_close|[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}",
            )
        ),
        "Time zone of the recorded times; null: the format's own. `mt5` has none, so there it must be written.",
        default=None,
    )
    speed: float = setting(
        Number(least=0, most=1_000_000),
        "1 replays in real time, 10 ten times as fast, 0 as fast as it is taken.",
        default=1.0,
    )
    symbol: str | None = setting(
        Maybe(SYMBOL),
        "Symbol of the ticks, or the one to replay from a file of several; null: told from the file.",
        default=None,
    )
    start: str = setting(Choice(("at_once", "first_subscriber")), "When the replay begins.", default="at_once")


@attrs.frozen(kw_only=True)
class IngestFeed:
    """Prices that a terminal sends in, over ZeroMQ."""

    type: str = setting(
        Choice(("ingest",)), "Prices that a terminal sends to `gateway.data.ingest_port`.", default="ingest"
    )
    clock_tolerance_s: float = setting(
        Number(above=0, most=300),
        "A tick whose time differs from the gateway's clock by more, either way, is dropped, in seconds.",
        default=10.0,
    )


Feed: TypeAlias = RandomWalkFeed | ReplayFeed | IngestFeed
FEEDS: Final[Mapping[str, type]] = {"random_walk": RandomWalkFeed, "replay": ReplayFeed, "ingest": IngestFeed}


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """When nothing new is sent to a broker any more, and for how long."""

    failures: int = setting(
        Whole(1, 1000), "So many calls in a row that fail, of prices, account or orders, open it.", default=5
    )
    open_s: float = setting(
        Number(least=1, most=86_400), "How long it stays open before the next call decides, in seconds.", default=60.0
    )


@attrs.frozen(kw_only=True)
class BrokerConfig:
    """What every broker has.

    Attributes:
        name: Its name, the key under `brokers:`.
    """

    name: str
    type: str = setting(Text(), "The kind of broker.", default="")
    enabled: bool = setting(Flag(), "Whether the gateway uses it.", default=True)
    description: str = setting(Text(empty=True), "A note for people.", default="")
    stale_after_s: float = setting(
        Number(least=1, most=3600),
        "A feed that confirms no price for so long while its market is open is stale, in seconds; it is subscribed to "
        "again then, connected again after twice, and restarted after three times as long.",
        default=10.0,
    )
    symbol_stale_after_s: float | None = setting(
        Maybe(Number(least=1, most=86_400)),
        "The same for one symbol among others that speak, which is subscribed to again; null: as `stale_after_s`.",
        default=None,
    )
    breaker: BreakerConfig = setting(
        Section(BreakerConfig),
        "The circuit breaker that keeps new orders from a broker that fails; closes go through.",
        default=BreakerConfig,
    )


@attrs.frozen(kw_only=True)
class MockBrokerConfig(BrokerConfig):
    """A paper account inside the gateway."""

    type: str = setting(Choice(("mt5_mock",)), "A paper account inside the gateway.", default="mt5_mock")
    account_id: str = setting(Text(most=64), "Account that it stands for.", default="mock")
    server: str = setting(Text(most=64), "Server that it stands for.", default="QuantMind-Mock")
    login: int = setting(Whole(1, 2**63 - 1), "Login number that it stands for.", default=1)
    initial_balance: Decimal = setting(
        Amount(above=0), "Balance at the start, in the account's currency.", default=Decimal(10000)
    )
    currency: str = setting(Currency(), "Currency of the account.", default="USD")
    leverage: int = setting(Whole(1, 10_000), "100 stands for 1:100.", default=100)
    margin_mode: str = setting(
        Choice(("hedging", "netting")),
        "`hedging`: several positions of a symbol side by side; `netting`: one position of a symbol.",
        default="hedging",
    )
    symbols: Mapping[str, SymbolOverrides] = setting(
        MapOf(SYMBOL, Section(SymbolOverrides), "symbol", least=1),
        "Symbols, each with what differs from its usual specification; `{}` changes nothing.",
        default=attrs.Factory(lambda: {"EURUSD": SymbolOverrides()}),
        default_text="{EURUSD: {}}",
    )
    feed: Feed = setting(
        OneOf(FEEDS), "Where the prices come from.", default=RandomWalkFeed, default_text="{type: random_walk}"
    )
    commission_per_lot: Decimal = setting(
        Amount(least=0), "Commission for each lot and side, in the account's currency.", default=Decimal(0)
    )
    swap: SwapConfig | None = setting(
        Maybe(Section(SwapConfig)), "When positions held overnight are charged; `{}`: as usual.", default=None
    )
    margin_call_percent: Decimal = setting(
        Amount(least=0, most=10_000), "Margin level below which the account is warned.", default=Decimal(100)
    )
    stop_out_percent: Decimal = setting(
        Amount(least=0, most=10_000), "Margin level below which positions are closed.", default=Decimal(50)
    )
    max_pending_orders: int = setting(Whole(0, 1000), "So many limit and stop orders may wait at once.", default=200)
    sessions: Mapping[str, str] = setting(
        _SESSIONS,
        'Hours in which its symbols trade, such as `{mon-thu: "00:05-23:55", fri: "00:05-22:00"}`; `{}`: always.',
        default=dict,
        default_text="{}",
    )
    sessions_zone: str = setting(ZoneName(), "Time zone of `sessions`; its summer time counts.", default="UTC")
    execution: str = setting(
        _EXECUTIONS,
        "`market`: orders fill at the price of the moment; `instant`: at the one that was asked for, or are requoted.",
        default="market",
    )
    filling: tuple[str, ...] = setting(_FILLINGS, "Filling modes of market orders.", default=("fok", "ioc"))
    slippage: int = setting(_POINTS, "A market execution misses the price by at most so many points.", default=0)
    slippage_side: str = setting(
        _SLIPPAGE_SIDES, "`worse`: slippage is always against the trader; `both`: either way.", default="worse"
    )
    requotes: float = setting(
        _PROBABILITY, "How often the price moves before an instant execution: 0.1 is one in ten.", default=0.0
    )
    requote_points: int = setting(
        Whole(1, 1_000_000), "By at most so many points it moves then, against the trader.", default=10
    )
    fill_volume_max: Decimal | None = setting(
        Maybe(Amount(above=0)), "Lots that one market order is filled with at most; null: any volume.", default=None
    )
    execution_seed: int = setting(
        Whole(0, 2**63 - 1), "The same seed and orders give the same slippage and requotes.", default=1
    )
    persist: bool = setting(Flag(), "Whether the account survives a restart.", default=False)


@attrs.frozen(kw_only=True)
class Mt5BrokerConfig(BrokerConfig):
    """A MetaTrader 5 terminal on this machine."""

    type: str = setting(Choice(("mt5",)), "A MetaTrader 5 terminal on this machine.", default="mt5")
    path: Path | None = setting(Maybe(Location()), "terminal64.exe; null: the one that is running.", default=None)
    login: int | None = setting(Maybe(Whole(1, 2**63 - 1)), "Number of the account.", default=None)
    password: Secret | None = setting(Maybe(SecretText()), "Password of the account; use ${NAME}.", default=None)
    server: str | None = setting(Maybe(Text(most=64)), "Name of the broker's trade server.", default=None)
    timeout_ms: int = setting(Whole(1, 600_000), "How long to wait for the terminal.", default=60_000)
    portable: bool = setting(Flag(), "Whether the terminal runs in portable mode.", default=False)
    symbols: tuple[str, ...] = setting(
        ListOf(SYMBOL, "symbols"),
        "Symbols to follow, by the names that are used here; none: those in the terminal's Market Watch.",
        default=(),
    )
    symbol_suffix: str = setting(
        Text("up to 15 letters, digits and . _ # & -", "[A-Za-z0-9._#&-]{0,15}", empty=True),
        "What the broker appends to symbol names, as in `EURUSD.r`.",
        default="",
    )
    symbol_names: Mapping[str, str] = setting(
        MapOf(SYMBOL, SYMBOL, "symbol"),
        "The terminal's own name of a symbol, where it can't be told from currencies and description, as in "
        "`{US30: DJ30.cash}`.",
        default=dict,
        default_text="{}",
    )
    server_zone: str | None = setting(
        Maybe(
            Text(
                "UTC, an offset as +02:00, new_york_close, or a name as Europe/Athens",
                r"UTC|[+-][01][0-9]:[0-5][0-9]|new_york_close|[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}",
            )
        ),
        "The time zone of the trade server's clock; null: measured from live ticks.",
        default=None,
    )
    sessions: Mapping[str, str] | None = setting(
        _SESSIONS,
        "Hours in which its symbols trade; `{}`: always. Left out, currencies and metals trade from Sunday to Friday, "
        "17:00 in New York, and others always.",
        default=None,
        default_text="by the kind of symbol",
    )
    sessions_zone: str = setting(ZoneName(), "Time zone of `sessions`; its summer time counts.", default="UTC")
    order_timeout_s: float = setting(
        Number(least=0.5, most=18),
        "A request to trade that takes longer has an unknown outcome, and the worker that hangs in it is ended.",
        default=10.0,
    )
    query_timeout_s: float = setting(
        Number(least=0.5, most=9),
        "A question to the terminal that takes longer fails, and the worker that hangs in it is ended.",
        default=8.0,
    )
    settle_after_s: float = setting(
        Number(least=1, most=3600),
        "So long after it went out a request that the terminal does not know may still get through, in seconds; its "
        "outcome is unknown until then.",
        default=60.0,
    )
    module: str = setting(
        Text("a Python module", r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", most=100),
        "The module that speaks to the terminal: `MetaTrader5`, `mt5linux`, or `quantmind.testing.mt5` for the "
        "terminal that is made up.",
        default="MetaTrader5",
    )
    poll_interval_ms: int | None = setting(
        Maybe(Whole(1, 60_000)), "How often prices are read; null: `gateway.poll_interval_ms`.", default=None
    )


@attrs.frozen(kw_only=True)
class Mt5SocketBrokerConfig(BrokerConfig):
    """A MetaTrader 5 terminal that is reached over the network."""

    type: str = setting(Choice(("mt5_socket",)), "A MetaTrader 5 terminal over the network.", default="mt5_socket")
    mode: str = setting(
        Choice(("connect", "listen")),
        "`connect` to a worker or another gateway, or `listen` for a bridge that comes by itself.",
        default="connect",
    )
    vps_host: str | None = setting(
        Maybe(Text("a host name or address", "[A-Za-z0-9.:_-]{1,253}")), "Where the worker or gateway is.", default=None
    )
    vps_port: int = setting(Whole(1, 65535), "Its command port.", default=5555)
    vps_data_port: int = setting(Whole(1, 65535), "Its data port.", default=5557)
    account_id: str | None = setting(Maybe(Text(most=64)), "Account that must be found there.", default=None)
    timeout: float = setting(Number(above=0, most=600), "How long to wait for an answer, in seconds.", default=5.0)
    max_retries: int = setting(Whole(0, 100), "How often a request that may be repeated is repeated.", default=3)
    token: Secret | None = setting(
        Maybe(SecretText()),
        "In mode `connect`: a worker's own, or another gateway's with scopes bridge and trade; use ${NAME}.",
        default=None,
    )
    sessions: Mapping[str, str] | None = setting(
        _SESSIONS,
        "Hours in which its symbols trade; `{}`: always. Left out, currencies and metals trade from Sunday to Friday, "
        "17:00 in New York, and others always.",
        default=None,
        default_text="by the kind of symbol",
    )
    sessions_zone: str = setting(ZoneName(), "Time zone of `sessions`; its summer time counts.", default="UTC")


@attrs.frozen(kw_only=True)
class BinanceBrokerConfig(BrokerConfig):
    """A Binance account, spot or futures."""

    type: str = setting(Choice(("binance_spot", "binance_futures")), "A Binance account.", default="binance_spot")
    api_key: Secret | None = setting(Maybe(SecretText()), "API key; use ${NAME}.", default=None)
    api_secret: Secret | None = setting(Maybe(SecretText()), "Secret of an HMAC key; use ${NAME}.", default=None)
    private_key_path: Path | None = setting(
        Maybe(Location()), "File of an Ed25519 key, instead of api_secret.", default=None
    )
    testnet: bool = setting(Flag(), "Whether to trade on the test network.", default=False)
    base_url: str | None = setting(
        Maybe(Text("a URL that begins with http:// or https:// and has no path", r"https?://[^\s/]{1,250}/?")),
        "Another address, for REST, streams and WebSocket API: a simulator's. http:// is for this machine only.",
        default=None,
    )
    symbols: tuple[str, ...] = setting(
        ListOf(Text("capital letters and digits, such as BTCUSDT", "[A-Z0-9]{2,31}"), "symbols"),
        "Symbols to follow; what is held of others does not count.",
        default=(),
    )
    currency: str | None = setting(
        Maybe(Text("2 to 10 capital letters or digits, such as USDT", "[A-Z0-9]{2,10}")),
        "The asset that the account is kept in: every symbol is paid in it; null: USDT.",
        default=None,
    )
    recv_window_ms: int = setting(
        Whole(100, 60_000),
        "A request that reaches the exchange later than this is refused there; an outcome that nobody heard is looked "
        "up for so long before it counts as absent.",
        default=5000,
    )
    position_mode: str | None = setting(
        Maybe(Choice(("one_way", "hedge"))),
        "Futures: one position of a symbol, or one of each side; null: as the account is.",
        default=None,
    )
    margin_type: str | None = setting(
        Maybe(Choice(("crossed", "isolated"))), "Futures: of each of its symbols; null: as it is.", default=None
    )
    leverage: int | None = setting(
        Maybe(Whole(1, 150)), "Futures: of each of its symbols, 20 stands for 1:20; null: as it is.", default=None
    )
    dead_man_s: float | None = setting(
        Maybe(Number(least=10, most=3600)),
        "Futures: the exchange takes back all waiting orders of its symbols once it has heard nothing of the gateway "
        "for so long; null: never.",
        default=None,
    )
    poll_interval_ms: int | None = setting(
        Maybe(Whole(1, 60_000)), "How often prices are taken over; null: `gateway.poll_interval_ms`.", default=None
    )


BROKERS: Final[Mapping[str, type]] = {
    "mt5_mock": MockBrokerConfig,
    "mt5": Mt5BrokerConfig,
    "mt5_socket": Mt5SocketBrokerConfig,
    "binance_spot": BinanceBrokerConfig,
    "binance_futures": BinanceBrokerConfig,
}
