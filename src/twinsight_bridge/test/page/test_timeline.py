"""The timeline: what was recorded is seen where it is, chosen, and taken along."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pyarrow.ipc
import pytest

from twinsight_replay.to_mcap import main as to_mcap

BARS = "() => document.querySelectorAll('#timeline-rows .bar').length"
HREFS = """() => Object.fromEntries([...document.querySelectorAll('#selection a')].map(
    (link) => [link.getAttribute('aria-label') ?? link.innerText, link.href]))"""
BOX = """() => {
    const box = (element) => {
        const { left, width } = element.getBoundingClientRect();
        return [left, width];
    };
    const row = document.querySelector('#timeline-rows [data-row="robot_01"]');
    return { track: box(row.querySelector('.track')), bar: box(row.querySelector('.bar')) };
}"""
DRAW = """([from, to]) => {
    const track = document.querySelector('#timeline-rows [data-row="robot_01"] .track');
    const { left, width, top } = track.getBoundingClientRect();
    const tell = (type, share) => track.dispatchEvent(new PointerEvent(type, {
        pointerId: 1, bubbles: true, clientX: left + share * width, clientY: top + 5, button: 0,
    }));
    tell('pointerdown', from);
    tell('pointermove', (from + to) / 2);
    tell('pointermove', to);
    tell('pointerup', to);
}"""


@pytest.fixture
def page(browser_page, page_url):
    page = browser_page(page_url, height=1400)
    page.wait_for(BARS)
    yield page
    assert page.problems == []


def source(link):
    """Return what a link has Foxglove open."""
    query = parse_qs(urlsplit(link).query)
    return query['ds'][0], query['ds.url'][0]


def test_bars_are_where_data_is(page, filled_site):
    assert page.evaluate("() => document.querySelector('#day').value") == '2026-11-20'
    found = page.evaluate(BOX)
    (left, width), (at, _) = found['track'], found['bar']
    zone = page.evaluate('(ms) => new Date(ms).getTimezoneOffset()', filled_site.t0 // 10**6)
    expected = (8 * 60 - zone) % 1440 / 1440
    assert (at - left) / width == pytest.approx(expected, abs=0.002)
    assert 'nothing recorded' in page.evaluate(
        "() => document.querySelector('#timeline-rows').innerText")

    page.click('#zoom-data')
    page.wait_for("() => document.querySelector('#timeline-axis').innerText.includes('0:04')")
    found = page.evaluate(BOX)
    assert found['bar'][1] / found['track'][1] > 0.8

    page.click('#day-before')
    page.wait_for("() => !document.querySelector('#no-data').hidden")
    assert page.evaluate(BARS) == 0
    page.click('#day-latest')
    page.wait_for(BARS)


def test_a_bar_gives_links_and_files_of_exactly_its_topic(
    page, page_url, filled_site, tmp_path, monkeypatch, capsys
):
    page.click('#zoom-data')
    page.click('[data-row="robot_01"] .row-label')
    page.wait_for("() => document.querySelector('.bar.lidar')")
    page.evaluate("() => document.querySelector('.bar.lidar').focus()")
    page.wait_for("() => document.querySelector('.tip').innerText.includes('messages')")
    tip = page.evaluate("() => document.querySelector('.tip').innerText")
    assert '/scan' in tip and 'mission dawn' in tip and '120 messages of 1 topic' in tip
    page.press('Enter')
    page.wait_for("() => document.querySelector('#selection-size').innerText.includes('messages')")
    links = page.evaluate(HREFS)

    kind, replay = source(links['Replay the selection, in the Foxglove app'])
    wanted = urlsplit(replay)
    assert (kind, wanted.netloc, wanted.path) == (
        'foxglove-websocket', '127.0.0.1:8765', '/replay')
    query = {name: values[0] for name, values in parse_qs(wanted.query).items()}
    assert (query['robot'], query['mission'], query['topic']) == ('robot_01', 'dawn', '/scan')
    assert query['from'] == '2026-11-20T08:00:00.000Z' and query['to'] > query['from']
    web = links['Replay the selection, in Foxglove in the browser']
    assert web.startswith('https://app.foxglove.dev/~/view?ds=foxglove-websocket&ds.url=ws%3A')
    assert source(web) == (kind, replay)

    kind, remote = source(links['Open the selection as a remote file, in the Foxglove app'])
    assert kind == 'remote-file' and remote == links['Download MCAP']
    assert re.match(re.escape(page_url) + r'/mcap/robot_01-dawn-scan\.mcap\?robot=', remote)
    assert httpx.get(remote, timeout=30).content.startswith(b'\x89MCAP')

    command = page.evaluate("() => document.querySelector('#selection-command').innerText")
    program, words = command.split(' to_mcap ')
    assert program == 'ros2 run twinsight_replay'
    for name, value in filled_site.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert to_mcap([*words.split(), '--bucket', filled_site.bucket]) == 0
    assert '120' in capsys.readouterr().out
    assert (tmp_path / 'robot_01-dawn-scan.mcap').stat().st_size > 10_000


def test_a_drawn_span_is_selected_and_can_be_passed_on(page, browser_page, page_url):
    page.click('#zoom-data')
    page.evaluate(DRAW, [0.25, 0.75])
    page.wait_for("() => !document.querySelector('#selection').hidden")
    address = page.evaluate('() => location.href')
    query = parse_qs(urlsplit(address).fragment)
    assert query['robot'] == ['robot_01'] and 'mission' not in query
    assert '2026-11-20T08:00:0' in query['from'][0] and '2026-11-20T08:00:0' in query['to'][0]
    size = page.wait_for("() => document.querySelector('#selection-size').innerText.match("
                         "/messages of 3 topics/) && document.querySelector('#selection-size')"
                         '.innerText')

    other = browser_page(address)
    assert other.wait_for("() => document.querySelector('#selection-size').innerText.match("
                          "/messages of/) && document.querySelector('#selection-size').innerText"
                          ) == size
    assert other.problems == []

    page.evaluate("""() => {
        const to = document.querySelector('#selection-to');
        to.value = document.querySelector('#selection-from').value;
        to.dispatchEvent(new Event('change'));
    }""")
    assert page.evaluate("() => document.querySelector('#selection-problem').innerText") == (
        'The end must be later than the start.'
    )
    page.click('#selection-clear')
    assert page.evaluate("() => document.querySelector('#selection').hidden")
    assert urlsplit(page.evaluate('() => location.href')).fragment == ''


def test_missions_are_sorted_filtered_and_shown(page, filled_site):
    page.wait_for("() => document.querySelectorAll('#missions tr').length === 3")

    def names():
        return page.evaluate("() => [...document.querySelectorAll('#missions tr button')]"
                             '.map((each) => each.innerText)')

    rows = page.evaluate("() => document.querySelector('#missions').innerText")
    assert 'running' in rows and '12 s' in rows and '86.0 kB' in rows and 'place=north' in rows
    assert names() == ['noon', 'dawn', 'lost']
    page.click('[data-key="duration_s"]')
    assert names()[0] == 'lost' and names()[-1] == 'dawn'
    page.click('[data-key="mission_id"]')
    assert names() == ['dawn', 'lost', 'noon']
    page.fill('#mission-text', 'NORTH')
    assert names() == ['dawn']
    page.fill('#mission-text', filled_site.script)
    assert names() == ['lost']
    page.fill('#mission-text', '')
    page.evaluate("""() => {
        const robot = document.querySelector('#mission-robot');
        robot.value = 'robot_01';
        robot.dispatchEvent(new Event('input'));
    }""")
    page.wait_for("() => document.querySelectorAll('#missions tr').length === 2")

    page.click('#missions >> text=dawn')
    page.wait_for("() => !document.querySelector('#selection').hidden")
    link = page.evaluate("() => document.querySelector('#selection-download').href")
    assert unquote(link).endswith('/mcap/robot_01-dawn.mcap?robot=robot_01&mission=dawn')


def test_metrics_of_a_selection_are_taken_along_side_by_side(page, filled_site):
    values = {'battery_state.percentage': 0.9, 'battery_state.voltage': 25.0}
    filled_site.measure('robot_01', 'dawn', values, filled_site.t0 + 3_000_000_000)
    page.click('#missions >> text=dawn')
    page.wait_for("() => !document.querySelector('#selection').hidden")
    links = page.evaluate(HREFS)

    answer = httpx.get(links['Metrics as CSV'], timeout=30)
    head, row = answer.text.splitlines()[:2]
    assert answer.headers['content-disposition'] == 'attachment; filename="metrics.csv"'
    assert head.replace('"', '').endswith(','.join(values))
    assert row == '"2026-11-20T08:00:03.000000000Z","robot_01",0.9,25'
    arrow = httpx.get(links['Metrics as Arrow'], timeout=30).content
    rows = pyarrow.ipc.open_stream(arrow).read_all()
    assert rows.select(list(values)).to_pylist()[0] == values
