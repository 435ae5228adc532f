"""Who may do what, from where: a matrix over every route that the app really has."""

from __future__ import annotations

import json

import pytest
from unit.edges.rest.harness import HEADERS, JSON, make_world, open_world

from quantmind.edges.rest import ROUTES
from quantmind.edges.rest.gate import host_allowed
from quantmind.wire.auth import SCOPES, Authenticator


def real_routes() -> list[tuple[str, str]]:
    """Method and path of each rule in the app's own map, with a value in each place."""
    world = make_world()
    return sorted(
        (method, rule.rule.replace("<symbol>", "EURUSD"))
        for rule in world.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method != "OPTIONS"
    )


def scope_of(method: str, path: str) -> str | None:
    wanted = "GET" if method == "HEAD" else method
    return next(
        route.scope for route in ROUTES if route.method == wanted and route.rule.replace("<symbol>", "EURUSD") == path
    )


MATRIX = [
    pytest.param(method, path, id=f"{method} {path}")
    for method, path in [
        (method, route.rule.replace("<symbol>", "EURUSD"))
        for route in ROUTES
        for method in ((route.method, "HEAD") if route.method == "GET" else (route.method,))
    ]
]


async def test_the_matrix_is_the_apps_own_map():
    """A route that is added elsewhere than in the table would escape the tests below."""
    assert sorted(param.values for param in MATRIX) == real_routes()


@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_scopes(method, path):
    """Each route takes its own scope and admin, and no other; without a token only /health answers."""
    scope = scope_of(method, path)
    async with open_world() as world:
        client = world.app.test_client()
        for name in SCOPES:
            headers = {"X-Token": f"{name}-token-0123456789", "Content-Type": "application/json"}
            response = await client.open(path, method=method, headers=headers, data=b"{}" if method == "POST" else None)
            allowed = scope is None or name in (scope, "admin")
            assert (response.status_code == 403) is not allowed, (name, response.status_code)
        for headers in ({}, {"X-Token": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
            response = await client.open(path, method=method, headers={**headers, "Content-Type": "application/json"})
            assert response.status_code == (200 if scope is None else 401)
            if scope is not None:
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_wrong_host_and_wrong_origin(method, path):
    """No route answers for another host or to a stranger's page, with any token."""
    async with open_world() as world:
        client = world.app.test_client()
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Host": "127.0.0.1.evil.example"}, 421),
            ({"Host": ""}, 421),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://localhost.evil.example"}, 403),
        ):
            response = await client.open(path, method=method, headers={**JSON, **headers})
            assert response.status_code == status
            assert "Access-Control-Allow-Origin" not in response.headers
        assert world.commands == []
        assert world.states == []


@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_a_token_in_the_url_is_refused(method, path):
    """Even beside a good one, and under any of its usual names."""
    async with open_world() as world:
        client = world.app.test_client()
        for name in ("token", "TOKEN", "access_token", "api_key", "%74oken"):
            response = await client.open(f"{path}?{name}=abc", method=method, headers=JSON)
            assert response.status_code == 400


@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_unknown_parameters_are_refused(method, path):
    """A misspelt filter is not ignored."""
    async with open_world() as world:
        response = await world.app.test_client().open(f"{path}?brokr=x", method=method, headers=JSON)
        assert response.status_code == 422
        if method != "HEAD":
            assert json.loads(await response.get_data())["field"] == "brokr"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (route.method, route.rule.replace("<broker>", "demo").replace("<ticket>", "100"))
        for route in ROUTES
        if route.takes_body
    ],
)
async def test_bodies_must_say_that_they_are_json(method, path):
    """What a web page can send without asking first is not taken."""
    async with open_world() as world:
        client = world.app.test_client()
        for kind in (
            None,
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
        ):
            headers = dict(HEADERS) if kind is None else {**HEADERS, "Content-Type": kind}
            response = await client.open(path, method=method, headers=headers, data=b"[]")
            assert response.status_code == 415
        response = await client.open(
            path, method=method, headers={**HEADERS, "Content-Type": "Application/JSON; charset=utf-8"}, data=b"[]"
        )
        assert response.status_code == 422


async def test_tokens_are_compared_by_the_authenticator_alone(monkeypatch):
    """Both headers go through it, so every comparison takes the same time."""
    asked: list[str] = []
    real = Authenticator.identify

    def identify(self, token):
        asked.append(token)
        return real(self, token)

    monkeypatch.setattr(Authenticator, "identify", identify)
    async with open_world() as world:
        client = world.app.test_client()
        await client.get("/status", headers={"X-Token": "one"})
        await client.get("/status", headers={"Authorization": "bearer two"})
        await client.get("/status", headers={"Authorization": "Basic three"})
        await client.get("/status")
    assert asked == ["one", "two"]


async def test_cors_headers_are_for_allowed_origins():
    """Listed pages and pages of this machine may read answers, refusals too; a request without an origin has none."""
    async with open_world(origins=("https://desk.example",)) as world:
        client = world.app.test_client()
        for origin in ("https://desk.example", "http://localhost:3000", "http://[::1]:8080"):
            for headers in ({}, HEADERS):
                response = await client.get("/status", headers={**headers, "Origin": origin})
                assert response.headers["Access-Control-Allow-Origin"] == origin
        response = await client.get("/status", headers=HEADERS)
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("localhost", True),
        ("LOCALHOST:5005", True),
        ("127.0.0.1:1", True),
        ("[::1]", True),
        ("[::1]:5005", True),
        ("::1", False),
        ("[::1", False),
        ("[::1]x", False),
        ("localhost:", True),
        ("localhost:x", False),
        ("localhost:123456", False),
        ("localhost@evil", False),
        ("evil", False),
        ("", False),
        (":80", False),
    ],
)
@pytest.mark.parametrize("six", ["::1", "[::1]"])
def test_hosts(host, good, six):
    """A host with any port; IPv6 in brackets, however the configuration writes it."""
    assert host_allowed(host, ("localhost", "127.0.0.1", six)) is good
