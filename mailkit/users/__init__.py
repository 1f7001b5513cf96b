"""People: addresses, the passwd file, passwords, logins, aliases. Layer 3; knows `users/` and `run/` of a home.

    names.address(text) -> (local, domain)          both canonical: lower case, NFC, domain as A-labels; ValueError
    names.canonical(text) -> str                    the same as one string "local@domain"
    names.bases(address, separators) -> list[str]   addresses to try for user+ext@domain: itself, then shorter ones
    names.directory(local_or_domain) -> str         its name on disk

    passwd.Passwd(home).lookup(address) -> User | None      .users() -> iterator of User; .damaged() -> [(line, why)]
    User: .address .local .domain .hash .uid .gid (int | None) .gecos .home .fields (dict) .maildir (absolute path)
          .directory (holds Maildir) .may_log_in .may_receive .quota -> (octets | None, messages | None) .groups

    shares.owners(home, user) -> list[str]          who may have folders for the user; .note .forget .rebuild keep it
    shares.reach(home, one, other) -> bool          control/sharing lets these two share folders

    aliases.Aliases(home).expand(address, known=None) -> list[str]      final addresses, [] when no line concerns it;
                                                    Temp 4.4.6 on a circle
        .exact(address) -> list[str] | None         the line of exactly this address, one step
        .pattern(address) -> list[str] | None       patterns, then the domain's catch-all, one step
        .steps(address, known) -> iterator of (address, targets or None, depth)     to explain

    verify.check(user | None, password) -> bool     blocking and slow: conn.offload it; None costs the same time
    verify.hashed(password) -> str                  "{ARGON2ID}$argon2id$..."
    verify.set_password(user, password, iterations)                 hash and SCRAM keys of a User
    edit.add(home, User(address, hash, fields={...}))               under the lock, durable; Perm when it exists
    edit.change(home, address, update) -> User      update(user) changes it in place; Perm when there is none
    edit.remove(home, address) -> User

Logging in, for a session (see users/login.py). Either returns the User or raises `login.Refused`, which has
.kind, .text, and the codes of each protocol: .smtp ("535 5.7.8"), .imap ("AUTHENTICATIONFAILED"), .pop3 ("AUTH").
Both write the log line, keep the throttle's files and wait out its delay.

    login.mechanisms(conn, home) -> list[str]       what to advertise now; [] where logging in is not allowed (no TLS)
    login.plain_allowed(conn, home) -> bool         USER/PASS, LOGIN, AUTH may be used on this connection
    await login.login(conn, home, address, password) -> User
    await login.authenticate(conn, home, mechanism, initial, exchange) -> User
        mechanism: as the client wrote it.
        initial: the base64 initial response as it came (b"=" is the empty one), or None.
        exchange: async (challenge: bytes) -> bytes; the challenge is base64 already: write b"334 " + challenge or
        b"+ " + challenge, a CRLF, flush, return the client's next line without its line end. "*" and bad base64
        are seen here.

A server's part is then, in SMTP:

    async def exchange(challenge: bytes) -> bytes:
        conn.write(b"334 " + challenge + b"\\r\\n"); await conn.flush(); return await next_line()
    try:
        user = await login.authenticate(conn, home, word, initial, exchange)
    except login.Refused as refused:
        reply(f"{refused.smtp} {refused.text}")
"""
