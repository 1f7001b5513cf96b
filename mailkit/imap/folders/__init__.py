"""Mailboxes by name: which there are, whose they are, who may do what with them, and what is kept beside their mail.

`forest`     the folders a session can name: the user's, others', public ones; where they are, with what rights.
`tree`       what can be wrong with a name, as IMAP says it.
`listing`    which folders answer a LIST.
`acl`        their rights as clients say them; `sharing` what all users share.
`metadata`   annotations of folders and of the server.
`room`       quota.
`survey`     the names at one moment, and what has changed since; `following` NOTIFY.
`target`     the folder that is written to, kept open.
"""
