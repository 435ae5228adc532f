"""A real disk without room, and a real folder that nobody may write to: mounts, as root on Linux."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.disk_trading import Trader, check_journal, configure, eventually, orders, rules
from faults.mounts import fill, read_only, resize, small_disk
from gateway_process import running

ROOM_KB = 12 * 1024
"""For a gateway's folder with its emergency file (4 MiB) and a journal of some orders."""


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The file of a paper account with two positions, on a healthy disk."""
    folder = tmp_path / "before"
    folder.mkdir()
    with running(configure(folder, persist=True)) as gateway:
        trader = Trader(gateway)
        trader.opened(0.3)
        trader.opened(0.2)
        assert gateway.stop() == 0
    return folder / "state" / "paper-demo.sqlite3"


def place_account(state: Path, account: Path) -> None:
    """Have the gateway of that folder trade on it, where it is."""
    (state / account.name).symlink_to(account)


def test_full_while_it_runs(tmp_path: Path, account: Path) -> None:
    """Opens are refused, closes go out and are kept; with room it goes on; a kill while it is full loses nothing."""
    with small_disk(tmp_path / "disk", ROOM_KB) as disk:
        place_account(disk, account)
        config, journal = configure(tmp_path, persist=True, state=disk), disk / "journal.sqlite3"
        with running(config) as gateway:
            trader = Trader(gateway)
            one, two = trader.opened(0.3), trader.opened(0.3)
            before = set(trader.volumes()) - {one, two}
            filler = fill(disk)
            refused = eventually(trader.open, lambda reply: reply["status"] != "success")
            assert (rules(refused), refused["approved"]) == (["journal"], False)
            assert "full" in trader.until_down()
            assert trader.close(one, 0.1)["status"] == "success"
            assert rules(trader.verdict()) == ["journal"]
            # what is recorded can be read
            for request_id in trader.executed():
                first, again = trader.repeat(request_id)
                assert again == first
            emergency = trader.journal["emergency"]
            assert (emergency["error"], emergency["refused"]) == (None, 0)
            assert emergency["waiting"] == 3

            filler.unlink()
            trader.until_up()
            eventually(lambda: trader.journal["emergency"]["used"], lambda used: not used)
            three = trader.opened(0.1)
            filler = fill(disk)
            eventually(trader.open, lambda reply: reply["status"] != "success")
            assert trader.close(two, 0.1)["status"] == "success"
            assert trader.close(three)["status"] == "success"
            assert trader.set_state("halted")[0] == 200
            left = eventually(trader.volumes, lambda found: three not in found and found.get(two) == 0.2)
            deals = len(trader.deals())
            gateway.kill()

        with running(config) as gateway:  # still full
            trader.gateway = gateway
            assert "full" in trader.until_down()
            eventually(trader.volumes, lambda found: found == left)
            for request_id in trader.executed():
                first, again = trader.repeat(request_id)
                assert again == first
            assert {"journal", "trading_state"} <= set(rules(trader.open()))
            assert trader.state == "halted"
            assert (trader.volumes(), len(trader.deals())) == (left, deals)
            filler.unlink()
            trader.until_up()
            assert trader.set_state("active")[0] == 200
            trader.opened()
            assert before <= set(trader.volumes())
            eventually(lambda: orders(journal).values(), lambda states: "intent" not in states)
            assert gateway.stop() == 0
        check_journal(journal)
        went_out = {trader.answered[key][1]["order_id"] for key in trader.executed()}
        assert {orders(journal)[order_id] for order_id in went_out} == {"filled"}


def test_full_from_the_start(tmp_path: Path, account: Path) -> None:
    """Without room for a journal or an emergency file it starts, opens nothing, closes, and has both when there is."""
    with small_disk(tmp_path / "disk", 64) as disk:
        place_account(disk, account)
        filler = fill(disk)
        with running(configure(tmp_path, persist=True, state=disk)) as gateway:
            trader = Trader(gateway)
            assert "full" in trader.until_down()
            assert "No space left" in trader.journal["emergency"]["error"]
            ticket = next(iter(eventually(trader.volumes, bool)))
            refused = trader.open()
            assert "journal" in rules(refused) or refused["status"] == "unknown", refused
            assert trader.close(ticket)["status"] == "success"
            assert trader.set_state("halted")[0] == 503
            assert trader.state == "halted"
            assert trader.journal["emergency"]["refused"] > 0
            assert any("lose.aside" in line for line in gateway.log)
            filler.unlink()
            resize(disk, ROOM_KB)
            trader.until_up()
            eventually(lambda: trader.journal["emergency"]["error"], lambda error: error is None)
            assert trader.set_state("active")[0] == 200
            trader.opened()
            eventually(lambda: orders(disk / "journal.sqlite3"), lambda found: len(found) == 2)
            assert gateway.stop() == 0
        check_journal(disk / "journal.sqlite3")


@pytest.mark.parametrize("killed", [True, False])
def test_a_read_only_folder_at_the_start(killed: bool, tmp_path: Path, account: Path) -> None:
    """A folder that was used and can't be written any more: it starts, knows its orders, closes, and opens nothing."""
    config, state = configure(tmp_path, persist=True), tmp_path / "state"
    state.mkdir()
    place_account(state, account)
    with running(config) as gateway:
        trader = Trader(gateway)
        ticket = trader.opened(0.3)
        assert trader.close(ticket, 0.1)["status"] == "success"
        assert trader.set_state("reduce_only")[0] == 200
        gateway.kill() if killed else gateway.stop()
    with read_only(state), running(config) as gateway:
        trader.gateway = gateway
        assert "readonly" in trader.until_down() or "unable to open" in trader.until_down()
        assert "Read-only" in trader.journal["emergency"]["error"]
        assert any("fail.state_folder" in line for line in gateway.log)
        eventually(trader.volumes, lambda found: found.get(ticket) == 0.2)
        deals = len(trader.deals())
        for request_id in trader.executed():
            first, again = trader.repeat(request_id)
            assert again == first
        assert len(trader.deals()) == deals
        refused = trader.open()
        assert {"journal", "trading_state"} <= set(rules(refused)), refused
        assert trader.state == "reduce_only", "it is read, though nothing can be written"
        assert trader.close(ticket)["status"] == "success"
        assert trader.set_state("halted")[0] == 503
        with pytest.raises(AssertionError, match="another gateway"), running(config):
            pass
        assert gateway.stop() == 0
    with running(config) as gateway:
        trader.gateway = gateway
        trader.until_up()
        assert ticket not in eventually(trader.volumes, lambda found: ticket not in found)
        assert trader.set_state("active")[0] == 200
        trader.opened()
        assert gateway.stop() == 0
    check_journal(state / "journal.sqlite3")


def test_a_read_only_folder_that_was_never_used(tmp_path: Path) -> None:
    """A folder that holds no journal and can't be written is a wrong one: the start is refused, with the way out."""
    config, state = configure(tmp_path, persist=False), tmp_path / "state"
    state.mkdir()
    with read_only(state), pytest.raises(AssertionError, match=r"set gateway\.state_dir or --state"), running(config):
        pass
