"""The commit that changed something, found by asking about few of those that may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def bisect(candidates: Sequence[str], changed: Callable[[str], bool | None]) -> tuple[str, ...]:
    """The candidates, oldest first, that stay after as many questions as halving takes.

    ``changed(commit)``: whether that commit has the change already; None where nothing can be told. The
    newest candidate is asked first: where it does not have the change, nothing is left. One commit is the
    answer; several where a question could not be told.
    """
    if not candidates or (newest := changed(candidates[-1])) is False:
        return ()
    if newest is None:
        return tuple(candidates)
    low, high = -1, len(candidates) - 1  # of the two, the newer one has the change, the older one has not
    while high - low > 1:
        middle = (low + high) // 2
        answer = changed(candidates[middle])
        if answer is None:
            break
        low, high = (low, middle) if answer else (middle, high)
    return tuple(candidates[low + 1 : high + 1])
