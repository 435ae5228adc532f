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

from quantmind.edges.rest import lists, reads, writes
from quantmind.edges.rest.context import Answer, Ask, Route
from quantmind.edges.rest.context import RestContext as RestContext
from quantmind.edges.rest.gate import BODY_KEY, Gate, Message, Receive, Send, new_incident
from quantmind.wire import problems
from quantmind.wire.auth import NOBODY, Identity
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
    Route("GET", "/deals", "read", lists.deals, _TRADES | {"since"}),
    Route("GET", "/symbols", "read", reads.symbols, frozenset({"broker", "match"}) | _PAGED),
    Route("GET", "/ticks/<symbol>", "read", reads.tick),
    Route("GET", "/bars/<symbol>", "read", lists.bars, frozenset({"timeframe"}) | _PAGED),
    Route("GET", "/eas", "read", lists.eas, _TRADES),
    Route("GET", "/clients", "read", lists.clients, _PAGED),
    Route("GET", "/actors", "read", reads.actors),
    Route("POST", "/trade", "trade", writes.trade),
    Route("POST", f"{_POSITION}/close", "trade", writes.close_position, may_be_empty=True),
    Route("PATCH", _POSITION, "trade", writes.change_position),
    Route("PATCH", _ORDER, "trade", writes.change_order),
    Route("DELETE", _ORDER, "trade", writes.cancel_order, may_be_empty=True),
    Route("POST", "/command", "ea", writes.command),
    Route("POST", "/", "ea", writes.command),
    Route("POST", "/risk/state", "admin", writes.risk_state),
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
            identity = identify(context, headers)
            if not identity.may(route.scope):
                detail = f"the token {identity.name} lacks the scope {route.scope}"
                raise HttpProblem(403, "forbidden", detail, scope=route.scope)
        query = parse_query(request.query_string, route.query)
        body = b""
        if route.takes_body:
            body = request.scope[BODY_KEY]  # type: ignore[typeddict-item]
            if body or not route.may_be_empty:
                check_content(headers)
        return _response(await route.handler(context, Ask(identity, path, query, headers, body)))

    return view


def identify(context: RestContext, headers: tuple[tuple[str, str], ...]) -> Identity:
    """Whose token the headers carry.

    Raises:
        HttpProblem: 401, there is none, it is not known, or there are several.
    """
    tokens = [value for name, value in headers if name == "x-token"]
    bearers = [value for name, value in headers if name == "authorization"]
    if len(tokens) + len(bearers) == 0:
        raise problems.unauthorized("a token is needed; send it as the header X-Token or as Authorization: Bearer")
    if len(tokens) + len(bearers) > 1:
        raise problems.unauthorized("more than one token was sent; send one")
    authenticator = context.authenticator
    identity = authenticator.identify(tokens[0]) if tokens else authenticator.bearer(bearers[0])
    if identity is None:
        raise problems.unauthorized("the token is not known; check it against the gateway's")
    return identity


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
    response = Response(encode(answer.value), answer.status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    for name, value in answer.headers:
        response.headers[name] = value
    return response


async def _say_problem(problem: HttpProblem) -> Response:
    response = Response(problem.encode(), problem.status, content_type=problems.CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
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
