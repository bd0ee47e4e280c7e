"""What the user gave is wrong: one line that names the thing, the place and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input. ``str(error)`` is one line for a person; the command line exits 2 with it."""

    def __init__(self, message: str) -> None:
        # Messages quote what was given, which may hold line ends and control codes.
        super().__init__("".join(c if c.isprintable() else " " for c in message))


def nearest(word: str, words: Iterable[str]) -> str:
    """The tail of an error message: ``; did you mean 'x'?`` or the valid words, or nothing.

    >>> nearest("densee", ["dense", "psconv"])
    "; did you mean 'dense'?"
    """
    known = sorted(set(words))
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    if not close:
        folded = {w.casefold(): w for w in known}
        close = [folded[w] for w in difflib.get_close_matches(str(word).casefold(), folded, n=1, cutoff=0.5)]
    if close:
        return f"; did you mean '{close[0]}'?"
    if known and len(known) <= 12:
        return f"; valid are {', '.join(known)}"
    return ""
