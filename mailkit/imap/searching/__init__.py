"""Which messages a client means: SEARCH, SORT, THREAD and their extensions.

`matching`   SEARCH keys against messages; `planning` what each has to look at.
`properties` keys about flags, numbers, sizes, identifiers; `dates` keys about days; `headers` the key HEADER;
`contents`   keys that read messages.
`texts`      what a message says to SEARCH; `narrowing` what the full-text index knows of it, `filling` how it does.
`fuzzy`      words as people remember them.
`filters`    searches that have a name; `contexts` those that go on.
`ordering`   values to sort by; `facts` those that are kept as numbers.
`threads`    what THREAD makes of them; `subject` and `references` what that needs.
"""
