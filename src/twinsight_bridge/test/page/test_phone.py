"""The page on a phone."""

SIZE = {'width': 390, 'height': 844, 'mobile': True}


def test_nothing_is_wider_than_a_phone(browser_page, page_url):
    page = browser_page(f'{page_url}/#robot=robot_01&from=2026-11-20T08:00:01Z'
                        '&to=2026-11-20T08:00:09Z', **SIZE)
    page.wait_for("() => document.querySelector('#selection-size').innerText.match(/messages/)")
    page.wait_for("() => document.querySelectorAll('#missions tr').length === 3")
    page.click('[data-row="robot_01"] .row-label')
    assert page.evaluate('() => [innerWidth, document.documentElement.scrollWidth]') == [390, 390]
    small = page.evaluate("""() => [...document.querySelectorAll('.button, .joined button')]
        .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 38)
        .map((each) => each.innerText)""")
    assert small == []  # for fingers
    assert page.problems == []


def test_a_tap_beside_a_small_bar_chooses_it(browser_page, page_url):
    page = browser_page(page_url, **SIZE)
    page.wait_for("() => document.querySelectorAll('#timeline-rows .bar').length")
    page.evaluate("""() => {
        const bar = document.querySelector('#timeline-rows .bar');
        const { right, top } = bar.getBoundingClientRect();
        for (const type of ['pointerdown', 'pointerup']) {
            bar.parentElement.dispatchEvent(new PointerEvent(type, {
                pointerId: 1, bubbles: true, clientX: right + 9, clientY: top + 5, button: 0,
            }));
        }
    }""")
    page.wait_for("() => document.querySelector('#selection-span').innerText.includes('dawn')")


def test_two_fingers_make_the_map_bigger(browser_page, page_url):
    page = browser_page(page_url, **SIZE)
    page.wait_for("""() => {
        const note = document.querySelector('#map-note').innerText;
        return note.includes('/map recorded') && document.querySelector('#map').dataset.robots
            .includes('robot_01');
    }""")
    places = page.evaluate("""() => {
        const map = document.querySelector('#map');
        map.setPointerCapture = () => {}; // these fingers are none
        const place = () => JSON.parse(map.dataset.robots)[0].pixels[0];
        const { left, top, width, height } = map.getBoundingClientRect();
        const tell = (type, pointerId, dx) => map.dispatchEvent(new PointerEvent(type, {
            pointerId, clientX: left + width / 2 + dx, clientY: top + height / 2,
        }));
        const before = place();
        tell('pointerdown', 11, -40);
        tell('pointerdown', 12, 40);
        tell('pointermove', 11, -80);
        tell('pointermove', 12, 80);
        tell('pointerup', 11, -80);
        tell('pointerup', 12, 80);
        return new Promise((resolve) => {
            requestAnimationFrame(() => requestAnimationFrame(
                () => resolve([before - width / 2, place() - width / 2])));
        });
    }""")
    assert abs(places[1] - 2 * places[0]) < 5
    assert page.problems == []
