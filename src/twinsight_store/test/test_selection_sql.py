from __future__ import annotations

from fnmatch import fnmatchcase

import psycopg

from twinsight_store.history.selection_sql import glob_to_regex

NAMES = (
    'odom', 'odom.position.x', 'odomxposition', 'a', 'b', '-', ']', '[', '[]', '[!]', '[a', '^',
    '\\', 'a\\b', 'a.b', 'a+b', '(a)', '{2}', 'a|b', '$', '*', '?', 'a\nb', 'é', 'Ä.x', '!', '',
    '***:a', '(?i)a', 'A', '[:alpha:]', 'c:', "it's", 'x%y', 'x_y',
)
GLOBS = (
    *NAMES, 'odom.*', '*.x', '*', '?', '??', '[ab]', '[!ab]', '[a-c]', '[]]', '[!]]', '[[]',
    '[^a]', '[\\]', '[a', '[!', 'a[', '*[.]*', '[-a]', 'o*.*.?', '[[:alpha:]]', 'é', '?.x', '**',
)


def test_a_glob_selects_on_the_server_what_it_selects_in_python(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        for glob in GLOBS:
            found = connection.execute(
                'SELECT name FROM unnest(%s::text[]) AS name WHERE name ~ %s',
                [list(NAMES), glob_to_regex(glob)],
            ).fetchall()
            expected = [name for name in NAMES if fnmatchcase(name, glob)]
            assert [name for name, in found] == expected, glob
