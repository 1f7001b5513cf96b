"""The domain name system, as mail needs it.

    answer    Answer: what a look-up gave, and for how long it holds
    resolve   Resolver: mx, addresses, ptr, txt, tlsa; a cache that honours TTLs
    cache     bounded, least recently used goes first
    query     one question to a recursive name server, over dnspython (imported at the first question)

A name that does not exist, or has nothing of the kind asked for, is an answer without records. No answer
at all (time-out, SERVFAIL) is Temp with code 4.4.3, so that nobody takes trouble for "no". Look-ups
block: sessions call them through `conn.offload`.
"""
