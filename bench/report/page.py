from __future__ import annotations


def render(frame: object, results: object) -> str:
    del results
    return str(frame)
