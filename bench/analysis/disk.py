"""Files that appear whole or not at all, and errors of the disk in one line that names the file."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from bench.errors import InputError

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What a write to an open file may answer; such an error names no file of its own."""


def write_whole(file: Path, text: str) -> None:
    """Writes a text file by way of a draft beside it; after a failure neither is left.

    Lone surrogates, which UTF-8 has no bytes for, are spelled out. Raises InputError with the reason
    when the file cannot be written.
    """
    draft = _draft_of(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(text.encode("utf-8", "backslashreplace"))
            draft.replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
    except OSError as error:
        raise _cannot_be_written(file, error) from None


def check_writable(file: Path) -> None:
    """Raises InputError when the file could not be written; leaves nothing behind.

    Its folder is made and a draft beside it is written, and all that was made is removed again. The file
    itself is not begun: somebody may be listing the folder.
    """
    made = _missing_folders(file.parent)
    draft = _draft_of(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            file.open("ab").close()
        try:
            draft.write_bytes(bytes(4096))
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_be_written(file, error) from None
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def naming(file: Path, mend: str) -> Iterator[None]:
    """Inside, a full or broken disk becomes an InputError that names ``file`` and says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS or error.filename not in (None, str(file)):
            raise
        raise InputError(f"{file}: {error.strerror}; {mend}") from None


def _draft_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.draft")


def _missing_folders(folder: Path) -> list[Path]:
    """The folders that are not there yet, the innermost first."""
    try:
        return [path for path in (folder, *folder.parents) if not path.exists()]
    except OSError:
        return []


def _cannot_be_written(file: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):
        reason = f"{error.filename} is a file, not a folder"
    return InputError(f"{file}: cannot be written: {reason}")
