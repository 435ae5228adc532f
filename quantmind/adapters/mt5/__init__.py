"""MetaTrader 5: a terminal behind a worker process of its own, which the gateway speaks bridge messages with."""
