"""Which messages have a text in them: an index of the words of a folder's messages, kept in the folder.

It is a cache. It may be deleted at any time, also under running sessions; a search then reads the messages again, and
somebody fills it anew. What it says is exactly what reading every message would say, or "read this one".

words    words(text) -> set                        the words of folded text, in octets
         Query(field, needle, name=b"")            what is looked for: HEADER, BODY or TEXT (either), folded UTF-8;
                                                   name: of a header field that must be there
           .parts                                  none: no index knows, every message must be read
draft    Draft()                                   a segment in the making, in memory
           .add(uid, header, body)                 folded texts; too much text counts as add_unread
           .add_unread(uid)                        a message that every search has to read itself
           .octets, .full                          of text; no more should go in
segment  Segment(path)                             one file of the index: see there for its format; Damaged
store    Store(directory, uidvalidity)             the segments of one folder (its Maildir directory)
           .covered() -> set                       UIDs that need not be read
           .search(queries) -> Search              .step() until it is False; .covered, .sure[query], .maybe[query]
           .lock() -> bool, .unlock()              only one fills; nothing depends on it but work done twice
           .add(draft), .tidy(alive)               OSError
         delete(directory)
rating   Rating(store, field, rate, mean)          the same for words that are like others, as the caller finds them

**Why words.** A segment holds the sorted words (runs of letters, digits and anything beyond ASCII) of some thousand
messages as one block of octets, and for each word the messages that have it. A needle is looked for in the block with
`bytes.find`: "otat" finds "quotation" and "rotate", so that the substring meaning of IMAP (RFC 9051 section 6.4.4)
holds. A needle that is one word, or part of one, as most are, needs no message to be read. Of "hello, world" the index
knows who has a word that ends in "hello" and one that begins with "world"; those are read.

Compared with FTS5 of SQLite (trigrams, contentless, `detail=none`, which gives candidates only), in octets of index per
octet of text and time to add a message, on one CPU of the machine of contrib/bench/RESULTS.md:

                                        words             FTS5, none        FTS5, full (exact)
    bench corpus, 2.5 KB of text        0.09   0.1 ms     0.36   0.1 ms     2.3   0.2 ms
    prose, code and HTML, 6.6 KB        0.4    0.6 ms     0.64   2.9 ms     2.9   2.9 ms
    "option": candidates, of 2,892      2,892             3,037             2,892

FTS5 answers a rare needle of that corpus in 0.5 ms where this takes 4 ms: time grows with the words in all (about
150 ms for 100,000 messages of that kind, which take 10 s to read). In return every search of a frequent word would read
the messages it found. Nor could the file be shared by machines: the locks of SQLite do not hold on every network file
system, and a broken database is lost as a whole.

**Why per folder.** IMAP searches one folder; a folder that is renamed, deleted, shared or copied takes its index along;
and the keys are its UIDs, which nobody else has to keep. A message that is moved is read once more, which is cheap.

**Why many files.** A segment is written once, under a name nobody else makes, and never changed. So there is no moment
at which the index is half written, readers need no lock, two writers can at worst do the same work twice (`tidy` sees
to that), and damage costs one segment. A writer joins small segments with what it adds, as long as they are not much
larger: there are few small ones, and each word is copied a few times only. Nothing is fsynced.

What an expunged message said stays in its segment until a quarter of the segment's messages are expunged and the index
is filled the next time; delete the directory to be rid of it at once.
"""
