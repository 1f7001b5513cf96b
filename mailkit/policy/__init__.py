"""Who may send us what: checks that smtpd asks at fixed moments of a session.

    facts      Facts: all that is known of a session so far; what a check is given
    message    Held: the message at the moment data
    verdict    Verdict: reject, defer, junk, header or accept, with the words for the peer and for the log
    chain      Chain: the table of checks, their order and switches (control/policy), time budget, failures
    networks   lists of addresses and networks in control files

One check is one module, named in `chain.CHECKS`, with one function for each moment it wants to be asked at:

    async def rcpt(facts: Facts) -> Verdict | None

Moments: connect (before the greeting), helo, mail, rcpt (once for each), data (the whole message is here, nothing is
accepted yet), accepted (it is in the queue: time to count it, too late to refuse it). None means no objection. What
blocks goes through `facts.offload`. A check that raises is logged and passed over: trouble of ours never costs
anybody a message, unless control/policy says `must`.
"""
