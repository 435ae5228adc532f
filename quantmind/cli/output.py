"""Standard output whose reader may have gone, or whose disk may be full."""

from __future__ import annotations

import errno
import os
import sys

from quantmind.errors import EXIT_UNAVAILABLE


def forget_stdout() -> None:
    """What is left in its buffer would be an error at exit."""
    _forget(1 if sys.stdout is None else sys.stdout.fileno())


def leave_stdout(error: OSError) -> int:
    """The exit code of what only shows things, after standard output failed it; told unless its reader has gone."""
    forget_stdout()
    # Windows calls a pipe without a reader an invalid argument.
    if isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL):
        return 0
    complain(f"quantmind: the output can't be written: {error.strerror or error}")
    return EXIT_UNAVAILABLE


def printable(text: str) -> str:
    """A text that a terminal only shows: others choose comments and names, and it would obey what is in them."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def tame(text: str) -> str:
    """The same for a text of several lines, which stay."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def print_tame(text: str) -> None:
    """Print what was asked for. Raises OSError: nobody takes it, see `leave_stdout`."""
    print(tame(text), flush=True)


def counted(number: int, what: str) -> str:
    """So many of something: 1 order, 2 orders."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def say(text: str) -> None:
    """Print a line of what was done. Never fails: where nobody reads it any more, it goes to standard error.

    What was carried out must neither end because of that, nor look as if it had failed.
    """
    try:
        print(tame(text), flush=True)
    except OSError:
        forget_stdout()
        sys.stdout = sys.stderr  # for the lines that follow
        complain(text)


def complain(text: str) -> None:
    """Print a line to standard error. Never fails."""
    try:
        print(tame(text), file=sys.stderr, flush=True)
    except OSError:
        _forget(2 if sys.stderr is None else sys.stderr.fileno())


def _forget(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
