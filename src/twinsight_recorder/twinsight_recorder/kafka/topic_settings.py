"""The settings of the Kafka topic, as parameter files hold them."""

from __future__ import annotations

from pydantic import Field

from twinsight_recorder.kafka.settings import DEFAULT_PARTITIONS, DEFAULT_TOPIC, KafkaSettings
from twinsight_store.parameters import Settings, Text


class KafkaTopicSettings(Settings):
    """Where in Kafka metrics lie."""

    topic: Text = Field(
        DEFAULT_TOPIC, description='1 to 249 letters, digits, ".", "_" and "-"'
    )
    partitions: int = Field(
        DEFAULT_PARTITIONS, ge=1, le=1000,
        description='of a topic that is created, a whole number from 1 to 1000',
    )

    def with_environment(self) -> KafkaSettings:
        """Return how Kafka is reached; raises ConfigurationError where that is not set."""
        return KafkaSettings.from_environment(topic=self.topic, partitions=self.partitions)
