"""psycopg 3 on uvloop as one contender: psycopg_pool, which resets nothing unless asked to, autocommit, and every
statement prepared from its first use on (`prepare_threshold`)."""
import re

import measuring
import psycopg_pool
import uvloop


async def main():
    chosen = measuring.options()
    with open(chosen.statement) as file:
        sql = re.sub(r"--.*", "", file.read())
    sql = re.sub(r"\$\d+", "%s", sql)
    pool = psycopg_pool.AsyncConnectionPool(
        chosen.connection, min_size=chosen.connections, max_size=chosen.connections, open=False, timeout=120,
        max_waiting=0, kwargs={"autocommit": True, "prepare_threshold": 0})
    await pool.open(wait=True)

    async def call(key):
        async with pool.connection() as connection:
            cursor = await connection.execute(sql, (measuring.TENANT, key))
            if cursor.description:
                await cursor.fetchone()

    await measuring.measure(chosen, call)
    await pool.close()


uvloop.run(main())
