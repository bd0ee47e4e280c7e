"""The command ``bench``: one file per verb; each parses, calls one function, prints, chooses an exit code.

Exit codes mean one thing each: 0 done, 1 something got worse (compare, ab) or cannot be vouched for
(doctor, conform), 2 the input was wrong or a file cannot be read or written, 3 some cases failed,
4 cannot tell, 70 a mistake of ours (its traceback is kept in a file), 130 interrupted.
"""

from __future__ import annotations

from bench.cli.app import main

__all__ = ["main"]
