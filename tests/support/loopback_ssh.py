"""A real sshd on loopback, with a port, keys and a home folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SSHD = shutil.which("sshd") or next((p for p in ("/usr/sbin/sshd",) if Path(p).exists()), None)
SSH = shutil.which("ssh")


def missing() -> str:
    """What this host lacks; empty where nothing."""
    return "" if SSHD and SSH else "openssh-server and openssh-client are not installed"


class Server:
    """``launch`` is the command that a target is started with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        for name in ("host", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, timeout=30)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
        key = (folder / "host.pub").read_text().split()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n")
        # The home folder of its own: what a session leaves behind stays below the test's folder.
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv HOME={self.home}\n"
        )
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listens; returns once it does."""
        assert SSHD is not None
        Path("/run/sshd").mkdir(exist_ok=True)
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        log = (self.folder / "log").open("ab")
        self._server = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Ends the server and every session of it."""
        if self._server is None:
            return
        for child in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)
        self._server.kill()
        self._server.wait(10)
        self._server = None

    def sessions(self) -> list[int]:
        """Processes of the server that serve a connection."""
        assert self._server is not None
        found = []
        for parent in (self._server.pid,):
            children = Path(f"/proc/{parent}/task/{parent}/children")
            found += [int(pid) for pid in children.read_text().split()]
        return found

    def launch(self, key: str = "user", known: str = "known_hosts") -> str:
        """The launcher of a target on this server."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.folder / known,
            "IdentityFile": self.folder / key,
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "5",
        }
        return f"ssh -p {self.port} " + " ".join(f"-o {k}={v}" for k, v in options.items()) + " 127.0.0.1"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server that listens while the block runs."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
