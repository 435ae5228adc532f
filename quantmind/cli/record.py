"""`quantmind ticks --record FILE`: live ticks of a running gateway into a file that a replay reads."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from quantmind.adapters.mock.recordings.writer import RecordError, RecordingWriter, check_symbol
from quantmind.cli.output import complain, counted, say
from quantmind.client import (
    Connected,
    Disconnected,
    FeedEvent,
    FeedSettings,
    FeedStatus,
    FeedWarning,
    Gap,
    NewEpoch,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
    open_ticks,
)
from quantmind.domain.quotes import Quote
from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, QuantMindError, StartError
from quantmind.net.errors import NetError
from quantmind.net.handshake import parse_url

FLUSH_EVERY_S: Final = 1.0
BUFFER: Final = 100_000
"""Ticks that wait while the disk is slow; beyond them the newest of each symbol stays, and the gap is noted."""


def record(url: str, options: argparse.Namespace) -> int:
    """Record until a signal, `--count`, or an error; the process's exit code."""
    path: Path = options.record
    try:
        _check_symbols(options.symbols)
        parse_url(url)
        writer = RecordingWriter.open(path)
    except (RecordError, NetError) as exc:
        complain(f"quantmind: {exc}")
        return EXIT_USAGE
    except OSError as exc:
        complain(f"quantmind: {path} can't be written: {exc.strerror or exc}")
        return EXIT_UNAVAILABLE
    recorder = Recorder(writer, options.count)
    failure = _run(recorder, url, options.symbols, path, options.ca)
    if options.json:
        say(json.dumps({"file": str(path), "ticks": writer.ticks, "gaps": writer.gaps, "late": writer.late}))
    else:
        late = f", {writer.late} out of order" if writer.late else ""
        _say(f"{counted(writer.ticks, 'tick')} written to {path}, {counted(writer.gaps, 'gap')}{late}")
    if failure is not None:
        complain(f"quantmind: {failure}")
        return EXIT_UNAVAILABLE
    return 0


@attrs.define(eq=False)
class Recorder:
    """Turns what a feed tells into lines of a recording; pure but for the writer.

    Args:
        count: how many ticks to write at most; None: no end.
    """

    writer: RecordingWriter
    count: int | None = None
    connected: bool = attrs.field(default=False, init=False)

    def take(self, event: FeedEvent) -> bool:
        """Write an event; True when all is written that was wanted.

        Raises:
            StartError: there never was a connection.
            RecordError: it can't be recorded.
            OSError: the disk failed.
        """
        if isinstance(event, Tick):
            quote = Quote(event.symbol, event.bid, event.ask, event.time_msc, event.last, event.volume)
            self.writer.tick(quote, snapshot=event.snapshot)
            return self.count is not None and self.writer.ticks >= self.count
        self._take_news(event)
        return False

    def _take_news(self, event: FeedEvent) -> None:
        note = self.writer.note
        match event:
            case Gap():
                cause = "slow_recorder" if event.conflated else "lost"
                span = {"from_seq": event.from_seq, "to_seq": event.to_seq}
                note("gap", {"symbol": event.symbol, "broker": event.broker, **span, "cause": cause})
                _say(f"{counted(event.count, 'tick')} of {event.symbol} did not arrive")
            case NewEpoch(previous=None):
                note("epoch", {"epoch": event.epoch})
            case NewEpoch():
                note("gap", {"cause": "new_epoch", "epoch": event.epoch, "previous": event.previous})
                _say("the gateway's market data began anew: what was missed is not known")
            case SeqReset():
                seqs = {"last_seq": event.last_seq, "seq": event.seq}
                note("gap", {"symbol": event.symbol, "broker": event.broker, **seqs, "cause": "seq_reset"})
            case Disconnected():
                self._take_outage(event)
            case Connected():
                self.connected = True
                if event.again:
                    note("up", {"at": _now(), "down_s": round(event.down_s, 3)})
                    _say(f"connected again after {event.down_s:.1f} s")
            case Subscribed():
                note("symbol", {"symbol": event.symbol})
            case SymbolRejected():
                note("rejected", {"symbol": event.symbol, "reason": event.reason})
                _say(f"{event.symbol} is not sent ({event.reason}); it is asked for again from time to time")
            case FeedStatus():
                who = {"symbol": event.symbol, "broker": event.broker}
                note("status", {"state": event.state, **{k: v for k, v in who.items() if v is not None}, "at": _now()})
                _say(f"{event.symbol or event.broker or 'the gateway'} is {event.state}")
            case FeedWarning():
                note("warning", {"code": event.code, "message": event.message})

    # Of an outage only the beginning: it may last for days, with a try every few seconds.
    def _take_outage(self, event: Disconnected) -> None:
        if not self.connected:
            raise StartError(event.reason, EXIT_UNAVAILABLE)
        if event.tries == 1:
            self.writer.note("down", {"at": _now(), "reason": event.reason})
            _say(f"not connected: {event.reason}; trying again")


def _run(recorder: Recorder, url: str, symbols: Sequence[str], path: Path, ca: Path | None) -> str | None:
    """Record; what ended it, None when it was asked to."""
    writer, failure = recorder.writer, None
    try:
        writer.note("begin", {"at": _now(), "from": url})
        if writer.torn_bytes:
            writer.note("torn", {"bytes": writer.torn_bytes})
            _say(f"a torn line at the end of {path} was cut off ({writer.torn_bytes} bytes)")
        writer.flush()
        trio.run(partial(_record, recorder, url, symbols, ca), strict_exception_groups=True)
    except* (QuantMindError, NetError, ValueError) as group:
        failure = str(_first(group))
    except* OSError as group:
        failure = f"{path} can't be written: {_first(group)}"
    except* KeyboardInterrupt:  # before the signal's receiver was there
        pass
    try:
        writer.note("end", {"at": _now(), "ticks": writer.ticks, **({} if failure is None else {"reason": failure})})
        writer.close()
    except OSError as exc:
        failure = failure or f"{path} can't be written: {exc}"
    return failure


async def _record(recorder: Recorder, url: str, symbols: Sequence[str], ca: Path | None) -> None:
    settings = FeedSettings(buffer=BUFFER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
        nursery.start_soon(_flush_again_and_again, recorder.writer)
        token = os.environ.get("QUANTMIND_TOKEN")
        async with open_ticks(url, symbols, token=token, settings=settings, ca=ca) as feed:
            _say(f"recording {' '.join(symbols)} of {url} to {recorder.writer.path}")
            async for event in feed:
                if recorder.take(event):
                    break
        nursery.cancel_scope.cancel()


async def _flush_again_and_again(writer: RecordingWriter) -> None:
    while True:
        await trio.sleep(FLUSH_EVERY_S)
        writer.flush()


async def _stop_on_signal(scope: trio.CancelScope) -> None:
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    with trio.open_signal_receiver(*(getattr(signal, name) for name in names if hasattr(signal, name))) as signals:
        async for _ in signals:
            scope.cancel()
            return


# A line names its symbol and not its broker, so one symbol of two brokers would be one with two prices.
def _check_symbols(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        bare = name.rpartition("@")[0] or name
        check_symbol(bare)
        if seen.setdefault(bare, name) != name:
            raise RecordError(f"{seen[bare]} and {name} are one symbol in a recording; record each into its own file")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _now() -> str:
    at = datetime.now(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _say(text: str) -> None:
    complain(f"-- {text}")
