"""The emulated ARM core: where its files lie on this host, and the command that starts a program on it.

qemu runs single ARM programs as an ordinary user. What they need (a Debian root with an interpreter, torch,
and the plugin that counts instructions) lies in the user's folder for caches; ``bench provision`` puts it
there, and here nothing is made but a link to the package.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import bench

PROGRAM = "qemu-aarch64"
"""Of Debian's package qemu-user. The static one takes no plugin."""

CORES = ("cortex-a35", "cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1")
"""Names of qemu's that need no description. A later qemu knows more of them."""

TORCH = "2.9.1"
"""2.10 ends with SIGILL on Cortex-A53 and -A72; from 2.11 on the wheels for aarch64 are CUDA builds."""

PACKAGES = (
    f"torch=={TORCH}",
    "numpy==2.3.5",
    "filelock==3.20.0",
    "fsspec==2025.10.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.3",
    "mpmath==1.3.0",
    "networkx==3.5",
    "sympy==1.14.0",
    "typing-extensions==4.15.0",
)
"""torch and all that it imports: other versions execute other instructions."""

SOURCE = Path(bench.__file__).parent / "worker" / "instructions.c"

INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER")
"""Variables that a program on the core keeps; the others are meant for this host's programs."""

CORE_VARIABLE = "CSR_BENCH_EMULATED_CORE"
"""Tells the worker what it runs on: the kernel's listing there is this host's."""


@dataclass(frozen=True)
class Emulator:
    """The files below ``home``."""

    home: Path

    @property
    def root(self) -> Path:
        """Debian for arm64: an interpreter and the libraries that torch asks for."""
        return self.home / "root"

    @property
    def site(self) -> Path:
        """Packages for the interpreter there, of these very versions."""
        digest = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()[:12]
        return self.home / f"site-{digest}"

    @property
    def plugin(self) -> Path:
        """What was compiled of the source as it is now."""
        return self.home / f"instructions-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}.so"

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.root / "usr" / "bin" / "python3.11"

    def lacks(self) -> str:
        """What is not there yet, in a word; empty where a program can be started."""
        parts = {"Debian root": self.root, "torch": self.site, "plugin": self.plugin}
        missing = [word for word, path in parts.items() if not path.exists()]
        return ", ".join(([] if shutil.which(PROGRAM) else [PROGRAM]) + missing)

    def command(self, core: str, module: str) -> list[str]:
        """The argv that runs a module of the package on that core."""
        prefix = [PROGRAM, "-cpu", core, "-L", str(self.root), "-plugin", str(self.plugin)]
        return [*prefix, str(self.python), "-P", "-m", module]

    def environment(
        self, core: str, inherited: Mapping[str, str], fixed: Mapping[str, str], checkout: Path | None = None
    ) -> dict[str, str]:
        """Variables of a program on the core: what it needs of ours, and the package of this checkout."""
        package = Path(bench.__file__).parent if checkout is None else checkout / "bench"
        kept = {name: value for name, value in inherited.items() if name in INHERITED}
        path = f"{self._alone(package)}:{self.site}"
        return {**kept, **fixed, "PYTHONPATH": path, CORE_VARIABLE: core}

    def _alone(self, package: Path) -> Path:
        """A folder with nothing but this package: beside an installed one lie packages of this host."""
        folder = self.home / "packages" / hashlib.sha256(str(package).encode()).hexdigest()[:12]
        link = folder / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):  # another process was quicker
                link.symlink_to(package, target_is_directory=True)
        return folder


def emulator() -> Emulator:
    """The one of this user."""
    return Emulator(Path(platformdirs.user_cache_dir("csr-bench")) / "emulated-aarch64")
