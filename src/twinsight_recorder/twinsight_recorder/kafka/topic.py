"""The Kafka topic of the metrics: made where it is absent."""

from __future__ import annotations

from twinsight_recorder.kafka.client import kafka_errors, library, made, Trouble
from twinsight_recorder.kafka.settings import KafkaSettings, MESSAGE_BYTES

_BROKERS_OWN = -1
_ANSWER_S = 3.0


def ensure_topic(settings: KafkaSettings) -> None:
    """
    Return when the topic is there; make it where it is absent.

    Its replication is what the brokers have as their default. A topic that is there stays as
    it is. Raises StoreUnavailableError, and StoreRefusedError where it is absent and we may not
    make it.
    """
    trouble = Trouble()
    kafka = library()
    admin = made(kafka.admin.AdminClient, settings, trouble)
    with kafka_errors(settings, trouble):
        topic = kafka.admin.NewTopic(
            settings.topic, settings.partitions, _BROKERS_OWN,
            config={'max.message.bytes': str(MESSAGE_BYTES)},
        )
        made_there = admin.create_topics([topic], request_timeout=_ANSWER_S)[settings.topic]
        try:
            made_there.result()
        except kafka.KafkaException as error:
            admin.poll(0)  # has it tell of its trouble
            name = error.args[0].name()
            if name == 'TOPIC_ALREADY_EXISTS':
                return
            if not name.endswith('_AUTHORIZATION_FAILED'):
                raise
            # We may not make one, but somebody else may have done so.
            found = admin.list_topics(settings.topic, _ANSWER_S).topics[settings.topic]
            if found.error is not None:
                raise kafka.KafkaException(found.error) from error
