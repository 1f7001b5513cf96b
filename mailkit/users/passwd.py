"""The flat passwd file: one user a line, as in a Dovecot passwd-file.

    alice@example.test:{ARGON2ID}$argon2id$v=19$...:::Alice Smith:::scram-sha-256=10000,c2Fs...,c3Rv...,c2Vy...
    address            :password hash              :uid:gid:gecos:home:shell:key=value key=value ...

Everything after the second field may be empty or missing. Empty uid and gid: the mail system's own user. Empty home:
`domains/DOMAIN/LOCALPART` of the mail home. mailkit-passwd(5) lists the keys.

What lives here: lines to `User` values and back, look-up. A line that cannot be understood is named in the log, with
its number, and skipped; that its address is nobody's is not said: a slip of the editor must not send mail back.
Writing is `users.edit`.
"""

from __future__ import annotations

import os

from mailkit.exits import Temp
from mailkit.users import keyed, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home

_SMALL = 256 << 10  # octets of a file that is checked whole at its first look-up
_MADE_MOST = 500  # users of a version of the file that are kept parsed
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class User:
    """One user. Texts are as in the file; `domains` is the directory that holds homes which are not named."""

    __slots__ = ("address", "domains", "fields", "gecos", "gid_text", "hash", "home", "shell", "uid_text")

    def __init__(
        self,
        address: str,
        hash: str = "",
        uid: str = "",
        gid: str = "",
        gecos: str = "",
        home: str = "",
        shell: str = "",
        fields: dict[str, str] | None = None,
        domains: str = "",
    ) -> None:
        self.address = address
        self.hash = hash
        self.uid_text = uid
        self.gid_text = gid
        self.gecos = gecos
        self.home = home
        self.shell = shell
        self.fields = fields if fields is not None else {}
        self.domains = domains

    @property
    def local(self) -> str:
        """The part before the @."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """The part after the @, as A-labels."""
        return self.address.rpartition("@")[2]

    @property
    def uid(self) -> int | None:
        """The system user whose files these are, None for the mail system's own. ValueError when there is none such."""
        if not self.uid_text or self.uid_text.isdecimal():
            return int(self.uid_text) if self.uid_text else None
        import pwd

        try:
            return pwd.getpwnam(self.uid_text).pw_uid
        except KeyError:
            raise ValueError(f"no system user {self.uid_text!r}")

    @property
    def gid(self) -> int | None:
        """The system group, None for the mail system's own. ValueError when there is none such."""
        if not self.gid_text or self.gid_text.isdecimal():
            return int(self.gid_text) if self.gid_text else None
        import grp

        try:
            return grp.getgrnam(self.gid_text).gr_gid
        except KeyError:
            raise ValueError(f"no system group {self.gid_text!r}")

    @property
    def directory(self) -> str:
        """The user's home directory: holds Maildir, dot files, Sieve scripts."""
        own = f"{self.domains}/{names.directory(self.domain)}/{names.directory(self.local)}"
        return os.path.join(own, self.home) if self.home else own

    @property
    def maildir(self) -> str:
        """The absolute path of the user's Maildir."""
        return f"{self.directory}/Maildir"

    @property
    def may_log_in(self) -> bool:
        """False for who has `nologin` (Dovecot's key) or `disabled`."""
        return "nologin" not in self.fields and "disabled" not in self.fields

    @property
    def may_receive(self) -> bool:
        """False for who is `disabled`: mail to them is refused."""
        return "disabled" not in self.fields

    @property
    def groups(self) -> frozenset[str]:
        """Groups that folders may be shared with: Dovecot's `userdb_acl_groups=sales,staff`."""
        return frozenset(filter(None, self.fields.get("userdb_acl_groups", "").split(",")))

    @property
    def mailboxes(self) -> int | None:
        """Folders the user may have, None for no limit of their own: Dovecot's `userdb_quota_mailbox_count=100`."""
        value = self.fields.get("userdb_quota_mailbox_count", "")
        return int(value) or None if value.isdecimal() else None

    @property
    def quota(self) -> tuple[int | None, int | None]:
        """Octets and messages allowed, None for no limit: Dovecot's `userdb_quota_rule=*:storage=1G:messages=1000`."""
        storage = messages = None
        for part in self.fields.get("userdb_quota_rule", "").split(":")[1:]:
            name, _, value = part.partition("=")
            if name == "messages" and value.isdecimal():
                messages = int(value) or None
            elif name in ("storage", "bytes"):
                storage = _octets(value, "K" if name == "storage" else "B") or None
        return storage, messages

    def line(self) -> bytes:
        """The user as a line of the file, without line end. ValueError when a value cannot stand in one."""
        extra = " ".join(f"{key}={value}" if value else key for key, value in self.fields.items())
        if self.address.startswith("#"):
            raise ValueError(f"{self.address} cannot stand in a passwd line: it would be a comment")
        texts = [self.address, self.hash, self.uid_text, self.gid_text, self.gecos, self.home, self.shell]
        for text in texts:
            if ":" in text or "\n" in text or "\r" in text or "\0" in text:
                raise ValueError(f"{text!r} cannot stand in a passwd line: it holds a colon or a control character")
        for key, value in self.fields.items():
            if not key or (key + value).split() != [key + value] or "\0" in value or ("=" in key):
                raise ValueError(f"{key}={value!r} cannot stand in a passwd line: it holds blanks")
        return ":".join([*texts, extra]).encode("utf-8", "surrogateescape")


def parse(line: bytes, domains: str = "") -> User:
    """The User of a line. ValueError says what is wrong with it."""
    if b"\0" in line:
        raise ValueError("holds a NUL octet")
    columns = line.decode("utf-8", "surrogateescape").split(":", 7)
    if len(columns) < 2:
        raise ValueError("has no colon")
    if columns[0].startswith("#"):
        raise ValueError("is a comment")
    address = names.canonical(columns[0])
    columns += [""] * (8 - len(columns))
    fields = {}
    for word in columns[7].split():
        key, _, value = word.partition("=")
        fields[key] = value
    hash, uid, gid, gecos, home, shell = columns[1:7]
    user = User(address, hash, uid, gid, gecos, home, shell, fields, domains)
    user.uid, user.gid  # noqa: B018  a uid that means nobody is damage: the mail must not go to the wrong one
    return user


class Passwd:
    """The passwd file of a home."""

    __slots__ = ("_domains", "_keyed")

    def __init__(self, home: Home) -> None:
        self._keyed = keyed.opened(home.passwd, home.run)
        self._domains = home.domains

    @property
    def version(self) -> keyed.Version | None:
        """The file as it is now, as Keyed.current."""
        return self._keyed.current()

    def lookup(self, address: str) -> User | None:
        """The user with this address, in either case and either form of the domain.

        Temp when there is no file, when it cannot be read, or the only lines of this address are damaged.
        """
        key = names.key(address)
        version = self._keyed.current() if key is not None else None
        if key is None:
            return None
        if version is None:  # mailkit-setup makes an empty one: this one was lost, or is being put back
            raise Temp("user data is not available", detail=f"{self._keyed.path}: no such file")
        if version.asked and not version.checked and version.size <= _SMALL:
            self._name_damage(version)
        known = version.made.get(key)
        if isinstance(known, User):
            return known
        damage = ""
        for offset, line in version.lines(key):
            try:
                return self._kept(version, key, parse(line, self._domains))
            except ValueError as error:
                number = version.name_damage("passwd", error, offset=offset)
                damage = damage or f"{self._keyed.path} line {number}: {error}"
        if damage:
            raise Temp("user data is damaged", detail=damage)
        return None

    def _kept(self, version: keyed.Version, key: bytes, user: User) -> User:
        """Remember a user for the next look-up, unless whom the line means may change while it stays."""
        if not user.uid_text and not user.gid_text:
            if len(version.made) >= _MADE_MOST:
                version.made.clear()
            version.made[key] = user
        return user

    def users(self) -> Iterator[User]:
        """Every user, in file order; of two with one address the first."""
        seen = set()
        version = self._keyed.current()
        if version is None:
            return
        for number, line in version.every():
            try:
                user = parse(line, self._domains)
            except ValueError as error:
                version.name_damage("passwd", error, number=number)
                continue
            if user.address not in seen:
                seen.add(user.address)
                yield user

    def damaged(self) -> list[tuple[int, str]]:
        """Number of each line that does not count, and why."""
        found = []
        seen: dict[str, int] = {}
        version = self._keyed.current()
        if version is None:
            return []
        for number, line in version.every():
            try:
                address = parse(line).address
            except ValueError as error:
                found.append((number, str(error)))
                continue
            if address in seen:
                found.append((number, f"{address} is also in line {seen[address]}"))
            seen.setdefault(address, number)
        return found

    def _name_damage(self, version: keyed.Version) -> None:
        """Small files are checked whole, once, by who asks more than once: a delivery by pipe has other things to do.
        Of a file of 100,000 lines only those that are asked for."""
        version.checked = True
        for number, line in version.every():
            try:
                parse(line)
            except ValueError as error:
                version.name_damage("passwd", error, number=number)


def _octets(text: str, unit: str) -> int:
    """A size as Dovecot writes it, "1G", "500MB" or without unit; 0 for what is none."""
    digits = text.rstrip("BbKkMmGgTt")
    suffix = text[len(digits) :].upper() or unit
    if len(suffix) == 2:
        suffix = suffix.removesuffix("B")
    return int(digits) * _UNITS[suffix] if digits.isdecimal() and suffix in _UNITS else 0
