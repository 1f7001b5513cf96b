"""Random messages that look enough like mail to get deep into the parsers."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = [
    b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b" ", b"\t", b"\0", b":", b";", b",", b'"', b"\\", b"(", b")", b"<",
    b">", b"@", b"=", b"*", b"&", b"-", b"--", b"--a", b"--a--", b"--ab", b"\n--a\n", b"\r\n--a\r\n", b"\n--a--\n",
    b"\xff\xe9",
    b"From: ", b"To: a@b, \"x, y\" <c@d>\n", b"Cc: g: a@b, c@d;\n", b"Subject: =?utf-8?q?=C3=A9?=\n", b"Date: ",
    b"Content-Type: multipart/mixed; boundary=a\n\n", b"Content-Type: multipart/digest; boundary=\"ab\"\n\n",
    b"Content-Type: message/rfc822\n\n", b"Content-Type: text/plain; charset=utf-8\n", b"Content-Type: ",
    b"Content-Transfer-Encoding: base64\n\n", b"Content-Transfer-Encoding: quoted-printable\n\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=b\n", b"Content-Language: de, en\n",
    b"=?", b"?=", b"?q?", b"?b?", b"=?utf-8?b?w6k=?=", b"charset=x", b"name*1*=", b"''", b"%41", b"word",
]  # fmt: skip

octets = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=6), max_size=25).map(b"".join)
