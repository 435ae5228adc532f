"""The page for newcomers shows code that works."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "runtime.md"


async def test_the_example_of_the_page_runs(autojump_clock):
    """What docs/runtime.md shows runs, and says what the page says it says."""
    text = PAGE.read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(source, str(PAGE), "exec"), names)
    said = await names["main"]()
    assert said == ["tea is 2.5", "nobody knows what happened to gold", "tea is 3.0", "closed"]
    for line in said:
        assert f"`{line}`" in text
