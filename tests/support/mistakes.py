"""What a mistake in a file has to look like: one line, with the file and the line where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import InputError


def assert_named(read: Callable[[], object], file: Path | str, line: int, words: str) -> None:
    """``read`` raises an InputError of one line that begins with the place and holds the words."""
    with pytest.raises(InputError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: "), message
    assert words in message
    assert len(message.splitlines()) == 1
