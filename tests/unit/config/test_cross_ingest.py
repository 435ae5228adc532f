"""Checks between brokers whose prices terminals send in and the door that takes them."""

import pytest

from quantmind.config import load
from quantmind.config.cross_ingest import ingest_brokers

TAKES = "{type: mt5_mock, feed: {type: ingest}}"
WALKS = "{type: mt5_mock}"
OFF = "{type: mt5_mock, enabled: false, feed: {type: ingest}}"
NOBODY_ASKED = "gateway: {data: {ingest_auth: none}}\n"


def brokers(**named: str) -> str:
    return "brokers: {" + ", ".join(f"{name}: {text}" for name, text in named.items()) + "}\n"


def test_one_broker_may_take_ticks_from_anybody(report):
    """With one such broker there is no doubt whose ticks they are."""
    assert report(NOBODY_ASKED + brokers(a=TAKES, b=WALKS, c=OFF)) == []


def test_several_brokers_need_to_know_who_sends(report):
    """With two of them nobody could tell one broker's ticks from the other's."""
    (fault,) = report(NOBODY_ASKED + brokers(a=TAKES, b=TAKES))

    assert fault.startswith("1: gateway.data.ingest_auth: none leaves nobody to tell whose ticks they are")
    assert fault.endswith("feed of type ingest (a, b); set it to plain, or enable one of them")
    assert report(NOBODY_ASKED.replace("none", "plain") + brokers(a=TAKES, b=TAKES)) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7"])
def test_nobody_is_asked_on_loopback_only(report, host):
    """Off loopback the file is refused with the reason."""
    (fault,) = report(NOBODY_ASKED.replace("{ingest", "{host: " + host + ", ingest") + brokers(a=TAKES))

    assert "gateway.data.host" in fault
    assert "loopback" in fault


def test_its_port_counts_only_where_it_is_open(report):
    """The default port of ingestion is free for others while no broker takes ticks."""
    rest = "gateway: {rest: {port: 5556}}\n"

    assert report(rest + brokers(a=WALKS)) == []
    (fault,) = report(rest + brokers(a=TAKES))
    assert fault.startswith("1: gateway.rest.port: port 5556 on 127.0.0.1 is also that of gateway.data.ingest_port")


@pytest.mark.parametrize("value", ["0", "-1", "301", "soon"])
def test_the_tolerance_has_bounds(report, value):
    """A tick in the broker's local time must not pass for one of now."""
    (fault,) = report(brokers(a=TAKES.replace("ingest}", "ingest, clock_tolerance_s: " + value + "}")))

    assert "clock_tolerance_s: must be a number above 0 and up to 300" in fault


def test_which_brokers_take_ticks(tmp_path):
    """The enabled ones with such a feed, in file order."""
    path = tmp_path / "brokers.yaml"
    path.write_text(brokers(b=TAKES, a=TAKES, c=WALKS, d=OFF), encoding="utf-8")

    assert ingest_brokers(load(path, {})) == ("b", "a")
