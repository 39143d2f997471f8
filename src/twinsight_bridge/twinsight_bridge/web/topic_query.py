"""One topic of one robot as query parameters."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Query

from twinsight_bridge.web.query_errors import query_errors
from twinsight_store.labels import check_robot_id
from twinsight_store.selection import Selection

RobotQuery = Annotated[str, Query(description='Robot id.', examples=['robot_01'])]
TopicQuery = Annotated[str, Query(description='Topic, no pattern.', examples=['/scan'])]

_SPECIAL = re.compile(r'([*?\[])')


def topic_selection(
    robot: str, topic: str, from_ns: int | None = None, to_ns: int | None = None
) -> Selection:
    """Return the selection of a topic; raise RequestValidationError where it can be none."""
    with query_errors('robot'):
        check_robot_id(robot)
    with query_errors('topic'):
        name = topic if topic.startswith('/') else f'/{topic}'
        return Selection(
            robots=(robot,), topics=(_SPECIAL.sub(r'[\1]', name),), from_ns=from_ns, to_ns=to_ns
        )
