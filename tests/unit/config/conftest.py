"""What the tests of the configuration share."""

from collections.abc import Callable, Mapping
from textwrap import dedent

import pytest

from quantmind.config import Config, ConfigError, loads

MOCK = "brokers: {demo: {type: mt5_mock}}\n"


@pytest.fixture
def read() -> Callable[..., Config]:
    """Reads a text; a broker is added when the text has none."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> Config:
        return loads(_whole(text), name="b.yaml", environ=environ or {})

    return read


@pytest.fixture
def report() -> Callable[..., list[str]]:
    """Reads a text and gives its faults as `line: key: message`, and [] when it has none."""

    def report(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        try:
            loads(_whole(text), name="b.yaml", environ=environ or {})
        except ConfigError as error:
            return [str(fault).removeprefix("b.yaml:") for fault in error.faults]
        return []

    return report


def _whole(text: str) -> str:
    text = dedent(text)
    return text if "brokers" in text else f"{text.rstrip()}\n{MOCK}"
