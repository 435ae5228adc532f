"""The cases find what they are there to find: each of these mistakes fails each of its cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conformance import defects
from conformance.cases import all_cases
from conformance.defects import Flawed
from conformance.desk import Desk
from conformance.mock_subject import MockSubject
from conformance.subject import Loss, needs_of
from conformance.subjects import SUBJECTS

from quantmind.errors import BrokerUnavailable

CASES = all_cases()
FOUND: list[tuple[type[Flawed], str]] = [
    (defects.SendsAgain, "080 089"),
    (defects.TakesUnknownForUnsent, "080 081 087"),
    (defects.TakesUnknownForRefused, "080 081 086"),
    (defects.SendsAfterAnError, "005 006"),
    (defects.KnowsWhatItHeard, "080 086 087 089"),
    (defects.FindsTheOpenOnly, "085 087"),
    (defects.FindsTheLast, "083 089"),
    (defects.TakesBlindForAbsent, "082"),
    (defects.CutsTags, "033 076"),
    (defects.TakesNoDataForNothing, "003 005 025"),
    (defects.SaysOldSamples, "026"),
    (defects.AgesByTheWall, "024"),
    (defects.SaysServerTime, "013 031"),
    (defects.SaysTicksTwice, "015"),
    (defects.LeavesTheSinceOut, "101"),
    (defects.SaysDealsTwice, "100 103"),
    (defects.ForgetsCommission, "102"),
    (defects.KeepsNoTags, "033 046 105"),
    (defects.ChangesTheOtherStop, "051"),
    (defects.RoundsVolumes, "043 070"),
    (defects.OnlyReduces, "077"),
    (defects.MixesAnswersUp, "039"),
    (defects.SaysRefusedForDone, "042 044 053 070"),
    (defects.ClosesForGood, "004 008 084"),
    (defects.ForgetsWhenRestarted, "009"),
    (defects.WorksUnconnected, "003 004"),
    (defects.AnswersBeforeItIsKept, "110 111 112"),
]
KIND = next(each for each in SUBJECTS if each.name == "mock-hedging-kept")
FAILS = (AssertionError, pytest.fail.Exception, BrokerUnavailable, ValueError)
"""How a case fails: ValueError is for what had to be exactly one thing and is not."""
PARAMETERS: dict[str, Any] = {"what": "close", "loss": Loss.ANSWER, "tag": "", "call": "aclose"}


def flawed(kind: type[Flawed]) -> type[MockSubject]:
    """A kept hedging account behind an adapter with this mistake."""

    class FlawedSubject(MockSubject):
        def _begin(self) -> None:
            super()._begin()
            self.mistaken = kind(self.adapter)

        @property
        def broker(self) -> Any:
            return self.mistaken

    return FlawedSubject


async def run(case: Callable[..., Any], subject: MockSubject) -> None:
    """One case with this subject, as its fixtures would run it."""
    wanted = inspect.signature(case).parameters
    given = {name: value for name, value in PARAMETERS.items() if name in wanted}
    given |= {"subject": subject} if "subject" in wanted else {}
    given |= {"kind": KIND} if "kind" in wanted else {}
    given |= {"desk": await Desk.open(subject)} if "desk" in wanted else {}
    await case(**given)


@pytest.mark.parametrize(("mistake", "number"), [(mistake, each) for mistake, ids in FOUND for each in ids.split()])
async def test_a_mistake_fails_its_case(mistake: type[Flawed], number: str, tmp_path: Path) -> None:
    """And the same case passes without the mistake."""
    case = CASES[f"BC-{number}"]
    assert KIND.lacks(needs_of(case)) is None
    for sound in (True, False):
        folder = tmp_path / str(sound)
        folder.mkdir()
        subject = (MockSubject if sound else flawed(mistake))(folder, "hedging", True)
        try:
            if sound:
                await run(case, subject)
            else:
                with pytest.raises(FAILS):
                    await run(case, subject)
        finally:
            await subject.end()
