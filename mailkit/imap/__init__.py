"""The IMAP server: RFC 3501 (IMAP4rev1), RFC 9051 (IMAP4rev2) and their extensions.

`wire`       octets to commands and arguments; pure, no files, no sockets.
`responses`  values to octets: quoting, literals, flags, sets, capability lines; pure.
`session`    one connection: its state and the loop that reads a command and runs it.
`commands`   one file per command, found through one table of strings.
`view`       what one session was told about its selected folder: sequence numbers, what is to be announced.

The store is `mailkit.maildir`, logins are `mailkit.users.login`; nothing here touches a file of its own.
"""
