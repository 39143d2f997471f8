from __future__ import annotations

from pathlib import Path
import subprocess

from twinsight_tools import wheels
from twinsight_tools.workspace import Workspace

EXPORTED = (
    'set_target_properties(m PROPERTIES INTERFACE_INCLUDE_DIRECTORIES '
    '"/opt/python/cp312-cp312/include/python3.12;'
    '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include;/opt/python/x")\n'
)


def venv_with(workspace: Workspace, text: str) -> Path:
    exported = workspace.venv / 'share/std_msgs/cmake/export_Export.cmake'
    exported.parent.mkdir(parents=True)
    exported.write_text(text)
    (workspace.venv / 'lib/python3.12/site-packages/numpy/_core/include').mkdir(parents=True)
    return exported


def test_paths_of_the_build_machine_become_those_of_the_venv(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / 'my robots')
    exported = venv_with(workspace, EXPORTED)
    assert wheels.repair(workspace, '/usr/include/python3.12') == 1
    numpy = f'{workspace.venv}/lib/python3.12/site-packages/numpy/_core/include'
    assert f'"/usr/include/python3.12;{numpy};/opt/python/x"' in exported.read_text()
    assert wheels.repair(workspace, '/usr/include/python3.12') == 0


def test_local_setup_extends_a_shell(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / 'my robots')
    workspace.venv.mkdir(parents=True)
    wheels.write_local_setup(workspace)
    script = f'. "{workspace.venv}/local_setup.sh"; . "{workspace.venv}/local_setup.sh"; env'
    env = {'PATH': '/usr/bin:/bin', 'AMENT_PREFIX_PATH': '/other'}
    shown = subprocess.run(['sh', '-c', script], env=env, capture_output=True, text=True)
    assert f'AMENT_PREFIX_PATH={workspace.venv}:/other\n' in shown.stdout
    assert f'LD_LIBRARY_PATH={workspace.venv}/lib\n' in shown.stdout
