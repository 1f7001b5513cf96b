"""Domain names with other than ASCII letters: U-labels and A-labels (RFC 5890, 5891), by the library `idna`.

The codec of the same name in the standard library is IDNA 2003: it turns "straße" into "strasse", which is somebody
else's domain. What people type is mapped first (UTS 46: lower case, wide and narrow forms, ideographic full stops).
"""

from __future__ import annotations


def ascii(domain: str) -> str:
    """The domain in lower case with A-labels. ValueError where a label cannot be one."""
    if domain.isascii():
        return domain.lower()
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:  # of which idna.IDNAError is one
        raise ValueError(str(error))


def display(domain: str) -> str:
    """The domain in lower case with U-labels; a label that is no true A-label stays as it is."""
    lowered = domain.lower()
    if "xn--" not in lowered:
        return lowered
    return ".".join(_u_label(label) for label in lowered.split("."))


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    import idna

    try:
        return idna.decode(label)
    except UnicodeError:
        return label
