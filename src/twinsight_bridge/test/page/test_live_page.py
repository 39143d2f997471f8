"""What an operator sees of robots that are live: values, alerts, and the map."""

import time

import pytest
from twinsight_viewers.pictures import Box

TEXT = "(selector) => document.querySelector(selector)?.innerText ?? ''"
CARD = 'li[data-robot="robot_01"]'


@pytest.fixture
def page(browser_page, page_url, filled_site):
    page = browser_page(page_url, height=1000)
    page.wait_for("() => document.querySelector('#live').innerText === 'live'")
    filled_site.be_online()  # which it is for ten seconds
    page.wait_for(f"() => document.querySelector('{CARD}:not(.offline)') !== null")
    wait_for_texts(page, CARD, 'online', '57 %', 'stored')
    yield page
    assert page.problems == []


def wait_for_texts(page, selector, *texts):
    """Return when what a selector finds shows all of these texts."""
    page.wait_for("""([selector, texts]) => {
        const shown = document.querySelector(selector)?.innerText ?? '';
        return texts.every((text) => shown.includes(text));
    }""", [selector, texts])


def test_robots_show_how_they_are_and_follow_what_is_measured(page, filled_site):
    wait_for_texts(
        page, CARD, 'online', '57 %', 'DRIVING', '0.5 m/s', 'mission noon', 'kB stored', '1 alert'
    )
    assert 'stale' not in page.evaluate(f"() => document.querySelector('{CARD}').innerHTML")
    assert page.evaluate(TEXT, '#robots-count') == '1 of 2 online'

    filled_site.measure('robot_01', 'noon', {
        'battery_state.percentage': 0.125, 'state': 'ERROR', 'odom.vx': 1.25,
    })
    page.wait_for(f"""() => ['13 %', 'ERROR', '1.3 m/s'].every(
        (text) => document.querySelector('{CARD}').innerText.includes(text))""")
    assert page.evaluate(f"() => document.querySelector('{CARD} .battery').className") == (
        'battery low'
    )
    page.wait_for(f"""() => /^([2-9]|\\d\\d) s ago$/.test(
        document.querySelector('{CARD} .seen').innerText)""")


def test_old_values_say_so(page, filled_site):
    old = page.evaluate(TEXT, '#robots > li:last-child')
    assert 'offline' in old and '12 %, ' in old and ' d ago' in old
    assert page.evaluate("() => document.querySelector('#robots .offline .stale') !== null")


def test_what_others_wrote_is_text(page, filled_site):
    assert page.evaluate(TEXT, '#robots > li:last-child h3') == filled_site.script
    wait_for_texts(page, '#active-alerts', f'battery {filled_site.script} is low')
    assert page.evaluate('() => document.querySelectorAll("main img").length') == 0
    assert page.evaluate('() => document.title') == 'TwinSight'


def test_alerts_are_active_until_they_are_cleared(page, filled_site):
    wait_for_texts(page, '#alerts-count', '1 active')
    wait_for_texts(page, '#past-alerts', 'lidar is silent', 'for 3 s', 'error')

    filled_site.alert('robot_01', 'raised', time.time_ns(), 'it is hot', 'hot', mission='noon')
    page.wait_for("""() => {
        const active = document.querySelector('#active-alerts').innerText;
        return active.includes('it is hot') && active.includes('battery');
    }""")
    filled_site.alert('robot_01', 'cleared', time.time_ns(), 'it is cool', 'hot', mission='noon')
    page.wait_for("""() => document.querySelector('#alerts-count').innerText === '1 active'
        && document.querySelector('#past-alerts li').innerText.includes('it is hot')""")


def test_an_alert_that_is_told_while_the_stored_ones_are_asked_for_stays(page):
    assert page.evaluate("""async () => {
        const { Alerts } = await import('/page/alerts.js');
        const alerts = new Alerts(() => {});
        const asked = alerts.poll.now();
        alerts.take({
            type: 'event', time: new Date().toISOString(), robot_id: 'robot_01',
            mission_id: 'noon', kind: 'alert_raised', severity: 'error', message: 'it is wet',
            data: { rule: 'wet', metric: 'rain' },
        });
        await asked;
        return alerts.active().map(({ message }) => message);
    }""")[0] == 'it is wet'


def map_of(page):
    """Return what the map shows."""
    page.wait_for("() => document.querySelector('#map-note').innerText.includes('/map recorded')")
    box = page.evaluate("""() => {
        const { left, top, width, height } = document.querySelector('#map')
            .getBoundingClientRect();
        return [left, top, width, height].map(Math.round);
    }""")
    return page.screenshot().part(Box(*box))


def test_the_map_shows_the_hall_and_a_robot_that_moves(page, filled_site):
    def place(beside=None):
        """Return where the robot is on the canvas once that is another place."""
        return page.wait_for("""(beside) => {
            const [robot] = JSON.parse(document.querySelector('#map').dataset.robots);
            return robot && String(robot.pixels) !== String(beside) && robot.pixels;
        }""", beside)

    picture, begin = map_of(page), place()
    assert picture.background < 0.9 and 0.01 < picture.share_of(44, 56, 68) < 0.3  # walls
    assert picture.share_of(232, 89, 12) > 0.0001  # the robot

    for step in range(1, 4):
        filled_site.measure('robot_01', 'noon', {
            'on_map.x': 3.0 - 0.5 * step, 'on_map.y': 2.0, 'on_map.yaw': 3.14,
        })
        page.wait_for("""(x) => document.querySelector('#map').getAttribute('aria-label')
            .includes(`at x ${x.toFixed(1)} m`)""", 3.0 - 0.5 * step)
    moved = place()
    assert moved[0] < begin[0] - 20 and moved[1] == begin[1]
    assert map_of(page).difference(picture) > 0.0005

    page.click('#map-in')
    zoomed = place(moved)
    page.evaluate("() => document.querySelector('#map').focus()")
    page.press('ArrowLeft')
    assert place(zoomed) == [zoomed[0] + 60, zoomed[1]]
    page.click('#map-fit')
    assert place([zoomed[0] + 60, zoomed[1]]) == moved


def test_the_costmap_lies_around_the_robot_where_odometry_is_on_the_map(page, filled_site):
    occupied = (199, 57, 139)  # on white

    def costs():
        return map_of(page).share_of(*occupied)

    assert costs() == 0
    with filled_site.costmap('robot_01', 'noon'):
        end = time.monotonic() + 30
        while costs() < 0.002:
            assert time.monotonic() < end
            filled_site.be_online()  # of robots that are silent none is shown
        page.click('#map-costs')
        while costs() > 0:
            assert time.monotonic() < end
            filled_site.be_online()


def test_everything_has_a_name_for_who_does_not_see_it(page):
    nameless = page.evaluate("""() => [...document.querySelectorAll(
            'button, a, input, select, canvas, summary')]
        .filter((each) => !(each.getAttribute('aria-label') || each.innerText?.trim()
            || each.labels?.[0]?.textContent.trim()))
        .map((each) => each.outerHTML)""")
    assert nameless == []
