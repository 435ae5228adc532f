"""What a first user of a terminal should have looked at: one finding for each thing that may be wrong."""

from __future__ import annotations

import importlib.metadata
import platform
import struct
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, Literal

from quantmind.adapters.finding import Finding
from quantmind.adapters.mt5.terminal.calls import Calls, NoAnswer
from quantmind.adapters.mt5.terminal.constants import missing_from
from quantmind.adapters.mt5.terminal.outcomes import check_of
from quantmind.adapters.mt5.terminal.requests import open_request
from quantmind.adapters.mt5.terminal.ticks import TickReader
from quantmind.adapters.mt5.worker.desk import Unavailable
from quantmind.adapters.mt5.worker.serve import NoModule, load_module
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.mt5.worker.world import World
from quantmind.domain.orders import Open, Origin, Refused, Side

KNOWN: Final = "5.0.6231"
"""The version of the package that this was written against."""
TICKS_WITHIN_S: Final = 10.0
LOOK_EVERY_S: Final = 0.25
DAY_S: Final = 86_400


def examine(
    settings: Settings,
    *,
    module: Any = None,
    now: Callable[[], float] = time.time,
    ticks_within_s: float = TICKS_WITHIN_S,
) -> Iterator[Finding]:
    """Look at a terminal, one thing after the other; nothing is traded or changed. Ends where nothing more can be seen.

    It blocks in the terminal as the package does.

    Args:
        module: the package, if it is not to be imported by its name.
        ticks_within_s: how long a tick is waited for.
    """
    if module is None:
        try:
            module = load_module(settings.module)
        except NoModule as exc:
            yield Finding("package", "fail", str(exc))
            return
    yield _package(settings.module, module)
    missing = missing_from(module)
    shown = "; ".join(missing[:5])
    yield Finding("surface", "fail" if missing else "ok", shown or "every function, constant and structure is there")
    if missing:
        return
    world = World(Calls(module), settings, now)
    try:
        account = world.reach(anew=False)
    except (NoAnswer, Unavailable, ValueError) as exc:
        yield Finding("terminal", "fail", str(exc))
        return
    try:
        yield from _terminal(world, account)
        yield from _symbols(world)
        yield from _prices(world, now, ticks_within_s)
        yield from _history(world, now)
        yield from _dry_run(world)
    except (NoAnswer, Unavailable, ValueError) as exc:
        yield Finding("terminal", "fail", f"it answered no more: {exc}")
    finally:
        world.let_go()


def _package(name: str, module: Any) -> Finding:
    try:
        version = str(module.__version__)
    except AttributeError:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
    bits = struct.calcsize("P") * 8
    if bits != 64:
        return Finding("package", "fail", f"Python has {bits} bits, and the package needs 64: install the x64 Python")
    detail = f"{name} {version} on Python {platform.python_version()}, {platform.system()}"
    if version != KNOWN:
        return Finding("package", "warn", f"{detail}; this was written against {KNOWN}")
    return Finding("package", "ok", detail)


def _terminal(world: World, account: Any) -> Iterator[Finding]:
    terminal = world.calls.terminal_info()
    yield Finding("terminal", "ok", f"{terminal.name}, build {terminal.build}")
    connected = "connected to the trade server" if terminal.connected else "not connected: log in, and look at its bars"
    yield Finding("connection", "ok" if terminal.connected else "fail", connected)
    if terminal.tradeapi_disabled:
        yield Finding("programs", "fail", "trading by programs is off: Tools, Options, Expert Advisors, Python API")
    elif not terminal.trade_allowed:
        yield Finding("programs", "fail", "Algo Trading is switched off: press its button")
    else:
        yield Finding("programs", "ok", "programs may trade")
    mode = "hedging" if world.hedging else "netting"
    said = f"{account.login} at {account.server}, {account.currency}, {mode}"
    if world.settings.login is None:
        said += "; write `login` and `server`, so that no other account is ever traded"
    allowed = bool(account.trade_allowed) and bool(account.trade_expert)
    if not allowed:
        said += "; the account may not trade: is it an investor's password, or a closed account?"
    yield Finding("account", "warn" if allowed and world.settings.login is None else "ok" if allowed else "fail", said)


def _symbols(world: World) -> Iterator[Finding]:
    for ours, one in world.symbols.items():
        spec = one.spec
        fillings = "/".join(sorted(each.value for each in spec.fillings))
        name = "" if ours == one.terminal_name else f" ({one.terminal_name} there)"
        yield Finding(
            f"symbol {ours}",
            "ok",
            f"{spec.digits} digits{name}, {spec.volume_min} to {spec.volume_max} lots by {spec.volume_step}, stops "
            f"{spec.stops_level}, freeze {spec.freeze_level}, {spec.execution.value}, {fillings}, "
            f"{spec.trade_mode.value}",
        )


def _prices(world: World, now: Callable[[], float], within_s: float) -> Iterator[Finding]:
    reader = TickReader(world.calls, world.clock, tuple(world.symbols.values()), now)
    end, seen, looks = time.monotonic() + within_s, 0, 0
    while time.monotonic() < end and world.clock.source != "measured":
        looks += 1
        found = len(reader.look().quotes)
        seen += found if looks > 1 else 0
        time.sleep(LOOK_EVERY_S)
    if seen:
        yield Finding("ticks", "ok", f"{seen} came in")
    else:
        yield Finding("ticks", "warn", f"none within {within_s:g} s: is the market closed?")
    if reader.snapshots:
        yield Finding("tick history", "warn", "copy_ticks_from fails for some symbols: only their last tick is read")
    clock = world.clock
    state: Literal["ok", "warn"] = (
        "ok" if clock.source in ("measured", "configured") and not clock.contradicted else "warn"
    )
    yield Finding("server's clock", state, clock.describe(now()))


def _history(world: World, now: Callable[[], float]) -> Iterator[Finding]:
    deals = world.deals_since(int((now() - 30 * DAY_S) * 1000))
    orders = world.order_rows_since(now() - 30 * DAY_S)
    yield Finding("history", "ok", f"{len(orders)} orders and {len(deals)} deals in 30 days can be read")


def _dry_run(world: World) -> Iterator[Finding]:
    for ours, one in world.symbols.items():
        market = world.market(ours)
        if market is None or market.quote is None:
            yield Finding(f"order {ours}", "warn", "it has no price now, so an order can't be tried")
            continue
        order = Open(Origin("doctor", 0), "", ours, one.spec.volume_min, Side.BUY, comment="doctor")
        request = open_request(order, market, "doctor", world.clock)
        refused = request if isinstance(request, Refused) else check_of(world.calls.order_check(request))
        if refused is None:
            yield Finding(f"order {ours}", "ok", f"{_lots(one.spec.volume_min)} would be taken (nothing was sent)")
        else:
            yield Finding(f"order {ours}", "warn", f"it would be refused ({refused.retcode}): {refused.comment}")


def _lots(volume: Decimal) -> str:
    return f"{volume} lots"
