"""All that can be done to a paper account, in any order, and what must hold whatever is done."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock.history import OrderState
from quantmind.adapters.mock.margin_level import MarginState
from quantmind.adapters.mock.rollover import Rollover
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.adapters.mock.triggers import ALWAYS_LOOK
from quantmind.adapters.mock.watch import Watch
from quantmind.domain.accounts import Entry
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("ea", 1)
NAMES = ("EURUSD", "USDJPY", "EURJPY", "US500")
CENTRES = {"EURUSD": 108_500, "USDJPY": 150_000, "EURJPY": 162_000, "US500": 500_000}
SWAPS = {"EURUSD": ("-7.5", "2.1"), "USDJPY": ("3", "-9"), "EURJPY": ("-1", "-1"), "US500": ("-100", "0")}
SPECS = {
    name: attrs.evolve(
        usual_spec(name),
        stops_level=3,
        freeze_level=5,
        swap_long=Decimal(SWAPS[name][0]),
        swap_short=Decimal(SWAPS[name][1]),
    )
    for name in NAMES
}
MONDAY_MSC = 1_795_392_000_000

symbols = st.sampled_from(NAMES)
moves = st.integers(-400, 400) | st.integers(-9000, 9000)
levels = st.none() | st.just(Decimal(0)) | st.integers(-1500, 1500)
lots = st.integers(1, 300).map(lambda n: Decimal(n) / 100)
times = st.none() | st.just(0.0) | st.integers(-100, 500_000).map(float)
picks = st.integers(0, 50)


def price_at(symbol, points):
    return Decimal(points) * SPECS[symbol].point


def level_of(symbol, move):
    return move if move is None or isinstance(move, Decimal) else price_at(symbol, CENTRES[symbol] + move)


class LooksAtEveryTick(Watch):
    """A watch that spares no tick: what the other one spares must not show."""

    def renew(self, books):
        state = super().renew(books)
        self.guards = dict.fromkeys(books.market.specs, ALWAYS_LOOK)
        self.zones = dict.fromkeys(books.market.specs, ALWAYS_LOOK)
        return state


def make(terms, symbol_terms=None, *, blind=False):
    account = PaperAccount(terms, SPECS.values(), symbol_terms)
    if blind:
        account._watch = LooksAtEveryTick()
        account._renew()
    return account


class PaperAccountMachine(RuleBasedStateMachine):
    """All kinds of requests, ticks, time and restarts in any order; with a twin that looks at every tick."""

    @initialize(
        balance=st.sampled_from([500, 3_000, 20_000, 1_000_000]).map(Decimal),
        currency=st.sampled_from(["USD", "EUR", "JPY"]),
        mode=st.sampled_from(["hedging", "netting"]),
        commission=st.sampled_from(["0", "3.5", "0.333"]),
        leverage=st.sampled_from([100, 500]),
        slippage=st.sampled_from([0, 0, 7]),
        stop_out=st.sampled_from(["0", "50", "100"]),
        prices=st.sampled_from([0, 4, 4, 4]),
    )
    def begin(self, balance, currency, mode, commission, leverage, slippage, stop_out, prices):
        self.terms = Terms(
            initial_balance=balance * (150 if currency == "JPY" else 1),
            currency=currency,
            margin_mode=mode,
            leverage=leverage,
            commission_per_lot=Decimal(commission),
            stop_out_percent=Decimal(stop_out),
            rollover=Rollover(zone=ZoneInfo("UTC")),
            max_pending_orders=8,
        )
        self.symbol_terms = {name: SymbolTerms(slippage_points=slippage) for name in NAMES}
        self.account = make(self.terms, self.symbol_terms)
        self.twin = make(self.terms, self.symbol_terms, blind=True)
        self.time_msc = MONDAY_MSC
        for account in (self.account, self.twin):
            for name in NAMES[:prices]:
                bid = float(price_at(name, CENTRES[name]))
                account.tick(Quote(name, bid, bid, MONDAY_MSC))
        self.tag = 0
        self.placed = {}

    def ask(self, request):
        """Carry it out on both; what `check` says must come true, and a refusal changes nothing."""
        self.tag += 1
        tag = f"tag{self.tag}"
        before = attrs.evolve(self.account.snapshot(), drawn=0)
        expected = self.account.check(request)
        assert attrs.evolve(self.account.snapshot(), drawn=0) == before
        verb = {Open: "open", Close: "close", Modify: "modify", Cancel: "cancel"}[type(request)]
        outcome = getattr(self.account, verb)(request, tag)
        assert outcome == getattr(self.twin, verb)(request, tag)
        state = self.account.state()
        assert (expected.balance, expected.equity, expected.profit, expected.margin, expected.margin_free) == (
            state.balance,
            state.equity,
            state.profit,
            state.margin,
            state.margin_free,
        )
        assert expected.margin_level == state.margin_level
        if isinstance(outcome, Refused):
            assert expected.retcode == outcome.retcode
            assert expected.comment == outcome.comment
            assert attrs.evolve(self.account.snapshot(), drawn=0) == before
            assert self.account.find(tag) is None
        else:
            assert expected.retcode == 0
            assert self.account.find(tag) == outcome
            self.placed[tag] = request, outcome
        return outcome

    def some_ticket(self, pick):
        tickets = [each.ticket for each in (*self.account.positions(), *self.account.orders())]
        tickets += [*list(self.account.records)[-2:], 7]
        return tickets[pick % len(tickets)]

    def some_position(self, pick):
        positions = self.account.positions()
        return positions[pick % len(positions)].ticket if positions else 7

    @rule(symbol=symbols, move=moves, spread=st.integers(0, 30), later=st.sampled_from([0, 1, 1, 60_000, 9_000_000]))
    def tick(self, symbol, move, spread, later):
        self.time_msc += later
        self.quote(symbol, price_at(symbol, CENTRES[symbol] + move), spread)

    def quote(self, symbol, bid, spread):
        bid = max(bid, 50 * SPECS[symbol].point)
        quote = Quote(symbol, float(bid), float(bid + spread * SPECS[symbol].point), self.time_msc)
        assert list(self.account.tick(quote)) == list(self.twin.tick(quote))
        # No session is closed here, so that everything that is due has been done.
        assert self.account.margin_state is not MarginState.STOP_OUT
        for order in self.account.orders():
            assert order.expiration_msc is None or order.expiration_msc > self.time_msc

    @rule(pick=picks, short=st.integers(-1, 1), spread=st.sampled_from([0, 2]))
    def to_a_level(self, pick, short, spread):
        """Just before, to, or just beyond a price at which something happens."""
        levels = [(p.symbol, level) for p in self.account.positions() for level in (p.sl, p.tp) if level is not None]
        levels += [(order.symbol, order.price) for order in self.account.orders()]
        if levels:
            symbol, level = levels[pick % len(levels)]
            self.quote(symbol, level + short * SPECS[symbol].point, spread)

    @rule(pick=picks, part=st.sampled_from([-500, 300, 500, 900, 990, 1000, 1010, 2000]))
    def against_a_position(self, pick, part):
        """So far that the position loses about a part (in thousandths) of what would bring the stop out."""
        positions = self.account.positions()
        if positions:
            position = positions[pick % len(positions)]
            state = self.account.state()
            spec = SPECS[position.symbol]
            left = state.equity - state.margin * self.terms.stop_out_percent / 100
            value = self.account.market.convert(
                spec.contract_size * position.volume, spec.currency_profit, self.terms.currency, paying=True
            )
            bid = self.account.market.price(position.symbol).bid - position.side.sign * left / value * part / 1000
            self.quote(position.symbol, spec.round_price(bid), 2)

    @rule(later=st.sampled_from([0, 1, 1000, 200_000_000]))
    def pass_time(self, later):
        self.time_msc += later
        assert list(self.account.pass_time(self.time_msc)) == list(self.twin.pass_time(self.time_msc))

    @rule(
        symbol=symbols,
        volume=lots,
        side=st.sampled_from(Side),
        stop=st.none() | st.integers(-3, 900),
        aim=st.none() | st.integers(-3, 900),
    )
    def open(self, symbol, volume, side, stop, aim):
        before = self.account.state()
        price = self.account.market.price(symbol)
        base = price.exit(side) if price else Decimal(1)
        point = SPECS[symbol].point * side.sign
        sl, tp = None if stop is None else base - stop * point, None if aim is None else base + aim * point
        order = Open(ORIGIN, "demo", symbol, volume, side, sl=sl, tp=tp)
        outcome = self.ask(order)
        if isinstance(outcome, Placed):
            assert outcome.volume % SPECS[symbol].volume_step == 0
            assert self.account.margin <= max(before.margin, before.equity)

    @rule(
        symbol=symbols,
        volume=lots,
        side=st.sampled_from(Side),
        kind=st.sampled_from([OrderType.LIMIT, OrderType.STOP]),
        move=st.integers(-20, 800),
        stop=st.none() | st.integers(3, 900),
        aim=st.none() | st.integers(3, 900),
        later=st.none() | st.integers(1, 300_000),
    )
    def place(self, symbol, volume, side, kind, move, stop, aim, later):
        now = self.account.market.price(symbol)
        point = SPECS[symbol].point * side.sign
        away = move * point if kind is OrderType.STOP else -move * point
        price = (now.fill(side) if now else Decimal(1)) + away
        order = Open(
            ORIGIN,
            "demo",
            symbol,
            volume,
            side,
            order_type=kind,
            price=price,
            sl=None if stop is None else price - stop * point,
            tp=None if aim is None else price + aim * point,
            expiration=None if later is None else self.account.time_msc / 1000 + later,
        )
        outcome = self.ask(order)
        if isinstance(outcome, Placed):
            assert outcome.pending
            assert outcome.order in {order.ticket for order in self.account.orders()}

    @rule(pick=picks, part=st.none() | lots)
    def close(self, pick, part):
        ticket = self.some_position(pick)
        held = {position.ticket: position.volume for position in self.account.positions()}.get(ticket)
        outcome = self.ask(Close(ORIGIN, "demo", "", ticket, part))
        left = {position.ticket: position.volume for position in self.account.positions()}.get(ticket, Decimal(0))
        if isinstance(outcome, Placed):
            assert outcome.volume == (held if part is None else part)
            assert left == held - outcome.volume

    @rule(first=picks, second=picks)
    def close_by(self, first, second):
        self.ask(Close(ORIGIN, "demo", "", self.some_position(first), by=self.some_position(second)))

    @rule(pick=picks, sl=levels, tp=levels)
    def modify_stops(self, pick, sl, tp):
        ticket = self.some_ticket(pick)
        held = {each.ticket: each.symbol for each in (*self.account.positions(), *self.account.orders())}
        symbol = held.get(ticket, "EURUSD")
        self.ask(Modify(ORIGIN, "demo", ticket, level_of(symbol, sl), level_of(symbol, tp)))

    @rule(pick=picks, move=levels, time=times)
    def modify_order(self, pick, move, time):
        ticket = self.some_ticket(pick)
        symbol = {each.ticket: each.symbol for each in self.account.orders()}.get(ticket, "EURUSD")
        expiration = time if not time else self.account.time_msc / 1000 + time
        change = Modify(ORIGIN, "demo", ticket, new_price=level_of(symbol, move), new_expiration=expiration)
        self.ask(change)

    @rule(pick=picks)
    def cancel(self, pick):
        ticket = self.some_ticket(pick)
        outcome = self.ask(Cancel(ORIGIN, "demo", ticket))
        if isinstance(outcome, Placed):
            assert self.account.records[ticket].state is OrderState.CANCELED

    @rule()
    def close_all(self):
        for position in self.account.positions():
            self.ask(Close(ORIGIN, "demo", position.symbol, position.ticket))
        state = self.account.state()
        if not self.account.positions():
            assert state.margin == state.profit == 0
            assert state.equity == state.margin_free == state.balance

    @rule()
    def restart(self):
        again = make(self.terms, self.symbol_terms)
        again.restore(self.account.snapshot())
        assert again.snapshot() == self.account.snapshot()
        self.account = again

    @invariant()
    def is_its_twin(self):
        assert self.account.snapshot() == self.twin.snapshot()
        # To ask is to look: after a request the next tick must do without.
        if not self.account._watch.is_stale:
            assert self.account.margin_state is self.twin.margin_state

    @invariant()
    def adds_up(self):
        account = self.account
        state, positions, deals = account.state(), account.positions(), account.deals
        assert state.equity == state.balance + sum(p.profit + p.swap for p in positions)
        assert state.profit == account.profit + account.swap
        assert state.margin_free == state.equity - state.margin
        assert state.balance == self.terms.initial_balance + sum(d.profit + d.commission + d.swap for d in deals)
        assert state.margin >= 0
        assert all(amount == round(amount, 2) for amount in (state.balance, state.equity, state.margin))
        assert all(position.volume > 0 for position in positions)
        numbers = [deal.ticket for deal in deals]
        assert numbers == sorted(set(numbers))
        assert all(deal.profit == 0 and deal.swap == 0 for deal in deals if deal.entry is Entry.IN)
        assert all(deal.commission <= 0 for deal in deals)

    @invariant()
    def volumes_are_the_sum_of_deals(self):
        by_position = {}
        for deal in self.account.deals:
            signed = deal.side.sign * deal.volume
            by_position[deal.position] = by_position.get(deal.position, Decimal(0)) + signed
        held = {position.ticket: position.side.sign * position.volume for position in self.account.positions()}
        assert {ticket: volume for ticket, volume in by_position.items() if volume} == held
        if self.terms.margin_mode == "netting":
            assert len({position.symbol for position in self.account.positions()}) == len(held)

    @invariant()
    def no_order_is_lost_or_a_ghost(self):
        waiting = {order.ticket for order in self.account.orders()}
        ended = set(self.account.records)
        asked = {
            outcome.order
            for request, outcome in self.placed.values()
            if isinstance(request, Open) and request.order_type is not OrderType.MARKET
        }
        assert not waiting & ended
        assert waiting | ended == asked
        assert len(waiting) <= 8

    @invariant()
    def tags_agree_with_the_history(self):
        deals = {deal.ticket: deal for deal in self.account.deals}
        waiting = {order.ticket: order for order in self.account.orders()}
        for tag, (request, outcome) in self.placed.items():
            found = self.account.find(tag)
            if not (isinstance(request, Open) and outcome.pending):
                assert found == outcome
                continue
            record = self.account.records.get(outcome.order)
            assert found.order == outcome.order
            assert found.pending == (outcome.order in waiting)
            if record is None:
                assert (found.volume, found.sl, found.tp) == (
                    request.volume,
                    waiting[outcome.order].sl,
                    waiting[outcome.order].tp,
                )
            elif record.state is OrderState.FILLED:
                deal = deals[found.deal]
                assert (deal.order, deal.volume, deal.price) == (outcome.order, found.volume, found.price)
                assert deal.position == found.ticket
            else:
                assert (found.deal, found.volume, found.price) == (0, 0, None)
                assert found.comment == record.comment != ""
