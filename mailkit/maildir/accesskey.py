"""mailkit-urlauth: the key of a folder, with which its URLs are authorized (RFC 4467 section 2).

One line of 64 hexadecimal digits, readable by the owner only. It is made when the first URL is authorized; without it
no URL of the folder is any good. It goes with the folder when that is renamed or deleted.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.maildir import names

NAME = "mailkit-urlauth"
KEY_OCTETS = 32


def read(directory: str) -> bytes | None:
    """The key of the folder in a directory; None: it has none, or something else is in the file. OSError."""
    try:
        with open(f"{directory}/{NAME}", "rb") as file:
            digits = file.read(2 * KEY_OCTETS + 2)
    except FileNotFoundError:
        return None
    try:
        key = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
    return key if len(key) == KEY_OCTETS else None


def ensured(directory: str) -> bytes:
    """The key, made when there is none. Of two who make it at once both get the same. OSError."""
    found = read(directory)
    if found is not None:
        return found
    made = f"{directory}/tmp/{names.unique()}"
    files.replace(made, clock.token(KEY_OCTETS).encode("ascii") + b"\n")
    try:
        files.link(made, f"{directory}/{NAME}")
        files.sync_dir(directory)
    except FileExistsError:
        if read(directory) is None:
            files.rename(made, f"{directory}/{NAME}", durable=True)  # what is there is no key
    files.unlink(made, missing_ok=True)
    return read(directory) or os.urandom(KEY_OCTETS)  # removed again in this moment: good for nothing, as it should be


def forget(directory: str) -> None:
    """No URL of the folder is authorized any more. OSError."""
    files.unlink(f"{directory}/{NAME}", missing_ok=True)
