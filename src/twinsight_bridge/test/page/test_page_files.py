"""The files of the page as they are sent, and what is sent with them."""

from html.parser import HTMLParser
from pathlib import Path
import re
import subprocess
import sys

import httpx
import pytest

from twinsight_bridge.web.page import files

PACKAGE = Path(__file__).parents[2]
STATIC = Path(files.__file__).parent / 'static'


@pytest.fixture(scope='module')
def client(page_url):
    with httpx.Client(base_url=page_url, timeout=30) as client:
        yield client


class Markup(HTMLParser):
    """What a page asks for, and scripts and styles within it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.inline = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ('src', 'href') if name in given]
        self.inline += [name for name in given if name == 'style' or name.startswith('on')]
        self.inline += [tag] * (tag == 'style' or tag == 'script' and 'src' not in given)


def test_each_file_has_its_type_and_is_not_sent_twice(client):
    types = {'/': 'text/html', '/page/main.js': 'text/javascript', '/page/base.css': 'text/css',
             '/page/icon.svg': 'image/svg+xml'}
    for path, media_type in types.items():
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers['content-type'].split(';')[0] == media_type
        assert answer.headers['cache-control'] == 'no-cache'
        assert answer.headers['x-content-type-options'] == 'nosniff'
        again = client.get(path, headers={'If-None-Match': answer.headers['etag']})
        assert (again.status_code, again.content) == (304, b'')
        other = client.get(path, headers={'If-None-Match': '"other"'})
        assert (other.status_code, other.content) == (200, answer.content)
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b'')
        assert head.headers['content-length'] == str(len(answer.content))


@pytest.mark.parametrize('path', [
    '/page/none.js', '/page/', '/page/..%2Froutes.py', '/page/%2e%2e/files.py', '/page/static',
])
def test_nothing_else_is_sent(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and 'GET /docs' in answer.json()['detail']


def test_the_policy_lets_only_this_servers_files_run(client):
    answer = client.get('/')
    policy = dict(part.split(' ', 1) for part in answer.headers[
        'content-security-policy'].split('; '))
    assert policy['default-src'] == "'none'"
    assert policy['script-src'] == policy['style-src'] == policy['connect-src'] == "'self'"
    assert policy['require-trusted-types-for'] == "'script'"  # no text becomes markup
    assert policy['frame-ancestors'] == "'none'"
    assert Markup(answer.text).inline == []


def test_all_that_the_page_asks_for_is_there_and_nothing_is_left_over(client):
    front = Markup(client.get('/').text)
    asked = {Path(link).name for link in front.links if link.startswith('/page/')}
    assert all(link.startswith(('/page/', '/docs', '#')) for link in front.links)
    modules = ['main.js']
    while modules:
        text = (STATIC / modules.pop()).read_text()
        found = set(re.findall(r"from '\./(\w+\.js)'", text))
        modules += found - asked
        asked |= found
    assert asked | {'index.html'} == {each.name for each in STATIC.iterdir()}
    assert all(client.get(f'/page/{name}').status_code == 200 for name in asked)
    assert '//' not in ''.join(re.findall(r"from '([^']+)'|url\(([^)]+)\)", ''.join(
        each.read_text() for each in STATIC.iterdir()))[0])


def test_the_files_are_installed(tmp_path):
    subprocess.run(
        [sys.executable, 'setup.py', '--quiet', 'egg_info', '--egg-base', tmp_path, 'build',
         '--build-base', tmp_path, 'build_py', '--build-lib', tmp_path / 'lib'],
        cwd=PACKAGE, check=True, capture_output=True,
    )
    installed = tmp_path / 'lib' / 'twinsight_bridge' / 'web' / 'page' / 'static'
    assert {each.name for each in installed.iterdir()} == {each.name for each in STATIC.iterdir()}


def test_the_server_says_where_the_bridge_is(client, page_url):
    told = client.get('/page/config.json').json()
    assert told == {'bridge_url': 'ws://127.0.0.1:8765', 'commands': False}
    headers = {'Host': 'robots.example:8080'}
    told = client.get('/page/config.json', headers=headers).json()
    assert told['bridge_url'] == 'ws://robots.example:8765'
    paths = client.get('/openapi.json').json()['paths']
    assert not [path for path in paths if path.startswith('/page')]


def luminance(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
              for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_texts_stand_out_from_their_grounds(theme):
    """4.5 to 1 is what WCAG asks for of text."""
    light, dark = (STATIC / 'base.css').read_text().split('prefers-color-scheme: dark')
    found = dict(re.findall(r'--([\w-]+): (#[0-9a-f]{6});', light))
    if theme == 'dark':
        found |= dict(re.findall(r'--([\w-]+): (#[0-9a-f]{6});', dark))
    pairs = [(text, ground) for text in ('text', 'quiet', 'accent', 'good', 'warn', 'bad')
             for ground in ('panel', 'raised')]
    pairs += [('on-accent', 'accent'), ('text', 'ground'), ('quiet', 'ground'),
              ('bad', 'bad-ground'), ('warn', 'warn-ground'), ('text', 'bad-ground'),
              ('quiet', 'bad-ground'), ('quiet', 'warn-ground')]
    for one, other in pairs:
        high, low = sorted((luminance(found[one]), luminance(found[other])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (theme, one, other)
