"""A strategy over replayed (or live) ticks: two moving averages that cross. It prints its equity as it goes.

    QUANTMIND_REPLAY=/data/day.zip QUANTMIND_SPEED=100 quantmind run --config config/replay.yaml    # another terminal
    python strategy.py --symbol EURUSD

A replay does not wait for a strategy. What it can't follow is told as missing; a lower `speed` then helps.

Every tick moves both averages. Above the slow one by more than the threshold the strategy is long, below it short, and
it turns round with one position at a time. What it may trade is the governor's business; what it has is read from the
account, never guessed. It is an example of how to write one, and no way to make money.
"""

import argparse
import time
from decimal import Decimal

from quantmind.client import Disconnected, FeedStatus, Filled, Gap, Tick, Unknown, find_gateway, sync
from quantmind.client.rest import RestClient


class Average:
    """An exponential moving average over about `ticks` ticks."""

    def __init__(self, ticks: int) -> None:
        self._weight = 2 / (ticks + 1)
        self.value: float | None = None

    def add(self, price: float) -> float:
        self.value = price if self.value is None else self.value + self._weight * (price - self.value)
        return self.value


class Trader:
    """One position at a time: turns it round when the direction changes."""

    def __init__(self, commands: sync.Commands, symbol: str, volume: Decimal) -> None:
        self._commands = commands
        self._symbol = symbol
        self._volume = volume
        self._ticket: int | None = None
        self.side: str | None = None
        self.trades = 0

    def turn(self, side: str | None) -> None:
        """Be long (`buy`), short (`sell`) or out of the market (None)."""
        if side == self.side:
            return
        if self._ticket is not None:
            self._must_fill(self._commands.close_position(self._symbol, self._ticket))
            self._ticket, self.side = None, None
        if side is not None:
            filled = self._must_fill(self._commands.open_position(self._symbol, self._volume, side))
            self._ticket, self.side = filled.ticket, side
            self.trades += 1

    def _must_fill(self, outcome: object) -> Filled:
        if isinstance(outcome, Unknown):
            outcome = self._commands.settle(outcome, within_s=60)
        if isinstance(outcome, Filled):
            return outcome
        raise SystemExit(f"it did not fill, so we stop: {getattr(outcome, 'message', outcome)}")


def main() -> None:
    options = read_options()
    gateway = find_gateway(options.state)
    fast, slow = Average(options.fast), Average(options.slow)
    with (
        sync.open_commands(gateway.commands, ea_name="crossing", token=gateway.token, magic=20) as commands,
        sync.open_ticks(gateway.websocket, [options.symbol], token=gateway.token) as feed,
        RestClient(gateway.rest, gateway.token or "") as rest,
    ):
        trader = Trader(commands, options.symbol, options.volume)
        ticks = missed = 0
        for event in feed:
            match event:
                case Tick(snapshot=False):
                    ticks += 1
                    middle = (event.bid + event.ask) / 2
                    distance = fast.add(middle) - slow.add(middle)
                    if ticks > options.slow and abs(distance) > options.threshold:
                        trader.turn("buy" if distance > 0 else "sell")
                    if ticks % options.report == 0:
                        print(f"{ticks:>7} ticks  {event.bid:<9}  {trader.side or 'out':<5} {told(rest)}")
                case Gap():
                    missed += event.count
                case Disconnected():
                    print("no prices:", event.reason)
                case FeedStatus(state="ended"):
                    break
            if ticks == options.count:
                break
        trader.turn(None)
        time.sleep(1)  # the account that REST shows is read a moment after an order
        print(f"end: {ticks} ticks, {missed} missed, {trader.trades} trades, {told(rest)}")


def told(rest: RestClient) -> str:
    account = rest.get("/account")
    return f"balance {account['balance']}  equity {account['equity']} {account['currency']}"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Two moving averages that cross.")
    parser.add_argument("--symbol", default="EURUSD")
    parser.add_argument("--volume", type=Decimal, default=Decimal("0.1"), help="lots")
    parser.add_argument("--fast", type=int, default=200, help="ticks")
    parser.add_argument("--slow", type=int, default=1000, help="ticks")
    parser.add_argument("--threshold", type=float, default=0.00005, help="how far apart, as a price")
    parser.add_argument("--report", type=int, default=5000, help="print after so many ticks")
    parser.add_argument("--count", type=int, help="stop after so many ticks")
    parser.add_argument("--state", help="the gateway's state folder, when it is not the platform's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
