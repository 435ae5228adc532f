"""The pure rules under the account: guards, cushions, shares of cost and swap, netting against hedging."""

from decimal import Decimal
from fractions import Fraction

import attrs
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import Market, PaperAccount, Terms
from quantmind.adapters.mock.charges import commission_of
from quantmind.adapters.mock.cushion import zones_of
from quantmind.adapters.mock.margin_level import MarginState, margin_state
from quantmind.adapters.mock.netting import join
from quantmind.adapters.mock.pending import is_due
from quantmind.adapters.mock.positions import OpenPosition, cost_of, margin_of, profit_at, shown_price, split
from quantmind.adapters.mock.triggers import cause_of, guard_of
from quantmind.domain.accounts import Entry, PendingOrder
from quantmind.domain.orders import Close, Open, OrderType, Origin, Placed, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

EXAMPLES = examples(1_000, 200)
ORIGIN = Origin("ea", 1)
EURUSD = usual_spec("EURUSD")

lots = st.integers(1, 500).map(lambda n: Decimal(n) / 100)
points = st.integers(1, 10**7).map(lambda n: n * EURUSD.point)
sides = st.sampled_from(Side)


def position(side=Side.BUY, volume=Decimal(1), price=Decimal(1), ticket=1, symbol="EURUSD", **more):
    return OpenPosition(ticket, symbol, side, volume, cost_of(price, volume), Decimal(1000), 0, **more)


@given(
    side=sides,
    sl=st.none() | points,
    tp=st.none() | points,
    kind=st.none() | st.sampled_from([OrderType.LIMIT, OrderType.STOP]),
    price=points,
    bid=st.floats(0.00001, 100, allow_nan=False) | points.map(float),
    spread=st.floats(0, 1, allow_nan=False) | st.just(0.0),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_guard_never_spares_a_tick_that_triggers(side, sl, tp, kind, price, bid, spread):
    """The quick comparison may look too often, never too seldom, for whatever doubles a feed gives."""
    held = position(side, sl=sl, tp=tp)
    orders = [] if kind is None else [PendingOrder(2, "EURUSD", side, kind, Decimal(1), price, 0)]
    market = Market([EURUSD])
    quote = Quote("EURUSD", bid, bid + spread, 1)
    market.update(quote)
    guard = guard_of([held], orders, EURUSD.point)
    if guard is None:
        assert (sl, tp, kind) == (None, None, None)
    elif guard.spares(quote):
        exact = market.price("EURUSD")
        assert cause_of(held, exact) is None
        assert not any(is_due(order, exact) for order in orders)


NAMES = ("EURUSD", "USDJPY", "EURJPY", "US500")
SPECS = {name: usual_spec(name) for name in NAMES}
CENTRES = {"EURUSD": 1.085, "USDJPY": 150.0, "EURJPY": 162.0, "US500": 5000.0}
shifts = st.fixed_dictionaries({name: st.floats(-0.3, 0.3) | st.floats(-0.001, 0.001) for name in NAMES})


@given(
    holdings=st.lists(st.tuples(st.sampled_from(NAMES), sides, lots, st.floats(0.8, 1.2)), min_size=1, max_size=4),
    cash=st.integers(-10_000, 1_000_000).map(Decimal),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
    stop_out=st.sampled_from(["0", "20", "50", "100"]),
    moves=st.lists(shifts, min_size=1, max_size=3),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_within_its_zones_the_margin_state_never_changes(holdings, cash, currency, stop_out, moves):
    """Whatever the symbols do, together, in and between the currencies of the account."""
    terms = Terms(currency=currency, stop_out_percent=Decimal(stop_out))
    market = Market(SPECS.values())
    for name, centre in CENTRES.items():
        market.update(Quote(name, centre, centre * 1.0002, 1))
    held = []
    for ticket, (name, side, volume, at) in enumerate(holdings):
        price = SPECS[name].round_price(Decimal(CENTRES[name] * at))
        held.append(position(side, volume, price, ticket, name))
    margin = margin_of(held)

    def state():
        profit = sum(
            profit_at(each, market.price(each.symbol).exit(each.side), SPECS[each.symbol], market, currency)
            for each in held
        )
        return margin_state(cash + profit, margin, terms)

    before = state()
    zones = zones_of(held, market, terms, cash, margin, before)
    for shift in moves:
        spared = True
        for name, part in shift.items():
            zone = zones.get(name)
            quote = Quote(name, CENTRES[name] * (1 + part), CENTRES[name] * (1 + part) * 1.0002, 2)
            spared = spared and (zone is None or zone.spares(quote))
            market.update(quote)
        if spared:
            assert state() is before


def test_a_sound_account_is_not_looked_at_for_its_margin_level():
    """10,000 USD and 0.1 lots of EURUSD: the cushion takes a move of several per cent."""
    market = Market([EURUSD])
    market.update(Quote("EURUSD", 1.085, 1.0851, 1))
    held = [position(volume=Decimal("0.1"), price=Decimal("1.0851"))]
    zone = zones_of(held, market, Terms(), Decimal(10_000), Decimal(100), MarginState.SOUND)["EURUSD"]
    assert zone.bid_low < 1.0
    assert zone.bid_high > 1.2


@given(volume=lots, price=points, swap=st.integers(-(10**6), 10**6), data=st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_parts_of_a_position_add_up_to_it(volume, price, swap, data):
    """Volume, cost and swap, exactly, however often it is split."""
    rest = whole = position(volume=volume, price=price, swap=Decimal(swap).scaleb(-2))
    parts = []
    while rest is not None and len(parts) < 5:
        part = data.draw(st.integers(1, int(rest.volume * 100)).map(lambda n: Decimal(n) / 100))
        taken, rest = split(rest, part)
        parts.append(taken)
    parts += [rest] if rest is not None else []
    assert sum(part.volume for part in parts) == whole.volume
    assert sum(part.cost for part in parts) == whole.cost
    assert sum(part.swap for part in parts) == whole.swap
    assert all(part.price_open == price for part in parts)


@given(adds=st.lists(st.tuples(lots, points), min_size=1, max_size=12), part=lots)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_mean_price_is_kept_exactly(adds, part):
    """The cost of what was bought is that of each purchase, and parts of a mean without end add up to it."""
    held = None
    for volume, price in adds:
        joined = join(held, position(volume=volume, price=price))
        assert joined.entry is Entry.IN
        held = joined.rest
    paid = sum(Fraction(volume) * Fraction(price) for volume, price in adds)
    assert Fraction(held.cost) == paid
    assert abs(Fraction(shown_price(held, EURUSD)) - paid / Fraction(held.volume)) <= Fraction(1, 10**10)
    if part < held.volume:
        taken, rest = split(held, part)
        assert taken.cost + rest.cost == held.cost
        assert abs(Fraction(taken.price_open) - Fraction(rest.price_open)) < Fraction(1, 10**20)


steps = st.lists(st.tuples(sides, lots, st.integers(90_000, 130_000), st.integers(0, 20)), min_size=1, max_size=15)


@given(steps=steps, last=st.integers(90_000, 130_000), commission=st.sampled_from(["0", "3"]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_netting_and_hedging_make_the_same_of_the_same_orders(steps, last, commission):
    """The hedge closes its opposite positions by each other, without a spread; only commission differs then."""
    terms = Terms(initial_balance=Decimal(10**9), commission_per_lot=Decimal(commission))
    netting = PaperAccount(attrs.evolve(terms, margin_mode="netting"), [EURUSD])
    hedging = PaperAccount(terms, [EURUSD])
    for side, volume, bid, spread in steps:
        for account in (netting, hedging):
            account.tick(Quote("EURUSD", bid / 1e5, (bid + spread) / 1e5, 1))
            assert isinstance(account.open(Open(ORIGIN, "demo", "EURUSD", volume, side), "t"), Placed)
    net = sum((side.sign * volume for side, volume, _, _ in steps), Decimal(0))
    assert sum((p.side.sign * p.volume for p in netting.positions()), Decimal(0)) == net
    assert sum((p.side.sign * p.volume for p in hedging.positions()), Decimal(0)) == net
    while True:
        sides_held = {p.side: p.ticket for p in hedging.positions()}
        if len(sides_held) < 2:
            break
        buy, sell = sides_held[Side.BUY], sides_held[Side.SELL]
        assert isinstance(hedging.close(Close(ORIGIN, "demo", "EURUSD", buy, by=sell), "b"), Placed)
    for account in (netting, hedging):
        account.tick(Quote("EURUSD", last / 1e5, (last + 3) / 1e5, 2))
        for held in account.positions():
            assert isinstance(account.close(Close(ORIGIN, "demo", "EURUSD", held.ticket), "c"), Placed)
    made = [account.balance - sum(deal.commission for deal in account.deals) for account in (netting, hedging)]
    # A part of a mean price without end is rounded to a cent in its deal, by half a cent at most.
    parts = sum(deal.entry is not Entry.IN for deal in netting.deals)
    assert abs(made[0] - made[1]) <= Decimal("0.005") * parts
    if len({price for _, _, price, _ in steps}) == 1 and not any(spread for *_, spread in steps):
        assert made[0] == made[1]
    for account in (netting, hedging):
        assert all(deal.commission == commission_of(terms, deal.volume) for deal in account.deals)


@given(prices=st.lists(st.integers(90_000, 130_000), min_size=2, max_size=6), volume=lots)
@settings(max_examples=EXAMPLES, deadline=None)
def test_closing_in_parts_makes_what_closing_at_once_makes_but_for_rounding(prices, volume):
    """Each deal is rounded by itself, so parts differ by half a cent each at most."""
    whole, parts = (PaperAccount(Terms(initial_balance=Decimal(10**7)), [EURUSD]) for _ in range(2))
    first, last = prices[0] * EURUSD.point, prices[-1] * EURUSD.point
    tickets = []
    for account in (whole, parts):
        account.tick(Quote("EURUSD", float(first), float(first), 1))
        tickets.append(account.open(Open(ORIGIN, "demo", "EURUSD", volume, Side.BUY), "t").ticket)
        account.tick(Quote("EURUSD", float(last), float(last), 2))
    count = min(len(prices), int(volume * 100))
    for _ in range(count - 1):
        parts.close(Close(ORIGIN, "demo", "EURUSD", tickets[1], Decimal("0.01")), "p")
    parts.close(Close(ORIGIN, "demo", "EURUSD", tickets[1]), "p")
    whole.close(Close(ORIGIN, "demo", "EURUSD", tickets[0]), "p")
    assert abs(whole.balance - parts.balance) <= Decimal("0.005") * (count + 1)
