"""What the format has and this version does not do yet: refused by name, never ignored.

Work that makes one of these true takes its line out of the table.
"""

from typing import Any, Final

import attrs

_VERSION: Final = "0.1.0"


@attrs.frozen
class Pending:
    """A key, or some of its values, that must not be used yet.

    Attributes:
        path: The key; `*` stands for any name.
        way_out: What to write instead, in words that follow "or".
        values: The values that are refused; empty: any but the default.
        explicit: Even the default is refused when it is written, since it would promise something.
    """

    path: str
    way_out: str
    values: tuple[str, ...] = ()
    explicit: bool = False

    def refuses(self, path: tuple[str, ...], value: Any, default: Any) -> bool:
        """Return whether a key that is written with `value` asks for what is not there yet."""
        parts = self.path.split(".")
        if len(parts) != len(path) or any(want not in ("*", have) for want, have in zip(parts, path, strict=True)):
            return False
        if self.values:
            return value in self.values
        return self.explicit or value != default


PENDING: Final = (
    Pending("brokers.*.vps_data_port", "leave it out: a worker gives its ticks on its command port"),
    Pending("gateway.commands.http_port", "use gateway.rest for commands over HTTP", explicit=True),
)


def refusal(path: tuple[str, ...], shown: str, value: Any, default: Any) -> str | None:
    """Return why a written key cannot be used in this version, or None when it can.

    Args:
        path: The key.
        shown: The value as a message may show it.
        value: The value.
        default: The key's default.
    """
    for pending in PENDING:
        if pending.refuses(path, value, default):
            what = "this key" if pending.explicit or shown in ("a list", "a mapping") else shown
            return f"{what} is not implemented yet in this version ({_VERSION}); remove it or {pending.way_out}"
    return None


def is_pending(path: str) -> bool:
    """Return whether a key, written as in the table, cannot be used at all in this version."""
    return any(pending.path == path and not pending.values for pending in PENDING)


def pending_values(path: str) -> tuple[str, ...]:
    """Return the values of a key, written as in the table, that cannot be used in this version."""
    return next((pending.values for pending in PENDING if pending.path == path), ())
