"""Draws the rooms of the package and the arrows between them into docs/architecture.md: ``make picture``.

The floors are those of the contract in pyproject.toml, the arrows are the imports in the source.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: written by `make picture` -->", "<!-- end of rooms -->"

Arrows = Mapping[str, set[str]]


def floors() -> list[list[str]]:
    """The rooms by floor, the highest first, as the contract lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "rooms"]
    return [[room.strip(" ()") for room in line.split("|")] for line in contract["layers"]]


def arrows() -> dict[str, set[str]]:
    """Each room that there is, and the rooms that it imports from."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph("bench", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules - {"bench"}:
        room = _room(module)
        used = {_room(other) for other in graph.find_modules_directly_imported_by(module) if other != "bench"}
        found.setdefault(room, set()).update(used - {room})
    return found


def needed(found: Arrows) -> dict[str, set[str]]:
    """The arrows without those that follow from others. What lies on a circle follows from nothing."""
    below = {room: _reached(found, room) for room in found}
    return {
        room: {
            target
            for target in targets
            if not any(target in below[via] and room not in below[via] for via in targets - {target})
        }
        for room, targets in found.items()
    }


def picture(found: Arrows, levels: Sequence[Sequence[str]]) -> str:
    """The block of the page: a Mermaid diagram, and how many arrows there are."""
    level = {room: number for number, floor in enumerate(levels) for room in floor}
    order = sorted(found, key=lambda room: (level[room], room))
    drawn = needed(found)
    lines = ["```mermaid", "flowchart TB"]
    for room in order:
        folder = "/" if (ROOT / "bench" / room).is_dir() else ""
        lines.append(f'    {room.strip("_")}["{room}{folder}"]')
    upwards = 0
    for room in order:
        for target in sorted(drawn[room], key=order.index):
            up = level[target] <= level[room]
            upwards += up
            lines.append(f"    {room.strip('_')} {'-. upwards .->' if up else '-->'} {target.strip('_')}")
    every = sum(map(len, found.values()))
    lines += [
        "```",
        "",
        f"{len(found)} rooms, {every} arrows, {upwards or 'none'} upwards. "
        "An arrow that follows from others is left out of the picture.",
    ]
    return "\n".join(lines)


def written(page: str, block: str) -> str:
    """The page with the block in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no place for the picture: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def _room(module: str) -> str:
    return module.split(".")[1]


def _reached(found: Arrows, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in found.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), picture(arrows(), floors())), encoding="utf-8")
