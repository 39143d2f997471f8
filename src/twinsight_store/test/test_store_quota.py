from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reduct import BucketSettings

from twinsight_store.writer import StoreWriter

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection, StoreSettings

T0 = 1_763_900_000_000_000_000


def test_what_a_full_store_refuses_is_named_with_the_reason_and_the_rest_is_stored(
    store_at: Callable[..., Store], store_settings: StoreSettings, make_builder: MakeBuilder
) -> None:
    small = store_at(
        store_settings.url, bucket=store_settings.bucket, quota_bytes=300_000, quota_type='HARD'
    )
    builder = make_builder(single_record_bytes=1)
    sizes = (50_000, 400_000, 60_000)
    records = [
        r for index, size in enumerate(sizes)
        for r in builder.add(T0 + index * 1000, T0, index, bytes(size))
    ]  # fmt: skip
    written = small.write(records)
    assert [len(record.data) for record in written.stored] == [50_000, 60_000]
    [refusal] = written.refused
    assert len(refusal.record.data) == 400_000
    assert refusal.reason == (
        f"ReductStore at {store_settings.url} refuses: Quota of '{store_settings.bucket}' "
        'exceeded (400)'
    )
    assert [len(message.data) for message in small.read()] == [50_000, 60_000]


def test_a_topic_first_seen_while_the_store_was_full_can_be_read_later(
    store_at: Callable[..., Store], store_settings: StoreSettings, make_builder: MakeBuilder
) -> None:
    """Its description was refused too, and has to be stored once there is room."""
    full = store_at(
        store_settings.url, bucket=store_settings.bucket, quota_bytes=100, quota_type='HARD'
    )
    builder = make_builder(single_record_bytes=1)

    async def work(connection: Connection) -> None:
        bucket = await connection.bucket(create=True)
        writer = StoreWriter(bucket, full.settings)
        written = await writer.write(builder.add(T0, T0, 0, bytes(1000)))
        assert len(written.refused) == 1
        await bucket.set_settings(BucketSettings(quota_size=10_000_000))
        written = await writer.write(builder.add(T0 + 1000, T0, 0, b'later'))
        assert len(written.stored) == 1

    full.ask(work)
    assert [message.data for message in full.read()] == [b'later']
