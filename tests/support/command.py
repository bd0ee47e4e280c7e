"""The command ``bench`` in a process of its own, under a host lock of the test's own."""

from __future__ import annotations

import sys
from pathlib import Path

START = """\
import sys
from pathlib import Path
from bench.cli import main
from bench.run import lock
path = Path(sys.argv.pop(1))
lock.default_path = lambda: path
main()
"""


def command(lock: Path, *words: str) -> list[str]:
    """The command line of ``bench WORDS…`` that takes ``lock`` for the host's lock.

    The lock of the host itself is one for all: tests side by side would wait for each other.
    """
    return [sys.executable, "-c", START, str(lock), *words]
