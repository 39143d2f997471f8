"""The api command: what is live and what is stored, and what robots are to do, over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any

import uvicorn

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.web.app import ApiSettings, create_app
from twinsight_bridge.web.stores import StoreAddresses
from twinsight_store.errors import ConfigurationError, TwinsightError
from twinsight_store.exit_code import exit_code_of
from twinsight_store.freed_memory import keep_freed_memory
from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.parameters import parameter_files
from twinsight_store.ros_arguments import split_arguments
from twinsight_store.selection_arguments import check_not_empty

DEFAULT_HOST, DEFAULT_PORT = '127.0.0.1', 8080

_EXAMPLE = """\
example:
  api --host 0.0.0.0 --port 8080 --config api.yaml
  curl 'http://127.0.0.1:8080/missions?robot=robot_05&from=-1d'

GET /docs shows all that can be asked; GET /health tells how the stores are.

ReductStore's address is taken from TWINSIGHT_REDUCT_URL, its token from TWINSIGHT_REDUCT_TOKEN,
PostgreSQL's from TWINSIGHT_POSTGRES_URL, that of Redis from TWINSIGHT_REDIS_URL. A store may be
away, or not set: what needs it is answered with 503, all else works.
Whoever reaches the port reads all. It stays on this machine unless --host says else; put a proxy
that asks who it is in front of it where others reach it. With TWINSIGHT_API_TOKEN set, whatever
acts (commands, recorder control, replay sessions) needs that token.
exit codes: 0 ended by a signal, 1 failed, 2 bad usage
"""
_MOST_WAITING = 128
_GOODBYE_S = 3
_LARGEST_MESSAGE = 64_000


class PortError(TwinsightError):
    """The server cannot have the port."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv if arguments is None else ['api', *arguments]
    return exit_code_of('api', lambda: _run(given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='api',
        description='Serve live and stored robot data over HTTP.',
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--host', default=DEFAULT_HOST, metavar='HOST',
        help=f'address to listen on; 0.0.0.0 for all ({DEFAULT_HOST})',
    )
    parser.add_argument(
        '--port', type=int, default=DEFAULT_PORT, metavar='PORT',
        help=f'0 for any that is free ({DEFAULT_PORT})',
    )
    parser.add_argument(
        '--bucket', action='append', default=[], metavar='NAME',
        help=f'bucket in ReductStore ({DEFAULT_BUCKET}); several are read as if they were one',
    )
    parser.add_argument(
        '--allow-origin', action='append', default=[], metavar='ORIGIN',
        help='web pages that may read the answers, as https://HOST:PORT; may be given several '
             'times (all pages)',
    )
    parser.add_argument(
        '--config', default='', metavar='FILE',
        help='what it may have done: commands to robots, recorder control (nothing); a parameter '
             'file of ROS will do as well',
    )
    parser.add_argument('--log-requests', action='store_true', help='a line for each request')
    return parser


def _run(arguments: Sequence[str]) -> int:
    own, ros = split_arguments(arguments)
    options = _parser().parse_args(own)
    check_not_empty('bucket', options.bucket)
    check_not_empty('allow-origin', options.allow_origin)
    settings = ApiSettings(
        StoreAddresses.from_environment(buckets=tuple(options.bucket) or (DEFAULT_BUCKET,)),
        tuple(options.allow_origin) or ('*',),
        **_acting(options.config, ros),
    )
    keep_freed_memory()
    logging.basicConfig(format='api: %(message)s', level=logging.WARNING)
    with _listening(options.host, options.port) as listening:
        made = server(settings, options.log_requests)
        _hear_signals(made.handle_exit)  # uvicorn does so only while it serves
        host, port = listening.getsockname()[:2]
        shown = f'[{host}]' if ':' in host else host
        print(f'api: http://{shown}:{port} (documentation at /docs)', flush=True)
        made.run([listening])
        _hear_signals(signal.SIG_IGN)  # it ends already
    return 0


def _hear_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _acting(config: str, ros_arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the configuration file says, or else the last parameter file."""
    file = next(reversed([*parameter_files(ros_arguments), *([config] if config else [])]), '')
    if not file:
        return {}
    return {
        'acting': ActingSettings.from_file(file), 'acting_file': file,
        'ros_arguments': tuple(ros_arguments),
    }


class Server(uvicorn.Server):
    """Ends in good order after a signal, also after the second one that ros2 launch sends."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn.Server, which would leave everything open after a second SIGINT."""
        self.should_exit = True


def server(settings: ApiSettings, log_requests: bool = False) -> uvicorn.Server:
    """Return what serves the application on sockets that it is given."""
    return Server(uvicorn.Config(
        create_app(settings), log_level='info' if log_requests else 'warning',
        access_log=log_requests, server_header=False, backlog=_MOST_WAITING,
        timeout_graceful_shutdown=_GOODBYE_S, ws_max_size=_LARGEST_MESSAGE,
    ))


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ConfigurationError(f'--port {port}: accepted is 0 to 65535')
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=_MOST_WAITING)
    except OSError as error:
        # Of an address that is taken, Python's own text says the address twice.
        known = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno or 0) if known else error.strerror
        raise PortError(
            f'cannot listen on {host} port {port} ({reason}): choose another with --host and '
            '--port'
        ) from error
    return made


if __name__ == '__main__':
    sys.exit(main())
