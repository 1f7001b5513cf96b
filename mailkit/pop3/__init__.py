"""POP3 (RFC 1939): the engine of the wire, the maildrop, the session and its verbs.

    wire       octets to commands, messages to octets; knows no socket and no file (layer 2)
    maildrop   one INBOX as a POP3 session sees it: numbered, fixed, deleted from only at the end
    session    one connection from greeting to end
    verbs/     one file per reason to change; verbs.TABLE has one row per command
"""
