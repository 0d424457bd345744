"""The shelves as PostgreSQL keeps them."""

import asyncpg

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    id       serial PRIMARY KEY,
    name     text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    shelf    text NOT NULL,
    UNIQUE (name, shelf)
);
"""

FIRST_SHOPPING = [
    ("Apricot jam", 3, "top shelf"),
    ("Basmati rice", 2, "top shelf"),
    ("Olive oil", 1, "top shelf"),
    ("Butter", 2, "cold shelf"),
    ("Farmhouse cheddar", 1, "cold shelf"),
    ("Potatoes", 24, "cellar"),
    ("Cider", 6, "cellar"),
]


class Shelves:
    """A small pool of connections, and the few questions the hub asks."""

    def __init__(self, pool: asyncpg.Pool, version: str):
        self.pool = pool
        self.version = version

    @classmethod
    async def open(cls, url: str) -> "Shelves":
        pool = await asyncpg.create_pool(url, min_size=1, max_size=5)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(SCHEMA)
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM items)"):
                await connection.executemany(
                    "INSERT INTO items (name, quantity, shelf) VALUES ($1, $2, $3)", FIRST_SHOPPING
                )
            version = await connection.fetchval("SHOW server_version")
        return cls(pool, version.split()[0])

    async def close(self):
        await self.pool.close()

    async def ping(self):
        await self.pool.fetchval("SELECT 1")

    async def items(self) -> list[dict]:
        rows = await self.pool.fetch("SELECT id, name, quantity, shelf FROM items ORDER BY shelf, name")
        return [dict(row) for row in rows]

    async def put(self, name: str, quantity: int, shelf: str) -> dict:
        row = await self.pool.fetchrow(
            "INSERT INTO items (name, quantity, shelf) VALUES ($1, $2, $3)"
            " ON CONFLICT (name, shelf) DO UPDATE SET quantity = items.quantity + EXCLUDED.quantity"
            " RETURNING id, name, quantity, shelf",
            name, quantity, shelf,
        )
        return dict(row)

    async def take(self, item_id: int) -> int | None:
        async with self.pool.acquire() as connection, connection.transaction():
            left = await connection.fetchval("SELECT quantity - 1 FROM items WHERE id = $1 FOR UPDATE", item_id)
            if left is None:
                return None
            if left == 0:
                await connection.execute("DELETE FROM items WHERE id = $1", item_id)
            else:
                await connection.execute("UPDATE items SET quantity = $2 WHERE id = $1", item_id, left)
            return left
