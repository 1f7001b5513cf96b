"""Delivery: what becomes of a message for one address.

Which way, and when:
    route          judge(home, address): for RCPT, for the runner, for people who ask
    schedule       when to try again, when to tell the sender, when to give up
    destinations   how many deliveries one destination gets at once
    runner         the queue, worked on by one process
    attempt        one attempt at one queue entry
    outcome        what came of it for one recipient
    notice, bounce who is told what, and the text of it

To users here:
    local          by alias, dot file or into the Maildir, with the header lines that belong there
    task, message  the delivery in hand: for whom, from whom; the octets
    dotfile, instructions, pipe, mbox    a user's own instructions: read, obeyed, programs, mbox files
    forward        on to other addresses, as a new queue entry
    quota, fullness, duplicates          what is not taken, and who is told
    identity, work whose rights it has; what must not hold up the event loop
    intake, compose    messages from standard input, for mailkit-local and mailkit-sendmail

Elsewhere:
    remote         by SMTP
"""
