"""Settings of the bridge's port, under the names that foxglove_bridge gives them."""

from __future__ import annotations

from pydantic import Field

from twinsight_store.parameters import Settings


class FrontSettings(Settings):
    """Where viewers connect, and how much may wait for one of them."""

    port: int = Field(8765, ge=0, le=65535, description='a TCP port; 0 takes a free one')
    address: str = Field('0.0.0.0', min_length=1, description='address to listen at')
    tls: bool = Field(False, description='true or false; true needs certfile and keyfile')
    certfile: str = Field('', description='PEM file of the certificate')
    keyfile: str = Field('', description='PEM file of its key')
    send_buffer_limit: int = Field(
        10_000_000, ge=1, description='bytes of messages that may wait for one viewer'
    )
    use_compression: bool = Field(False, description='true or false (permessage-deflate)')
    max_clients: int = Field(100, ge=1, description='viewers at a time')
