"""REST: which request is meant, whether it may be made, and how its outcome is put into HTTP."""

from __future__ import annotations

from urllib.parse import parse_qsl

import attrs

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.exchange import Exchange
from quantmind.testing.binance.faults import Dropped, Held, refused
from quantmind.testing.binance.http_door import HttpAnswer, HttpRequest
from quantmind.testing.binance.signing_check import check_request, check_time
from quantmind.testing.binance.weights import Security

_FORM = "application/x-www-form-urlencoded"


@attrs.define(eq=False)
class Rest:
    """Answers requests."""

    exchange: Exchange

    def answer(self, request: HttpRequest) -> HttpAnswer | Dropped | Held:
        """What a request gets; it is carried out when this returns."""
        exchange = self.exchange
        path, _, query = request.target.partition("?")
        rule = exchange.rule_of(request.method, path)
        if rule is None:
            return HttpAnswer(404, b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")
        form = _form_of(request)
        try:
            params = _params_of(query, form)
        except ApiFault as fault:
            return _http(refused(fault).status, refused(fault).body(), exchange, None)

        def check() -> None:
            if rule.security is Security.NONE:
                return
            exchange.keys.check_key(request.headers.get("x-mbx-apikey"))
            if rule.security is Security.SIGNED:
                check_request(exchange.keys, query, form)
                check_time(params, exchange.clock() * 1000)

        outcome = exchange.ask(request.method, path, params, rule, check)
        if isinstance(outcome, Dropped | Held):
            return outcome
        orders = bool(rule.orders) and outcome.status == 200
        return _http(outcome.status, outcome.body(), exchange, outcome.retry_after_s, orders)


def _http(
    status: int, body: bytes, exchange: Exchange, retry_after_s: int | None, with_orders: bool = False
) -> HttpAnswer:
    headers = exchange.limits.headers(with_orders)
    if retry_after_s is not None:
        headers.append(("Retry-After", str(retry_after_s)))
    return HttpAnswer(status, body, headers)


# Of a request that may have one: what is in the body of a GET does not count.
def _form_of(request: HttpRequest) -> str:
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if request.method == "GET" or kind != _FORM:
        return ""
    return request.body.decode("ascii", errors="replace")


# Those of the query string go before those of the form. Raises ApiFault -1101: one of them comes twice.
def _params_of(query: str, form: str) -> dict[str, str]:
    read: list[dict[str, str]] = []
    for text in (form, query):
        pairs = parse_qsl(text, keep_blank_values=True)
        part = dict(pairs)
        if len(part) < len(pairs):
            raise ApiFault(400, -1101, "Duplicate values for a parameter detected.")
        read.append(part)
    return read[0] | read[1]
