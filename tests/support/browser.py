"""Chromium without a window, driven over its debugging pipe: a page looked at as a person would."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

NO_BROWSER = "no Chromium"
NO_AXE = "no axe-core: set AXE_CORE to its axe.min.js (`.ci/axe-core` brings it), or `npm install axe-core`"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120.0
"""Seconds to wait for one answer: a loaded host may start a browser slowly."""

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
)  # fmt: skip


def chromium() -> str | None:
    """The browser's path; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """A browser with a profile of its own; ``with`` ends it."""

    def __init__(self, program: str, profile: Path) -> None:
        ours_in, theirs_out = _pipe()
        theirs_in, ours_out = _pipe()
        placed = f"os.dup2({theirs_in}, 3); os.dup2({theirs_out}, 4)"
        start = f"import os, sys; {placed}; os.execv(sys.argv[1], sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._read, self._write = ours_in, ours_out
        self._rest = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(20)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The answer to one command. Raises RuntimeError where the browser refuses it or says nothing."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            came = self._messages(until)
            self.events += [message for message in came if "id" not in message]
            for answer in came:
                if answer.get("id") == self._last:
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error'].get('message')}")
                    found: dict[str, Any] = answer["result"]
                    return found
        raise RuntimeError(f"{method}: no answer in {PATIENCE:g} s")

    def wait_for(self, method: str, session: str) -> None:
        """Waits until that event has come. Raises RuntimeError where it does not."""
        until = time.monotonic() + PATIENCE
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            if time.monotonic() > until:
                raise RuntimeError(f"{method} did not come in {PATIENCE:g} s")
            self.events += self._messages(until)

    def open(self, file: Path, width: int = 1280, height: int = 900, dark: bool = False) -> View:
        """The page in a tab of its own, loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable", session)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            session,
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, features=[scheme])
        self.events.clear()
        self.call("Page.navigate", session, url=file.resolve().as_uri())
        self.wait_for("Page.loadEventFired", session)
        return View(self, session, file)

    def _messages(self, until: float) -> list[dict[str, Any]]:
        """The messages that have come, waiting for the first; none where time is over."""
        ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return []
        chunk = os.read(self._read, 1 << 20)
        if not chunk:
            raise RuntimeError("the browser has ended")
        *whole, self._rest = (self._rest + chunk).split(b"\0")
        return [json.loads(one) for one in whole]


class View:
    """A loaded page."""

    def __init__(self, browser: Browser, session: str, file: Path) -> None:
        self._browser, self._session, self._file = browser, session, file

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, a promise waited for. Raises RuntimeError where it throws."""
        answer = self._browser.call(
            "Runtime.evaluate",
            self._session,
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"].get("exception", answer)))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors that the page raised, logged, or had logged by the browser."""
        self.ask("new Promise((done) => setTimeout(done, 50))")
        found = []
        for event in self._browser.events:
            said, params = event.get("method"), event.get("params", {})
            if said == "Runtime.exceptionThrown" or (
                said == "Runtime.consoleAPICalled" and params.get("type") == "error"
            ):
                found.append(json.dumps(params)[:500])
            if said == "Log.entryAdded" and params["entry"].get("level") == "error":
                found.append(str(params["entry"].get("text")))
        return found

    def requests(self) -> list[str]:
        """Addresses that were asked for, the page's own left out."""
        sent = [e["params"]["request"]["url"] for e in self._browser.events
                if e.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        own = self._file.resolve().as_uri()
        return [url for url in sent if not url.startswith((own, "data:"))]

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        answer = self._browser.call(
            "Page.captureScreenshot", self._session, format="png", captureBeyondViewport=True
        )
        file.write_bytes(base64.b64decode(answer["data"]))

    def paper(self) -> bytes:
        """The page as PDF on A4."""
        answer = self._browser.call(
            "Page.printToPDF", self._session, preferCSSPageSize=True, printBackground=True
        )
        return base64.b64decode(answer["data"])

    def on_paper(self) -> None:
        """From now on the page is laid out as for A4."""
        self._browser.call("Emulation.setEmulatedMedia", self._session, media="print")
        self._browser.call(
            "Emulation.setDeviceMetricsOverride", self._session,
            width=703, height=1032, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def violations(self) -> list[str]:
        """What axe-core finds wrong for readers with other senses or tools. Skips where it is not there."""
        axe = axe_core()
        if axe is None:
            pytest.skip(NO_AXE)
        self.ask(axe.read_text(encoding="utf-8") + "; true")
        found: list[str] = self.ask(
            "axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations.map((one) =>"
            " one.id + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join(' | ')))"
        )
        return found


def axe_core() -> Path | None:
    """axe-core's script, where somebody installed it: from npm, or told by AXE_CORE."""
    root = Path(__file__).parents[2]
    places = [os.environ.get("AXE_CORE"), root / "node_modules/axe-core/axe.min.js"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with its profile in that folder. Skips where there is no Chromium."""
    program = chromium()
    if program is None:
        pytest.skip(NO_BROWSER)
    with Browser(program, folder / "profile") as browser:
        yield browser


def pages(pdf: bytes) -> int:
    """Number of pages of a PDF that Chromium wrote."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not 3 or 4, where the browser expects its own."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
