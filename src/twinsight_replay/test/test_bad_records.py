from twinsight_replay.bad_records import BadRecords
from twinsight_store.errors import RecordError


def test_each_record_counts_once_and_the_first_are_reported():
    reports = []
    bad = BadRecords(reports.append)
    for number in range(50):
        bad.add(RecordError(f'r/scan: the chunk at {number} µs cannot be read'))
        bad.add(RecordError(f'r/scan: the chunk at {number // 2} µs cannot be read'))
    assert bad.count == 50
    assert reports[0] == 'r/scan: the chunk at 0 µs cannot be read'
    assert len(reports) == 21
    assert reports[-1] == 'further records that cannot be read are counted only'
