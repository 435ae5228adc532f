"""The REST door, a Quart-Trio app: which route, who asks, may they, is the request well formed; then the route itself.

The only importer of quart_trio, quart and werkzeug: routes see an `Ask` and give an `Answer`, and every error of
theirs or of Quart's becomes a problem document here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from quantmind.edges.door import over_rate
from quantmind.edges.http_places import PLACE_KEY
from quantmind.edges.rest import journal, lists, metrics, reads, records, risk, state, writes
from quantmind.edges.rest.context import Answer, Ask, Route
from quantmind.edges.rest.context import RestContext as RestContext
from quantmind.edges.rest.gate import BODY_KEY, Gate, Message, Receive, Send, new_incident
from quantmind.edges.rest.lookups import forbidden
from quantmind.wire import problems
from quantmind.wire.auth import NOBODY, Identity, bearer_token, lacks_scope
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import encode, parse_query, refuse_token

logger: Final = logging.getLogger("quantmind.rest")

_PAGED: Final = frozenset({"limit", "after"})
_TRADES: Final = frozenset({"broker", "symbol", "magic"}) | _PAGED
_POSITION: Final = "/brokers/<broker>/positions/<ticket>"
_ORDER: Final = "/brokers/<broker>/orders/<ticket>"

ROUTES: Final = (
    Route("GET", "/health", None, reads.health),
    Route("GET", "/", "read", reads.service),
    Route("GET", "/status", "read", reads.status),
    Route("GET", "/account", "read", reads.account, frozenset({"broker"})),
    Route("GET", "/positions", "read", reads.positions, _TRADES),
    Route("GET", "/orders", "read", lists.orders, _TRADES),
    Route("GET", "/orders/<order_id>", "read", records.order),
    Route("GET", "/commands", "read", records.open_commands, frozenset({"state", "broker"}) | _PAGED),
    Route("GET", "/commands/<path:request_id>", "read", records.command_status, frozenset({"ea_name"})),
    Route("GET", "/deals", "read", lists.deals, _TRADES | {"since"}),
    Route("GET", "/symbols", "read", reads.symbols, frozenset({"broker", "match"}) | _PAGED),
    Route("GET", "/ticks/<symbol>", "read", reads.tick),
    Route("GET", "/bars/<symbol>", "read", lists.bars, frozenset({"timeframe"}) | _PAGED),
    Route("GET", "/eas", "read", lists.eas, _TRADES),
    Route("GET", "/clients", "read", lists.clients, _PAGED),
    Route("GET", "/journal", "read", journal.journal, journal.QUERY),
    Route("GET", "/actors", "read", reads.actors),
    Route("GET", "/metrics", "read", metrics.metrics),
    Route("GET", "/state", "read", state.show, frozenset({"broker"}) | _PAGED),
    Route("PUT", "/state", "admin", state.change),
    Route("POST", "/trade", "trade", writes.trade),
    Route("POST", f"{_POSITION}/close", "trade", writes.close_position, may_be_empty=True),
    Route("PATCH", _POSITION, "trade", writes.change_position),
    Route("PATCH", _ORDER, "trade", writes.change_order),
    Route("DELETE", _ORDER, "trade", writes.cancel_order, may_be_empty=True),
    Route("POST", "/command", "ea", writes.command),
    Route("POST", "/", "ea", writes.command),
    Route("POST", "/orders/<order_id>/settle", "admin", records.settle),
    Route("GET", "/risk", "read", risk.show, frozenset({"broker", "stop_percent"})),
    Route("PUT", "/risk/baseline", "admin", risk.supply_baseline),
    Route("POST", "/risk/state", "admin", risk.set_state),
    Route("POST", "/brokers/<broker>/drift/adopt", "admin", writes.adopt_drift),
)
"""Every route of this version."""


class RestApp(QuartTrio):
    """QuartTrio behind our gate."""

    gate: Gate | None = None

    async def asgi_app(self, scope: Message, receive: Receive, send: Send) -> None:  # type: ignore[override]
        assert self.gate is not None, "make_app sets it"
        await self.gate(scope, receive, send)


def make_app(context: RestContext) -> RestApp:
    """The REST door as an ASGI app."""
    app = RestApp(__name__, static_folder=None)
    settings = context.settings
    app.gate = Gate(super(RestApp, app).asgi_app, settings.max_body_bytes, settings.hosts, settings.origins)
    app.url_map.merge_slashes = False  # no redirects: a client of ours would lose its body or its token on the way
    for route in ROUTES:
        app.add_url_rule(route.rule, route.endpoint, _view(context, route), methods=[route.method])
    app.before_request(_before_routing)
    app.register_error_handler(HttpProblem, _say_problem)
    app.register_error_handler(HTTPException, _say_http_error)
    app.register_error_handler(Exception, _say_crash)
    return app


def _view(context: RestContext, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.scope["headers"]
        )
        refuse_token(request.query_string)
        identity = NOBODY
        if route.scope is not None:
            identity = identify(context, headers, peer=_peer(request.scope.get("client")))
            _make_known(request.scope)
            if not context.authenticator.in_rate(identity):
                context.authenticator.count_denied("http", "rate_limit", identity.name)
                raise problems.busy(over_rate(identity))
            if not identity.may(route.scope):
                raise forbidden(context, identity, lacks_scope(identity, route.scope), scope=route.scope)
            if route.scope == "admin" and identity.eas:
                raise forbidden(context, identity, f"{_EAS_ONLY.format(identity.name)}: it speaks for its EAs only")
        query = parse_query(request.query_string, route.query)
        body = b""
        if route.takes_body:
            body = request.scope[BODY_KEY]  # type: ignore[typeddict-item]
            if body or not route.may_be_empty:
                check_content(headers)
        return _response(await route.handler(context, Ask(identity, path, query, headers, body)))

    return view


_EAS_ONLY: Final = "the token {} is bound to EAs and may not act on a whole account"


def _peer(client: Any) -> str:
    return str(client[0]) if client else "http"


# Whoever showed a token keeps its connection when strangers come in numbers.
def _make_known(scope: Any) -> None:
    place = scope.get(PLACE_KEY)
    if place is not None:
        place.known = True


def identify(context: RestContext, headers: tuple[tuple[str, str], ...], *, peer: str) -> Identity:
    """Whose token the headers carry; `peer` is the address that they came from.

    Raises:
        HttpProblem: 401, there is none, it is not known or has expired, or there are several; 429, there were too many
            wrong ones from there.
    """
    tokens = [value for name, value in headers if name == "x-token"]
    bearers = [value for name, value in headers if name == "authorization"]
    if len(tokens) + len(bearers) == 0:
        raise problems.unauthorized("a token is needed; send it as the header X-Token or as Authorization: Bearer")
    if len(tokens) + len(bearers) > 1:
        raise problems.unauthorized("more than one token was sent; send one")
    found = context.authenticator.admit(tokens[0] if tokens else bearer_token(bearers[0]), peer=peer, via="http")
    if isinstance(found, Identity):
        return found
    if found.code == "busy":
        raise problems.busy(found.message, retry_after_s=found.retry_after_s)
    raise problems.unauthorized(found.message)


def check_content(headers: tuple[tuple[str, str], ...]) -> None:
    """Whether a body says that it is plain JSON: a web page can't send that without asking first.

    Raises:
        HttpProblem: 415, it says something else, or nothing.
    """
    found = dict(headers)
    kind = found.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        said = f"is {kind[:60]!r}" if kind else "is missing"
        raise HttpProblem(415, "content_type", f"Content-Type {said}; send JSON as application/json")
    encoding = found.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise HttpProblem(415, "content_type", f"Content-Encoding is {encoding[:30]!r}; send the body as it is")


async def _before_routing() -> Response | None:
    if request.method == "OPTIONS" and request.routing_exception is None:
        rule: Any = request.url_rule
        methods = {route.method for route in ROUTES if route.rule == rule.rule} | {"OPTIONS"}
        allowed = methods | {"HEAD"} if "GET" in methods else methods
        return Response(b"", 204, {"Allow": ", ".join(sorted(allowed))})
    return None


def _response(answer: Answer) -> Response:
    body = answer.value if isinstance(answer.value, bytes) else encode(answer.value)
    response = Response(body, answer.status, content_type=answer.content_type)
    for name, value in answer.headers:
        response.headers[name] = value
    return response


async def _say_problem(problem: HttpProblem) -> Response:
    response = Response(problem.encode(), problem.status, content_type=problems.CONTENT_TYPE)
    for name, value in problem.headers:
        response.headers[name] = value
    return response


async def _say_http_error(error: HTTPException) -> Response:
    """Quart's own errors, in our form and our words."""
    path = request.path[:80]
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))
        problem = HttpProblem(
            405,
            "method_not_allowed",
            f"{path!r} does not take {request.method}; it takes {allowed}",
            headers=(("Allow", allowed),),
        )
    elif error.code == 404:
        problem = HttpProblem(404, "not_found", f"there is nothing at {path!r}")
    else:
        code = error.code if error.code is not None and 400 <= error.code < 500 else 500
        if code == 500:
            return await _say_crash(error)
        problem = HttpProblem(code, "http_error", error.name)
    return await _say_problem(problem)


async def _say_crash(error: Exception) -> Response:
    """A bug: the log has the traceback, the client an id to find it by."""
    incident = new_incident()
    rule: Any = request.url_rule
    logger.error(
        "fail.request id=%s method=%s route=%s", incident, request.method, rule.rule if rule else "-", exc_info=error
    )
    return await _say_problem(problems.internal(incident))
