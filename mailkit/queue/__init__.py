"""The queue: messages that were accepted and are not delivered to everybody yet.

    entry   the envelope at the head of a queue file: values to bytes and back
    name    the file name: due time, attempts, id, size
    inject  Spool: a new entry, streamed in, durable when commit returns
    recovery    what writers left in tmp/: accepted or not
    claim   Claim: one entry under its lock: mark recipients, defer, finish, put aside
    listing what waits, from the names alone
    inspection    what people want to know of entries, and may do to them
    watch   names that appear, by inotify
    drop    messages from users who have no rights on the queue
    spare   files that are written again

The directories and who may do what in them are the truth table of mailkit-queue(5). Nothing here knows how mail is
delivered; nothing outside this package writes into HOME/queue.
"""
