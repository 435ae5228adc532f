"""`python -m quantmind.config.generate` writes in a checkout what is made from the table of keys."""

from pathlib import Path

from quantmind.config.document import with_tables
from quantmind.config.schema import schema_text


def generate(root: Path) -> None:
    """Write config/brokers.schema.json and the tables of docs/configuration.md below `root`."""
    (root / "config" / "brokers.schema.json").write_text(schema_text(), encoding="utf-8", newline="\n")
    page = root / "docs" / "configuration.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    generate(Path(__file__).parents[2])
