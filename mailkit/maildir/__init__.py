"""The Maildir store: messages as files, folders as directories, UIDs in Dovecot's own files, a cache beside them.

Truth is what the directories and Dovecot's files say (mailkit-maildir(5)); the index is a cache that may be deleted at
any time (mailkit-index(5)). Any other program may change a Maildir at any moment; the next `Folder.sync` sees it.
Paths and names are str with surrogateescape, flags of file names are letters ("FS"), sizes are octets.

names    unique() -> str                            a name nobody else makes
         parse(filename) -> (base, flags)           "a,S=3:2,FS" -> ("a,S=3", "FS"); never fails
         with_flags(base, flags) -> str             letters sorted, ":2," always there
         with_sizes(base, size, wire_size) -> str   ",S=...,W=..." added
         sizes(filename) -> (size, wire_size)       None where the name does not say
         received(filename) -> int                  seconds in front of the first dot, 0 without
save     Delivery(maildir, folder="")               streams one message into tmp/; makes what is missing of the Maildir
           .write(data)                             any chunks; LF or CRLF stay as they are; OSError
           .size, .wire_size                        octets as written, and with every line end as CRLF
           async .commit(flags="", keywords=(), internaldate=None, cur=False) -> path
                                                    durable in new/, or in cur/ when there are flags or `cur`; OSError
           .abort()                                 leaves nothing; also after a failed commit; `with` does it too
         async share(source, maildir, folder="") -> path     another Maildir gets the same message: link, or copy
         clean(folder_path) -> int                  removes tmp/ files of 36 hours and more
tree     Tree(maildir)                              names are str with "/" between levels: "INBOX", "Sent/2024"
           .path(name) -> str                       directory of a folder, there or not; ValueError: not a usable name
           .exists(name), .names() -> [str]         selectable folders, INBOX first
           .create(name), .delete(name), .rename(old, new)      ValueError (text for the client), FileExistsError,
                                                    FileNotFoundError. rename of INBOX moves its messages: offload it
           .subscriptions() -> set, .subscribe(name), .unsubscribe(name)
           .special() -> {name: "\\\\Sent", ...}, .set_special(name, use)       RFC 6154
         create(maildir)                            new Maildir with the standard folders, subscribed
acl      rights(directory, Who) -> "lrs"            what somebody may do with a folder: Dovecot's dovecot-acl; log line
         read, granted, change, inherit             its entries
metadata read(path) -> {name: value}                annotations (RFC 5464), from the file metadata.NAME of a folder
         change(path, {name: value or None})        all or none; metadata.Full
facts    read(directory, uidvalidity) -> Facts, write(...)      columns to sort and thread by, a cache
accesskey  read(directory) -> key | None, ensured(directory) -> key, forget(directory)      of URLs (RFC 4467)
folder   open(path) -> Folder                       shared by every session of this process; .close() when done
         status(path) -> state.State                STATUS without opening, from the tail of mailkit-log where it may
           .messages .uidnext .uidvalidity .unseen .deleted .fresh (recent) .highestmodseq .guid
           .size .unsized                           sum of the sizes that are known; how many are not
Folder   .stale() -> bool                           cheap (five stats): something changed on disk; then
         .sync()                                    blocking: conn.offload(folder.sync)
         .settle(changes)                           after so many changes of our own: list again, for whoever comes next
         .view(readonly=False) -> View              SELECT / EXAMINE (runs sync first; blocking)
         .uidvalidity .uidnext .highestmodseq .guid(hex) .writable
         .table                                     columns, see `table.Table`: .uids .marks .modseqs are arrays in UID
                                                    order; take it once per command, it is replaced when rows go
         .row(uid) -> int | None                    index into the columns, by bisection
         .flags                                     dict marks -> b"\\\\Seen $Junk" (no parentheses), made when asked:
                                                    a FETCH FLAGS of 100,000 is a dict look-up each
         .mask(names, create=True) -> int           b"\\\\Seen", b"$Junk" ... -> bits of `marks`; `keywords.Full` when
                                                    26 keywords are taken; unknown ones count 0 without create
         .commit_if_idle(entries) -> bool           journal entries, when that makes nobody wait
         .keywords -> list[bytes]                   defined keywords, for FLAGS / PERMANENTFLAGS
         .parts(table, rows, kinds, build, also=()) -> list          cached pieces, see below
         .having(table, rows, kind, octets, build) -> [(row, piece)]     those that contain octets
         .open_file(uid) -> int                     descriptor of the message; FileNotFoundError: it is gone
         .path(uid) -> str, .received(uid) -> int, .size(uid) -> int (octets as CRLF; reads the file if it must)
         .store(uids, add=0, remove=0, unchanged_since=None) -> Stored(changed, refused, missing)    lists of uids;
                                                    set exactly: store(uids, add=mask, remove=~mask)
         .expunge(uids, having=0) -> list of uids   unlinked; `having`: flags without which a message stays
         async .append([(delivery, mask, internaldate)], offload=None) -> [uid]       durable when it returns
         async .copy(uids, target, offload=None) -> (uids, new_uids), async .move(...) likewise; offload: conn.offload
         .vanished(since_modseq, uids) -> list      which of `uids` (sorted list or range) are expunged; with the
                                                    history whole only those since; else all that are missing
View     .uids, .count                              message n has uids[n-1]; only the first `count` belong to the view
         .valid                                     False: UIDVALIDITY changed under it; close the session
         .recent                                    set of uids that are \\\\Recent in this session
         .readonly, .folder
         .seq(uid) -> int | None, .span(first_uid, last_uid) -> range of numbers
         .rows(first, last) -> (table, rows)        rows of messages first..last; a range when nothing is pending,
                                                    else a list with -1 for messages that are expunged but not yet told
         .changes(expunges=True) -> Changes         after folder.sync() or at any time: what to tell, in order:
           .expunged                                uids (for VANISHED); .sequence: their numbers in the order to send
           .exists                                  new count or None
           .changed                                 [(seq, uid)] whose flags changed, others' doing
         .mute(uids)                                forget own changes: STORE.SILENT, or told already
ahead    opened(folder, table, rows) -> (row, descriptor or OSError) of each; for files that are read in a row
mates    crew.offer(start, build)                   processes that make missing pieces and answers; see there
Pieces   kinds are numbers 0..7 of your choice; build(message, made, kinds) fills in those of `kinds` that are b"" in
         the list `made`, none of them empty; message: `reading.Reading` (.head, .data, .received, .size). They are
         stored one behind the other and cached as they are. Give each wire piece a leading space and put what is
         fetched together next to each other: parts(table, rows, (0, 1, 2), build) is then one slice for each row.
         `parts` gives bytes, or None for a message that cannot be read. Rows that miss it are built (slow: ~0.05 ms):
         call it for at most some hundred rows between two `flush`. Changed the meaning? Raise `pieces.EDITION`.
"""
