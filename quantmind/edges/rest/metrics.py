"""GET /metrics: what GET /status says, in Prometheus' text format. The only importer of prometheus_client.

Nothing is counted here and nothing is kept: each scrape looks at the same boards and parts as /status does at that
moment, through a registry of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from actors.runtime import Kind, Snapshot
from quantmind.edges.rest import views
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.metric_rows import PREFIX, Family, families
from quantmind.edges.rest.metric_table import METRICS
from quantmind.edges.rest.reads import status_of

_KINDS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "summary": SummaryMetricFamily}


async def metrics(context: RestContext, ask: Ask) -> Answer:
    """Everything that can be counted, for Prometheus. A token that is bound to brokers gets those alone."""
    status = status_of(context, ask)
    document = {
        **status,
        "brokers": {broker["broker"]: broker for broker in status["brokers"]},
        "tree": actors_by_name(context, ask),
    }
    # Kept as it is now, and made to text beside the loop, which has other things to do: many symbols take a while.
    text = await trio.to_thread.run_sync(expose, _kept(document))
    return Answer(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


# What a part gives may be its own, and change while it is read.
def _kept(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _kept(value) if isinstance(value, Mapping) else value for key, value in document.items()}


def actors_by_name(context: RestContext, ask: Ask) -> dict[str, Any]:
    """Every actor that may be seen, by its name; those of a pool come and go, and are not named."""
    hidden = {f":{broker}" for broker in context.boards.catalog.brokers if not ask.identity.reaches(broker)}
    named = _named(context.snapshot())
    return {node.name: views.actor(node) for node in named if not node.name.endswith(tuple(hidden))}


def _named(node: Snapshot) -> Iterable[Snapshot]:
    yield attrs.evolve(node, children=())
    if node.kind is not Kind.POOL:
        for child in node.children:
            yield from _named(child)


def expose(document: Mapping[str, Any]) -> bytes:
    """A document in the text format, version 0.0.4; see `families` for what it is."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(families(METRICS, document)))
    return generate_latest(registry)


@attrs.frozen(eq=False)
class _Read(Collector):
    """What was read, for the registry to ask for."""

    found: Sequence[Family]

    def collect(self) -> Iterable[Metric]:
        for family in self.found:
            row = family.metric
            name = f"{PREFIX}{row.name}"
            made: Metric = _KINDS[row.kind](name, row.help)
            ending = "_total" if row.kind == "counter" else ""
            for sample in family.samples:
                made.add_sample(f"{name}{ending}{sample.suffix}", dict(sample.labels), sample.value)
            yield made
