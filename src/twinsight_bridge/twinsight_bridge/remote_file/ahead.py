"""Reading one batch ahead of whoever works on the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from twinsight_store.message import Batch


async def ahead(batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
    """Give batches; the next one is read meanwhile. The generator is closed with this one."""

    async def read() -> Batch | None:
        return await anext(batches, None)

    reading = asyncio.ensure_future(read())
    try:
        while (batch := await reading) is not None:
            reading = asyncio.ensure_future(read())
            yield batch
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await batches.aclose()
