"""The table of presets in docs/presets.md, made from their files."""

from typing import Any, Final

from quantmind.config.presets import Preset, preset, preset_names
from quantmind.config.rules import ABSENT, RulesConfig
from quantmind.config.settings import settings_of

BEGIN: Final = "<!-- presets: made by python -m quantmind.config.generate -->"
END: Final = "<!-- end of presets -->"

_HEAD: Final = ("preset", "firm, plan, phase", "a day ends", "rules", "read on", "verified", "not verified", "source")


def preset_table() -> str:
    """Return the presets as a Markdown table."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(preset(name)) for name in preset_names())]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows) + "\n"


def with_presets(page: str) -> str:
    """Return the documentation page with the table between its two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{preset_table()}\n{END}{after}"


def _row(firm: Preset) -> tuple[str, ...]:
    sure = len(firm.evidence) - len(firm.unverified)
    return (
        f"`{firm.name}`",
        f"{firm.firm}, {firm.plan}, {firm.phase}",
        f"{firm.reset.time} {firm.reset.zone}",
        " ".join(f"`{rule}`" for rule in _rules(firm)),
        firm.date,
        f"{sure} of {len(firm.evidence)}",
        ", ".join(f"`{name}`" for name in firm.unverified) or "none",
        ", ".join(source.removeprefix("https://") for source in firm.sources),
    )


def _rules(firm: Preset) -> list[str]:
    rules = ((name, getattr(firm.rules, name)) for name in settings_of(RulesConfig))
    return [f"{name}: {{{_parameters(firm, name, rule)}}}" for name, rule in rules if rule is not ABSENT]


def _parameters(firm: Preset, name: str, rule: Any) -> str:
    # Those that the file writes, which are those with evidence, but for what is as it always is.
    model: type = type(rule)
    settings = settings_of(model)
    shown = []
    for parameter, setting in settings.items():
        value = getattr(rule, parameter)
        if f"{name}.{parameter}" in firm.evidence and (setting.required or value != setting.default_value()):
            shown.append(f"{parameter}: {str(value).lower() if isinstance(value, bool) else value}")
    return ", ".join(shown)
