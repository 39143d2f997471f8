"""The header Accept, as browsers and scripts send it."""

import pytest

from twinsight_bridge.web.accepted import preferred

OFFERED = ('application/json', 'application/cdr', 'image/jpeg')


@pytest.mark.parametrize(('accept', 'wanted'), [
    ('', 'application/json'),
    ('*/*', 'application/json'),
    ('application/cdr', 'application/cdr'),
    ('image/avif,image/webp,image/*,*/*;q=0.8', 'image/jpeg'),
    ('text/html,application/xhtml+xml,*/*;q=0.8', 'application/json'),
    ('application/json;q=0.5, APPLICATION/CDR', 'application/cdr'),
    ('application/json;q=0, */*', 'application/cdr'),
    ('application/*, application/json;q=0.1', 'application/cdr'),
    ('application/cdr;q=much', None),
    ('text/html', None),
    (', ;q=1', None),
])
def test_the_type_that_is_liked_most_is_chosen(accept, wanted):
    assert preferred(accept, OFFERED) == wanted
