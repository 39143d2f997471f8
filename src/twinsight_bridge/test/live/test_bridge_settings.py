"""The bridge's parameter file, and what is said of wrong values."""

from pathlib import Path

import pytest
import yaml

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.live.allowed import Allowed
from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import validated

CONFIG = Path(__file__).resolve().parents[4] / 'config' / 'bridge.yaml'


def test_the_parameter_file_names_every_parameter_with_its_default():
    given = yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters']
    assert validated(BridgeSettings, given, []) == BridgeSettings()
    assert set(given) == set(BridgeSettings.model_fields)


@pytest.mark.parametrize(('given', 'said'), [
    ({'port': 70_000}, 'port: 70000: '),
    ({'send_buffer_limit': 0}, 'accepted: bytes of messages that may wait for one viewer'),
    ({'capabilities': ['flying']}, 'accepted: a list of clientPublish, parameters, '),
    ({'topic_allowlist': ['.*']}, 'did you mean topic_whitelist?'),
    ({'service_timeout': 'soon'}, "service_timeout: 'soon': not a duration"),
])
def test_a_wrong_value_is_named_with_what_is_accepted(given, said):
    with pytest.raises(ConfigurationError) as error:
        validated(BridgeSettings, given, [])
    assert said in str(error.value)


def test_names_match_as_a_whole():
    allowed = Allowed('topic_whitelist', ['/camera/.*', '/odom'])
    assert '/camera/front' in allowed
    assert '/odom' in allowed
    assert '/odometry' not in allowed
    assert '/rear/camera/front' not in allowed


def test_hidden_names_match_only_where_they_are_included():
    assert '/navigate/_action/feedback' not in Allowed('topic_whitelist', ['.*'], False)
    assert '/navigate/_action/feedback' in Allowed('topic_whitelist', ['.*'], True)


@pytest.mark.parametrize('name', ['package://r/meshes/arm.stl', 'package://r/a.b/c%20d.dae'])
def test_meshes_are_given_out_as_configured(name):
    assert name in Allowed('asset_uri_allowlist', BridgeSettings().asset_uri_allowlist)


@pytest.mark.parametrize('name', ['package://r/config/secret.yaml', 'file:///mesh.stl'])
def test_other_files_are_not(name):
    assert name not in Allowed('asset_uri_allowlist', BridgeSettings().asset_uri_allowlist)
