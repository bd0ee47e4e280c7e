"""Kernels in C, compiled for one shape and this processor at their first use, and kept on the disk.

A compiled file is code that this process will run, so it is loaded from a folder alone that nobody else can
write: see ``private``.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "kernels"
COMPILERS = ("cc", "gcc", "clang")
LONGEST = 120.0
"""Seconds at most for one shape, which takes less than one: a small board may be a hundred times slower."""

FLAGS = ("-std=gnu11", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared", "-w", "-Wl,-z,now")
THREADED = ("-fopenmp", "-nodefaultlibs", "-lc")
"""The threads are those of torch, which brings an OpenMP library: a second one would be in its way."""


class NoKernel(Exception):  # noqa: N818 - no error: the layer runs in another order, and says so
    """There is no compiled kernel; ``str(error)`` says why."""


@dataclass(frozen=True)
class Processor:
    """What a kernel is made for: bytes of a vector, how many vectors its registers hold, and its name."""

    vector_bytes: int
    registers: int
    name: str

    def lanes(self, bytes_of_real: int) -> int:
        """Numbers in a vector."""
        return self.vector_bytes // bytes_of_real


@dataclass(frozen=True)
class Source:
    """A text of ``kernels/`` with the macros that make it the kernel of one shape."""

    file: str
    macros: tuple[tuple[str, str | int], ...]
    threaded: bool = False


def load(source: Source) -> ctypes.CDLL:
    """The kernel, compiled where that was not done before. Raises NoKernel."""
    kept = source, cache_folder(), os.environ.get("CC", "")
    if kept not in _loaded:
        _loaded[kept] = _load(source)
    return _loaded[kept]


_loaded: dict[tuple[Source, Path, str], ctypes.CDLL] = {}


def _load(source: Source) -> ctypes.CDLL:
    file = compiled(source)
    try:
        return ctypes.CDLL(str(file))
    except OSError:
        with suppress(OSError):
            file.unlink()  # half of it was written, or it is of another system
    try:
        return ctypes.CDLL(str(compiled(source)))
    except OSError as error:
        raise NoKernel(f"the compiled kernel cannot be loaded: {error}") from None


def build(sources: Iterable[Source]) -> None:
    """Compiles what was not compiled before, as many at a time as there are cores.

    What fails, fails in silence: who loads it is told why.
    """

    def one(source: Source) -> None:
        with suppress(NoKernel):
            compiled(source)

    todo = list(dict.fromkeys(sources))
    if todo:
        with ThreadPoolExecutor(_cores()) as pool:
            list(pool.map(one, todo))


def compiled(source: Source) -> Path:
    """The file with the compiled kernel. Raises NoKernel where there is none and none can be made."""
    folder = private(cache_folder())
    file = folder / f"{key(source)}.so"
    if file.exists():
        return file
    return _compile(source, file)


def key(source: Source) -> str:
    """What a compiled kernel is kept by: texts, macros, flags, compiler and processor. Raises NoKernel."""
    parts = [source.file, *map(repr, source.macros), *_flags(source), *_compiler_facts(), processor().name]
    return hashlib.sha256("\n".join((*parts, *_texts())).encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``$XDG_CACHE_HOME/csr-bench/kernels``, else ``~/.cache/…``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "csr-bench" / "kernels"


def private(folder: Path) -> Path:
    """The folder, made where it is missing. Raises NoKernel where somebody else could put a file into it.

    It must belong to this user and nobody else may write it. Every folder above it must belong to this user
    or to the system; others may write it only where they cannot rename what is not theirs, as in /tmp.
    """
    try:
        for missing in (
            *reversed(folder.parents),
            folder,
        ):  # parents=True would leave the umask's rights there
            missing.mkdir(mode=0o700, exist_ok=True)
        real = folder.resolve(strict=True)
        found = real.stat()
        above = [(path, path.stat()) for path in real.parents]
    except (OSError, RuntimeError) as error:
        raise NoKernel(f"compiled kernels cannot be kept: {error}") from None
    me = os.getuid() if hasattr(os, "getuid") else found.st_uid
    if found.st_uid != me or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NoKernel(f"compiled kernels are not taken from {folder}: others can write it")
    for path, facts in above:
        foreign = facts.st_uid not in (me, 0)
        open_to_others = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not facts.st_mode & stat.S_ISVTX
        if foreign or open_to_others:
            raise NoKernel(f"compiled kernels are not taken from {folder}: others can write {path}")
    return real


@cache
def processor() -> Processor:
    """The processor of this host, as far as a kernel's shape depends on it."""
    machine = platform.machine().lower()
    facts = _cpu_facts()
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    name = "\n".join((machine, *(f"{k}={v}" for k, v in sorted(facts.items()))))
    if machine in ("aarch64", "arm64"):
        return Processor(16, 32, name)
    if "avx512f" in flags:
        return Processor(64, 32, name)
    return Processor(32 if "avx2" in flags else 16, 16, name)


def compiler() -> str:
    """The C compiler: ``$CC``, or the first that is there. Raises NoKernel."""
    asked = os.environ.get("CC", "")
    for name in (asked,) if asked else COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    raise NoKernel(f"no C compiler ({asked or ', '.join(COMPILERS)})")


def _compile(source: Source, file: Path) -> Path:
    handle, name = tempfile.mkstemp(suffix=".part", dir=file.parent)
    os.close(handle)
    made = Path(name)
    try:
        said = ""
        for native in _native():
            macros = [f"-D{macro}={value}" for macro, value in source.macros]
            inputs = [*macros, str(SOURCES / source.file), "-o", str(made)]
            command = [compiler(), *_flags(source)[: len(FLAGS)], *native, *inputs, *_link(source)]
            try:
                run = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=LONGEST,
                    check=False,
                    stdin=subprocess.DEVNULL,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NoKernel(f"{compiler()}: {error}") from None
            if run.returncode == 0:
                made.chmod(0o500)
                made.replace(file)  # whole, or not there: others may look for it meanwhile
                return file
            said = said or _first_error(run.stderr)
        raise NoKernel(f"{compiler()} does not compile the kernel: {said}")
    finally:
        made.unlink(missing_ok=True)


def _first_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "it printed nothing")


def _flags(source: Source) -> tuple[str, ...]:
    return (*FLAGS, *_link(source))


def _link(source: Source) -> tuple[str, ...]:
    return THREADED if source.threaded else ()


def _native() -> tuple[tuple[str, ...], ...]:
    """How this processor is asked for, the best way first; the last is what every compiler knows."""
    arm = platform.machine().lower() in ("aarch64", "arm64")
    return (("-mcpu=native",) if arm else ("-march=native",), ())


def _compiler_facts() -> tuple[str, ...]:
    """What changes when the compiler does; no process is started for it."""
    file = Path(compiler()).resolve()
    facts = file.stat()
    return str(file), str(facts.st_size), str(facts.st_mtime_ns)


@cache
def _texts() -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8") for file in sorted(SOURCES.iterdir()))


def _cpu_facts() -> Mapping[str, str]:
    """The first processor's lines of /proc/cpuinfo that say what it is; none where there is no such file."""
    wanted = (
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "flags",
        "Features",
        "CPU implementer",
        "CPU part",
    )
    found: dict[str, str] = {}
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if not line.strip() and found:
                break
            if name.strip() in wanted:
                found[name.strip()] = value.strip()
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
