"""Provisioning: the package and an environment on another host, or what an emulated core needs here."""

from __future__ import annotations

import importlib.metadata
import io
import shlex
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import bench
from bench.errors import InputError, quoted
from bench.plan.emulator import emulator
from bench.plan.targets import REMOTE_PACKAGE, Target
from bench.run.emulation import SetUpFailed, set_up

LONGEST = 1800.0
"""Seconds at most: a small board installs torch in ten minutes."""

_SCRIPT = """\
set -e
python={python}
if ! command -v "$python" >/dev/null 2>&1; then
  echo "makes an environment for $python"
  python3 -m venv "$(dirname "$(dirname "$python")")"
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {{
  echo "$python is older than Python 3.11" >&2; exit 2; }}
mkdir -p {folder}
rm -rf {folder}/bench
tar -xzf - -C {folder}
echo "copied the package to {folder}"
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "installs torch {torch}"
  "$python" -m pip install --quiet --disable-pip-version-check torch=={torch} numpy
fi
"""


class ProvisionFailed(Exception):  # noqa: N818 - a result, as a failed trial is
    """The other host could not be set up; ``str(error)`` is one line, with what it printed last."""


def provision(target: Target, tell: Callable[[str], None], timeout: float = LONGEST) -> None:
    """Copies the package to the target and installs torch there, where either is missing.

    For an emulated core everything is made on this host, see ``bench.run.emulation``.

    ``tell`` gets the lines that the other side prints. Raises InputError for a target that needs nothing of
    the kind, and ProvisionFailed.
    """
    if target.emulates is not None:
        try:
            set_up(emulator(), tell)
        except SetUpFailed as error:
            raise ProvisionFailed(f"target {target.name}: {error}") from None
        return
    if not target.is_remote:
        raise InputError(
            f"target {quoted(target.name)} needs no provisioning: its worker is started on this host's files"
        )
    torch = importlib.metadata.version("torch").partition("+")[0]
    script = _SCRIPT.format(python=_path(target.python or "python3"), folder=REMOTE_PACKAGE, torch=torch)
    command = [*target.prefix, f"sh -c {shlex.quote(script)}"]
    try:
        answer = subprocess.run(command, input=packed(), capture_output=True, timeout=timeout, check=False)
    except OSError as error:
        raise ProvisionFailed(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ProvisionFailed(f"target {target.name}: not done within {timeout:g} s") from None
    for line in answer.stdout.decode(errors="replace").splitlines():
        tell(line)
    if answer.returncode:
        last = (answer.stderr.decode(errors="replace").strip() or "it printed nothing").splitlines()[-1]
        raise ProvisionFailed(f"target {target.name}: ended with code {answer.returncode}: {last}")


def packed(package: Path | None = None) -> bytes:
    """The package's modules and tables as a gzipped tar file; nothing that was compiled."""
    package = package or Path(bench.__file__).parent
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for file in sorted(package.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                tar.add(file, Path("bench") / file.relative_to(package))
    return stream.getvalue()


def _path(python: str) -> str:
    """Quoted for the shell over there, which expands a leading ``~/``."""
    return f"~/{shlex.quote(python[2:])}" if python.startswith("~/") else shlex.quote(python)
