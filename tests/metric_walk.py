"""What GET /metrics gave, read as Prometheus does, and whether all of GET /status is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from quantmind.edges.rest.metric_table import LEFT_OUT, METRICS

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By name and labels."""


def parsed(text: str) -> Samples:
    """Every sample; one that stands twice fails."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    """One sample of ours."""
    return found[f"quantmind_{name}", tuple(sorted(labels.items()))]


def figures(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where numbers, yes and no are in a document."""
    if isinstance(node, bool | int | float | Decimal):
        yield path
    elif isinstance(node, Mapping):
        for key, below in node.items():
            yield from figures(below, (*path, str(key)))
    elif isinstance(node, list | tuple):
        for number, below in enumerate(node):
            yield from figures(below, (*path, str(number)))


def without_a_row(status: Mapping[str, Any]) -> list[str]:
    """Figures of /status that neither are metrics nor have a reason not to be."""
    named = {**status, "brokers": {each["broker"]: each for each in status["brokers"]}}
    return [
        ".".join(path)
        for path in figures(named)
        if not _left_out(path) and not any(_is_of(row.path, path) for row in METRICS)
    ]


def _is_of(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(pattern) == len(path) and all(step in ("*", key) for step, key in zip(pattern, path, strict=True))


def _left_out(path: tuple[str, ...]) -> bool:
    for text in LEFT_OUT:
        steps = tuple(text.split("."))
        if _is_of(steps, path[: len(steps)] if steps[-1] == "*" else path):
            return True
    return False
