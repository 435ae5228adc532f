"""The configuration file: its model and how it is read.

Layout: `model` and `brokers` are the table of keys; `settings` and `kinds` are what such a table is made of;
`source` and `interpolate` turn YAML into a `tree`, `check` and `cross` turn that into the model, `load` is the way in.
`pending` lists what is refused because it is not implemented yet. `schema` and `document` are generated from the table.
"""

from quantmind.config.brokers import (
    BinanceBrokerConfig,
    BrokerConfig,
    Feed,
    IngestFeed,
    MockBrokerConfig,
    Mt5BrokerConfig,
    Mt5SocketBrokerConfig,
    RandomWalkFeed,
    ReplayFeed,
    SymbolOverrides,
)
from quantmind.config.faults import ConfigError, Fault
from quantmind.config.load import load, loads
from quantmind.config.model import (
    AccountRisk,
    CommandsConfig,
    Config,
    DataConfig,
    EaConfig,
    GatewayConfig,
    JournalConfig,
    RestConfig,
    RiskConfig,
    TlsConfig,
    TokenConfig,
    WebSocketConfig,
)
from quantmind.config.secret import Secret

__all__ = [
    "load",
    "loads",
    "Config",
    "ConfigError",
    "Fault",
    "Secret",
    "BinanceBrokerConfig",
    "BrokerConfig",
    "Feed",
    "IngestFeed",
    "MockBrokerConfig",
    "Mt5BrokerConfig",
    "Mt5SocketBrokerConfig",
    "RandomWalkFeed",
    "ReplayFeed",
    "SymbolOverrides",
    "AccountRisk",
    "CommandsConfig",
    "DataConfig",
    "EaConfig",
    "GatewayConfig",
    "JournalConfig",
    "RestConfig",
    "RiskConfig",
    "TlsConfig",
    "TokenConfig",
    "WebSocketConfig",
]
