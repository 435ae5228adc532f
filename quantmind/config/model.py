"""The model of a whole configuration; every key has its line here or in `brokers`, and nowhere else."""

# ruff: noqa: RUF009 - `setting` gives an attrs field, as `attrs.field` does.

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.config.brokers import BROKER_NAME, BROKERS, PORT, BrokerConfig
from quantmind.config.kinds import Choice, Flag, ListenHost, Location, LoopbackHost, Moment, Text, TokenHash
from quantmind.config.numbers import Amount, Number, Whole
from quantmind.config.places import default_state_dir
from quantmind.config.rules import AllowancesConfig, ResetConfig, RulesConfig
from quantmind.config.secret import Secret
from quantmind.config.secure import SecureDataEndpoint, SecureEndpoint
from quantmind.config.settings import ListOf, MapOf, Maybe, OneOf, Section, setting
from quantmind.domain.tokens import moment_in

_AUTH: Final = Choice(("optional", "required"))
_LISTEN: Final = "Address to listen on; only this machine can reach it."
_LISTEN_TLS: Final = "Address to listen on; one that others reach needs `gateway.tls`."
_SECONDS: Final = Number(above=0, most=86_400)
_ORIGIN: Final = Text(
    "an origin such as https://desk.example or http://localhost:3000, with no path and no *",
    r"[a-z][a-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?",
)
NO_PRESET: Final = "none"
_NAME: Final = Text("1 to 64 characters on one line", r"\S(.{0,62}\S)?")
TOKEN_NAME: Final = Text("1 to 48 of the characters A-Z a-z 0-9 . _ -", r"[A-Za-z0-9._-]{1,48}")
_HOST_NAME: Final = Text("a host name or address, without port", r"[A-Za-z0-9.:_\[\]-]{1,253}")


@attrs.frozen(kw_only=True)
class WebSocketConfig:
    """The WebSocket door: market data for any client."""

    host: str = setting(ListenHost(), _LISTEN_TLS, default="127.0.0.1")
    port: int = setting(PORT, "TCP port; 0 picks a free one.", default=8765)
    heartbeat_interval_s: float = setting(
        _SECONDS, "How often a client hears that the gateway lives, in seconds.", default=30.0
    )
    max_clients: int = setting(Whole(1, 100_000), "Clients at a time; one more is turned away.", default=1000)
    max_symbols_per_client: int = setting(Whole(1, 100_000), "Symbols that one client may follow.", default=1000)
    rate_limit_per_s: int = setting(Whole(1, 1_000_000), "Messages that one client may send in a second.", default=100)
    max_message_bytes: int = setting(
        Whole(1024, 16 * 1024 * 1024), "Longest message of a client, in bytes.", default=65536
    )
    slow_client_timeout_s: float = setting(
        _SECONDS, "A client that takes nothing for so many seconds is dropped.", default=10.0
    )
    origins: tuple[str, ...] = setting(
        ListOf(_ORIGIN, "origins"),
        "Web pages that may connect, as `https://host[:port]`; none or this machine always may.",
        default=(),
    )
    auth: str = setting(_AUTH, "`required`: market data too needs a token.", default="optional")


@attrs.frozen(kw_only=True)
class CommandsConfig:
    """The ZeroMQ door for trade commands."""

    host: str = setting(LoopbackHost(), _LISTEN, default="127.0.0.1")
    port: int = setting(PORT, "ZeroMQ port of commands; 0 picks a free one.", default=5555)
    http_port: int = setting(PORT, "Port of the same commands over HTTP; 0 picks a free one.", default=5006)
    command_ttl_s: float = setting(_SECONDS, "A command older than so many seconds is not carried out.", default=10.0)
    approval_ttl_s: float = setting(_SECONDS, "How long an approval holds, in seconds.", default=5.0)
    max_in_flight: int = setting(
        Whole(1, 1_000_000), "Commands in work at a time; one more is told `busy`.", default=1024
    )
    auth: str = setting(_AUTH, "`required`: verdicts too need a token.", default="optional")
    secure: tuple[SecureEndpoint, ...] = setting(
        ListOf(Section(SecureEndpoint), "endpoints"),
        "Further endpoints, where each client shows credentials; see encryption.md.",
        default=(),
    )


@attrs.frozen(kw_only=True)
class DataConfig:
    """The ZeroMQ doors for ticks: in and out."""

    host: str = setting(LoopbackHost(), _LISTEN, default="127.0.0.1")
    ingest_port: int = setting(
        PORT,
        "Port that takes ticks of terminals, open if a broker has a feed of type ingest; 0 picks a free one.",
        default=5556,
    )
    ingest_auth: str = setting(
        Choice(("plain", "none")),
        "`plain`: a terminal shows its broker's name and a token with scope bridge; "
        "`none`: any program of this machine may send ticks of the only broker that takes them.",
        default="plain",
    )
    publish_port: int = setting(PORT, "Port that publishes ticks and risk states; 0 picks a free one.", default=5557)
    secure: tuple[SecureDataEndpoint, ...] = setting(
        ListOf(Section(SecureDataEndpoint), "endpoints"),
        "Further endpoints, where each client shows credentials; see encryption.md.",
        default=(),
    )


@attrs.frozen(kw_only=True)
class RestConfig:
    """The HTTP door."""

    host: str = setting(ListenHost(), _LISTEN_TLS, default="127.0.0.1")
    port: int = setting(PORT, "TCP port; 0 picks a free one.", default=5005)
    max_body_bytes: int = setting(Whole(1024, 16 * 1024 * 1024), "Longest body of a request, in bytes.", default=65536)
    origins: tuple[str, ...] = setting(
        ListOf(_ORIGIN, "origins"),
        "Web pages that may call, as `https://host[:port]`; none or this machine always may.",
        default=(),
    )
    hosts: tuple[str, ...] = setting(
        ListOf(_HOST_NAME, "hosts"), "Host names that a request may address.", default=("localhost", "127.0.0.1")
    )


@attrs.frozen(kw_only=True)
class JournalConfig:
    """The record of what was decided."""

    durable: bool = setting(
        Flag(),
        "Whether each decision is on disk before it counts; false is faster, and a power cut loses the last ones.",
        default=True,
    )
    max_size_mb: int = setting(Whole(1, 1_048_576), "Size beyond which old records go, in MiB.", default=1024)
    keep_days: int = setting(Whole(1, 36_500), "Days that records are kept.", default=90)


@attrs.frozen(kw_only=True)
class TlsConfig:
    """Encryption of the WebSocket and HTTP doors; without it both speak in clear text."""

    certificate: Path | None = setting(
        Maybe(Location()),
        "File of the certificate and the chain up to its authority (PEM); relative to the configuration's folder.",
        default=None,
    )
    key: Path | None = setting(
        Maybe(Location()), "File of the certificate's private key (PEM, no passphrase).", default=None
    )


@attrs.frozen(kw_only=True)
class GatewayConfig:
    """The gateway itself: its clocks and its doors."""

    state_dir: Path = setting(
        Maybe(Location()),
        "Folder of the gateway's state; relative to the configuration's folder; null: the platform's state folder.",
        default=attrs.Factory(default_state_dir),
        default_text="null",
        converter=attrs.converters.default_if_none(factory=default_state_dir),
    )
    poll_interval_ms: int = setting(Whole(1, 60_000), "How often prices are read, in milliseconds.", default=100)
    account_interval_ms: int = setting(Whole(10, 600_000), "How often accounts are read, in milliseconds.", default=500)
    latency_warning_ms: float = setting(
        Number(above=0, most=3_600_000),
        "A command that takes longer is logged with its stages; what the broker takes to answer does not count.",
        default=5.0,
    )
    websocket: WebSocketConfig = setting(
        Section(WebSocketConfig), "Market data over WebSocket.", default=WebSocketConfig
    )
    commands: CommandsConfig = setting(Section(CommandsConfig), "Trade commands over ZeroMQ.", default=CommandsConfig)
    data: DataConfig = setting(Section(DataConfig), "Ticks over ZeroMQ.", default=DataConfig)
    rest: RestConfig = setting(Section(RestConfig), "Everything over HTTP.", default=RestConfig)
    journal: JournalConfig = setting(Section(JournalConfig), "The record of what was decided.", default=JournalConfig)
    tls: TlsConfig = setting(Section(TlsConfig), "Encryption of WebSocket and HTTP.", default=TlsConfig)


@attrs.frozen(kw_only=True)
class EaConfig:
    """One Expert Advisor, by its name."""

    broker: str | None = setting(
        Maybe(BROKER_NAME), "Broker of its commands; null: the only enabled one.", default=None
    )
    max_volume: Decimal | None = setting(
        Maybe(Amount(above=0)), "Largest volume of one order, in lots; null: no limit of its own.", default=None
    )
    max_open_positions: int | None = setting(
        Maybe(Whole(1, 100_000)),
        "Its open positions at a time, with orders on their way; null: no limit of its own.",
        default=None,
    )
    room_percent: Decimal | None = setting(
        Maybe(Amount(above=0, most=100)),
        "How much of what the account may still lose one of its orders may risk, in percent; null: all.",
        default=None,
    )
    dead_man_s: float | None = setting(
        Maybe(_SECONDS), "Silence after which `on_dead_man` is done, in seconds; null: never.", default=None
    )
    on_dead_man: str = setting(
        Choice(("none", "block", "cancel", "flatten")),
        "What its silence does: nothing, block new orders, cancel pending orders, close its positions.",
        default="none",
    )


@attrs.frozen(kw_only=True)
class TokenConfig:
    """One token that opens the doors."""

    hash: Secret | None = setting(
        Maybe(TokenHash()), "Hash of the token (docs/tokens.md); without one it opens nothing.", default=None
    )
    scopes: tuple[str, ...] = setting(
        ListOf(Choice(("read", "ea", "bridge", "trade", "admin")), "scopes"), "What it may do.", default=("read",)
    )
    eas: tuple[str, ...] = setting(ListOf(_NAME, "EA names"), "EAs that it speaks for; empty: any.", default=())
    brokers: tuple[str, ...] = setting(
        ListOf(BROKER_NAME, "broker names"),
        "Brokers that it reaches; empty: any, which a token with scope bridge may not.",
        default=(),
    )
    expires: str | None = setting(Maybe(Moment()), "Until when it holds, in UTC; null: for good.", default=None)
    rate_limit_per_s: int = setting(
        Whole(1, 1_000_000), "Requests that it may send in a second, over HTTP and ZeroMQ together.", default=1000
    )

    @property
    def expires_at(self) -> float | None:
        """The end of it in Unix seconds."""
        return None if self.expires is None else moment_in(self.expires)


@attrs.frozen(kw_only=True)
class AccountRisk:
    """The limits of one account."""

    preset: str = setting(
        Text("the name of a preset", "[A-Za-z0-9._-]{1,64}"),
        "Rules of a firm, by name (see presets.md); none: no firm's.",
        default=NO_PRESET,
    )
    initial_capital: Decimal | None = setting(
        Maybe(Amount(above=0)),
        "Capital at the start, which percents are of; a preset needs it, and rules that count from it do.",
        default=None,
    )
    max_volume: Decimal = setting(Amount(above=0), "Largest volume of one order, in lots.", default=Decimal("1.0"))
    max_open_positions: int = setting(
        Whole(1, 100_000), "Open positions at a time, with orders on their way.", default=10
    )
    equity_fresh_s: float = setting(
        _SECONDS, "Equity that was last read longer ago refuses new risk, in seconds.", default=2.0
    )
    price_fresh_s: float = setting(
        _SECONDS, "A price that was last confirmed longer ago refuses new risk, in seconds.", default=5.0
    )
    group: str | None = setting(
        Maybe(_NAME), "Accounts with the same group are judged together by `exposure`; null: alone.", default=None
    )
    on_breach: str = setting(
        Choice(("halt", "flatten")), "What a broken limit does: halt, or halt and close everything.", default="halt"
    )
    on_drift: str = setting(
        Choice(("adopt", "flag")),
        "What is done with a position that the broker's deals do not explain: take it over, or flag it until an admin "
        "does.",
        default="adopt",
    )
    reset: ResetConfig | None = setting(
        Maybe(Section(ResetConfig)),
        "When a day ends; null: as the preset says, without one at 00:00 UTC.",
        default=None,
    )
    allowances: AllowancesConfig = setting(
        Section(AllowancesConfig), "What a stop may cost beyond its price.", default=AllowancesConfig
    )
    rules: RulesConfig = setting(
        Section(RulesConfig),
        "Rules with their parameters; each replaces the preset's rule of that name as a whole, null turns it off.",
        default=RulesConfig,
    )


@attrs.frozen(kw_only=True)
class RiskConfig:
    """What the risk governor allows."""

    observe_only: bool = setting(Flag(), "Whether limits are judged and recorded but do not refuse.", default=False)
    news_file: Path | None = setting(
        Maybe(Location()),
        "Calendar of events, which the rule `news` needs; relative to the configuration's folder.",
        default=None,
    )
    accounts: Mapping[str, AccountRisk] = setting(
        MapOf(Text("the name of a broker, or default", "[A-Za-z0-9_-]{1,32}"), Section(AccountRisk), "broker"),
        "Limits by broker. `default` is for brokers that are not named; it is not mixed into those that are.",
        default=dict,
    )

    def account_for(self, broker_name: str) -> AccountRisk:
        """Return the limits of a broker: its own, else those of `default`, else the built-in ones."""
        return self.accounts.get(broker_name) or self.accounts.get("default") or AccountRisk()


@attrs.frozen(kw_only=True)
class Config:
    """A whole configuration that has passed every check.

    Attributes:
        path: The file that it came from.
    """

    path: Path
    gateway: GatewayConfig = setting(Section(GatewayConfig), "The gateway itself.", default=GatewayConfig)
    brokers: Mapping[str, BrokerConfig] = setting(
        MapOf(BROKER_NAME, OneOf(BROKERS), "broker", brokers=True),
        "Brokers by name; at least one must be enabled.",
        default=dict,
    )
    eas: Mapping[str, EaConfig] = setting(
        MapOf(_NAME, Section(EaConfig), "ea"), "Expert Advisors by name.", default=dict
    )
    tokens: Mapping[str, TokenConfig] = setting(
        MapOf(TOKEN_NAME, Section(TokenConfig), "token"),
        "Tokens by name; further ones by `quantmind token` (docs/tokens.md).",
        default=dict,
    )
    risk: RiskConfig = setting(Section(RiskConfig), "What the risk governor allows.", default=RiskConfig)

    @property
    def enabled_brokers(self) -> Mapping[str, BrokerConfig]:
        """The brokers that the gateway uses, in file order."""
        return {name: broker for name, broker in self.brokers.items() if broker.enabled}

    def describe(self) -> dict[str, Any]:
        """Return everything as plain values, defaults filled in and secrets masked, safe to print."""
        from quantmind.config.describe import described

        return {"path": str(self.path), **described(self)}
