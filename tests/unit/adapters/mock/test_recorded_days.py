"""Real recordings through the paper broker, where they are on this machine."""

import csv
import io
import os
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from quantmind.adapters.mock import Recording, ReplayError, build
from quantmind.config.brokers import MockBrokerConfig, ReplayFeed, SymbolOverrides
from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Side
from quantmind.domain.risk.approval import Terms, approve
from quantmind.domain.symbols import usual_spec

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT / ".." / "shared" / "data")
ECB_DAY = "fx/eurusd_oanda_20140508_ticks_lean.zip"
DIRTY_DAY = "fx/eurusd_fxcm_20140502_ticks_NFP_lean.zip"
KIWI_DAY = "fx/nzdusd_oanda_20140507_ticks_lean.zip"
ORIGIN = Origin("ea", 1)


def recorded(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; set QUANTMIND_DATA to the folder of recorded data")
    return path


def rows(path):
    """Every line of the recording, read in another way than the product does."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode("ascii")
    return [(int(ms), float(bid), float(ask)) for ms, bid, ask in csv.reader(io.StringIO(text))]


def broker_of(path, symbol="EURUSD"):
    return build(
        MockBrokerConfig(name="demo", symbols={symbol: SymbolOverrides()}, feed=ReplayFeed(path=path, speed=0))
    )


def approved(proposal):
    return approve(proposal, Terms(Decimal(1), None), approval_id="a", incarnation=1, deadline=1e9, reduces=False)


@pytest.mark.parametrize(
    ("name", "symbol", "midnight", "sound", "crossed"),
    [
        (ECB_DAY, "EURUSD", 1_399_507_200_000, 87_833, 0),
        (DIRTY_DAY, "EURUSD", 1_398_988_800_000, 84_345, 12_061),
        (KIWI_DAY, "NZDUSD", 1_399_420_800_000, 41_960, 0),
    ],
)
async def test_every_tick_of_a_day_comes_once_and_in_order(name, symbol, midnight, sound, crossed):
    """Exactly the recording but for its crossed quotes, which are counted."""
    path = recorded(name)
    broker = broker_of(path, symbol)
    await broker.connect()
    seen, dropped = [], 0
    while not broker.paced:
        poll = await broker.poll()
        seen += [(q.time_msc - midnight, q.bid, q.ask) for q in poll.quotes]
        assert all(q.symbol == symbol for q in poll.quotes)
        dropped += poll.crossed
    assert (len(seen), dropped) == (sound, crossed)
    assert seen == [row for row in rows(path) if 0 < row[1] <= row[2]]
    await broker.aclose()


async def test_trading_through_the_ecb_day_adds_up_to_the_last_cent():
    """Opens, changes, part closes and stops all day; the balance is what plain arithmetic on the deals says."""
    broker = broker_of(recorded(ECB_DAY))
    await broker.connect()
    number = 0
    while not broker.paced:
        await broker.poll()
        number += 1
        sample = await broker.sample()
        account = sample.account
        assert account.equity == account.balance + sum(p.profit for p in sample.positions)
        assert account.margin_free == account.equity - account.margin
        price = broker.account.market.price("EURUSD")
        if number % 3 == 0 and len(sample.positions) < 5:
            side = Side.BUY if number % 2 else Side.SELL
            away = Decimal("0.00040") * side.sign
            order = Open(
                ORIGIN,
                "demo",
                "EURUSD",
                Decimal("0.13"),
                side,
                sl=price.exit(side) - away,
                tp=price.exit(side) + 2 * away,
            )
            assert isinstance(await broker.place(approved(order), f"o{number}"), Placed)
        elif sample.positions and number % 7 == 0:
            order = Close(ORIGIN, "demo", "EURUSD", sample.positions[0].ticket, Decimal("0.05"))
            await broker.place(approved(order), f"p{number}")
        elif sample.positions and number % 5 == 0:
            await broker.place(
                approved(Modify(ORIGIN, "demo", sample.positions[-1].ticket, new_tp=Decimal(0))), f"m{number}"
            )
    for position in (await broker.sample()).positions:
        assert isinstance(
            await broker.place(approved(Close(ORIGIN, "demo", "EURUSD", position.ticket)), f"c{position.ticket}"),
            Placed,
        )
    opened, expected = {}, Decimal(10_000)
    deals = broker.account.deals
    for deal in deals:
        if deal.position not in opened:
            opened[deal.position] = deal
        else:
            entry = opened[deal.position]
            # EURUSD on a USD account: the difference in dollars, 100,000 euros a lot; exact in cents at 0.01 lots.
            expected += ((deal.price - entry.price) * entry.side.sign * 100_000 * deal.volume).quantize(Decimal("0.01"))
    assert {deal.cause.value for deal in deals} == {"client", "sl", "tp"}
    assert len(deals) > 100
    state = (await broker.sample()).account
    assert state.balance == state.equity == state.margin_free == expected
    await broker.aclose()


def test_a_check_of_a_day_says_what_it_is():
    """Symbol, day and first tick."""
    seen = Recording(recorded(ECB_DAY)).inspect({"EURUSD": usual_spec("EURUSD")})
    assert (seen.format, seen.symbols) == ("lean", ("EURUSD",))
    assert seen.first is not None
    assert (seen.first.bid, seen.first.ask, seen.first.time_msc) == (1.39101, 1.39114, 1_399_507_208_715)


@pytest.mark.parametrize(
    ("name", "symbol", "form", "ticks", "first", "last"),
    [
        (
            "fx/eurusd_histdata_20200101_9500ticks.csv",
            "EURUSD",
            "histdata",
            9_500,
            (1_577_916_000_065, 1.1212, 1.12172),  # 17:00:00.065 in New York's winter, all year round
            (1_577_937_652_125, 1.1213, 1.12132),
        ),
        (
            "fx/usdjpy_truefx_20130101_1000ticks.csv",
            "USDJPY",
            "truefx",
            1_000,
            (1_357_077_600_295, 86.655, 86.728),
            (1_357_079_713_494, 86.836, 86.854),
        ),
        (
            "fx/eurusd_dukascopy_20190204_ticks.json",
            "EURUSD",
            "dukascopy",
            3_733,
            (1_549_238_400_994, 1.14543, 1.14545),
            (1_549_241_999_808, 1.14555, 1.14559),
        ),
        (
            "fx/eurusd_dukascopy_20260713_12h_raw.json",
            "EURUSD",
            "dukascopy_hour",
            3_551,
            (1_783_944_000_093, 1.14273, 1.14277),
            (1_783_947_597_150, 1.14309, 1.1431),
        ),
    ],
)
async def test_other_formats_come_whole(name, symbol, form, ticks, first, last):
    """Told from their content, with the symbol from the file's name; the first and the last tick by hand."""
    path = recorded(name)
    seen = Recording(path).inspect({symbol: usual_spec(symbol)})
    assert (seen.format, seen.symbols) == (form, (symbol,))
    broker = broker_of(path, symbol)
    await broker.connect()
    quotes = []
    while not broker.paced:
        quotes += (await broker.poll()).quotes
    await broker.aclose()
    assert len(quotes) == ticks
    assert [(q.time_msc, q.bid, q.ask) for q in (quotes[0], quotes[-1])] == [first, last]


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_bars_are_no_recording(side):
    """The text says what the file is."""
    with pytest.raises(ReplayError, match="it holds bars"):
        Recording(recorded(f"fx/gbpusd_fxcm_m1_{side}_2012.csv")).inspect({"GBPUSD": usual_spec("GBPUSD")})


async def test_two_days_of_two_symbols_come_as_one():
    """By time, and none is lost."""
    feed = ReplayFeed(path=recorded(ECB_DAY), more_paths=(recorded(KIWI_DAY),), speed=0)
    symbols = {"EURUSD": SymbolOverrides(), "NZDUSD": SymbolOverrides()}
    broker = build(MockBrokerConfig(name="demo", symbols=symbols, feed=feed))
    await broker.connect()
    quotes = []
    while not broker.paced:
        quotes += (await broker.poll()).quotes
    await broker.aclose()
    assert len(quotes) == 87_833 + 41_960
    times = [quote.time_msc for quote in quotes]
    assert times == sorted(times)
