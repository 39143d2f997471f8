"""
The manifest that Foxglove's remote data loader asks for.

Format: https://docs.foxglove.dev/docs/visualization/connecting/cloud-data/remote-data-loader,
a streamed source: the loader reads the file once, from its beginning, and keeps it by its id.
"""

from __future__ import annotations

import base64

from mcap.records import Schema as McapSchema
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from twinsight_bridge.remote_file.file_name import title
from twinsight_bridge.remote_file.file_plan import FilePlan
from twinsight_bridge.web.moments import Moment


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ManifestTopic(_Camel):
    """A topic of a source."""

    name: str
    message_encoding: str
    schema_id: int | None = Field(
        default=None, description='Absent where the topic has no schema.'
    )


class ManifestSchema(_Camel):
    """A message type of a source, as in an MCAP file."""

    id: int  # noqa: A003
    name: str
    encoding: str
    data: str = Field(description='The definition, in base64.')


class StreamedSource(_Camel):
    """An MCAP file."""

    url: str = Field(description='Where it is, relative to the manifest.')
    id: str = Field(description='Another one where the file has other bytes.')  # noqa: A003
    topics: list[ManifestTopic]
    schemas: list[ManifestSchema]
    start_time: Moment
    end_time: Moment


class Manifest(_Camel):
    """What Foxglove's remote data loader loads."""

    name: str
    sources: list[StreamedSource]


def manifest_of(plan: FilePlan, url: str) -> Manifest:
    """
    Return the manifest of a planned file.

    A topic whose type changed has a channel for each, but is in a manifest once: as what it is
    at the end.
    """
    topics = {
        channel.topic: ManifestTopic(
            name=channel.topic, message_encoding=channel.message_encoding,
            schema_id=channel.schema_id or None,
        )
        for channel in plan.channels.channels
    }
    return Manifest(
        name=title(plan.sources.selection, plan.start_ns, plan.end_ns),
        sources=[StreamedSource(
            url=url, id=f'twinsight-{plan.version}', topics=list(topics.values()),
            schemas=[_schema(each) for each in plan.channels.schemas],
            start_time=plan.start_ns, end_time=plan.end_ns,
        )],
    )


def _schema(schema: McapSchema) -> ManifestSchema:
    return ManifestSchema(
        id=schema.id, name=schema.name, encoding=schema.encoding,
        data=base64.b64encode(schema.data).decode(),
    )
