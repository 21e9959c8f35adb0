"""What must not be lost; `bench/keep_alive.py` judges on more."""

import pickle
from dataclasses import replace

import pyarrow
import pytest
from fakes.minutes import ECONOMICS, decided, minutes
from pyarrow import parquet

from bench.keep_alive import SEED, Cell, Costs, replay
from bench.traffic import drawn, from_csv, from_parquet, shipped
from tercet.keep_alive.settings import KeepAliveSettings, policy_of

WEEK = 7 * 24 * 60
POOR = Cell(gpu_usd=0.45, saved_usd=0.0004, start_min=10)
RICH = Cell(gpu_usd=0.30, saved_usd=0.004, start_min=3)


@pytest.fixture(scope="module")
def costs() -> list[list[Costs]]:
    """A week of three tenants of the 32, at 1000 requests a day."""
    tenants = shipped()
    drawns = [drawn(name, tenants[name], 1000, SEED) for name in list(tenants)[::11]]
    weeks = [replace(traffic, counts=traffic.counts[:WEEK], rates=None) for traffic in drawns]
    return [replay(traffic, [POOR, RICH]) for traffic in weeks]


@pytest.mark.parametrize("policy", ["rate", "forecast"])
def test_where_the_gpu_cannot_pay_nobody_pays_a_tenth_more_than_the_api(costs, policy) -> None:
    for poor, _ in costs:
        assert poor[policy] <= 1.10 * poor["API alone"]
        assert poor["idle_timeout 10 min"] > 2 * poor["API alone"]


@pytest.mark.parametrize("policy", ["rate", "forecast"])
def test_where_it_can_pay_the_sum_is_below_the_api_and_the_plans_policy(costs, policy) -> None:
    sums = {name: sum(rich[name] for _, rich in costs) for name in costs[0][1]}
    assert sums[policy] <= 0.9 * sums["API alone"]
    assert sums[policy] <= sums["idle_timeout 10 min"]
    assert sums[policy] <= sums["one rule, 15 min"]
    assert sums[policy] <= 1.4 * sums["clairvoyant"]


def test_what_a_policy_has_learned_survives_a_pickle() -> None:
    policy, _ = decided(policy_of(KeepAliveSettings(policy="forecast")), minutes([0, 9] * 60))
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301  pickled in this line
    assert policy.decide(minutes([1])[0], ECONOMICS, is_on=False)[0] != policy


def test_a_trace_of_requests_is_counted_by_the_minute_from_its_first(tmp_path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("t,tokens\n1795996805.5,7\n1795996859,7\n1795996920,7\n")
    assert from_csv(trace).counts == [2, 0, 1]


def test_a_trace_may_have_azures_times(tmp_path) -> None:
    trace = tmp_path / "trace.csv"
    times = ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04", "2023-11-16 18:19:00.0000001")
    trace.write_text("TIMESTAMP,ContextTokens\n" + "".join(f"{time},1\n" for time in times))
    assert from_csv(trace).counts == [2, 0, 1]


def test_a_trace_without_times_is_refused_by_the_names_it_has(tmp_path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit, match="no column t or TIMESTAMP; it has a, b"):
        from_csv(trace)


def test_a_parquet_like_servegens_is_read(tmp_path) -> None:

    windows = list(range(0, 600 * 400, 600))
    columns = {"client": [7] * 400, "t": windows, "rate": [0.5] * 400, "cv": [float("nan")] * 400}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rates.parquet")
    tenants = from_parquet(tmp_path / "rates.parquet")
    assert list(tenants) == ["7"]
    assert tenants["7"][399] == (0.5, 1.0)
    assert sum(drawn("7", tenants["7"], 100, seed=1).counts) == pytest.approx(1400, rel=0.1)
