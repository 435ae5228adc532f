"""What all tests share: options, recorded data, Hypothesis profiles."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, settings

# In CI the examples are the same each time that code and tests are: what lands must not hang on luck. Locally, and so
# in every long form, they are others each time.
SAME = bool(os.environ.get("CI"))
settings.register_profile("local", deadline=None, max_examples=100, derandomize=SAME)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=examples(2_000, 2_000),
    derandomize=SAME,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("local")

# A shell starts what runs in its background with Ctrl-C ignored, and a program inherits that. Those that tests start
# and end by Ctrl-C must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms too")


LONGEST = ("test_chaos.py", "test_chaos_binance.py", "test_tutorial.py")
"""Each of these takes a minute or two: begun last, one would run alone at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long form: run with --long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Recorded market data, by QUANTMIND_DATA; skipped where there is none."""
    named = os.environ.get("QUANTMIND_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no recorded data here: set QUANTMIND_DATA to its folder")
    return folder
