"""Texts for a reader: written as whole paragraphs in the source, and cut where data are too long."""

from __future__ import annotations

from unicodedata import bidirectional

from markupsafe import Markup, escape

LONGEST = 2000
"""Characters of a message that the page shows: some libraries' messages are megabytes long."""


def paragraph(text: str) -> str:
    """A paragraph that takes several lines of source, as one line."""
    return " ".join(text.split())


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning with the number of its characters: ``Some… (7,600,000 characters)``."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def coded(text: str) -> Markup:
    """The text as HTML, with what stands between backticks as code: ``see `bench run` ``."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if at % 2 else escape(piece)
        for at, piece in enumerate(pieces)
    )


def plural(number: int, noun: str) -> str:
    """``1 case``, ``3 cases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_OTHER_WAY = {"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "RLI", "LRI", "FSI", "PDF", "PDI"}


def isolated(name: str) -> str:
    """The name, in marks that keep one which reads from right to left from turning the words around it."""
    if any(bidirectional(letter) in _OTHER_WAY for letter in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name
