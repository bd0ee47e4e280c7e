"""What to open issues about: one file per commit with rises, its title on the first line, its text below.

announce.py HISTORY.json FOLDER [KNOWN]

KNOWN has titles of issues that are there, one a line: they are not announced again. Prints the files.
"""

import json
import sys
from pathlib import Path


def announcements(history):
    """Title -> text, one for each commit, or group of commits that cannot be told apart, with rises."""
    groups = {}
    for step in history["steps"]:
        if step["rise"]:
            groups.setdefault((step["candidates"][0], step["candidates"][-1]), []).append(step)
    found = {}
    for (first, last), steps in groups.items():
        where = last[:12] if first == last else f"{first[:12]} to {last[:12]}"
        lines = [f"- `{step['case']}` {step['metric']}: {_change(step)}" for step in steps]
        subject = plain(history["subjects"].get(last, ""))
        found[f"Regression at {where}"] = f"{where}: {subject}\n\n" + "\n".join(lines) + "\n"
    return found


def plain(text):
    """Text that calls nobody and is no markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]|#<>~" else c for c in text).replace("@", "@\u200b")


def _change(step):
    if step["ratio"] is None:
        return f"{step['before']} → {step['after']}"
    return f"× {step['ratio']:.3f} ({step['low']:.3f} … {step['high']:.3f})"


if __name__ == "__main__":
    history, folder = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    known = set(Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()) if len(sys.argv) > 3 else set()
    folder.mkdir(parents=True, exist_ok=True)
    for number, (title, text) in enumerate(announcements(history).items()):
        if title not in known:
            file = folder / f"{number}.md"
            file.write_text(f"{title}\n{text}", encoding="utf-8")
            print(file)
