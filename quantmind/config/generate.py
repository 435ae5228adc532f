"""`python -m quantmind.config.generate` writes in a checkout what is made from the table of keys and the presets."""

from pathlib import Path

from quantmind.config.document import with_tables
from quantmind.config.preset_table import with_presets
from quantmind.config.schema import schema_text


def generate(root: Path) -> None:
    """Write config/brokers.schema.json and the tables of docs/configuration.md and docs/presets.md below `root`."""
    (root / "config" / "brokers.schema.json").write_text(schema_text(), encoding="utf-8", newline="\n")
    for name, renewed in (("configuration.md", with_tables), ("presets.md", with_presets)):
        page = root / "docs" / name
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    generate(Path(__file__).parents[2])
