"""asyncpg on uvloop as one contender: its own pool and its own cache of prepared statements.

With `--reset off` the pool's hook does nothing when a connection comes back, which asyncpg's documentation allows where
no caller changes the session; the default sends a statement to reset it.
"""
import asyncpg
import measuring
import uvloop


async def leave(connection):
    """Resets nothing."""


async def main():
    chosen = measuring.options()
    with open(chosen.statement) as file:
        sql = file.read()
    words = measuring.words(chosen.connection)
    pool = await asyncpg.create_pool(
        host=words["host"], port=int(words["port"]), user=words["user"], database=words["dbname"],
        min_size=chosen.connections, max_size=chosen.connections, **({"reset": leave} if chosen.reset == "off" else {}))
    async with pool:
        fetch = pool.fetchrow if chosen.workload == "select" else pool.execute
        await measuring.measure(chosen, lambda key: fetch(sql, measuring.TENANT, key))


uvloop.run(main())
