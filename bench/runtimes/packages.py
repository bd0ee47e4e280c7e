"""Whether the packages of a runtime are installed, and what installs them. Standard library only."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable


def absent(runtime: str, needs: Iterable[str], extra: str) -> str:
    """One line that names the packages that are not installed here and the extra that brings them.

    Empty where nothing is missing. No package is imported.
    """
    missing = [package for package in needs if importlib.util.find_spec(package) is None]
    if not missing:
        return ""
    verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    mend = f"; `pip install 'csr-bench[{extra}]'` installs {them}" if extra else ""
    return f"runtime {runtime}: {' and '.join(missing)} {verb} not installed here{mend}"
