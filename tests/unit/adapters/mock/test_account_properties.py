"""Whatever is done to a paper account, it adds up to the last cent."""

from decimal import Decimal

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.triggers import cause_of, guard_of
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("ea", 1)
NAMES = ("EURUSD", "USDJPY", "EURJPY", "US500")
CENTRES = {"EURUSD": 108_500, "USDJPY": 150_000, "EURJPY": 162_000, "US500": 500_000}
SPECS = {name: attrs.evolve(usual_spec(name), stops_level=3) for name in NAMES}

symbols = st.sampled_from(NAMES)
moves = st.integers(-4000, 4000)
levels = st.none() | st.just(Decimal(0)) | st.integers(-4000, 4000)
lots = st.integers(1, 300).map(lambda n: Decimal(n) / 100)


def price_at(symbol, points):
    return Decimal(points) * SPECS[symbol].point


def level_of(symbol, move):
    return move if move is None or isinstance(move, Decimal) else price_at(symbol, CENTRES[symbol] + move)


class PaperAccountMachine(RuleBasedStateMachine):
    """Opens, closes, part closes, changes of stops and ticks, in any order."""

    tickets = Bundle("tickets")

    @initialize(balance=st.integers(100, 10_000_000).map(Decimal), currency=st.sampled_from(["USD", "EUR", "JPY"]))
    def begin(self, balance, currency):
        self.account = PaperAccount(Terms(initial_balance=balance, currency=currency), SPECS.values())
        self.initial = self.account.balance
        self.tickets_seen = set()
        self.time_msc = 0
        self.tag = 0

    def next_tag(self):
        self.tag += 1
        return f"tag{self.tag}"

    @rule(symbol=symbols, move=moves, spread=st.integers(0, 30))
    def tick(self, symbol, move, spread):
        self.time_msc += 1
        before = {position.ticket: position for position in self.account.positions()}
        bid, ask = (float(price_at(symbol, CENTRES[symbol] + move + extra)) for extra in (0, spread))
        deals = self.account.tick(Quote(symbol, bid, ask, self.time_msc))
        after = {position.ticket for position in self.account.positions()}
        price = self.account.market.price(symbol)
        # The exact rule, worked out again without the guard: what should have closed did, and nothing else.
        for ticket, position in before.items():
            due = position.symbol == symbol and cause_of(as_open(position), price) is not None
            assert due == (ticket not in after)
        assert [deal.position for deal in deals] == [ticket for ticket in before if ticket not in after]
        for deal in deals:
            assert deal.cause in (Cause.SL, Cause.TP)
            assert deal.price == price.exit(before[deal.position].side)

    @rule(target=tickets, symbol=symbols, volume=lots, side=st.sampled_from(Side), sl=levels, tp=levels)
    def open(self, symbol, volume, side, sl, tp):
        tag = self.next_tag()
        before = self.account.state()
        order = Open(ORIGIN, "demo", symbol, volume, side, sl=level_of(symbol, sl), tp=level_of(symbol, tp))
        outcome = self.account.open(order, tag)
        if isinstance(outcome, Refused):
            assert self.account.state() == before
            assert self.account.find(tag) is None
            return 0
        assert self.account.balance == before.balance
        assert outcome.ticket not in self.tickets_seen
        self.tickets_seen.add(outcome.ticket)
        assert self.account.find(tag) == outcome
        assert self.account.margin <= max(before.margin, before.equity)
        return outcome.ticket

    @rule(ticket=tickets, part=st.none() | lots)
    def close(self, ticket, part):
        before = self.account.balance
        held = {position.ticket: position.volume for position in self.account.positions()}.get(ticket)
        outcome = self.account.close(Close(ORIGIN, "demo", "", ticket, part), self.next_tag())
        left = {position.ticket: position.volume for position in self.account.positions()}.get(ticket, Decimal(0))
        if isinstance(outcome, Placed):
            assert held is not None
            assert outcome.volume == (held if part is None else part)
            assert left == held - outcome.volume
            assert self.account.balance == before + outcome.profit
        else:
            assert held is None or part > held
            assert self.account.balance == before

    @rule(ticket=tickets, sl=levels, tp=levels)
    def modify(self, ticket, sl, tp):
        before = self.account.state(), len(self.account.deals)
        positions = {position.ticket: position for position in self.account.positions()}
        symbol = positions[ticket].symbol if ticket in positions else "EURUSD"
        order = Modify(ORIGIN, "demo", ticket, level_of(symbol, sl), level_of(symbol, tp))
        self.account.modify(order, self.next_tag())
        assert before == (self.account.state(), len(self.account.deals))

    @rule()
    def close_all(self):
        for position in self.account.positions():
            self.account.close(Close(ORIGIN, "demo", position.symbol, position.ticket), self.next_tag())
        state = self.account.state()
        assert state.margin == state.profit == 0
        assert state.equity == state.margin_free == state.balance

    @invariant()
    def adds_up(self):
        account = self.account
        state, positions, deals = account.state(), account.positions(), account.deals
        assert state.equity == state.balance + sum(position.profit for position in positions)
        assert state.margin_free == state.equity - state.margin
        assert state.balance == self.initial + sum(deal.profit for deal in deals)
        assert state.margin >= 0
        assert all(amount == round(amount, 2) for amount in (state.balance, state.equity, state.margin))
        assert all(position.volume > 0 for position in positions)
        assert len({position.ticket for position in positions}) == len(positions)
        assert [deal.ticket for deal in deals] == sorted({deal.ticket for deal in deals})
        assert all(deal.profit == 0 for deal in deals if deal.entry is Entry.IN)
        in_less_out = {}
        for deal in deals:
            sign = 1 if deal.entry is Entry.IN else -1
            in_less_out[deal.position] = in_less_out.get(deal.position, Decimal(0)) + sign * deal.volume
        assert {ticket: lots for ticket, lots in in_less_out.items() if lots} == {p.ticket: p.volume for p in positions}


def as_open(position):
    return OpenPosition(
        position.ticket,
        position.symbol,
        position.side,
        position.volume,
        position.price_open,
        Decimal(0),
        0,
        position.sl,
        position.tp,
    )


PaperAccountMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestPaperAccount = PaperAccountMachine.TestCase


@given(
    side=st.sampled_from(Side),
    sl=st.none() | st.integers(1, 10**7),
    tp=st.none() | st.integers(1, 10**7),
    bid=st.floats(0.00001, 100, allow_nan=False),
    spread=st.floats(0, 1, allow_nan=False),
)
@settings(max_examples=1000, deadline=None)
def test_a_guard_never_spares_a_tick_that_triggers(side, sl, tp, bid, spread):
    """The quick comparison may look too often, never too seldom, for whatever doubles a feed gives."""
    spec = usual_spec("EURUSD")
    sl, tp = (None if n is None else n * spec.point for n in (sl, tp))
    position = OpenPosition(1, "EURUSD", side, Decimal(1), Decimal(1), Decimal(0), 0, sl, tp)
    account = PaperAccount(Terms(), [spec])
    quote = Quote("EURUSD", bid, bid + spread, 1)
    account.tick(quote)
    guard = guard_of([position], spec.point)
    if guard is None:
        assert sl is None
        assert tp is None
    elif guard.spares(quote):
        assert cause_of(position, account.market.price("EURUSD")) is None


@given(
    prices=st.lists(st.integers(90_000, 130_000), min_size=2, max_size=6),
    volume=lots,
)
@settings(deadline=None)
def test_closing_in_parts_makes_what_closing_at_once_makes_but_for_rounding(prices, volume):
    """Each deal is rounded by itself, so parts differ by half a cent each at most."""
    spec = usual_spec("EURUSD")
    whole, parts = (PaperAccount(Terms(initial_balance=Decimal(10**7)), [spec]) for _ in range(2))
    first, last = prices[0] * spec.point, prices[-1] * spec.point
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
