"""A Maildir to measure with: message i depends on i alone, so that 1,000 are the beginning of 100,000.

Half plain text, a fifth UTF-8, a fifth multipart/alternative, a tenth with an attachment of 50 KB, some with a message
inside; 8 KB on average, LF line ends. Two in three are seen, some flagged or answered. One in 1,000 has "xylophone" in
its Subject, one in 1,000 "quixotic" in its body: what the searches look for.
"""

from __future__ import annotations

import base64
import os
import pathlib
import random
import time

_WORDS = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school",
    "state", "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week",
    "company", "system", "program", "question", "work", "government", "number", "night", "point", "home",
    "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right", "study", "book",
    "eye", "job", "word", "business", "issue", "side", "kind", "head", "house", "service", "friend", "father",
    "power",
]  # fmt: skip
_FOREIGN = [
    "Grüße", "naïve", "façade", "Übergröße", "señor", "Привет", "мир", "письмо", "東京", "会議", "資料",
    "smörgåsbord", "œuvre",
]  # fmt: skip
_FIRST = [
    "Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ivy", "Jon", "Kim", "Lea", "Max", "Nia", "Oto",
    "Pam",
]  # fmt: skip
_LAST = [
    "Able", "Baker", "Carter", "Dyer", "Elder", "Foster", "Glover", "Hunter", "Ivory", "Joiner", "Keeper",
    "Logan",
]  # fmt: skip
_EPOCH = 1_700_000_000
_PER_FOLDER = 20


def make(directory: pathlib.Path, messages: int, folders: int = 0) -> None:
    """A Maildir with so many messages in the INBOX, and so many folders box0000 ... of twenty."""
    _fill(directory, range(messages))
    for folder in range(folders):
        path = directory / f".box{folder:04d}"
        _fill(path, range(_PER_FOLDER * folder, _PER_FOLDER * (folder + 1)))
        (path / "maildirfolder").touch()


def _fill(directory: pathlib.Path, numbers: range) -> None:
    for part in ("cur", "new", "tmp"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    for i in numbers:
        received = _EPOCH + 60 * i
        path = directory / "cur" / f"{received}.M{i % 1_000_000:06d}P{1000 + i % 7}Q{i}.bench:2,{_flags(i)}"
        path.write_bytes(message(i).encode())
        os.chmod(path, 0o644)
        os.utime(path, (received, received))


def _flags(i: int) -> str:
    chance = random.Random(f"flags/{i}")
    return "".join(flag for flag, share in (("F", 0.05), ("R", 0.1), ("S", 0.66)) if chance.random() < share)


def message(i: int) -> str:
    """Message i."""
    chance = random.Random(f"message/{i}")
    subject = " ".join(chance.choice(_WORDS) for _ in range(chance.randrange(3, 9)))
    if i % 1000 == 500:
        subject += " xylophone"
    needle = "\nThe word of the day is quixotic today.\n" if i % 1000 == 250 else ""
    kind = chance.random()
    if kind < 0.50:
        return _head(chance, i, subject, "text/plain; charset=us-ascii") + _text(chance, 2100) + needle
    if kind < 0.68:
        encoded = base64.b64encode(f"{subject} {chance.choice(_FOREIGN)}".encode()).decode()
        type_ = "text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit"
        return _head(chance, i, f"=?utf-8?B?{encoded}?=", type_) + _text(chance, 1800, _FOREIGN) + needle
    boundary = f"=_b{i:x}"
    if kind < 0.86:
        plain = _text(chance, 1500) + needle
        parts = [("text/plain", plain), ("text/html", f"<html><body><p>{plain}</p></body></html>\n")]
        return _head(chance, i, subject, f'multipart/alternative; boundary="{boundary}"') + _parts(boundary, parts)
    if kind < 0.95:
        blob = base64.encodebytes(chance.randbytes(37_000)).decode()
        type_ = f'application/pdf; name="report-{i}.pdf"\nContent-Transfer-Encoding: base64'
        parts = [("text/plain", _text(chance, 900) + needle), (type_, blob)]
        return _head(chance, i, subject, f'multipart/mixed; boundary="{boundary}"') + _parts(boundary, parts)
    inner = _head(chance, i, f"Inside {subject}", "text/plain") + _text(chance, 600)
    parts = [("text/plain", _text(chance, 400) + needle), ("message/rfc822", inner)]
    return _head(chance, i, f"Fwd: {subject}", f'multipart/mixed; boundary="{boundary}"') + _parts(boundary, parts)


def _head(chance: random.Random, i: int, subject: str, content_type: str) -> str:
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(_EPOCH + 60 * i))
    lines = [
        "Return-Path: <load@bench.example>",
        f"Received: from relay{chance.randrange(9)}.example (relay.example [192.0.2.{chance.randrange(1, 255)}])",
        f"\tby mx.example.test with ESMTP id {i:08x}; {date}",
        f"From: {_address(chance)}",
        f"To: {_address(chance)}",
    ]
    if chance.random() < 0.3:
        lines.append("Cc: " + ",\n\t".join(_address(chance) for _ in range(chance.randrange(1, 4))))
    lines += [f"Subject: {subject}", f"Date: {date}", f"Message-ID: <{i}@bench.example>"]
    if i and chance.random() < 0.4:
        before = f"<{chance.randrange(max(0, i - 50), i)}@bench.example>"
        lines += [f"In-Reply-To: {before}", f"References: {before}"]
    return "\n".join([*lines, "MIME-Version: 1.0", f"Content-Type: {content_type}"]) + "\n\n"


def _address(chance: random.Random) -> str:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    return f"{first} {last} <{first.lower()}.{last.lower()}{chance.randrange(50)}@example.test>"


def _text(chance: random.Random, mean: int, foreign: list[str] | None = None) -> str:
    words = _WORDS + foreign if foreign else _WORDS
    lines = (" ".join(chance.choices(words, k=12)) for _ in range(chance.randrange(mean // 120, mean // 40)))
    return "\n".join(lines) + "\n"


def _parts(boundary: str, parts: list[tuple[str, str]]) -> str:
    pieces = [f"--{boundary}\nContent-Type: {type_}\n\n{text}\n" for type_, text in parts]
    return "This is MIME.\n" + "".join(pieces) + f"--{boundary}--\n"
