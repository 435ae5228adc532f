"""The nearest known name to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

# Longer words are no misspelt names, and the comparison costs the product of the lengths.
_LONGEST: Final = 64


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the known name that `word` most likely stands for, or None when none is near."""
    if len(word) > _LONGEST:
        return None
    by_form = {name.casefold().replace("-", "_"): name for name in names}
    found = get_close_matches(word.casefold().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def suggestion(word: str, names: Iterable[str], what: str) -> str:
    """Return the way out of an unknown name: the nearest one, else the list of all (`what` they are)."""
    known = sorted(names)
    near = nearest(word, known)
    if near is not None:
        return f'did you mean "{near}"?'
    if not known:
        return f"there are no {what}"
    return f"the {what} are {', '.join(known)}"
