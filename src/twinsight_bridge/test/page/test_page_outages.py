"""A site that is empty at first, and whose stores go away and come back."""

import time

SHOWN = "() => document.body.innerText.includes('{}')"


def test_an_empty_site_says_what_to_do_and_recovers_by_itself(
    browser_page, make_site, serve, reduct_server, postgres_url, redis_server
):
    site = make_site(reduct_server.url, postgres_url, redis_server.url)
    with serve(site) as url:
        page = browser_page(url, height=1400)
        for text in (
            'No robot yet', 'ros2 launch twinsight_launch twinsight.launch.py', 'No map yet',
            'No mission yet', '/start_mission', 'Nothing happened yet',
        ):
            page.wait_for(SHOWN.format(text))
        assert page.problems == []

        site.measure('robot_07', '', {'battery_state.percentage': 0.9}, time.time_ns())
        page.wait_for(SHOWN.format('90 %'))
        assert page.evaluate("() => document.querySelector('#no-robots').hidden")

        reduct_server.kill()
        redis_server.kill()
        for store in ('ReductStore', 'Redis'):
            page.wait_for("""(store) => [...document.querySelectorAll('.banner')].some(
                (banner) => banner.innerText.startsWith(`${store} is away`))""", store)
        assert page.evaluate("() => document.querySelectorAll('.banner').length") == 2
        page.wait_for("() => document.querySelector('#live').innerText === 'not live'")
        assert '90 %' in page.evaluate("() => document.querySelector('#robots').innerText")

        reduct_server.restart()
        redis_server.restart()
        page.wait_for("() => document.querySelectorAll('.banner').length === 0")
        page.wait_for("() => document.querySelector('#live').innerText === 'live'")
        page.wait_for("""() => [...document.querySelectorAll('.panel > .problem')].every(
            (problem) => problem.hidden)""")
        site.measure('robot_07', '', {'battery_state.percentage': 0.8}, time.time_ns())
        page.wait_for(SHOWN.format('80 %'))

    page.wait_for("() => document.querySelector('.banner')?.innerText.includes('does not answer')")
