"""Checks between brokers whose prices terminals send in and the door that takes them."""

from quantmind.config.brokers import IngestFeed
from quantmind.config.check import Checker
from quantmind.config.model import Config


def ingest_brokers(config: Config) -> tuple[str, ...]:
    """Return the enabled brokers with a feed of type ingest; without any, nothing listens for ticks."""
    return tuple(name for name, broker in config.enabled_brokers.items() if _ingests(broker))


def check_ingest(config: Config, checker: Checker) -> None:
    """Report a door that can't tell one broker's ticks from another's."""
    names = ingest_brokers(config)
    path = ("gateway", "data", "ingest_auth")
    if config.gateway.data.ingest_auth != "none" or len(names) < 2 or path not in checker.marks:
        return
    message = (
        f"none leaves nobody to tell whose ticks they are, and {len(names)} brokers have a feed of type ingest "
        f"({', '.join(names)}); set it to plain, or enable one of them"
    )
    checker.fault(checker.marks[path].line, path, message)


def _ingests(broker: object) -> bool:
    return isinstance(getattr(broker, "feed", None), IngestFeed)
