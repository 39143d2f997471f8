"""Commands that are the call of a service."""

from __future__ import annotations

from typing import Any

from action_msgs.srv import CancelGoal
from unique_identifier_msgs.msg import UUID

from twinsight_bridge.commands.command import Command
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.errors import NoAnswerError, NobodyThereError, RefusedError
from twinsight_bridge.commands.ros_json import ros_json
from twinsight_bridge.commands.ros_node import until
from twinsight_bridge.live.ros_call import ros_call


async def call(
    command: Command, cls: Any, request: Any, endpoints: Endpoints, wait_s: float,
    timeout_s: float,
) -> dict[str, Any]:
    """
    Return what a service answers.

    An answer with ``success`` false is RefusedError, with its ``message``. Raises
    NobodyThereError and NoAnswerError too.
    """
    name = command.target.name
    async with endpoints.client(name, cls) as client:
        if not await until(client.service_is_ready, wait_s):
            raise NobodyThereError(
                f'nobody serves {name} ({command.target.type}): waited {wait_s:g} s for it'
            )
        command.sent = True
        try:
            response = await ros_call(client, request, timeout_s)
        except TimeoutError as error:
            raise NoAnswerError(f'{error}; it may be done all the same') from error
    command.result = answer = ros_json(response)
    if answer.get('success') is False:
        raise RefusedError(f'{name}: {answer.get("message") or "the server refuses"}')
    return dict(answer)


async def cancel_goals(
    action: str, endpoints: Endpoints, wait_s: float, timeout_s: float, goal_id: UUID | None = None
) -> int:
    """
    Have goals of an action cancelled, whoever sent them; return how many are.

    goal_id  of the one that is; None for all

    An action that nobody serves has none. Raises NobodyThereError, NoAnswerError, RefusedError.
    """
    service = f'{action}/_action/cancel_goal'
    if not endpoints.ros.node.count_services(service):
        return 0
    async with endpoints.client(service, CancelGoal) as client:
        if not await until(client.service_is_ready, wait_s):
            raise NobodyThereError(f'{service} is not reached: waited {wait_s:g} s for it')
        request = CancelGoal.Request()  # without id and time it means all
        if goal_id is not None:
            request.goal_info.goal_id = goal_id
        try:
            answer = await ros_call(client, request, timeout_s)
        except TimeoutError as error:
            raise NoAnswerError(f'{error}: its goals may go on') from error
    if answer.return_code == CancelGoal.Response.ERROR_REJECTED and not answer.goals_canceling:
        raise RefusedError(f'{action} refuses to cancel its goals')
    return len(answer.goals_canceling)
