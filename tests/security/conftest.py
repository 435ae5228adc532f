"""Gateways to attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import GatewayProcess, running, write_config

WALK = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
FED = {"type": "mt5_mock", "symbols": {"USDJPY": {}}, "feed": {"type": "ingest"}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway for all tests of a file, with one broker that makes its prices up and one that takes a terminal's."""
    with running(made_config(tmp_path_factory.mktemp("gateway")), "--verbose") as opened:
        yield opened


def made_config(folder: Path) -> Path:
    return write_config(folder, {"demo": WALK, "fed": FED}, data={"ingest_port": 0})
