"""What is wrong with a configuration, said all at once."""

from collections.abc import Iterable

import attrs


@attrs.frozen
class Fault:
    """One thing to change in a configuration file.

    Attributes:
        file: The file's name, as the user gave it.
        line: The line, counted from 1; 0 when the fault is the file as a whole.
        key: The dotted name of the key, as in `brokers.demo.feed`; empty when no key is concerned.
        message: What is wrong and what to write instead. Holds no secret.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.key, self.message) if part)


class ConfigError(ValueError):
    """A configuration that cannot be used; `str()` is the whole report, one fault a line."""

    faults: tuple[Fault, ...]
    """Every fault, sorted by line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))
