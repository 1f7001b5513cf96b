"""The log read again: what `mailkit.log` wrote, behind whatever the journal, syslog, multilog or mailkit-up put there.

    line      Line: one event, its time, program, word and fields
    source    Source: files, standard input, the journal; read in pieces, and only lines that can matter are parsed
    life      Life: the events of one message, or of one refused connection, in order
    words     an event as a sentence

What lives here only reads. The words and fields are those of mailkit-log(7).
"""
