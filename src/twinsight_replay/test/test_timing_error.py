from twinsight_replay.timing_error import TimingError


def test_quantiles_are_within_three_percent():
    error = TimingError()
    for number in range(1, 10_001):
        error.add(number * 1_000)
    for part in (0.1, 0.5, 0.9, 0.99):
        exact = part * 10_000 * 1_000
        assert exact <= error.quantile_ns(part) <= exact * 1.04
    assert error.max_ns == error.quantile_ns(1.0) == 10_000_000
    assert error.count == 10_000


def test_small_errors_are_exact():
    error = TimingError()
    for number in (3, 5, 5, 7):
        error.add(number)
    assert [error.quantile_ns(part) for part in (0.25, 0.5, 0.75, 1.0)] == [3, 5, 5, 7]


def test_memory_of_the_distribution_does_not_grow_with_the_messages():
    error = TimingError()
    for number in range(100_000):
        error.add(number * 9_973)
    assert len(error._buckets) < 32 * 64


def test_several_together_are_as_one_that_counted_all():
    parts, whole = [TimingError(), TimingError()], TimingError()
    for number in range(1, 2_001):
        parts[number % 3 == 0].add(number * number)
        whole.add(number * number)
    together = TimingError.of_all(parts)
    assert together.count == whole.count
    for part in (0.01, 0.5, 0.99, 1.0):
        assert together.quantile_ns(part) == whole.quantile_ns(part)
