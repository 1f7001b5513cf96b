"""The IMAP server: RFC 3501 (IMAP4rev1), RFC 9051 (IMAP4rev2) and their extensions.

`wire`       octets to commands and arguments; pure, no files, no sockets.
`session`    one connection: its state and the loop that reads a command and runs it; `intake` waits for the client.
`commands`   one file per command, found through one table of strings.
`capability` what CAPABILITY says.
`messages`   messages in and out: the parts that FETCH asks for, what APPEND brings.
`searching`  which messages are meant: SEARCH, SORT, THREAD.
`folders`    mailboxes by name: which there are, whose, with what rights and annotations.
`selection`  the selected folder; sequence and UID sets against it; `flags` of its messages.
`news`       what a client is told about its selected folder, and when.
`modseq`     CONDSTORE and QRESYNC; `uidonly` no message numbers.
`identity`   who is logged in.
`responses`  values to octets: quoting, literals, flags, sets, status lines; pure.
`replies`    status lines with a text for people, in the language they chose.
`progress`   INPROGRESS; `limits` MESSAGELIMIT.
`deflate`    COMPRESS.

The store is `mailkit.maildir`, logins are `mailkit.users.login`; nothing here touches a file of its own.
"""
