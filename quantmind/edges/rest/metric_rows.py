"""How a figure of GET /status becomes samples for Prometheus. Pure: a document in, families of samples out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from actors.condition_board import MEANINGS

PREFIX: Final = "quantmind_"
UNREADABLE: Final = "figures_unreadable"
"""The metric that says how many figures were of another shape than their row expects."""

Values = Iterable[tuple[Mapping[str, str], float]]
"""Further labels and a value, for each sample that a figure gives."""
Read = Callable[[Any], Values]


# --- how a figure is read --------------------------------------------------------------------------------------------


def number(value: Any) -> Values:
    """A number or a yes or no; one that is not known gives nothing, and so does a word (`any`)."""
    return () if value is None or isinstance(value, str) else (({}, float(value)),)


def seconds(value: Any) -> Values:
    """Milliseconds."""
    return () if value is None else (({}, float(value) / 1000),)


def moment(value: Any) -> Values:
    """A time as text, in Unix seconds."""
    return () if value is None else (({}, datetime.fromisoformat(value).timestamp()),)


def is_there(value: Any) -> Values:
    """1 for an error that stands, else 0."""
    return (({}, float(value is not None)),)


def length(value: Any) -> Values:
    """How many there are."""
    return (({}, float(len(value))),)


def one_of(*known: str) -> Read:
    """A state: 1 for that which it is, 0 for all others; one that is not known here is shown all the same.

    None: it is in none.
    """

    def read(value: Any) -> Values:
        states = known if value is None else (*known, str(value))
        return [({"state": state}, float(state == value)) for state in dict.fromkeys(states)]

    return read


def holds(value: Any) -> Values:
    """Each thing that keeps an account from trading freely."""
    return [({"rule": hold["rule"], "state": hold["state"]}, 1.0) for hold in value]


def causes(value: Any) -> Values:
    """What keeps new risk from an account: 1 for each cause that there is, 0 for all others."""
    found = {cause["code"] for cause in value}
    return [({"cause": code}, float(code in found)) for code in MEANINGS]


def silent(value: Any) -> Values:
    """A symbol that is not live."""
    return (({"state": value["state"]}, 1.0),)


def broken(value: Any) -> Values:
    """Whether a part of /status could not be made; then it has its error and nothing else."""
    return (({}, float(value.keys() == {"error"})),) if isinstance(value, Mapping) else ()


def total_s(value: Any) -> Values:
    """All the time that commands of a type took together."""
    return (({}, float(value["mean_ms"]) * value["count"] / 1000),)


def built(value: Any) -> Values:
    """The version, of the document as a whole."""
    return (({"version": value["version"], "protocol": str(value["protocol"])}, 1.0),)


def always(_value: Any) -> Values:
    """1: there is an answer."""
    return (({}, 1.0),)


def later(_value: Any) -> Values:
    """Nothing yet: it is known when everything else was read."""
    return ()


# --- a row ------------------------------------------------------------------------------------------------------------


def _steps(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


@attrs.frozen
class Metric:
    """One figure.

    Attributes:
        name: Without the prefix, and without `_total` of a counter.
        path: Where it is in the document; `*` stands for every key there, which becomes the value of a label.
        labels: The names of those labels, in order. One more than there are `*`: the last key is two words with a dot.
        fixed: Labels that are the same for all samples.
        of_read: Labels that `read` gives.
    """

    name: str
    kind: str
    help: str
    path: tuple[str, ...] = attrs.field(converter=_steps)
    labels: tuple[str, ...] = ()
    read: Read = number
    fixed: tuple[tuple[str, str], ...] = ()
    of_read: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def full_name(self) -> str:
        """As it is exposed."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Every label that a sample of it has."""
        return (*(name for name, _ in self.fixed), *self.labels, *self.of_read)


# --- samples ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Sample:
    """One value with its labels; `suffix` is that of a summary's sum and count."""

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


@attrs.frozen
class Family:
    """One metric with its samples."""

    metric: Metric
    samples: list[Sample] = attrs.field(factory=list)


def families(metrics: Iterable[Metric], document: Mapping[str, Any]) -> list[Family]:
    """What a document says, by metric; what it does not have gives no samples.

    Args:
        metrics: those with the same name are one family.
        document: what GET /status answers, with `brokers` by name, and `tree` (actors by name) beside.
    """
    found: dict[str, Family] = {}
    unreadable = 0
    for metric in metrics:
        family = found.setdefault(metric.name, Family(metric))
        fixed = dict(metric.fixed)
        for keys, value in _at(document, metric.path):
            of_path = dict(zip(metric.labels, _words(keys, len(metric.labels)), strict=True))
            # As with /status: what people look at when something is broken must not break with it.
            try:
                read = list(metric.read(value))
            except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
                unreadable += 1
                continue
            family.samples.extend(
                Sample({**fixed, **of_path, **further}, figure, metric.suffix) for further, figure in read
            )
    if UNREADABLE in found:
        found[UNREADABLE].samples.append(Sample({}, float(unreadable)))
    return list(found.values())


def _at(node: Any, path: tuple[str, ...], keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not path:
        yield keys, node
    elif not isinstance(node, Mapping):
        return
    elif path[0] == "*":
        for key, below in node.items():
            yield from _at(below, path[1:], (*keys, str(key)))
    elif path[0] in node:
        yield from _at(node[path[0]], path[1:], keys)


def _words(keys: tuple[str, ...], count: int) -> tuple[str, ...]:
    if len(keys) == count:
        return keys
    first, _, rest = keys[-1].partition(".")
    return (*keys[:-1], first, rest)
