"""Internet mail as values: octets in, values out; no file, no clock, no socket is touched here.

Everything that reads what other people sent is total: it answers something sensible for any octets and
takes time in proportion to them. Everything that reads what a peer must say exactly (an SMTP path, an IMAP
date, xtext) raises ValueError with a sentence fit for a reply. Importing any of these modules imports nothing
of the standard library that a bare interpreter has not loaded, but `binascii`. "Octets" are `bytes`; an mmap or a
memoryview is turned into bytes by its owner. Line ends are LF (on disk) or CRLF (on the wire), also mixed.

header       split(data) -> (block, body)        block: the fields with their line ends, without the empty line
             body_start(data, start=0, end=None) -> int      just past the empty line; `end` where there is none
             fields(block, names=None) -> [(name, value)]    name as written, value unfolded and stripped, bytes
             Wanted(names)                                   which fields the next two look for; made once
             keyed(block, wanted) -> [(name, value)]          the same with lower-case names
             picked(block, wanted) -> (names, fields)         the fields as they are written, each with CRLF
             raw_fields(block) -> [bytes]        whole fields with folds and line ends; joined they are the block
             values(block, name) -> [bytes]      unfolded; name is bytes in any case: b"Subject"
             value(block, name) -> bytes | None  the first
             delivered_to(block) -> [str]        addresses of Delivered-To fields, lower case
             only(block, names), without(block, names) -> bytes      fields kept as they are written
             replaced(block, field), appended(block, field) -> bytes
                                                 field: b"Name: value\\n" in one or more lines, see `field`
             field(name, text, line_end=b"\\n") -> bytes      a new unstructured field: encoded words, folded
             structured(name, content) -> bytes  a new field, folded, nothing encoded
             text(value) -> str                  encoded words and raw 8-bit decoded, one line, never fails
word         decode(value) -> str                RFC 2047 (what header.text uses), never fails
             encode(text, first=0) -> bytes      ASCII as it is, else encoded words joined by "\\n "
charset      decode(data, name) -> str           never fails; wrong, unknown or dangerous names are dealt with
comment      removed(value) -> bytes             each comment of a structured value becomes a blank
parameter    parse(value) -> (bytes, [(bytes, bytes)])       b"text/plain"; values as written, names lower case
             joined(parameters) -> the same      continuations put together: b"filename*"
             plain(content) -> bytes             charset'language'%41 without its coding
             decoded(value) -> (str, {str: str}) RFC 2231 and encoded words decoded; lower case keys
address      Mailbox(local, domain)              str(mailbox) is the wire form, .local unquoted, .domain as given
             path(argument, utf8=False) -> (Mailbox | None, rest)    b"<a@b> SIZE=1": None is the null path <>;
                                                 domain "" is <postmaster>; ValueError
             mailbox(text) -> Mailbox            "a@b", '"a b"@[192.0.2.1]'; ValueError
             canonical(text) -> str              to compare and look up: lower case, no needless quotes, A-labels;
                                                 ValueError
addresslist  entries(value) -> [(name, route, local, domain)]        the four of an IMAP address, bytes | None;
                                                 groups as RFC 9051 7.5.2 marks them
             mailboxes(value) -> [(display name, "local@domain")]    decoded, groups flattened, never fails
             formatted(display, address) -> bytes        for a From or To of ours
idn          ascii(domain), display(domain) -> str       A-labels (ValueError) / U-labels (never fails)
date         parse(value) -> (seconds, zone minutes) | None          RFC 5322 and what people write instead
             text(seconds, zone=0) -> str        "Fri, 21 Nov 1997 09:55:06 -0600"
             internal(seconds, zone=0) -> str    "21-Nov-1997 09:55:06 -0600" (IMAP, without the quotes)
             parse_internal(text) -> (seconds, zone); parse_day(text) -> int     "1-Feb-1994"; ValueError
             sent_day(value) -> int | None       the day a Date field says, for SENTON; days since 1970-01-01
             day(seconds, zone=0) -> int         the same number for an internal date
mutf7        encode(name) -> bytes, decode(octets) -> str    RFC 3501 5.1.3; loses nothing for any octets
             broken(name) -> bool                holds octets that are not modified UTF-7: refuse to create it
mime         scan(data) -> Part                  tree of parts, see the class: offsets, sizes as if CRLF, types
             fields(block) -> {name: value}      what `Part.fields` is with this header
             size(data) -> int                   octets as if CRLF: RFC822.SIZE
             crlf(data) -> bytes                 every line end as CRLF
             partial(data, start, end, origin, octets) -> bytes      a cut of crlf(data[start:end])
             windows(data, start, end) -> iterator of bytes          the same in pieces
memo         Memo(make)                          a bounded dict that makes what it lacks: mail repeats itself
structure    envelope(part), bodystructure(part), body(part) -> bytes      IMAP wire form
             envelope_of(fields) -> bytes        the same from `Part.fields`
             string(value), nstring(value) -> bytes      quoted, or a literal where it must be
section      fetch(data, root, path, what, names=()) -> bytes | None      path [1, 2]; what "", "MIME", "HEADER",
                                                 "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT"; CRLF
             span(root, path, what) -> (start, end) | None       the same as offsets, for `mime.partial`
             find(root, path) -> Part | None
content      decoded(data, part) -> bytes        transfer encoding undone (BINARY), never fails
             known(part) -> bool                 the encoding is one of RFC 2045 (else UNKNOWN-CTE)
             text(data, part) -> str             the same as text, never fails
             texts(data, root) -> iterator of str        every text part, for SEARCH BODY
collation    folded(text) -> str                 as it is compared without regard to case (i;unicode-casemap)
             sorting(folded text) -> str         as it is sorted
binary       storable(data) -> bytes             binary parts in base64 where they need it; ValueError: NUL elsewhere
             lines_hold(octets) -> bool
dsn          xtext(text), unxtext(text) -> str; notify(text) -> tuple; ret(text), envid(text) -> str;
             orcpt(text) -> (type, address); recipient(type, address, utf8=False) -> str
                                                 SMTP parameters (RFC 3461, 6533); ValueError
             per_message(...), per_recipient(...) -> bytes       the fields of RFC 3464, LF
             status(text) -> (class, subject, detail) | None; meaning(text) -> str       RFC 3463
"""
