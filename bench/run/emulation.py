"""Setting up the emulated ARM core: a Debian root, torch and the plugin, in the user's folder for caches."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.plan.emulator import PACKAGES, PROGRAM, SOURCE, Emulator

DEBIAN = "bookworm"
"""Its interpreter is Python 3.11, which PACKAGES have wheels for."""

IN_THE_ROOT = ("python3", "libgomp1", "libstdc++6")

NEEDED = {PROGRAM: ("qemu-user",), "mmdebstrap": ("mmdebstrap",), "gcc": ("gcc", "libc6-dev")}
"""Program -> Debian's packages that bring it."""

SOURCES = (
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/debian.sources",
    "etc/apt/sources.list.d/debian.list",
)
MIRROR = "http://deb.debian.org/debian"

LONGEST = 1800.0
"""Seconds that one step may take."""

Tell = Callable[[str], None]


class SetUpFailed(Exception):  # noqa: N818 - a result, as a failed trial is
    """The core could not be set up; ``str(error)`` is one line with what to do or what was printed last."""


@dataclass(frozen=True)
class Here:
    """This host: whose files are read, which programs are found, and who is asking."""

    root: Path = Path("/")
    which: Callable[[str], str | None] = shutil.which
    is_root: bool = os.geteuid() == 0


def set_up(emulator: Emulator, tell: Tell, here: Here | None = None) -> None:
    """Makes what is missing, and says so by ``tell``. What is there stays; what was interrupted is repeated.

    Raises SetUpFailed.
    """
    here = here or Here()
    emulator.home.mkdir(parents=True, exist_ok=True)
    with (emulator.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second one waits, and finds everything there
        _programs(here, tell)
        _once(emulator.root, lambda folder: _make_root(folder, mirror(here.root)), "Debian for arm64", tell)
        _once(emulator.site, _install, ", ".join(PACKAGES[:2]), tell)
        _once(emulator.plugin, _compile, "the plugin that counts instructions", tell)


def missing(here: Here) -> list[str]:
    """Debian's packages that bring the programs which are not here."""
    return [
        package for program, packages in NEEDED.items() if not here.which(program) for package in packages
    ]


def mirror(root: Path = Path("/")) -> str:
    """Where this host's own apt gets Debian from; Debian's own address where it says nothing."""
    for name in SOURCES:
        try:
            text = (root / name).read_text()
        except OSError:
            continue
        found = re.search(r"^(?:URIs:|deb (?:\[[^]]*\] )?)\s*(\S*/debian)/?(?=\s)", text, re.MULTILINE)
        if found:
            return found.group(1)
    return MIRROR


def plugin_api(version: str) -> int:
    """The version of the plugins' interface of ``qemu-aarch64 --version``."""
    found = re.search(r"version (\d+)\.(\d+)", version)
    release = (int(found.group(1)), int(found.group(2))) if found else (7, 2)
    return 1 if release < (9, 0) else 2 if release < (9, 1) else 3


def _programs(here: Here, tell: Tell) -> None:
    packages = missing(here)
    if not packages:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not here.which("apt-get"):
        raise SetUpFailed(f"{', '.join(NEEDED)} are needed; Debian has them as {' '.join(packages)}")
    if not here.is_root:
        raise SetUpFailed(f"packages are missing: `sudo {shlex.join(install)}` installs them")
    tell(f"installs {' '.join(packages)}")
    _run(["apt-get", "update"])
    _run(install, {"DEBIAN_FRONTEND": "noninteractive"})
    if still := [program for program in NEEDED if not here.which(program)]:
        raise SetUpFailed(f"apt-get installed {' '.join(packages)}, and {', '.join(still)} is not there")


def _once(path: Path, make: Callable[[Path], None], what: str, tell: Tell) -> None:
    """Makes a file or folder beside its place and moves it there: half of it is never taken for it."""
    if path.exists():
        return
    tell(f"sets up {what}")
    unfinished = path.with_name("unfinished")
    for earlier in (unfinished,):
        shutil.rmtree(earlier, ignore_errors=True) if earlier.is_dir() else earlier.unlink(missing_ok=True)
    make(unfinished)
    unfinished.rename(path)


def _make_root(folder: Path, mirror: str) -> None:
    packages = ",".join(IN_THE_ROOT)
    options = ["--variant=extract", "--arch=arm64", f"--include={packages}", "--quiet"]
    _run(["mmdebstrap", *options, DEBIAN, str(folder), mirror])


def _install(folder: Path) -> None:
    # With --no-deps: pip asks for what this host's torch would need, gigabytes of CUDA.
    platforms = [f"--platform=manylinux_{glibc}_aarch64" for glibc in ("2_28", "2_27", "2_26", "2_17")]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    wheels = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", *platforms]
    _run([*pip, *wheels, "--no-compile", f"--target={folder}", *PACKAGES])


def _compile(plugin: Path) -> None:
    api = plugin_api(_run([PROGRAM, "--version"]))
    flags = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", f"-DPLUGIN_API={api}"]
    _run(["gcc", *flags, str(SOURCE), "-o", str(plugin)])


def _run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
    """What a program printed. Raises SetUpFailed with its last words."""
    env = {**os.environ, **(variables or {})}
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )
    except OSError as error:
        raise SetUpFailed(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise SetUpFailed(f"{command[0]}: not done within {LONGEST:g} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        raise SetUpFailed(f"{command[0]} ended with code {done.returncode}: {last}")
    return done.stdout
