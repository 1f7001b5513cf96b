"""The table of control values: every name, what it means and who reads it.

One value = one row here and one entry in mailkit-control(5); a test holds the two together. `mailkit-showctl`
prints the table.
"""

from __future__ import annotations


class Value:
    """One row. kind: text, number, flag, seconds, octets or list. safe: a bad file may be answered with the default
    (and a log line) because that opens nothing; otherwise the program that asks refuses to work."""

    __slots__ = ("default", "kind", "meaning", "name", "safe", "users")

    def __init__(self, name: str, kind: str, default: str, meaning: str, users: str, safe: bool = True) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.users = users
        self.safe = safe


ROWS = (
    # Who we are
    Value("me", "text", "localhost", "this host's full name, as in greetings, HELO and Received", "all"),
    Value("domains", "list", "", "domains whose mail is delivered here", "smtpd runq local adduser"),
    # Serving
    Value("listen", "list", "", "sockets that mailkit-up opens: NAME ADDRESS PORT a line", "up", safe=False),
    Value("workers", "number", "0", "processes per listening server; 0 means one per processor", "smtpd imapd pop3d"),
    Value("maxconn", "number", "1000", "connections one worker serves at once", "smtpd imapd pop3d"),
    Value("maxperip", "number", "50", "connections one address (IPv6: one /64) may have open in a worker; 0: no limit",
          "smtpd imapd pop3d"),
    Value("proxyfrom", "list", "", "front ends, as addresses and networks, that send a PROXY protocol header",
          "smtpd imapd pop3d", safe=False),
    Value("stopgrace", "seconds", "30", "time that open sessions get to finish after SIGTERM",
          "smtpd imapd pop3d runq"),
    Value("idlestop", "seconds", "0", "under systemd or inetd (wait): a server that nobody needs for so long ends, "
          "and is started again by the next connection; 0 is never", "smtpd imapd pop3d"),
    Value("pollseconds", "seconds", "30", "how often to look at directories that inotify may not see",
          "imapd runq"),
    # Rights
    Value("landlock", "flag", "yes", "hold programs to the paths of mailkit-security(7), where the kernel can",
          "smtpd imapd pop3d runq"),
    Value("confinepaths", "list", "", "further paths that a program may use: PROGRAM PATH RIGHTS a line",
          "smtpd imapd pop3d runq", safe=False),
    Value("separate", "text", "own", "who is served in a process of their own: own (users with a uid), all",
          "imapd pop3d", safe=False),
    Value("sessionmemory", "octets", "1G", "memory of a process that serves one user; 0: no limit", "imapd pop3d"),
    # Addresses and the queue
    Value("separators", "text", "+", "characters that may start the extension of a local part",
          "smtpd runq local"),
    Value("postmaster", "text", "", "address for postmaster and abuse of every hosted domain that has none",
          "smtpd runq local"),
    Value("duplicates", "seconds", "0", "how long a Message-ID is remembered, to deliver it once; 0: no such thing",
          "runq local"),
    Value("quotawarnings", "text", "80 95", "percent at which a user hears that the mailbox fills up",
          "runq local"),
    Value("dotfiles", "flag", "yes", "obey .qmail and .forward files of users and domains", "smtpd runq local"),
    Value("dotprograms", "flag", "yes", "let dot files start programs", "runq local"),
    Value("programtime", "seconds", "5m", "how long a program of a dot file may take", "runq local"),
    Value("spares", "number", "1000", "files of finished queue entries kept to be used again; 0: none", "runq"),
    Value("retryfirst", "seconds", "5m", "wait after the first failed attempt; each one doubles it", "runq"),
    Value("retrymost", "seconds", "4h", "longest wait between attempts", "runq"),
    Value("delaynotice", "seconds", "4h", "when a sender hears that mail is delayed; 0: never", "runq"),
    Value("giveup", "seconds", "5d", "when mail that cannot be delivered goes back", "runq"),
    Value("concurrencylocal", "number", "100", "queue entries worked on at once, besides those that go out",
          "runq"),
    Value("concurrencyremote", "number", "100", "connections to other servers at once", "runq"),
    Value("concurrencydestination", "number", "20", "connections to one domain at once", "runq"),
    # The way out
    Value("dnsservers", "list", "", "name servers to ask, ADDRESS[:PORT]; none: those of /etc/resolv.conf",
          "runq remote smtpd"),
    Value("dnstimeout", "seconds", "10", "how long one question to the name servers may take",
          "runq remote smtpd"),
    Value("dnstrust", "flag", "no", "believe DNSSEC results (the AD bit) of name servers on other machines",
          "runq remote smtpd", safe=False),
    Value("routes", "list", "", "where mail for other domains goes, see mailkit-routes(5)", "runq remote"),
    Value("routelogins", "list", "", "NAME USER PASSWORD a line, for routes with login=NAME", "runq remote"),
    Value("remotetls", "text", "may", "TLS to other servers: off, may, require or verify", "runq remote",
          safe=False),
    Value("helohost", "text", "", "name we give in EHLO to other servers; none: control/me", "runq remote"),
    Value("sourceaddresses", "list", "", "addresses to connect from, one of each family", "runq remote"),
    Value("connecttimeout", "seconds", "30", "how long a server may take to accept a connection", "runq remote"),
    Value("remotetimeout", "seconds", "5m", "how long a server may take to answer a command", "runq remote"),
    Value("datatimeout", "seconds", "10m", "how long a server may take to answer after the end of a message",
          "runq remote"),
    Value("remotelimit", "seconds", "1h", "how long one message may take on one connection, in all",
          "runq remote"),
    Value("bouncesize", "octets", "50K", "how much of a message goes back in a report; 0: its header only",
          "runq"),
    # IMAP
    Value("appendlimit", "octets", "50M", "largest message that an IMAP client may store", "imapd"),
    Value("language", "text", "i-default", "language of texts for IMAP and POP3 clients that leave the choice to us",
          "imapd pop3d"),
    Value("fulltext", "flag", "yes", "use and fill the full-text index of folders, for SEARCH BODY and TEXT", "imapd"),
    Value("messagelimit", "number", "0", "messages one IMAP command deals with, better 1000 or more; 0: any number",
          "imapd"),
    Value("savelimit", "number", "0", "messages one APPEND or COPY of IMAP stores; 0: any number", "imapd"),
    Value("imapmetadata", "list", "", "what IMAP clients are told of the server: /shared/NAME VALUE a line", "imapd"),
    Value("mailboxes", "number", "10000", "folders that IMAP clients of one user may make; 0: no limit", "imapd"),
    Value("publicquota", "octets", "0", "what the public folders of a domain may hold together; 0: no limit", "imapd"),
    Value("sharing", "text", "domain", "who may share folders with each other: no, domain (users of one) or all",
          "imapd shares", safe=False),
    # Logging in
    Value("clearauth", "flag", "no", "allow logging in without TLS on connections from this machine",
          "smtpd imapd pop3d", safe=False),
    Value("mechanisms", "list", "", "SASL mechanisms to offer; none: all there are", "smtpd imapd pop3d", safe=False),
    Value("channelbinding", "flag", "no", "bind SCRAM logins to the TLS connection by tls-exporter; takes the extra "
          "channelbinding", "smtpd imapd pop3d"),
    Value("authdomain", "text", "", "domain added to a login name that has none", "smtpd imapd pop3d"),
    Value("authdelay", "seconds", "15", "longest wait after a failed login; 0: none", "smtpd imapd pop3d"),
    Value("authwindow", "seconds", "15m", "how long after the last failed login they are all forgotten",
          "smtpd imapd pop3d"),
    Value("authperaddress", "number", "20", "failed logins after which an address is refused; 0: no limit",
          "smtpd imapd pop3d"),
    Value("authperaccount", "number", "50", "failed logins after which an account is refused; 0: no limit",
          "smtpd imapd pop3d"),
    Value("authmemory", "seconds", "5m", "how long a right password is remembered, in memory only; 0: not at all",
          "smtpd imapd pop3d"),
    Value("authupgrade", "flag", "no", "store a weak password anew, with SCRAM keys, when its user logs in",
          "smtpd imapd pop3d"),
    Value("verifications", "number", "4", "passwords checked at once, by all processes; 0: no limit",
          "smtpd imapd pop3d"),
    Value("scramiterations", "number", "10000", "PBKDF2 rounds of new SCRAM keys; 0: store none",
          "adduser passwd smtpd imapd pop3d"),
    # POP3
    Value("apop", "flag", "no", "offer APOP, for users whose password is stored in {PLAIN}", "pop3d"),
    Value("pop3delay", "seconds", "0", "least time between two POP3 logins of a user (LOGIN-DELAY)", "pop3d"),
    Value("pop3expire", "number", "0",
          "days after which the site removes messages, told to POP3 clients (EXPIRE); 0: never", "pop3d"),
    # smtpd
    Value("databytes", "octets", "50M", "largest message accepted; 0 means no limit", "smtpd"),
    Value("maxheader", "octets", "256K", "largest header accepted", "smtpd"),
    Value("maxhops", "number", "100", "Received and Delivered-To fields after which a message is in a loop", "smtpd"),
    Value("maxrcpt", "number", "1000", "recipients of one message", "smtpd"),
    Value("maxmessages", "number", "1000", "messages in one connection", "smtpd"),
    Value("maxcommands", "number", "100", "commands in a row that bring no message nearer", "smtpd"),
    Value("softerrors", "number", "5", "refusals in a row that are answered without delay", "smtpd"),
    Value("maxerrors", "number", "30", "refusals in a row after which the connection is closed", "smtpd"),
    Value("tarpit", "seconds", "1", "delay added for each refusal beyond softerrors", "smtpd"),
    Value("smtptimeout", "seconds", "5m", "how long a client may be silent", "smtpd"),
    Value("earlywait", "number", "100", "milliseconds the greeting waits for clients that talk first", "smtpd"),
    Value("holdmost", "seconds", "7d", "longest time a user may hold a message back (FUTURERELEASE); 0 means never",
          "smtpd"),
    Value("hideclient", "flag", "yes", "keep the address of who submits out of Received", "smtpd"),
    Value("vrfy", "flag", "no", "answer VRFY and EXPN truthfully", "smtpd"),
    Value("sendas", "list", "", "further sender addresses of users: USER ADDRESS... a line", "smtpd"),
    Value("relayfrom", "list", "", "addresses and networks that may send anywhere without login", "smtpd", safe=False),
    Value("relayto", "list", "", "domains, .domains below them, and addresses whose mail is taken from anybody and "
          "sent on, by MX or by routes", "smtpd"),
    Value("barefrom", "list", "", "addresses and networks whose bare CR and LF are repaired", "smtpd", safe=False),
    Value("xclientfrom", "list", "", "addresses and networks that may use XCLIENT and XFORWARD", "smtpd", safe=False),
    Value("policy", "list", "early\nrelay\nhelo\nfcrdns note\nrate", "checks, in order: NAME [MODE] a line", "smtpd",
          safe=False),
    Value("policytime", "seconds", "30", "time the checks of one moment may take together", "smtpd"),
    Value("rate", "list", "account hour 500\naccount day 2000\naccount recipients 5000",
          "limits of the check rate: account|address hour|day|recipients NUMBER a line", "smtpd"),
    Value("policycommand", "list", "", "programs that the check command asks: MOMENT COMMAND a line", "smtpd",
          safe=False),
    Value("milters", "list", "", "milters the check milter asks: inet:HOST:PORT or unix:PATH a line", "smtpd",
          safe=False),
)  # fmt: skip

TABLE = {row.name: row for row in ROWS}
