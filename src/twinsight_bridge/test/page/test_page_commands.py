"""Commands from the page to a robot on real DDS."""

from geometry_msgs.msg import Twist
from pytest_ros import wait_until
import yaml

STOP = 'form[data-command="stop"]'
COMMANDS = {
    'stop': {'topic': '/cmd_vel', 'type': 'geometry_msgs/msg/Twist', 'wait': '20s'},
    'drive': {
        'topic': '/cmd_vel', 'type': 'geometry_msgs/msg/Twist', 'fields': {'linear.x': '{speed}'},
        'parameters': {'speed': {'type': 'number', 'unit': 'm/s', 'most': 2.0}}, 'wait': '20s',
    },
}


def outcome(page, name, text):
    page.wait_for("""([name, text]) => document.querySelector(
        `form[data-command="${name}"] output`).innerText.includes(text)""", [name, text], 30)


def test_an_operator_has_a_robot_do_something(browser_page, filled_site, serve, ros, tmp_path):
    config = tmp_path / 'api.yaml'
    parameters = {'robots': {'*': ''}, 'commands': COMMANDS}
    config.write_text(yaml.safe_dump({'api': {'ros__parameters': parameters}}))
    heard = []
    robot = ros.node('robot')
    robot.create_subscription(Twist, '/cmd_vel', heard.append, 10)
    ros.serve(robot)
    filled_site.be_online()
    with serve(
        filled_site, '--config', str(config), ROS_DOMAIN_ID=str(ros.id), TWINSIGHT_API_TOKEN='key'
    ) as url:
        page = browser_page(url)
        page.wait_for("() => document.querySelector('[data-robot=robot_01] .commands')")
        page.click('[data-robot=robot_01] .commands summary')
        page.wait_for(f"() => document.querySelector('{STOP}')")
        names = page.evaluate("() => [...document.querySelectorAll('form.command')].map("
                              '(form) => form.dataset.command)')
        assert sorted(names) == ['drive', 'stop']  # what is not mapped is not offered
        page.fill('.command-list > label input', 'anna')

        page.click(f'{STOP} button')
        outcome(page, 'stop', 'TWINSIGHT_API_TOKEN')
        page.fill(f'{STOP} input[type=password]', 'key')
        page.click(f'{STOP} button')
        outcome(page, 'stop', 'succeeded')
        wait_until(lambda: heard)
        assert [each.linear.x for each in heard] == [0.0]

        page.fill('form[data-command="drive"] input', '1.5')
        page.click('form[data-command="drive"] button')
        outcome(page, 'drive', 'succeeded')
        wait_until(lambda: len(heard) > 1)
        assert [each.linear.x for each in heard] == [0.0, 1.5]
        page.wait_for("""() => ['stop succeeded', 'drive asked by anna'].every((text) => (
            document.querySelector('#past-alerts').innerText.includes(text)))""")
