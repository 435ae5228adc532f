"""What can go wrong with a terminal, its server and the way to them."""

from __future__ import annotations

from typing import Final, Literal

import attrs

Call = str
LOST: Final = {
    -10001: "IPC send failed",
    -10002: "IPC recv failed",
    -10003: "IPC initialize failed",
    -10004: "No IPC connection",
    -10005: "IPC timeout",
}


@attrs.define(eq=False)
class Faults:
    """Switches, each until it is taken back; those that count go out by themselves.

    Attributes:
        ipc_lost: every call answers None with this code (-10001 to -10005), and `initialize` fails; 0: none.
        logged_out: the terminal is there and not logged in: calls for the account answer None with -6.
        disconnected: the terminal has no connection to the trade server: `terminal_info().connected` is False, requests
            to trade answer 10031 and are not carried out, and no tick comes.
        autotrading_off: Algo Trading is switched off in the terminal: 10027.
        server_autotrading_off: by the broker: 10026, and the account's `trade_expert` is False.
        read_only: the account was opened to look at (an investor's password): `trade_allowed` is False, and 10017.
        market_closed: 10018.
        invalid_fill: 10030 whatever filling mode is asked for.
        invalid_stops: 10016 for any request with a stop.
        requotes: so many requests at the market are answered by 10004 with a new price.
        retcode: so many requests (`retcode_times`) are answered by this code, and not carried out.
        no_data: account, positions, orders and history answer None with -1, while the connection stays.
        answer_lost: a request is carried out, and its answer is None with -10002.
        request_lost: a request is not carried out, and its answer is None with -10001.
        ambiguous: a request is answered by 10012 or 10031, and was carried out if `ambiguous_done`.
        frozen_s: the call named `frozen_call` takes so long, and lets no other thread of its process run meanwhile, as
            the real package does. With `frozen_after` the terminal has done it before.
        delay_s: every call takes so long.
        wrong_account: the terminal is logged in to another account: its login.
        blind: history, positions and orders show nothing newer than when it was switched on.
        comment_length: characters of a comment that the server keeps.
        fill_volume_max: lots that one market order is filled with at most; None: all.
        half_answers: the socket closes in the middle of an answer.
    """

    ipc_lost: int = 0
    logged_out: bool = False
    disconnected: bool = False
    autotrading_off: bool = False
    server_autotrading_off: bool = False
    read_only: bool = False
    market_closed: bool = False
    invalid_fill: bool = False
    invalid_stops: bool = False
    requotes: int = 0
    retcode: int = 0
    retcode_times: int = 1
    no_data: bool = False
    answer_lost: bool = False
    request_lost: bool = False
    ambiguous: Literal[0, 10012, 10031] = 0
    ambiguous_done: bool = True
    frozen_s: float = 0.0
    frozen_call: Call = "order_send"
    frozen_after: bool = False
    delay_s: float = 0.0
    wrong_account: int = 0
    comment_length: int = 31
    half_answers: bool = False
