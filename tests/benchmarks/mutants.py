"""Mutation testing of what every number rests on: the counts, the statistics and the CSR-Conv operator.

``make mutants`` changes the code in small ways with mutmut 3 (another operator, another number, an argument
less), runs the tests of the changed room against each change, and prints how many changes a test noticed.
A seeded sample of each module is drawn, because all of them take hours. Ends with 1 when fewer than
``--at-least`` per cent were noticed.

mutmut leaves decorated functions alone; in the copy that is mutated, a decorator is therefore an assignment
after its function. Constants outside functions are not mutated. A mutant that outlives its time is counted
apart, neither as noticed nor as missed: on a busy host slowness alone can end it. Mutants that compute the
same as the original are named with the reason in ``equivalent_mutants.toml`` and are left out of the score.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import math
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / os.environ.get("MW", "mutants")
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
NEEDED = ("bench", "tests", "suites", "docs", "pyproject.toml", "README.md")
COLUMNS = ("killed", "lives", "no test", "out of time", "unclear")

CONFIG = """
[tool.mutmut]
source_paths = ["bench"]
track_dependencies = false
"""

# A cache that one test fills would hide the mutant from the next.
FRESH_CACHES = '''

@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    """No result of another test is remembered."""
    for name in [name for name in sys.modules if name.startswith("bench.")]:
        for value in vars(sys.modules[name]).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
'''


@dataclass(frozen=True)
class Room:
    """Files that are mutated, and the tests that have to notice; ``words`` chooses among those by name."""

    name: str
    mutated: tuple[str, ...]
    tests: tuple[str, ...]
    words: str = ""


ROOMS = (
    Room("counting", ("bench/counting/*.py",), ("tests/counting",)),
    Room("analysis", ("bench/analysis/*.py",), ("tests/analysis",)),
    # A compiler would refuse the switch between mutants; whole networks repeat what layers show.
    Room(
        "csr_conv",
        ("bench/methods/csr_conv.py",),
        ("tests/methods/test_csr_conv2d.py", "tests/methods/test_csr_conv_method.py"),
        "not compile and not export and not whole_networks and not exactly_once",
    ),
)


@dataclass(frozen=True)
class Mutant:
    """One change: mutmut's name for it, the function it is in, and the lines before and after."""

    key: str
    module: str
    function: str
    was: str
    becomes: str

    @property
    def change(self) -> tuple[str, str, str]:
        """What an entry of ``equivalent_mutants.toml`` knows it by."""
        return self.function, self.was, self.becomes

    def __str__(self) -> str:
        return f"{self.function}\n    - {self.was}\n    + {self.becomes}"


def undecorated(source: str) -> str:
    """The same module with each decorator of a function as an assignment after it."""
    lines = source.splitlines()
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    for function in sorted(functions, key=lambda node: -node.lineno):
        named = [ast.unparse(decorator) for decorator in function.decorator_list]
        if not named or set(named) & {"classmethod", "staticmethod"}:
            continue
        value = function.name
        for decorator in reversed(named):
            value = f"{decorator}({value})"
        lines.insert(function.end_lineno or 0, f"{' ' * function.col_offset}{function.name} = {value}")
        first = function.decorator_list[0].lineno - 1
        lines[first : function.lineno - 1] = [""] * (function.lineno - 1 - first)
    return "\n".join(lines) + "\n"


def copied(room: Room) -> Path:
    """A fresh copy of the working tree in which that room may be mutated."""
    folder = WORK / room.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in NEEDED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, folder / name)
    for name, more in (("pyproject.toml", CONFIG), ("tests/conftest.py", FRESH_CACHES)):
        with (folder / name).open("a", encoding="utf-8") as end:
            end.write(more)
    return folder


def mutated_files(room: Room, folder: Path) -> list[Path]:
    """The room's files in that copy, sorted."""
    return sorted(file for pattern in room.mutated for file in folder.glob(pattern))


def mutants_of(file: Path, folder: Path) -> list[Mutant]:
    """Writes all mutants of one file of the copy into it, where a switch chooses among them."""
    with contextlib.chdir(folder):
        mutation = importlib.import_module("mutmut.mutation.file_mutation")
        path = file.relative_to(folder)
        made = mutation.mutate_file_contents(str(path), undecorated(file.read_text(encoding="utf-8")))
    file.write_text(made.code, encoding="utf-8")
    module = ".".join(path.with_suffix("").parts)
    texts = {
        node.name: "".join(made.code.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(ast.parse(made.code))
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
    }
    return [_mutant(module, name, texts) for name in made.mutant_names]


def _mutant(module: str, name: str, texts: Mapping[str, str]) -> Mutant:
    stem = name.partition("__mutmut_")[0]
    before, after = (texts[each].splitlines()[1:] for each in (f"{stem}__mutmut_orig", name))
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    was, becomes = ("  ".join(line[2:].strip() for line in changed if line[0] == sign) for sign in "-+")
    function = stem[2:].replace("ǁ", ".")  # x_function, xǁClassǁmethod
    return Mutant(f"{module}.{name}", module, f"{module}.{function}", was, becomes)


def drawn(mutants: Sequence[Mutant], share: float, seed: int) -> list[Mutant]:
    """That share of each module's mutants, the same for the same seed."""
    found: list[Mutant] = []
    for module in sorted({mutant.module for mutant in mutants}):
        own = [mutant for mutant in mutants if mutant.module == module]
        found += random.Random(f"{seed} {module}").sample(own, math.ceil(share * len(own)))
    return found


def verdicts(room: Room, folder: Path, chosen: Sequence[Mutant], processes: int) -> dict[str, str]:
    """What became of each of the chosen mutants, by key."""
    place = folder / "forks" / "job.json"
    place.parent.mkdir()
    job = {"keys": [mutant.key for mutant in chosen], "processes": processes}
    place.write_text(json.dumps(job), encoding="utf-8")
    path = os.pathsep.join([str(folder), str(folder / "tests/benchmarks")])
    environment = {**os.environ, "MUTANTS": str(place), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    options = ["-s", "-q", "-p", "mutant_forks", "-p", "no:cacheprovider", "-p", "no:xdist"]
    selected = [*room.tests, "-m", "not slow", "-k", room.words]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *selected], cwd=folder, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{room.name}: pytest ended with {done.returncode}")
    lines = place.with_name("answers.jsonl").read_text(encoding="utf-8").splitlines()
    return dict(json.loads(line) for line in lines)


def equivalent() -> dict[tuple[str, str, str], str]:
    """The mutants that no test can notice, with the reason."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(entry["function"], entry["was"], entry["becomes"]): entry["reason"] for entry in entries}


def table(chosen: Sequence[Mutant], all_of: Mapping[str, int], found: Mapping[str, str]) -> Iterable[str]:
    """One line per module, and their sum."""
    yield f"{'module':32}{'of':>6}{'drawn':>7}" + "".join(f"{column:>13}" for column in COLUMNS)
    modules = sorted({mutant.module for mutant in chosen})
    for name, among in [*((module, {module}) for module in modules), ("all", set(modules))]:
        own = [mutant for mutant in chosen if mutant.module in among]
        counts = Counter(found[mutant.key] for mutant in own)
        total = sum(all_of[module] for module in among)
        yield f"{name:32}{total:6}{len(own):7}" + "".join(f"{counts[column]:13}" for column in COLUMNS)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=0.15, help="of each module's mutants (1: all of them)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a pattern: mutants of the functions it matches")
    parser.add_argument("--rooms", nargs="*", default=[room.name for room in ROOMS])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--at-least", type=float, default=90.0, help="per cent")
    asked = parser.parse_args()
    start = time.monotonic()
    known, all_of = equivalent(), Counter[str]()
    chosen: list[Mutant] = []
    found: dict[str, str] = {}
    same, seen = 0, set()
    for room in ROOMS:
        if room.name not in asked.rooms:
            continue
        folder = copied(room)
        mutants = [one for file in mutated_files(room, folder) for one in mutants_of(file, folder)]
        all_of.update(one.module for one in mutants)
        seen |= {one.change for one in mutants}
        same += sum(one.change in known for one in mutants)
        candidates = [o for o in mutants if o.change not in known and re.search(asked.only, o.function)]
        own = drawn(candidates, asked.share, asked.seed)
        print(f"{room.name}: {len(own)} of {len(mutants)} mutants", flush=True)
        found |= verdicts(room, folder, own, asked.processes) if own else {}
        chosen += own
    for mutant in chosen:
        if found[mutant.key] != "killed":
            print(f"{found[mutant.key]}: {mutant}")
    print(*table(chosen, all_of, found), sep="\n")
    counts = Counter(found.values())
    judged = len(chosen) - counts["out of time"]
    score = 100 * counts["killed"] / judged if judged else math.nan
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"drawn with seed {asked.seed}: {len(chosen)} of {sum(all_of.values())} mutants, {asked.share:.0%} "
        f"of each module; {same} are listed as equivalent and were not drawn from\n"
        f"{(time.monotonic() - start) / 60:.1f} minutes, {(spent.ru_utime + spent.ru_stime) / 60:.1f} of "
        f"processor time in {asked.processes} processes"
    )
    rooms = set(asked.rooms) == {room.name for room in ROOMS}
    for stale in [entry for entry in known if rooms and entry not in seen]:
        print(f"{EQUIVALENT.name}: no such mutant any more: {stale}")
    print(f"score: {score:.1f} % of {judged} mutants are killed; at least {asked.at_least:g} % are wanted")
    return 0 if score >= asked.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
