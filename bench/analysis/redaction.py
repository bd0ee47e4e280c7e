"""What is written may be shown to anybody: no name of a host or a user, no place on a disk, unless asked for.

A host's name becomes ``host-`` and six digits, which stay the same for all that one host writes and differ
between hosts: a keyed digest whose key does not leave this machine, so that nobody can try names on it. Of an
absolute path the part stays that says something about the program: inside a package, below the folder that
the command was started in, or else the file's name. Names that a person gave to suites, targets, cases and
knobs stay as they are.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import platform
import re
import sys
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from bench.plan.targets import Target

HIDDEN = "…"
"""What stands where a name was."""

ELSEWHERE = frozenset({"ssh", "autossh", "mosh", "rsh", "srun", "docker", "podman", "kubectl", "lxc", "adb"})
"""Programs whose arguments say which other machine is meant."""

_NOBODY = frozenset({"", "unknown", "localhost"})
_USUAL_USERS = frozenset(
    {
        "root",
        "user",
        "users",
        "admin",
        "administrator",
        "nobody",
        "guest",
        "runner",
        "worker",
        "test",
        "tests",
    }
    | {"ubuntu", "debian", "fedora", "arch", "docker", "ci", "build", "builder", "python", "torch", "bench"}
    | {"jovyan", "vagrant", "ec2-user", "azureuser", "opc"}
)
"""Names that thousands of machines have, and that are words besides."""

_TOKEN = re.compile(r"host-[0-9a-f]{6}")
_SYSTEM = ("/proc", "/sys", "/dev")
"""Places that are the same everywhere."""

_QUOTED = re.compile(r"""(?<=["'`])((?:/|~/|[A-Za-z]:\\)[^"'`\n]+)(?=["'`])""")
_BEGINS = r"(?:~?/[\w.@+%~…=-]|(?<!:)//[\w.@+%~…=-]|[A-Za-z]:\\)"
_PATH = re.compile(rf"(?<![\w.~…/\\)\]-]){_BEGINS}[^\s:;,'\"`<>|()\[\]{{}}*?]*")
_ADDRESS = re.compile(r"\b(tcp|tls|ucx|ucxx|ssh|wss?|inproc|file)://[^\s'\"`,;)\]]+", re.IGNORECASE)

_PATHS = frozenset({"plugins", "suite_file", "python", "peaks_file"})
"""Fields that are paths, or lists of them."""

_AS_THEY_ARE = frozenset(
    {"counts", "recipes", "answers", "latency", "output", "stages", "instructions", "inputs", "measure"}
    | {"solved", "sweeps", "versions", "packages", "arms", "conditions_before", "conditions_after"}
    | {"conditions_during", "schema", "kind", "run", "suite", "case", "count_id", "arm", "status", "sitting"}
    | {"suite_digest", "started", "ended", "taken", "revision", "layers"}
)
"""Fields with numbers, and with names that the suite gives: nothing of the machine is in them."""


class Redactor:
    """Takes names and places out of records and lines; ``targets`` tell what other hosts are called.

    It learns: the name of a host that a record has is taken out of what follows, too.
    """

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        self._places = _own_places()
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._learn_host(platform.node())
        user = _user()
        if len(user) > 2 and user.lower() not in _USUAL_USERS:
            self._learn(user, HIDDEN)
        for target in targets:
            self._learn_target(target)

    def record(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """The record as it may be written: plain data in, plain data out."""
        host = line.get("host")
        if isinstance(host, Mapping):
            self._learn_host(host.get("name"))
        return {key: self._field(key, value) for key, value in line.items()}

    def text(self, text: str) -> str:
        """The text without names and places."""
        text = self._places.sub(_in_place, text)
        text = _ADDRESS.sub(rf"\1://{HIDDEN}", text)
        text = _QUOTED.sub(lambda found: shown_path(found[1]), text)
        text = _PATH.sub(lambda found: shown_path(found[0]), text)
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: self._names[found[0].lower()], text)
        return text

    def command(self, words: Sequence[str]) -> list[str]:
        """A command line; of one that goes to another machine only the program stays."""
        if not words:
            return []
        program = PurePath(words[0]).name
        if program in ELSEWHERE:
            return [program, HIDDEN]
        return [program, *map(self.text, words[1:])]

    def _field(self, key: str, value: Any) -> Any:
        if key == "cases" and isinstance(value, list | tuple):
            return [_case(one) if isinstance(one, Mapping) else one for one in value]
        if key in _AS_THEY_ARE:
            return value
        if key == "host" and isinstance(value, Mapping) and "name" in value:
            shown = {name: self._any(fact) for name, fact in value.items() if name != "name"}
            return {**shown, "name": shown_host(str(value["name"]))}
        if key == "targets" and isinstance(value, list | tuple):
            return [self._target(one) if isinstance(one, Mapping) else one for one in value]
        if key in _PATHS:
            every = [value] if isinstance(value, str) else value or []
            shown_paths = [shown_path(path) if _is_absolute(path) else self.text(path) for path in every]
            return shown_paths[0] if isinstance(value, str) else value and shown_paths
        return self._any(value)

    def _target(self, target: Mapping[str, Any]) -> dict[str, Any]:
        shown = {key: self._field(key, value) for key, value in target.items()}
        if target.get("prefix"):
            shown["prefix"] = self.command([str(word) for word in target["prefix"]])
        return {**shown, "name": target.get("name")}

    def _any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._field(str(key), one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._any(one) for one in value]
        return value

    def _learn_target(self, target: Target) -> None:
        if not target.prefix or PurePath(target.prefix[0]).name not in ELSEWHERE:
            return
        for word in target.prefix[1:]:
            if word.startswith("-") or not re.search(r"[^\W\d]{2}", word):
                continue
            for name in (word.rpartition("=")[2], *word.split("@")):
                self._learn(name, HIDDEN)

    def _learn_host(self, name: object) -> None:
        if isinstance(name, str) and name.lower() not in _NOBODY and not _TOKEN.fullmatch(name):
            shown = shown_host(name)
            self._learn(name, shown, 2)
            self._learn(name.partition(".")[0], shown, 2)

    def _learn(self, name: str, instead: str, least: int = 3) -> None:
        if len(name) < least or name.lower() in self._names or name.lower() in _NOBODY:
            return
        self._names[name.lower()] = instead
        longest_first = sorted(self._names, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![A-Za-z0-9_])(?:{words})(?![A-Za-z0-9_])", re.IGNORECASE)


class Identified(Redactor):
    """Leaves everything as it is: ``--identify``."""

    def record(self, line: Mapping[str, Any]) -> dict[str, Any]:
        return dict(line)

    def text(self, text: str) -> str:
        return text

    def command(self, words: Sequence[str]) -> list[str]:
        return list(words)


def redactor(identify: bool, targets: Iterable[Target] = ()) -> Redactor:
    """What stands before a file: names and places stay where ``identify`` is True."""
    return Identified(targets) if identify else Redactor(targets)


def shown_host(name: str) -> str:
    """What stands for a host's name: the same for the same name, as long as this machine writes it."""
    if name.lower() in _NOBODY or _TOKEN.fullmatch(name):
        return name
    return f"host-{hmac.new(_key(), name.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:6]}"


def is_this_host(name: object) -> bool:
    """Whether a recorded name, shown or hidden, is that of the machine that asks."""
    own = platform.node()
    return name in (own, shown_host(own))


def shown_path(path: str) -> str:
    """A path as it may go to others: inside a package the part from there, of others the last part."""
    if path.startswith(_SYSTEM) or path in ("/", "~/"):
        return path
    parts = [part for part in re.split(r"[/\\]+", path) if part]
    if "site-packages" in parts[:-1]:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    if len(parts) < 2 or (len(parts) == 2 and parts[0] in ("home", "Users")):
        return HIDDEN if not path.startswith("/") or parts[:1] in (["home"], ["Users"]) else path
    return parts[-1]


def _case(case: Mapping[str, Any]) -> dict[str, Any]:
    """A case as it is, but for the places of a network of the user's own; of weights the digest stays."""
    imported = case.get("imported")
    if not isinstance(imported, Mapping):
        return dict(case)
    places = {key: shown_path(str(imported[key])) for key in ("folder", "weights") if imported.get(key)}
    return {**case, "imported": {**imported, **places}}


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "~")) or re.match(r"[A-Za-z]:\\", path) is not None


def _own_places() -> re.Pattern[str]:
    """Folders of this machine, the longest first; the home comes as a group of its own."""
    places = {str(Path(__file__).parents[2]), sys.prefix, tempfile.gettempdir()}
    home = ""
    try:
        places.add(str(Path.cwd()))
        home = str(Path.home())
    except (OSError, RuntimeError):  # the folder is gone, or there is no home
        pass
    words = [re.escape(place) for place in sorted(places - {home}, key=len, reverse=True) if len(place) > 1]
    others, own = "|".join(words) or "(?!)", re.escape(home) if len(home) > 1 else "(?!)"
    return re.compile(rf"(?<![\w.~/-])(?:(?:{others})|(?P<home>{own}))(?:(?P<below>/)|(?![\w.-]))")


def _in_place(found: re.Match[str]) -> str:
    if found["home"]:
        return "~/" if found["below"] else "~"
    return "" if found["below"] else HIDDEN


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@lru_cache(maxsize=1)
def _key() -> bytes:
    """A secret of this machine: its id, which is not for others, mixed so that it cannot be had back."""
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text:
            break
    else:
        text = f"{uuid.getnode():x}"
    return hashlib.sha256(f"csr-bench host names {text}".encode()).digest()
