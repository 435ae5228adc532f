"""What a replay has found: counted, in words, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.journal.exports import time_of
from quantmind.cli.journal.words import header, summary
from quantmind.cli.output import counted, printable
from quantmind.domain.clock import iso_from_msc
from quantmind.domain.risk.replay import Change, WhatIf
from quantmind.records import Entry
from quantmind.wire.decisions import Difference, Recorded

SHOWN: Final = 100
"""So many decisions that came out differently are told one by one, unless all are asked for."""
MOST: Final = 160
"""So long may what was asked be in a list."""


@attrs.define
class Sorted:
    """Decisions that another policy changes in one way: how many, by which rule, of which EA, and their lots."""

    count: int = 0
    rules: Counter[str] = attrs.field(factory=Counter)
    eas: Counter[str] = attrs.field(factory=Counter)
    lots_was: Decimal = Decimal(0)
    lots_now: Decimal = Decimal(0)

    def take(self, was: Recorded, rules: Iterable[str], lots: Decimal) -> None:
        self.count += 1
        self.rules.update(dict.fromkeys(rules, 1))
        self.eas[was.ea_name] += 1
        self.lots_was += was.volume
        self.lots_now += lots

    def as_dict(self) -> dict[str, Any]:
        lots = {"lots_was": self.lots_was, "lots_now": self.lots_now}
        return {"count": self.count, "by_rule": _ordered(self.rules), "by_ea": _ordered(self.eas), **lots}


@attrs.define
class Tally:
    """What came of all decisions. `judged` are those that were judged again."""

    judged: int = 0
    approved: int = 0
    differing: int = 0
    overtaken: int = 0
    """Approved, and refused on their way by what came in between."""
    without_inputs: int = 0
    twice: int = 0
    errors: list[str] = attrs.field(factory=list)
    first: Entry | None = None
    last: Entry | None = None
    observed: int = 0
    """Decisions whose policy was only observed."""
    changes: dict[Change, Sorted] = attrs.field(factory=lambda: {change: Sorted() for change in Change})
    """Of another policy, or of an observed one, had it refused."""
    lacking: Counter[str] = attrs.field(factory=Counter)

    def saw(self, line: Entry) -> None:
        """A decision was read."""
        self.first = line if self.first is None else self.first
        self.last = line

    def changed(self, was: Recorded, what: WhatIf) -> Change:
        """Count what another policy makes of a decision."""
        change = what.change(approved=was.approved, volume=was.volume)
        self.changes[change].take(was, rules_of(change, was, what), what.lots)
        if change is Change.UNTOLD:
            self.lacking.update(f"{rule}: {why}" for rule, why in what.lacking)
        return change


def rules_of(change: Change, was: Recorded, what: WhatIf) -> tuple[str, ...]:
    """The rules by which a decision changes."""
    match change:
        case Change.ALLOWED | Change.ENLARGED:
            return was.rules
        case Change.REFUSED | Change.REDUCED:
            return tuple(dict.fromkeys(reason.rule for reason in what.verdict.terms.reasons)) or ("max_volume",)
        case Change.UNTOLD:
            return tuple(rule for rule, _ in what.lacking)
        case Change.SAME:
            return ()


# --- one decision --------------------------------------------------------------------------------------------------


def same(was: Recorded) -> str:
    """A decision that is as it was recorded."""
    return printable(f"same      {asked(was.line)}")


def differs(was: Recorded, found: Sequence[Difference]) -> str:
    """A decision that is not as it was recorded, and what is different."""
    lines = [f"DIFFERENT {asked(was.line)}"]
    lines += [f"          {each.field} was {_told(each.was)}, is {_told(each.now)}" for each in found]
    return "\n".join(map(printable, lines))


def changed(change: Change, was: Recorded, what: WhatIf) -> str:
    """A decision that another policy changes, and by what."""
    lines = [f"{change.value:<9} {asked(was.line)}"]
    if change is Change.REDUCED or change is Change.ENLARGED:
        lines.append(f"          {was.volume} lots were approved, {what.lots} would be")
    if change is Change.UNTOLD:
        lines += [f"          {rule}: the record lacks {why}" for rule, why in what.lacking]
    elif change is Change.ALLOWED:
        lines.append(f"          was refused by {', '.join(was.rules)}")
    else:
        lines += [f"          {reason.rule}: {reason.message}" for reason in what.verdict.terms.reasons]
    return "\n".join(map(printable, lines))


def asked(line: Entry) -> str:
    """Whose decision it is and what was asked, on one line."""
    words = summary(line)
    return f"{header(line).strip()}  {words if len(words) <= MOST else words[: MOST - 1] + '…'}"


def item(was: Recorded, found: Sequence[Difference]) -> dict[str, Any]:
    """A decision for JSON, with what is different."""
    return {**_whose(was), "differences": [attrs.asdict(each) for each in found]}


def changed_item(change: Change, was: Recorded, what: WhatIf) -> dict[str, Any]:
    """A decision under another policy, for JSON."""
    return {
        **_whose(was),
        "change": change.value,
        "rules": list(rules_of(change, was, what)),
        "lots_was": was.volume,
        "lots_now": what.lots,
        "messages": [reason.message for reason in what.verdict.terms.reasons],
        "lacking": dict(what.lacking),
    }


def _whose(was: Recorded) -> dict[str, Any]:
    line = was.line
    return {
        "seq": line.seq,
        "time": time_of(line),
        "broker": line.broker,
        "ea_name": line.ea_name,
        "request_id": line.request_id,
        "order_id": line.order_id,
        "approved": was.approved,
    }


def _told(value: Any) -> str:
    match value:
        case None | [] | ():
            return "-"
        case list() | tuple():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
    return str(value)


# --- all of them ---------------------------------------------------------------------------------------------------


def as_dict(tally: Tally, policy: str | None, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole report for JSON."""
    report: dict[str, Any] = {
        "policy": policy,
        "judged": tally.judged,
        "were_approved": tally.approved,
        "were_refused": tally.judged - tally.approved,
        "first": _end(tally.first),
        "last": _end(tally.last),
        "without_inputs": tally.without_inputs,
        "overtaken": tally.overtaken,
        "twice": tally.twice,
        "errors": tally.errors,
    }
    if policy is None:
        report["different"] = tally.differing
        report["observed"] = None if not tally.observed else {"decisions": tally.observed, "changes": _changes(tally)}
    else:
        report.update(changes=_changes(tally), lacking=_ordered(tally.lacking))
    return {**report, "items": items}


def _changes(tally: Tally) -> dict[str, Any]:
    return {change.value: found.as_dict() for change, found in tally.changes.items()}


def _end(line: Entry | None) -> dict[str, Any] | None:
    return None if line is None else {"seq": line.seq, "time": time_of(line)}


def in_words(tally: Tally, journal: str, policy: str | None) -> str:
    """The whole report for people."""
    told = [("journal", journal)]
    if policy is not None:
        told.append(("policy", policy))
    refused = tally.judged - tally.approved
    told.append(("judged", f"{counted(tally.judged, 'decision')}: {tally.approved} approved, {refused} refused"))
    if tally.first is not None and tally.last is not None:
        ends = (iso_from_msc(line.at_us // 1000) for line in (tally.first, tally.last))
        told.append(("from", " to ".join(ends)))
    if tally.without_inputs:
        told += [
            ("not", f"{counted(tally.without_inputs, 'decision')} can't be judged: their inputs were not recorded"),
            ("", "(an earlier version, or they came through the emergency file)"),
        ]
    if tally.overtaken:
        told += [
            (
                "not",
                f"{counted(tally.overtaken, 'decision')} came out approved, and the record has a refusal on the",
            ),
            ("", "way to the broker (a halt, a mandate or a restart came in between)"),
        ]
    if tally.twice:
        told.append(("not", f"{counted(tally.twice, 'line')} of decisions that had been judged already"))
    told += [("ERROR", error) for error in tally.errors]
    told += _same_policy(tally) if policy is None else _other_policy(tally)
    return "\n".join(f"{name:<9} {printable(text)}" for name, text in told)


def _same_policy(tally: Tally) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    if tally.observed:
        told.append(("observed", f"{counted(tally.observed, 'decision')} under a policy that only looked on"))
        told += _sorted(tally, (Change.REFUSED, Change.REDUCED, Change.ENLARGED, Change.SAME))
    if tally.differing:
        verdict = f"{counted(tally.differing, 'decision')} came out DIFFERENT"
    elif not tally.judged:
        verdict = "nothing was judged"
    else:
        verdict = "every decision that was judged came out as it was recorded"
    return [*told, ("verdict", verdict)]


def _other_policy(tally: Tally) -> list[tuple[str, str]]:
    told = _sorted(tally, (Change.REFUSED, Change.REDUCED, Change.ALLOWED, Change.ENLARGED, Change.SAME))
    untold = tally.changes[Change.UNTOLD]
    if untold.count:
        told.append(("untold", f"{counted(untold.count, 'decision')}, of which the record lacks what a rule looks at"))
        told += [("", f"{count:>7}  {why}") for why, count in tally.lacking.most_common()]
    told += [
        ("note", "each decision was judged by itself, with the account as it was then: after the first one that is"),
        ("", "different it would have been another account, with other orders to come"),
    ]
    return told


_HEADS: Final = {
    Change.REFUSED: "would be refused",
    Change.REDUCED: "would be reduced",
    Change.ALLOWED: "would be allowed",
    Change.ENLARGED: "would be enlarged",
    Change.SAME: "would be the same",
}


def _sorted(tally: Tally, order: Iterable[Change]) -> list[tuple[str, str]]:
    told = []
    for change in order:
        found = tally.changes[change]
        if not found.count and change is not Change.REFUSED:
            continue
        told.append((change.value, f"{counted(found.count, 'decision')} {_HEADS[change]}{_lots(change, found)}"))
        if change is Change.SAME:
            continue
        told += [("", f"{count:>7}  by {rule}") for rule, count in found.rules.most_common()]
        told += [("", f"{count:>7}  of {ea}") for ea, count in found.eas.most_common()]
    return told


def _lots(change: Change, found: Sorted) -> str:
    if not found.lots_was and not found.lots_now:
        return ""
    if change is Change.SAME:
        return f" ({_plain(found.lots_was)} lots)"
    return f" ({_plain(found.lots_was)} lots were approved, {_plain(found.lots_now)} would be)"


def _plain(lots: Decimal) -> str:
    return format(lots.normalize(), "f")


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())
