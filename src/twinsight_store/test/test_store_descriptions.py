"""The descriptions of channels in a real ReductStore: none is lost to one that is stored anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twinsight_store.catalog import Catalog

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.channel import Channel
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_000_000_000
BODY_LATER_S = 0.2


@contextmanager
def slow_wire(url: str) -> Iterator[str]:
    """Give the URL of a way to a server on which what a request carries comes after its head."""
    there = urlsplit(url)

    def carry(source: socket.socket, target: socket.socket, slowly: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                head, end, body = data.partition(b'\r\n\r\n') if slowly else (data, b'', b'')
                target.sendall(head + end)
                if body or end:
                    time.sleep(BODY_LATER_S)
                    target.sendall(body)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((there.hostname, there.port))
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=carry, args=way, daemon=True).start()

    with socket.create_server(('127.0.0.1', 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield there._replace(netloc=f'127.0.0.1:{listener.getsockname()[1]}').geturl()
        listener.shutdown(socket.SHUT_RDWR)


def test_all_descriptions_stay_where_one_is_stored_anew_over_a_slow_network(
    store: Store, laser: Channel, make_builder: MakeBuilder
) -> None:
    """A new run of the recorder describes its channels anew, beside those of the runs before."""
    newer = replace(laser, schema=laser.schema + b'float32[] intensities\n')

    def record(run: int, channel: Channel, into: Store) -> None:
        builder = make_builder(channel=channel, single_record_bytes=1)
        assert into.write(builder.add(T0 + run * 1000, T0, run, b'x')).stored

    record(0, laser, store)
    record(1, newer, store)
    with slow_wire(store.settings.url) as url:
        record(2, newer, type(store)(replace(store.settings, url=url)))

    async def work(connection: Connection) -> dict[str, dict[str, Channel]]:
        return await Catalog(connection).channels(['robot_01/scan'])

    assert store.ask(work) == {
        'robot_01/scan': {laser.id: laser, newer.id: newer, '': newer}
    }
    assert [message.channel for message in store.read()] == [laser, newer, newer]
