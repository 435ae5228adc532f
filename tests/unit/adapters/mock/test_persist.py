"""A kept paper account: what is answered is on disk, a restart goes on from it, and a bad file is never made up for."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from quantmind.adapters.mock import AccountFileError, PaperAccount, Terms, build, persist
from quantmind.adapters.mock import account_file as files
from quantmind.adapters.mock.account_file import AccountFile, AccountFileDown
from quantmind.adapters.mock.persist import Persistence
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.adapters.state_folder import StateFolder
from quantmind.config import MockBrokerConfig, SymbolOverrides
from quantmind.config.brokers import ReplayFeed
from quantmind.config.hours import SwapConfig
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Placed, Refused, Side, Unknown
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Terms as Ceiling
from quantmind.domain.risk.approval import approve
from quantmind.domain.symbols import usual_spec
from quantmind.errors import BrokerUnavailable

ORIGIN = Origin("alpha", 7)
SLIPPING = {"EURUSD": SymbolTerms(slippage_points=50)}


def make(*symbols, **terms):
    return PaperAccount(Terms(**terms), map(usual_spec, symbols or ("EURUSD", "USDJPY")), SLIPPING)


def trade(account, tag="t1", side=Side.BUY, **more):
    outcome = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), side, **more), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def tick(account, bid=1.085, ask=1.0851, symbol="EURUSD", at=1_795_424_400_000):
    account.tick(Quote(symbol, bid, ask, at))


def busy():
    """An account with all that one can have: positions, orders, deals, ended orders, tags."""
    account = make()
    tick(account)
    tick(account, 150.0, 150.01, "USDJPY")
    first = trade(account, "buy", sl=Decimal("1.07000"))
    trade(account, "sell", Side.SELL, comment="ünïcode \N{SNOWMAN}")
    limit = trade(account, "limit", order_type=OrderType.LIMIT, price=Decimal("1.08000"), expiration=1_795_500_000.0)
    trade(account, "stop", order_type=OrderType.STOP, price=Decimal("1.09000"))
    account.modify(Modify(ORIGIN, "demo", first.ticket, new_tp=Decimal("1.10000")), "modify")
    account.cancel(Cancel(ORIGIN, "demo", limit.ticket), "cancel")
    account.close(Close(ORIGIN, "demo", "EURUSD", first.ticket, Decimal("0.04")), "close")
    return account


def same(one, other):
    assert one.snapshot() == other.snapshot()
    assert one.state() == other.state()
    assert [one.find(tag) for tag, _ in one.snapshot().tags] == [other.find(tag) for tag, _ in one.snapshot().tags]


def reopened(path, **terms):
    account = make(**terms)
    return account, Persistence.open(path, "demo", account)


async def kept(path, account=None):
    account = busy() if account is None else account
    persistence = Persistence.open(path, "demo", make())
    await persistence.save(account)
    await persistence.aclose(account)
    return account


async def test_everything_survives(tmp_path):
    """Balance, positions, orders, deals, tags and their results, counters, prices, time, random numbers."""
    account = await kept(tmp_path / "a")
    other, _ = reopened(tmp_path / "a")

    same(account, other)
    assert other.snapshot().drawn == 3
    assert trade(account, "next") == trade(other, "next")
    assert {each.name for each in tmp_path.iterdir()} <= {"a", "a-wal"}


async def test_what_comes_later_is_added(tmp_path):
    """Restart after restart, each with more, and the file says the same as an account that never stopped."""
    path, account = tmp_path / "a", make()
    for number in range(6):
        other, persistence = reopened(path)
        same(account, other)
        for each in (account, other):
            tick(each, 1.085 + number / 1000, 1.0851 + number / 1000, at=1_795_424_400_000 + number)
            trade(each, f"t{number}")
        await persistence.save(other)
        await persistence.aclose(other)
    same(account, reopened(path)[0])


async def test_nothing_is_written_when_nothing_has_changed(tmp_path, monkeypatch):
    """Prices alone wait for ten seconds, or for the end."""
    account, now = busy(), [100.0]
    persistence = Persistence.open(tmp_path / "a", "demo", make(), monotonic=lambda: now[0])
    writes = []
    write = AccountFile.write
    monkeypatch.setattr(AccountFile, "write", lambda *args: writes.append(1) or write(*args))
    await persistence.save(account)
    await persistence.save(account)
    assert len(writes) == 1
    tick(account, 1.0852, 1.0853)
    await persistence.save(account)
    assert len(writes) == 1
    now[0] += persist.PRICES_EVERY_S
    await persistence.save(account)
    assert len(writes) == 2
    tick(account, 1.0853, 1.0854)
    await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


async def test_the_history_is_bounded(tmp_path, monkeypatch):
    """The newest are kept; a tag whose order's end is forgotten is forgotten, and one that still waits is not."""
    monkeypatch.setattr(files, "KEPT", 20)
    account = make()
    tick(account)
    waits = trade(account, "waits", order_type=OrderType.LIMIT, price=Decimal("1.08000"))
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    for number in range(18):
        trade(account, f"t{number}")
        await persistence.save(account)
    await persistence.aclose(account)
    other, persistence = reopened(tmp_path / "a")
    assert other.find("waits") == account.find("waits")
    for number in range(30):
        placed = trade(other, f"u{number}")
        other.close(Close(ORIGIN, "demo", "EURUSD", placed.ticket), f"c{number}")
        await persistence.save(other)
    await persistence.aclose(other)
    last, _ = reopened(tmp_path / "a")

    assert len(last.deals) == 20
    assert last.deals == other.deals[-20:]
    assert last.balance == other.balance
    assert len(last.positions()) == 18
    assert last.orders() == other.orders()
    assert last.orders()[0].ticket == waits.ticket
    assert last.find("c29") == other.find("c29")
    assert last.find("t0") is None


DIES = """
    import os, signal, sys, trio
    from pathlib import Path
    sys.path.insert(0, {folder!r})
    from test_persist import *

    async def main():
        account, persistence = reopened(Path({path!r}))
        tick(account)
        number = len(account.deals)
        while True:
            placed = trade(account, f"t{{number}}", sl=Decimal("1.00000"))
            await persistence.save(account)
            print(number, placed.ticket, account.balance, flush=True)
            number += 1

    trio.run(main)
"""


@pytest.mark.parametrize("after", [1, 4, 9])
def test_what_was_answered_survives_a_kill(tmp_path, after):
    """SIGKILL at any moment (TerminateProcess on Windows): nothing that was printed is missing, nothing is torn."""
    path = tmp_path / "a"
    code = textwrap.dedent(DIES.format(folder=str(Path(__file__).parent), path=str(path)))
    printed = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().split() for _ in range(after)]
        finally:
            process.kill()
            rest, _ = process.communicate()
            watchdog.cancel()
        whole = [line.split() for line in rest.splitlines() if line.count(" ") == 2]
        number, ticket, _ = (lines + whole)[-1]
        printed = int(number) + 1
        account, persistence = reopened(path)
        assert printed <= len(account.deals) <= printed + 1
        assert [placed.ticket for placed in map(account.find, (f"t{each}" for each in range(printed)))][-1] == int(
            ticket
        )
        assert len(account.positions()) == len(account.deals)
        persistence._file.close()
    assert printed >= 2 * after


# --- files that are no good ------------------------------------------------------------------------------------------


def damage(path, change):
    connection = sqlite3.connect(path)
    with connection:
        change(connection)
    connection.close()


def sql(text, *values):
    return lambda path: damage(path, lambda connection: connection.execute(text, values))


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100]), ""),
    "other": (lambda path: path.write_text("balance: 1000000\n" * 100, encoding="utf-8"), "not a database"),
    "another database": (sql("PRAGMA application_id = 1"), "it is no file of a paper account"),
    "newer": (sql("PRAGMA user_version = 99"), "it has version 99, this program knows up to 1; use the newer program"),
    "edited": (
        lambda path: damage(
            path,
            lambda c: c.execute("UPDATE account SET body = replace(body, ?, ?)", (b'"balance":"9', b'"balance":"8')),
        ),
        "row 1 of its account is damaged",
    ),
    "no account": (sql("DELETE FROM account"), "there is no account in it"),
    "deal": (sql("UPDATE deals SET body = ? WHERE number = 2", b"{}"), "row 2 of its deals is damaged"),
    "table": (sql("DROP TABLE tags"), "no such table: tags"),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_bad_file_is_an_error_and_stays_as_it_is(tmp_path, name):
    """It names the file and the way out; nothing begins anew over what may be somebody's only copy."""
    path = tmp_path / "paper-demo.sqlite3"
    await kept(path)
    change, said = DAMAGES[name]
    change(path)
    before = path.read_bytes()

    with pytest.raises(AccountFileError) as caught:
        reopened(path)

    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "move it and what is named like it away to begin with a new account" in str(caught.value)
    assert path.read_bytes() == before


async def test_any_damaged_byte_is_found_or_harmless(tmp_path):
    """A flipped bit in the file: an error, or the account as it was (a byte that nobody reads)."""
    path = tmp_path / "a"
    account = await kept(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            other, persistence = reopened(path)
        except AccountFileError:
            continue
        same(account, other)
        persistence._file.close()


async def test_a_file_that_went_away_leaves_no_orphan_unnoticed(tmp_path):
    """What is left of it holds a part of the account."""
    (tmp_path / "a-wal").write_bytes(b"x")
    with pytest.raises(AccountFileError, match="is missing, and a-wal beside it holds a part of it"):
        reopened(tmp_path / "a")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"login": 2}, "it is of login 1, the configuration says 2: set that back to 1"),
        ({"currency": "EUR"}, "it is of currency USD, the configuration says EUR"),
        ({"margin_mode": "netting"}, "it is of margin_mode hedging, the configuration says netting"),
    ],
)
async def test_another_account_is_not_taken_for_this_one(tmp_path, terms, said):
    """A changed configuration must not turn dollars into euros."""
    await kept(tmp_path / "a")
    with pytest.raises(AccountFileError, match=said):
        reopened(tmp_path / "a", **terms)


async def test_another_brokers_file_is_not_taken(tmp_path):
    """Names that differ in their case are one file on Windows."""
    await kept(tmp_path / "a")
    with pytest.raises(AccountFileError, match="it is of broker demo, the configuration says Demo"):
        Persistence.open(tmp_path / "a", "Demo", make())


async def test_a_symbol_that_is_held_must_be_configured(tmp_path):
    """One that is not may go."""
    await kept(tmp_path / "a")
    Persistence.open(tmp_path / "a", "demo", make("EURUSD"))._file.close()
    with pytest.raises(AccountFileError, match="of EURUSD, which is no symbol of the account: add it again"):
        Persistence.open(tmp_path / "a", "demo", make("USDJPY"))


async def test_two_at_once_are_one_too_many(tmp_path):
    """A second program that opens the file is told, and the first goes on."""
    account = await kept(tmp_path / "a")
    _, persistence = reopened(tmp_path / "a")
    tick(account)
    trade(account, "more")
    await persistence.save(account)
    with pytest.raises(AccountFileError, match="locked"):
        reopened(tmp_path / "a")
    trade(account, "and more")
    await persistence.save(account)
    await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


# --- disks that are no good ------------------------------------------------------------------------------------------


async def test_a_disk_that_fails_is_said_and_tried_again(tmp_path, monkeypatch):
    """What could not be written is written by the next call that can."""
    account = busy()
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    await persistence.save(account)
    trade(account, "more")
    put = files._put
    monkeypatch.setattr(files, "_put", lambda *args: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
    with pytest.raises(AccountFileDown, match="can't be written: disk is full"):
        await persistence.save(account)
    assert persistence.down is not None
    monkeypatch.setattr(files, "_put", put)
    await persistence.save(account)
    assert persistence.down is None
    await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody remove a file that is open")
async def test_a_file_that_is_removed_under_it_is_an_error(tmp_path):
    """Writing on into a file that has no name would lose everything at the end."""
    account = busy()
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    await persistence.save(account)
    shutil.move(tmp_path / "a", tmp_path / "b")
    trade(account, "more")
    with pytest.raises(AccountFileDown, match=r"No such file|removed or replaced"):
        await persistence.save(account)
    shutil.move(tmp_path / "b", tmp_path / "a")
    await persistence.save(account)
    await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


async def test_a_disk_that_hangs_holds_up_nobody_for_long(tmp_path, monkeypatch):
    """The caller hears it in time; what hung is finished before the next write begins, and nothing is written twice."""
    account, release, inside = busy(), threading.Event(), []
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    write = AccountFile.write

    def hang(*args):
        inside.append(1)
        assert len(inside) == 1
        release.wait(20)
        try:
            return write(*args)
        finally:
            inside.pop()

    monkeypatch.setattr(AccountFile, "write", hang)
    monkeypatch.setattr(persist, "HUNG_S", 0.05)
    with trio.fail_after(20):
        with pytest.raises(AccountFileDown, match="has not answered"):
            await persistence.save(account)
        trade(account, "more")
        with pytest.raises(AccountFileDown, match="has not answered"):
            await persistence.save(account)
        release.set()
        monkeypatch.setattr(persist, "HUNG_S", 15)
        await persistence.save(account)
        await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


async def test_a_cancelled_caller_leaves_a_whole_file(tmp_path):
    """Wherever the cancellation comes."""
    account = busy()
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    with trio.fail_after(60):
        for number in range(30):
            trade(account, f"c{number}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(persistence.save, account)
                for _ in range(number % 6):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        await persistence.save(account)
        await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


async def test_many_at_once_share_a_write(tmp_path, monkeypatch):
    """Whoever waited finds its change written by the one before."""
    account, writes = busy(), []
    persistence = Persistence.open(tmp_path / "a", "demo", make())
    write = AccountFile.write
    monkeypatch.setattr(AccountFile, "write", lambda *args: writes.append(1) or write(*args))

    async def one(number):
        trade(account, f"m{number}")
        await persistence.save(account)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)
        assert len(writes) <= 3
        await persistence.aclose(account)
    same(account, reopened(tmp_path / "a")[0])


# --- behind the broker -----------------------------------------------------------------------------------------------


def broker_of(path, **config):
    config = {"name": "demo", "persist": True, "symbols": {"EURUSD": SymbolOverrides()}, **config}
    return build(MockBrokerConfig(**config), wall=lambda: 1_795_424_400.0, account_file=path)


def approved(proposal):
    return approve(proposal, Ceiling(Decimal(1), None), approval_id="a", incarnation=1, deadline=1e9, reduces=False)


def test_the_state_folder_names_the_file(tmp_path):
    """One for each broker."""
    assert StateFolder(tmp_path).paper_account("demo") == tmp_path / "paper-demo.sqlite3"


def test_a_kept_account_needs_a_file():
    """Rather than forget in silence."""
    with pytest.raises(ValueError, match="broker demo: persist needs a file"):
        broker_of(None)


async def test_without_persist_nothing_is_written(tmp_path):
    """The default costs nothing."""
    broker = broker_of(tmp_path / "a", persist=False)
    await broker.connect()
    await broker.poll()
    await broker.sample()
    await broker.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_a_broker_goes_on_where_it_was(tmp_path):
    """Prices too: the random walk begins at the last price, so that no stop is triggered by a jump."""
    broker = broker_of(tmp_path / "a")
    await broker.connect()
    for _ in range(200):
        await broker.poll()
    trade(broker.account)
    before = await broker.sample()
    price = broker.account.market.price("EURUSD")
    await broker.aclose()
    again = broker_of(tmp_path / "a")
    await again.connect()
    after = await again.sample()

    assert after.account == before.account
    assert after.positions == before.positions
    assert again.account.market.price("EURUSD") == price
    first = next(quote for quote in (await again.poll()).quotes)
    assert abs(Decimal(repr(first.bid)) - price.bid) <= Decimal("0.0002")
    assert await again.find("t1") == broker.account.find("t1")
    await again.aclose()


async def test_a_recording_that_begins_anew_has_its_own_time_again(tmp_path):
    """A kept account does not stand still at the end of the run before: the market opens, and nights are charged."""
    morning = 1_399_899_600_000  # Monday, 2014-05-12 13:00 UTC, 09:00 in New York
    hours = [morning + each * 3_600_000 for each in (0, 8, 24)]
    recording = tmp_path / "eurusd.csv"
    lines = [f"{at},EURUSD,1.38,1.3801,0,0" for at in hours]
    recording.write_text("#quantmind-ticks 1\n" + "\n".join(lines) + "\n", encoding="utf-8")
    config = MockBrokerConfig(
        name="demo",
        persist=True,
        symbols={"EURUSD": SymbolOverrides(swap_long=Decimal(-10))},
        sessions={"mon": "09:00-18:00"},
        sessions_zone="America/New_York",
        swap=SwapConfig(),
        feed=ReplayFeed(path=recording, speed=1),
    )
    buy, now = Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY), [0.0]
    newest = 0
    for run in (1, 2):
        broker = build(config, account_file=tmp_path / "paper.sqlite3", monotonic=lambda: now[0])
        await broker.connect()
        swaps = []
        for at in hours:
            await broker.poll()
            assert broker.account.time_msc == at
            outcome = await broker.place(approved(buy), f"{run} {at}") if at != hours[1] or run == 1 else None
            swaps.append([position.swap for position in broker.account.positions()])
            now[0] += 16 * 3_600
        assert isinstance(outcome, Refused)
        assert outcome.retcode == 10018, "it is Tuesday"
        # The night comes twice, and is charged to what was open before it.
        assert swaps == [[[0], [-1, 0], [-1, 0]], [[-1, 0, 0], [-2, 0, -1], [-2, 0, -1]]][run - 1]
        made = [deal.time_msc for deal in await broker.deals(newest)]
        assert made == [hours[:2], [hours[1], hours[0]]][run - 1], "who has the newest of before hears of the next"
        newest = made[-1]
        await broker.aclose()


async def test_an_answer_waits_for_the_disk_and_says_when_it_failed(tmp_path, monkeypatch):
    """A sample that can't be kept is no sample; it comes back with the disk."""
    broker = broker_of(tmp_path / "a")
    await broker.connect()
    await broker.poll()
    put = files._put
    monkeypatch.setattr(files, "_put", lambda *args: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
    for call in (broker.sample, lambda: broker.find("t"), lambda: broker.deals(0)):
        with pytest.raises(BrokerUnavailable, match=r"broker demo: .*disk is full"):
            await call()
    monkeypatch.setattr(files, "_put", put)
    await broker.sample()
    await broker.aclose()


async def test_an_order_whose_record_failed_is_unknown_until_it_is_on_disk(tmp_path, monkeypatch):
    """It was carried out: to call it refused would be a lie, and to call it placed one that a restart shows.

    While the disk is known to fail nothing more is sent.
    """
    order = approved(Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY))
    broker = broker_of(tmp_path / "a")
    await broker.connect()
    await broker.poll()
    await broker.sample()
    put = files._put
    monkeypatch.setattr(files, "_put", lambda *args: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
    outcome = await broker.place(order, "tag-1")
    assert isinstance(outcome, Unknown)
    assert "disk is full" in outcome.reason
    with pytest.raises(BrokerUnavailable):
        await broker.place(order, "tag-2")
    with pytest.raises(BrokerUnavailable):
        await broker.find("tag-1")
    monkeypatch.setattr(files, "_put", put)
    found = await broker.find("tag-1")
    assert isinstance(found, Placed)
    assert len((await broker.sample()).positions) == 1
    await broker.aclose()
    again = broker_of(tmp_path / "a")
    await again.connect()
    assert await again.find("tag-1") == found
    await again.aclose()


async def test_what_place_answered_is_on_disk(tmp_path):
    """Without another call: the file as it is then has the order."""
    broker = broker_of(tmp_path / "a")
    await broker.connect()
    await broker.poll()
    placed = await broker.place(approved(Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY)), "tag-1")
    for each in list(tmp_path.iterdir()):
        (tmp_path / each.name.replace("a", "copy", 1)).write_bytes(each.read_bytes())
    copy = broker_of(tmp_path / "copy")
    assert copy.account.find("tag-1") == placed
    await copy.aclose()
    await broker.aclose()
