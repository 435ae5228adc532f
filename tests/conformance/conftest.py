"""Each case is run with each subject that can do what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conformance.desk import Desk
from conformance.subject import Capability, Kind, Subject, needs_of
from conformance.subjects import SUBJECTS

from quantmind.domain.orders import Side


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each case with each kind of subject."""
    if "kind" in metafunc.fixturenames:
        kinds = [each for each in SUBJECTS if each.takes(needs_of(metafunc.function))]
        metafunc.parametrize("kind", kinds, ids=lambda each: each.name, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of subject; skipped, with the capability that is missing, where it can't do what the case needs."""
    found: Kind = request.param
    lacking = found.lacks(needs_of(request.function))
    if lacking is None and request.node.callspec.params.get("side") is Side.SELL:
        lacking = found.lacks({Capability.SHORT})
    if lacking is not None:
        pytest.skip(lacking)
    return found


@pytest.fixture
async def subject(kind: Kind, tmp_path: Path) -> AsyncIterator[Subject]:
    """A new subject with an empty account, not connected yet."""
    async with kind.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def desk(subject: Subject, kind: Kind) -> Desk:
    """The same, connected and priced."""
    return await Desk.open(subject, shorts=Capability.SHORT in kind.capabilities)
