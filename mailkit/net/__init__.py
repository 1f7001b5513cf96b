"""Connections: what a session sees (conn), the two drivers that run sessions (blocking, loop), TLS, limits, watches.

A session is `async def session(conn) -> None` and awaits only methods of its connection, `files.publish`,
`files.settle` and other such coroutines. Under the blocking driver none of these ever suspends, so one
`send(None)` runs a session to its end and no event loop is imported; under the loop driver each session is a task.
"""
