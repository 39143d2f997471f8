"""Runs a program that refuses to be root, where the caller is root."""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import pwd

from .messages import ToolError

# Where root keeps what an unprivileged account must reach, when its own folders are closed to it.
STAND_IN = Path('/var/lib/twinsight')


@dataclass(frozen=True)
class Account:
    """
    Who runs the program: the caller (`switch` is empty), or a user without rights.

    `switch` is the command that becomes that user, and enters the file system `root` if it is
    another than the caller's.
    """

    uid: int
    gid: int
    switch: tuple[str, ...] = ()
    root: Path = Path('/')

    def sees(self, path: Path) -> str:
        """Return the name by which the account knows a path of the caller."""
        return f'/{path.relative_to(self.root)}'

    def reaches(self, path: Path) -> bool:
        """Tell whether the account may pass through all folders above `path`."""
        within = [folder for folder in path.parents if folder.is_relative_to(self.root)]
        return not self.switch or all(self._passes(folder) for folder in within)

    def _passes(self, folder: Path) -> bool:
        try:
            status = folder.stat()
        except FileNotFoundError:
            return not _umask() & 0o001  # made later, by the caller
        return bool(status.st_mode & (0o100 if status.st_uid == self.uid else 0o001))

    def within_reach(self, path: Path) -> Path:
        """Return `path`, or a place of its own elsewhere if the account cannot get there."""
        path = path.absolute()
        if not self.switch:
            return path
        # Opening the caller's folders to everybody would be worse than another place. One that was
        # taken once stays the place, with whatever umask the next call comes.
        other = STAND_IN / hashlib.sha256(os.fsencode(path)).hexdigest()[:12] / path.name
        return path if self.reaches(path) and not other.exists() else other

    def make_way(self, path: Path) -> None:
        """Make all folders above `path`; those of the stand-in place can be passed by all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent, *path.parent.parents):
            if self.switch and folder.is_relative_to(STAND_IN):
                folder.chmod(0o711)  # whatever the caller's umask

    def make_open(self, folder: Path) -> None:
        """Make a folder of ours that the account can enter."""
        self.make_way(folder)
        folder.mkdir(exist_ok=True)
        if self.switch:
            folder.chmod(0o711)

    def give(self, folder: Path) -> None:
        """Make the folder the account's own."""
        if self.switch:
            os.chown(folder, self.uid, self.gid)


def _umask() -> int:
    mask = os.umask(0o077)  # there is no other way to ask
    os.umask(mask)
    return mask


def account(owner: int | None = None) -> Account:
    """
    Return who runs a program that refuses to be root: the caller, if that is not root.

    For root it is the user `owner` (who has the data), or else `nobody`. Nothing is granted to
    that account beyond what it has: servers of ours trust every program on this machine, and what
    somebody makes them do must not be done with root's rights.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam('nobody')
    except KeyError as error:
        raise ToolError(
            'this program refuses to run as root, and there is no user `nobody` to run it as: '
            'call it as an ordinary user'
        ) from error
    return Account(entry.pw_uid, entry.pw_gid, _switch(entry.pw_uid, entry.pw_gid))


def account_within(root: Path, name: str) -> Account:
    """Return a user of another system that lies in the folder `root`; only root gets there."""
    for line in (root / 'etc' / 'passwd').read_text().splitlines():
        user, _, uid, gid, *_ = line.split(':')
        if user == name:
            switch = ('chroot', str(root), *_switch(int(uid), int(gid)))
            return Account(int(uid), int(gid), switch, root)
    raise ToolError(f'{root} has no user `{name}`: remove that folder and build it again')


def _switch(uid: int, gid: int) -> tuple[str, ...]:
    # Another user loses the death signal of processes.tied, unless `keep`; and programs want to
    # know the folder that they are in, which that user may not enter.
    return (
        'setpriv', f'--reuid={uid}', f'--regid={gid}', '--clear-groups', '--pdeathsig=keep',
        'env', '--chdir=/',
    )  # fmt: skip
