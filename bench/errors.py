"""What the user gave is wrong: one line that names the thing, the place and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 100
"""Characters of a given value that a message repeats: enough to find it, too few to fill a screen."""


class InputError(Exception):
    """Bad input. ``str(error)`` is one line for a person; the command line exits 2 with it."""

    def __init__(self, message: str) -> None:
        # Messages quote what was given, which may hold line ends and control codes.
        super().__init__(printable(message))


def printable(text: str) -> str:
    """The text on one line, with a blank in place of every line end and control code."""
    return "".join(c if c.isprintable() else " " for c in text)


def quoted(value: object) -> str:
    """A given value as a message shows it: words in quotes, anything else as Python writes it, cut if long.

    >>> quoted("3x")
    "'3x'"
    """
    try:
        text = f"'{value}'" if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


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
