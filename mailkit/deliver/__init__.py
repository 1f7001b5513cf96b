"""Delivery: what becomes of a message for one address.

route     which way an address goes: judge() for RCPT, the runner and people who ask
local     into a user's Maildir, with the header lines and checks that belong there
dotfile   .qmail and .forward: a user's own instructions
pipe      a program that gets the message on standard input
message   the message being delivered: its header in memory, the rest in a descriptor
outcome   what came of it
schedule, destinations, runner    when the queue is worked on, and by how many at once
remote, bounce    out by SMTP, and reports to senders
"""
