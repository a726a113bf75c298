"""Ids of requests."""

import time

from gateway.http.ids import request_id


def test_ids_are_distinct_and_begin_with_the_time():
    ids = [request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(id) for id in ids} == {28}
    assert abs(int(ids[-1][4:16], 16) / 1000 - time.time()) < 60
