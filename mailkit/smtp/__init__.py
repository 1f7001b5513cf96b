"""SMTP, submission and LMTP (RFC 5321, RFC 6409, RFC 2033).

    wire      the receiving engine: command lines, DATA and BDAT text (sans-I/O, both for tests and server)
    reply     replies as values: formatting for the server, parsing for the client
    params    the table of MAIL and RCPT parameters
    session   one connection: state, the loop, the table of verbs in verbs/
    client    the sending side

What is stored, delivered or looked up lives elsewhere: queue/, deliver/, users/.
"""
