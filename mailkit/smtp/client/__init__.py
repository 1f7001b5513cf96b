"""The sending side of SMTP and LMTP (RFC 5321, RFC 2033): a dialogue over a connection that somebody else opened.

    dialogue      Dialogue: commands out, replies in, every wait limited; Broken when the connection is of
    no more use hello         greeting, EHLO (or HELO, LHLO), STARTTLS; what the server offers login
    AUTH, for smarthosts body          the message in a file: what it holds, and its octets as DATA or
    BDAT wants them transaction   MAIL, RCPT, the message: one Result per recipient

A session in short:

    talk = Dialogue(conn, limits)
    await hello.greet(talk, me)                      Refused when the server does not want us
    await hello.starttls(talk, me, name, verify)
    results = await transaction.send(talk, mail, recipients)
    await talk.quit()

Which server, and what a reply means for the message in the queue, is decided in deliver/remote.
"""
