"""The report of a wrong file, word for word."""

from pathlib import Path

import pytest

from quantmind.config import ConfigError, loads

GOLDEN = Path(__file__).parent / "golden"
ENVIRON = {"PORT": "8765x", "WORD": "NO", "MT5_PASSWORD": "hunter2", "PW_USED": "hunter2", "EMPTY": ""}


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_report(name):
    """Each file in `golden` has exactly the report beside it; `<folder>` stands for where it lies."""
    with pytest.raises(ConfigError) as caught:
        loads((GOLDEN / f"{name}.yaml").read_text(), name=str(GOLDEN / f"{name}.yaml"), environ=ENVIRON)

    report = str(caught.value).replace(str(GOLDEN / "x")[:-1], "").replace(str(GOLDEN), "<folder>")
    assert (GOLDEN / f"{name}.txt").read_text(encoding="utf-8") == report + "\n"
    assert "hunter2" not in report + repr(caught.value)


def test_faults_are_sorted_by_line():
    """A reader goes through the file from top to bottom."""
    with pytest.raises(ConfigError) as caught:
        loads((GOLDEN / "mixed.yaml").read_text(), name="m.yaml", environ=ENVIRON)

    lines = [fault.line for fault in caught.value.faults]
    assert sorted(lines) == lines
