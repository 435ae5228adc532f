"""What becomes of files in a terminal: edits survive, an interrupted installation is repaired, links lead nowhere."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from mql5_terminals import BRIDGE, CHECK, FILES, JSON, sources

from quantmind.errors import StartError
from quantmind.mql5.install import Done, Seen, carry_out, look, refused
from quantmind.mql5.manifest import MANIFEST, Manifest, decode, encode
from quantmind.mql5.plan import Plan, plan
from quantmind.mql5.sources import Shipped, read_shipped, source_folder

NOW = "2026-11-28T12:00:00.000Z"
OLD = {**FILES, JSON: "// json of before\n", "Include/QuantMind/Old/Gone.mqh": "// gone\n"}


@pytest.fixture
def mql5(tmp_path: Path) -> Path:
    folder = tmp_path / "Алексей" / "MQL5"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    return sources(tmp_path / "new")


@pytest.fixture
def before(tmp_path: Path) -> Shipped:
    return sources(tmp_path / "old", OLD, "0.1.0")


def planned(mql5: Path, shipped: Shipped, *, keep_edited: bool = False) -> Plan:
    seen = look(mql5, shipped)
    made = plan_for(seen, shipped, keep_edited=keep_edited)
    assert refused(made, mql5, seen.refusals) == {}
    return made


def plan_for(seen: Seen, shipped: Shipped, *, keep_edited: bool = False) -> Plan:
    return plan(shipped.hashes, shipped.version, seen.manifest, seen.disk, now=NOW, keep_edited=keep_edited)


def install(mql5: Path, shipped: Shipped, *, keep_edited: bool = False) -> list[Done]:
    return list(carry_out(planned(mql5, shipped, keep_edited=keep_edited), mql5, shipped))


def contents(mql5: Path) -> dict[str, str]:
    return {path.relative_to(mql5).as_posix(): path.read_bytes().decode() for path in mql5.rglob("*") if path.is_file()}


def files_of(shipped: Shipped) -> dict[str, str]:
    return {path: data.decode() for path, data in shipped.files.items()}


def test_a_first_installation_writes_all_and_a_note(mql5: Path, shipped: Shipped) -> None:
    """Bytes as they are shipped, and readable by others as any file of the user is."""
    done = install(mql5, shipped)
    assert [each.kind for each in done] == ["write"] * 3
    found = contents(mql5)
    assert json.loads(found.pop(MANIFEST))["version"] == "0.2.0"
    assert found == files_of(shipped)
    reference = mql5 / "reference"
    reference.write_bytes(b"")
    assert (mql5 / JSON).stat().st_mode == reference.stat().st_mode
    assert install(mql5, shipped) == []


def test_an_update_replaces_what_is_ours_and_removes_what_went(mql5: Path, before: Shipped, shipped: Shipped) -> None:
    """Also the folder that is empty then; files that were never ours stay."""
    install(mql5, before)
    (mql5 / "Include/QuantMind/Mine.mqh").write_text("// mine\n")
    (mql5 / "Include/Trade.mqh").write_text("// theirs\n")
    done = {each.path: each.kind for each in install(mql5, shipped)}
    assert done == {"Include/QuantMind/Old/Gone.mqh": "remove", JSON: "replace"}
    found = contents(mql5)
    del found[MANIFEST]
    assert found == {
        **files_of(shipped),
        "Include/QuantMind/Mine.mqh": "// mine\n",
        "Include/Trade.mqh": "// theirs\n",
    }
    assert not (mql5 / "Include/QuantMind/Old").exists()


def test_an_edited_file_is_copied_first(mql5: Path, before: Shipped, shipped: Shipped) -> None:
    """Under a name that nothing has; the same edit is copied once."""
    install(mql5, before)
    for text, copy in (
        ("// mine\n", "Json.mqh.0.1.0.bak"),
        ("// again\n", "Json.mqh.0.2.0.bak"),
        ("// third\n", "Json.mqh.0.2.0.2.bak"),
        ("// again\n", "Json.mqh.0.2.0.bak"),
    ):
        (mql5 / JSON).write_text(text, newline="\n")
        done = [each for each in install(mql5, shipped) if each.path == JSON]
        assert done == [Done("back_up", JSON, copy)]
        assert (mql5 / "Include/QuantMind" / copy).read_text() == text
        assert (mql5 / JSON).read_bytes() == shipped.files[JSON]
    assert len(list((mql5 / "Include/QuantMind").glob("*.bak"))) == 3


def test_an_edited_file_is_kept_where_that_is_asked_for(mql5: Path, before: Shipped, shipped: Shipped) -> None:
    """And said each time; one that is no longer shipped stays without being asked for."""
    install(mql5, before)
    (mql5 / JSON).write_text("// mine\n", newline="\n")
    (mql5 / "Include/QuantMind/Old/Gone.mqh").write_text("// my own\n", newline="\n")
    done = {each.path: each.kind for each in install(mql5, shipped, keep_edited=True)}
    assert done == {"Include/QuantMind/Old/Gone.mqh": "leave", JSON: "keep"}
    assert (mql5 / JSON).read_text() == "// mine\n"
    assert (mql5 / "Include/QuantMind/Old/Gone.mqh").read_text() == "// my own\n"
    assert install(mql5, shipped, keep_edited=True) == [Done("keep", JSON)]
    assert [each.kind for each in install(mql5, shipped)] == ["back_up"]


@pytest.mark.parametrize("stop", range(8))
def test_an_interrupted_installation_is_repaired_by_the_next(
    mql5: Path, before: Shipped, shipped: Shipped, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Wherever it was cut: no file is half, no edit is lost, and nothing of its own is taken for an edit."""
    install(mql5, before)
    (mql5 / JSON).write_text("// mine\n", newline="\n")
    (mql5 / CHECK).unlink()
    calls = 0
    replace = Path.replace

    def fail(path: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls > stop // 2:
            if stop % 2:
                replace(path, target)
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        try:
            install(mql5, shipped)
        except KeyboardInterrupt:
            pass
        else:
            assert stop >= 6, "there are three replacements: two files and the note"
    for path, text in contents(mql5).items():
        assert path == MANIFEST or text in {"// mine\n", *files_of(before).values(), *files_of(shipped).values()}
    install(mql5, shipped)
    found = contents(mql5)
    assert json.loads(found.pop(MANIFEST))["version"] == "0.2.0"
    assert found == {**files_of(shipped), f"{JSON}.0.1.0.bak": "// mine\n"}


def test_what_a_kill_leaves_is_swept(mql5: Path, shipped: Shipped) -> None:
    """A temporary file of a process that could not clean up goes with the next run."""
    install(mql5, shipped)
    left = mql5 / "Include/QuantMind/.Json.mqh.99.quantmind-new"
    left.write_bytes(b"half")
    install(mql5, shipped)
    assert not left.exists()


@pytest.mark.parametrize("data", [b"", b"{", b'{"format": 7}', b"\xff\xfe\0"])
def test_a_damaged_note_makes_all_that_differs_an_edit(
    mql5: Path, before: Shipped, shipped: Shipped, data: bytes
) -> None:
    """Better a backup too many; what would have been removed stays."""
    install(mql5, before)
    (mql5 / MANIFEST).write_bytes(data)
    seen = look(mql5, shipped)
    assert seen.manifest is None
    assert seen.damage
    assert {each.path: each.backup for each in install(mql5, shipped)} == {JSON: "Json.mqh.20261128.bak"}
    assert (mql5 / "Include/QuantMind/Old/Gone.mqh").exists()
    assert look(mql5, shipped).damage is None


def test_a_note_does_not_remove_what_is_not_ours(mql5: Path, shipped: Shipped, tmp_path: Path) -> None:
    """Whoever may write it must not be able to have other files removed."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    install(mql5, shipped)
    noted = json.loads((mql5 / MANIFEST).read_text())
    noted["files"]["Include/QuantMind/../../../victim"] = "e" * 64
    (mql5 / MANIFEST).write_text(json.dumps(noted))
    assert "no file of ours" in str(look(mql5, shipped).damage)


def test_links_out_of_the_folder_are_refused(mql5: Path, shipped: Shipped, tmp_path: Path) -> None:
    """Of a folder, of a file, of one that is not there yet; nothing is written then."""
    outside = tmp_path / "outside"
    (outside / "QuantMind").mkdir(parents=True)
    (mql5 / "Include").symlink_to(outside)
    (mql5 / "Experts/QuantMind").mkdir(parents=True)
    (mql5 / BRIDGE).symlink_to(outside / "absent")
    seen = look(mql5, shipped)
    made = plan_for(seen, shipped)
    troubles = refused(made, mql5, seen.refusals)
    assert set(troubles) == {MANIFEST, JSON, BRIDGE}
    assert all("leads out of the MQL5 folder" in each for each in troubles.values())
    assert list(outside.rglob("*")) == [outside / "QuantMind"]


def test_a_folder_that_is_itself_a_link_is_used(mql5: Path, shipped: Shipped, tmp_path: Path) -> None:
    """Several terminals may share one MQL5; links inside of it are fine."""
    shared = tmp_path / "shared"
    mql5.rename(shared)
    mql5.symlink_to(shared)
    (shared / "Elsewhere").mkdir()
    (shared / "Experts").symlink_to("Elsewhere")
    install(mql5, shipped)
    assert (shared / "Elsewhere/QuantMind/QuantMindBridge.mq5").is_file()
    assert install(mql5, shipped) == []


def test_a_link_without_end_and_a_folder_in_the_way_are_refused(mql5: Path, shipped: Shipped) -> None:
    """Each is named with its reason."""
    (mql5 / "Include/QuantMind").mkdir(parents=True)
    (mql5 / JSON).symlink_to("Json.mqh")
    (mql5 / BRIDGE).mkdir(parents=True)
    troubles = look(mql5, shipped).refusals
    assert set(troubles) == {JSON, BRIDGE}
    assert "is no file; move it away" in troubles[BRIDGE]


def test_a_file_marked_read_only_is_not_replaced(mql5: Path, before: Shipped, shipped: Shipped) -> None:
    """Somebody has marked it; kept or unchanged ones are no trouble."""
    install(mql5, before)
    (mql5 / JSON).chmod(stat.S_IREAD)
    (mql5 / BRIDGE).chmod(stat.S_IREAD)
    seen = look(mql5, shipped)
    troubles = refused(plan_for(seen, shipped), mql5, seen.refusals)
    assert list(troubles) == [JSON]
    assert "read-only" in troubles[JSON]
    (mql5 / JSON).chmod(stat.S_IREAD | stat.S_IWRITE)
    install(mql5, shipped)


def test_a_file_that_changes_meanwhile_is_not_written_over(mql5: Path, before: Shipped, shipped: Shipped) -> None:
    """It may be saved in MetaEditor between looking and writing."""
    install(mql5, before)
    made = planned(mql5, shipped)
    (mql5 / JSON).write_text("// just saved\n", newline="\n")
    with pytest.raises(StartError, match="run the command again"):
        list(carry_out(made, mql5, shipped))
    assert (mql5 / JSON).read_text() == "// just saved\n"


def test_what_can_not_be_written_is_named_with_the_way_out(
    mql5: Path, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half is left."""

    def fail(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StartError, match=r"can't be written \(Permission denied\); close it in MetaEditor") as caught:
        install(mql5, shipped)
    assert caught.value.exit_code == 69
    assert contents(mql5) == {}


def test_what_can_not_be_read_is_refused(mql5: Path, shipped: Shipped, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is not known, so it is not replaced."""
    install(mql5, shipped)
    opened = Path.open

    def fail(path: Path, *arguments: str) -> object:
        if path == mql5 / JSON:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments)

    monkeypatch.setattr(Path, "open", fail)
    assert look(mql5, shipped).refusals == {JSON: "it can't be read (Permission denied)"}


def test_a_compiled_program_older_than_a_source_is_told(mql5: Path, shipped: Shipped) -> None:
    """Its own source or an include of ours; one that was never compiled is not."""
    install(mql5, shipped)
    compiled = (mql5 / BRIDGE).with_suffix(".ex5")
    compiled.write_bytes(b"")
    for path in FILES:
        os.utime(mql5 / path, (1000, 1000))
    os.utime(compiled, (2000, 2000))
    assert look(mql5, shipped).stale == ()
    os.utime(mql5 / JSON, (3000, 3000))
    assert look(mql5, shipped).stale == ("Experts/QuantMind/QuantMindBridge.ex5",)


def test_a_missing_folder_and_the_shipped_one_are_refused(shipped: Shipped, tmp_path: Path) -> None:
    """What is shipped must not be installed into itself."""
    with pytest.raises(StartError, match="can't be read"):
        look(tmp_path / "absent", shipped)
    with pytest.raises(StartError, match="what is shipped"):
        look(shipped.folder, shipped)


def test_only_sources_in_our_folders_are_shipped(tmp_path: Path) -> None:
    """Compiled programs, logs, backups, hidden files and a read-me are not."""
    extra = {
        "README.md": "",
        "Include/Trade.mqh": "",
        "Experts/QuantMind/QuantMindBridge.ex5": "",
        "Include/QuantMind/Json.mqh.0.1.0.bak": "",
        "Include/QuantMind/.hidden.mqh": "",
        "Include/QuantMind/.git/x.mqh": "",
    }
    assert set(sources(tmp_path / "src", FILES | extra).files) == set(FILES)
    with pytest.raises(StartError, match="no MQL5 files"):
        read_shipped(tmp_path / "nowhere", "0.1.0")


def test_this_installation_has_sources() -> None:
    """The repository's own, in plain paths that a note of them is read back with."""
    found = read_shipped(source_folder(), "0.1.0")
    assert JSON in found.files
    assert decode(encode(Manifest("0.1.0", NOW, found.hashes))).files == found.hashes
