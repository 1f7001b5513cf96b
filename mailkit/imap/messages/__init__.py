"""Messages in and out: the parts of them that FETCH asks for, and new ones that APPEND brings.

`pieces`     what the folder's index keeps of each message for FETCH and SEARCH.
`mate`       a process that makes these for a worker, at the first look at a large folder.
`sections`   message files as FETCH sends them; `preview` their first words; `savedate` when they came into the folder.
`incoming`   the messages that come with a command.
`catenate`   messages put together of others; `sources` the folders they are in; `authorized` URLs for others.
"""
