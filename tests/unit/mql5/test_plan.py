"""What an installation does to each file, from hashes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.mql5.manifest import Manifest, is_newer
from quantmind.mql5.plan import plan, states

NOW = "2026-11-28T12:00:00.000Z"
A, B = "Include/QuantMind/A.mqh", "Experts/QuantMind/B.mq5"


def installed(version: str = "0.1.0", **files: str) -> Manifest:
    return Manifest(version, NOW, {{"a": A, "b": B}[name]: digest for name, digest in files.items()})


@pytest.mark.parametrize(
    ("manifest", "disk", "state", "kind"),
    [
        (None, None, "missing", "write"),
        (None, "new", "current", None),
        (None, "other", "edited", "back_up"),
        (installed(a="old"), "old", "older", "replace"),
        (installed(a="old"), "new", "current", None),
        (installed(a="old"), "other", "edited", "back_up"),
        (installed(a="old"), None, "missing", "write"),
        (installed("0.3.0", a="old"), "old", "newer", "replace"),
        (installed("0.3.0", a="old"), "other", "edited", "back_up"),
        (installed(b="old"), "old", "edited", "back_up"),
    ],
)
def test_a_file_is_replaced_only_as_it_was_written(
    manifest: Manifest | None, disk: str | None, state: str, kind: str | None
) -> None:
    """Only the hash in the manifest makes a file ours; every other one is somebody's work."""
    seen = {A: disk, B: None}
    assert states({A: "new"}, "0.2.0", manifest, seen) == {A: state}
    made = plan({A: "new"}, "0.2.0", manifest, seen, now=NOW)
    assert [(step.kind, step.path, step.seen) for step in made.steps] == ([] if kind is None else [(kind, A, disk)])
    assert dict(made.manifest.files) == {A: "new"}
    assert made.manifest.version == "0.2.0"


@pytest.mark.parametrize(
    ("disk", "state", "kind"),
    [("old", "withdrawn", "remove"), ("other", "withdrawn_edited", "leave"), (None, None, None)],
)
def test_what_is_no_longer_shipped_goes_unless_it_was_edited(
    disk: str | None, state: str | None, kind: str | None
) -> None:
    """An unchanged file of an earlier version is removed, and before anything is written."""
    seen = {A: None, B: disk}
    expected = {A: "missing"} | ({} if state is None else {B: state})
    assert states({A: "new"}, "0.2.0", installed(b="old"), seen) == expected
    made = plan({A: "new"}, "0.2.0", installed(b="old"), seen, now=NOW)
    assert [step.kind for step in made.steps] == ([] if kind is None else [kind]) + ["write"]
    assert B not in made.manifest.files


def test_a_kept_file_stays_edited() -> None:
    """It goes on being compared with what was installed there, so that no later run takes it for ours."""
    seen = {A: "mine", B: "mine"}
    shipped = {A: "new", B: "new"}
    made = plan(shipped, "0.2.0", installed(a="old"), seen, now=NOW, keep_edited=True)
    assert {step.kind for step in made.steps} == {"keep"}
    assert dict(made.manifest.files) == {A: "old"}
    again = plan(shipped, "0.2.0", made.manifest, seen, now=NOW, keep_edited=True)
    assert not again.changes
    assert {step.kind for step in plan(shipped, "0.2.0", made.manifest, seen, now=NOW).steps} == {"back_up"}


def test_nothing_is_written_where_all_is_there() -> None:
    """Not even the note, whose time would be the only change."""
    seen = {A: "new"}
    assert not plan({A: "new"}, "0.2.0", installed("0.2.0", a="new"), seen, now=NOW).changes
    assert plan({A: "new"}, "0.2.0", installed("0.1.0", a="new"), seen, now=NOW).changes
    assert plan({A: "new"}, "0.2.0", None, seen, now=NOW).changes


def test_a_backup_is_called_by_the_version_that_was_edited() -> None:
    """Or by the day, where none was installed."""
    assert plan({A: "new"}, "0.2.0", installed(a="old"), {A: "x"}, now=NOW).label == "0.1.0"
    assert plan({A: "new"}, "0.2.0", None, {A: "x"}, now=NOW).label == "20261128"


NAMES = st.sampled_from([f"Include/QuantMind/{name}.mqh" for name in "abcd"])
DIGESTS = st.sampled_from(["1", "2", "3"])


@given(
    st.dictionaries(NAMES, DIGESTS),
    st.none() | st.dictionaries(NAMES, DIGESTS),
    st.dictionaries(NAMES, DIGESTS),
    st.booleans(),
)
def test_no_edit_is_ever_lost(
    shipped: dict[str, str], noted: dict[str, str] | None, disk: dict[str, str], keep: bool
) -> None:
    """Whatever lies there: what is neither ours nor what is shipped is backed up or left, and a second run is done."""
    manifest = None if noted is None else Manifest("0.1.0", NOW, noted)
    after = dict(disk)
    made = plan(shipped, "0.2.0", manifest, disk, now=NOW, keep_edited=keep)
    for step in made.steps:
        edited = step.path in disk and disk[step.path] != (noted or {}).get(step.path)
        assert edited == (step.kind in ("back_up", "keep", "leave"))
        if step.kind == "remove":
            del after[step.path]
        elif step.kind in ("write", "replace", "back_up"):
            after[step.path] = shipped[step.path]
    assert all(after[path] == shipped[path] for path in shipped if not keep)
    assert not plan(shipped, "0.2.0", made.manifest, after, now=NOW, keep_edited=keep).changes


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("0.2.0", "0.1.9", True),
        ("0.10.0", "0.9.0", True),
        ("0.1.0", "0.1.0", False),
        ("0.1.0", "0.1.0+tree", False),
        ("1.0.0rc1", "1.0.0", False),
        ("x", "0.1.0", False),
    ],
)
def test_versions_are_compared_by_their_release(version: str, than: str, newer: bool) -> None:
    """By numbers and not as texts."""
    assert is_newer(version, than) is newer
