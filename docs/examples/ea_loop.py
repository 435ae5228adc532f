"""What an Expert Advisor does, in Python: heartbeats, a question before each trade, and an order that is sent once.

    python ea_loop.py --symbol EURUSD --rounds 3

Each round asks the risk governor, trades what it allows, and closes again. Three answers need care:

- `Rejected` is the governor's no. Its reasons say what would pass.
- `Failed` is a request that did not happen.
- `Unknown` is an order that may have happened. It is never sent again under a new id: ask what became of it.
"""

import argparse
import time
from decimal import Decimal

from quantmind.client import Approved, Beat, Failed, Filled, OpenRequest, Rejected, Unknown, find_gateway, sync


def main() -> None:
    options = read_options()
    gateway = find_gateway(options.state)
    with sync.open_commands(gateway.commands, ea_name="ea_loop", token=gateway.token, magic=4711) as ea:
        for number in range(1, options.rounds + 1):
            beat = ea.heartbeat(symbol=options.symbol)
            if not isinstance(beat, Beat):
                raise SystemExit(f"the gateway does not answer: {beat.message}")
            print(f"round {number}: trading is {beat.trading_state}, risk multiplier {beat.risk_multiplier}")
            volume = allowed_volume(ea, options.symbol, options.volume)
            if volume > 0:
                trade_once(ea, options.symbol, volume, options.hold_s)
            time.sleep(options.pause_s)


def allowed_volume(ea: sync.Commands, symbol: str, wanted: Decimal) -> Decimal:
    """How much the governor lets us buy: what was asked for, less, or nothing."""
    match ea.ask(OpenRequest(symbol, wanted, "buy", reduce=True)):
        case Approved(approved_volume=volume, approval_id=str() as approval_id) if volume is not None:
            ea.report_result(approval_id, 0)  # it was a question: give back what is held for us
            return volume
        case Rejected() as no:
            print("  refused:", no)
        case Failed() as failure:
            print("  failed:", failure.message)
    return Decimal(0)


def trade_once(ea: sync.Commands, symbol: str, volume: Decimal, hold_s: float) -> None:
    outcome = ea.open_position(symbol, volume, "buy", comment="ea_loop")
    if isinstance(outcome, Unknown):
        outcome = ea.settle(outcome, within_s=60)
    match outcome:
        case Filled(ticket=int() as ticket):
            print(f"  bought {outcome.volume} at {outcome.price}, ticket {ticket}")
        case Unknown():
            raise SystemExit(f"order {outcome.request_id} is still unknown: look at the account before you go on")
        case no:
            print("  not bought:", getattr(no, "message", no))
            return
    time.sleep(hold_s)
    closed = ea.close_position(symbol, ticket)
    if isinstance(closed, Unknown):
        closed = ea.settle(closed, within_s=60)
    if not isinstance(closed, Filled):
        raise SystemExit(f"ticket {ticket} was not closed: {getattr(closed, 'message', closed)}")
    print(f"  closed at {closed.price}, profit {closed.profit}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask, trade, close.")
    parser.add_argument("--symbol", default="EURUSD")
    parser.add_argument("--volume", type=Decimal, default=Decimal("0.1"), help="lots")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hold-s", type=float, default=1.0, help="how long a position is kept")
    parser.add_argument("--pause-s", type=float, default=0.5)
    parser.add_argument("--state", help="the gateway's state folder, when it is not the platform's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
