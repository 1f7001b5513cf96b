"""The IMAP server: RFC 3501 (IMAP4rev1), RFC 9051 (IMAP4rev2) and their extensions.

`wire`       octets to commands and arguments; pure, no files, no sockets.
`responses`  values to octets: quoting, literals, flags, sets, capability lines; pure.
`session`    one connection: its state and the loop that reads a command and runs it.
`commands`   one file per command, found through one table of strings.
`news`       what a client is told about its selected folder, and when; `following` NOTIFY, with `survey`.
`identity`   who is logged in.
`selection`  the selected folder; sequence and UID sets against it.
`pieces`     what the folder's index keeps of each message for FETCH and SEARCH.
`matching`   SEARCH keys against messages; `savedate` when they came into the folder.
`filters`    searches that have a name.
`contexts`   searches that go on; `fuzzy` those of words as people remember them.
`texts`      what a message says to SEARCH; `narrowing` what the full-text index knows of it, `filling` how it does.
`sections`   message files as FETCH sends them.
`target`     the folder that is written to, kept open; `incoming` the messages that come with a command.
`catenate`   messages put together of others; `sources` the folders they are in; `authorized` URLs for others.
`listing`    which folders answer a LIST; `tree` what can be wrong with their names.
`ordering`   values to sort by; `facts` those that are kept as numbers.
`threads`    what THREAD makes of them; `subject` and `references` what that needs.
`forest`     which folders there are: the user's, others', public ones; where they are, who may do what with them.
`acl`        their rights as clients say them; `sharing` what all users share.
`metadata`   annotations of folders and of the server.
`modseq`     CONDSTORE and QRESYNC; `uidonly` no message numbers.
`room`       quota.
`progress`   INPROGRESS; `limits` MESSAGELIMIT.
`deflate`    COMPRESS.

The store is `mailkit.maildir`, logins are `mailkit.users.login`; nothing here touches a file of its own.
"""
