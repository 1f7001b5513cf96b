"""SMTP verbs, one module each: `async def run(session, argument) -> Reply | None`. The table is `session.VERBS`."""
