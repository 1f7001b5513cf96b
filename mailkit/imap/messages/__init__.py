"""Messages in and out: the parts of them that FETCH asks for, and new ones that APPEND brings.

`pieces`     what the folder's index keeps of each message for FETCH and SEARCH.
`mate`       a process that makes these for a worker, and answers where there are many to make.
`slices`     answers out of message files, sent in order while the next ones are made; `orders` what mates make of them.
`sections`   message files as FETCH sends them; `preview` their first words; `savedate` when they came into the folder.
`incoming`   the messages that come with a command.
`catenate`   messages put together of others; `sources` the folders they are in; `authorized` URLs for others.
"""
