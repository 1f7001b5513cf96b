"""tls/: does each certificate load, fit its key and its name, and for how long does it hold?"""

from __future__ import annotations

import importlib.util
import os
import ssl

from cryptography import x509

from mailkit import clock
from mailkit.check.finding import BAD, GOOD, NOTE, WARN, Finding, Site
from mailkit.net import tls
from mailkit.net.certificates import Certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_RENEW_S = 14 * 86400  # certbot renews 30 days before the end: 14 left means that it does not


def check(site: Site) -> Iterator[Finding]:
    """Each name, then whether the default one is ours. PermissionError."""
    known = Certificates(site.home)
    found = sorted(os.listdir(known.directory)) if os.path.isdir(known.directory) else []
    default = known.default()
    if default is None:
        mend = "mailkit-setup --domain DOMAIN [--certificate CHAIN --key KEY]"
        yield Finding(BAD, f"there is no certificate with its key in {known.directory}: no TLS", mend)
    for name in found:
        pair = known.pair(name)
        if pair is not None:
            yield from _judged(name, *pair)
            yield from _closed(pair, os.stat(site.home.path))
        elif os.path.isdir(os.path.join(known.directory, name)):
            text = f"{known.directory}/{name} holds no certificate with its key"
            yield Finding(WARN, text, "see mailkit-setup(8) for the names of the files")
    if known.is_binding and importlib.util.find_spec("OpenSSL") is None:
        mend = "pip install 'mailkit[channelbinding]', or remove the file"
        yield Finding(WARN, "control/channelbinding takes pyOpenSSL, which is not installed: no effect", mend)
    if default not in (None, site.me):
        yield Finding(WARN, f"there is none for {site.me}; {default} is shown instead", f"link tls/{site.me}")


def _judged(name: str, chain: str, key: str) -> Iterator[Finding]:
    """One certificate."""
    try:
        tls.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), chain, key)
        with open(chain, "rb") as file:
            leaf = x509.load_pem_x509_certificates(file.read())[0]
    except (OSError, ValueError) as error:
        yield Finding(BAD, f"{name}: cannot be used: {error}", _anew(chain))
        return
    if not _covers(leaf, name):
        text = f"{name}: the certificate is for {', '.join(subjects(leaf)) or 'nobody'}"
        yield Finding(BAD, f"{text}: clients will refuse it", _anew(chain))
    left_s = leaf.not_valid_after_utc.timestamp() - clock.now()
    if left_s < 0:
        mend = _anew(chain) if leaf.issuer == leaf.subject else "certbot renew; servers see it at once"
        yield Finding(BAD, f"{name}: it ran out {-left_s / 86400:.0f} days ago", mend)
    elif leaf.not_valid_before_utc.timestamp() > clock.now():
        yield Finding(BAD, f"{name}: it is not valid yet", "look at the clock")
    elif left_s < _RENEW_S:
        yield Finding(WARN, f"{name}: it runs out in {left_s / 86400:.0f} days", "see why it was not renewed")
    else:
        yield Finding(GOOD, f"{name}: loads, fits its key, holds for {left_s / 86400:.0f} days")
    if leaf.issuer == leaf.subject:
        yield Finding(NOTE, f"{name}: self-signed: clients ask their users, other servers do not mind")


def _anew(chain: str) -> str:
    """The command for another pair in the place of one, which is kept."""
    place = os.path.dirname(chain)
    old = os.path.join(os.path.dirname(os.path.dirname(place)), f"{os.path.basename(place)}.old")
    return f"mv {place} {old} && mailkit-setup --domain DOMAIN [--certificate CHAIN --key KEY]"


def _closed(pair: tuple[str, str], owner: os.stat_result) -> Iterator[Finding]:
    """Files that root can read, who may run this, and the servers cannot: what certbot keeps is such."""
    for path in pair:
        door = _door(os.path.realpath(path), owner.st_uid, owner.st_gid)
        if door:
            text = f"{path}: servers run as uid {owner.st_uid}, which {door} keeps out"
            yield Finding(BAD, text, "copy the files at each renewal: mailkit-setup(8) has the hook")


def _door(path: str, uid: int, gid: int) -> str:
    """The file or directory on the way to `path` that the user may not read or enter, "" for none."""
    if uid == 0:
        return ""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        step = "/".join(parts[:depth]) or "/"
        status = os.stat(step)
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & (4 if step == path else 1):
            return step
    return ""


def subjects(leaf: x509.Certificate) -> list[str]:
    """The host names a certificate is for."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _covers(leaf: x509.Certificate, name: str) -> bool:
    """RFC 6125 6.4.3: a * stands for one whole label, the first."""
    wild = "*." + name.partition(".")[2]
    return any(one.lower() in (name, wild) for one in subjects(leaf))
