import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.usage import Usage

BUCKETS = ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")

counts = st.integers(min_value=0, max_value=10**12)
usages = st.builds(
    Usage,
    fresh_input=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    output=counts,
    thinking=counts,
)


def test_an_empty_usage_is_zero_everywhere() -> None:
    usage = Usage()
    assert (usage.input, usage.output, usage.thinking) == (0, 0, 0)


def test_input_is_the_sum_of_the_four_input_buckets() -> None:
    usage = Usage(fresh_input=1, cache_read=20, cache_write_5m=300, cache_write_1h=4_000)
    assert usage.input == 4_321


def test_output_and_thinking_are_no_input() -> None:
    assert Usage(output=7, thinking=5).input == 0


def test_two_usages_add_bucket_by_bucket() -> None:
    first = Usage(
        fresh_input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, thinking=6
    )
    second = Usage(
        fresh_input=10, cache_read=20, cache_write_5m=30, cache_write_1h=40, output=50, thinking=60
    )
    assert first + second == Usage(
        fresh_input=11, cache_read=22, cache_write_5m=33, cache_write_1h=44, output=55, thinking=66
    )


@given(usages, usages)
def test_the_input_of_a_sum_is_the_sum_of_the_inputs(first: Usage, second: Usage) -> None:
    assert (first + second).input == first.input + second.input


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_negative_bucket_is_refused_by_name(bucket: str) -> None:
    with pytest.raises(ValueError, match=f"^Usage.{bucket} is -1; token buckets cannot be neg"):
        Usage(**{bucket: -1})
