"""Metrics and resamples of the routing bench, against figures worked out by hand."""

import numpy as np
import pytest

from bench.routing.bootstrap import aiq_draws, resamples
from bench.routing.metrics import aiq, apgr, arena, at, cost_at, cpt, deferral, frontier, interval


def test_the_frontier_keeps_what_no_mix_of_others_beats():
    # (2, .5) lies under the line from (1, .4) to (3, .8); (4, .7) is dearer than (3, .8) and worse.
    assert frontier([2, 1, 4, 3], [0.5, 0.4, 0.7, 0.8]) == [(1.0, 0.4), (3.0, 0.8)]


def test_of_two_models_at_one_cost_the_better_one_is_on_the_frontier():
    assert frontier([1, 1, 2], [0.3, 0.5, 0.4]) == [(1.0, 0.5)]


def test_aiq_of_two_models_is_the_mean_of_their_qualities():
    assert aiq([(1.0, 0.4), (3.0, 0.8)], 1.0, 3.0) == pytest.approx(0.6)


def test_log_aiq_of_two_models_weighs_the_cheap_end_more():
    # q = c / 10 from 1 to e: the integral of q d(log c) is (e - 1) / 10.
    hull = [(1.0, 0.1), (float(np.e), float(np.e) / 10)]
    assert aiq(hull, 1.0, float(np.e), is_log=True) == pytest.approx(0.1718282)


def test_a_curve_that_ends_early_goes_on_flat():
    assert aiq([(1.0, 0.5)], 1.0, 3.0) == pytest.approx(0.5)


def test_a_curve_that_begins_late_is_met_from_nothing():
    assert at([(2.0, 0.8)], 1.0) == pytest.approx(0.4)
    assert aiq([(2.0, 0.8)], 1.0, 3.0) == pytest.approx((0.6 + 0.8) / 2)


def test_the_cost_of_a_quality_is_read_off_the_hull():
    hull = [(1.0, 0.4), (3.0, 0.8)]
    assert cost_at(hull, 0.6) == pytest.approx(2.0)
    assert cost_at(hull, 0.3) == 1.0
    assert cost_at(hull, 0.9) is None


def test_the_arena_score_is_router_arenas():
    assert arena(0.6688, 0.15 / 1000) == pytest.approx(0.669, abs=5e-4)


def test_the_deferral_curve_goes_from_the_weak_arm_to_the_strong_one():
    strong, weak = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    curve = deferral(np.array([0.9, 0.2, -0.5, 0.8]), strong, weak)
    assert curve.tolist() == [0.5, 0.75, 1.0, 1.0, 0.75]
    assert apgr(curve) == pytest.approx((0.5 + 1.5 + 2.0 + 1.5) / 4)
    assert cpt(curve, 0.5) == 0.25
    assert cpt(curve, 1.0) == 0.25


def test_a_random_order_recovers_half_the_gap():
    rng = np.random.default_rng(1)
    strong, weak = (rng.random(4000) < 0.8).astype(float), (rng.random(4000) < 0.5).astype(float)
    assert apgr(deferral(rng.random(4000), strong, weak)) == pytest.approx(0.5, abs=0.03)


def test_without_a_gap_there_is_no_share_of_it():
    flat = deferral(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert apgr(flat) is None
    assert cpt(flat, 0.5) is None


def test_rows_of_one_group_are_drawn_together():
    (weights,) = resamples(np.array([4, 4, 9, 7]), 50, seed=0)
    assert weights.shape == (50, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert weights.sum(axis=1) == pytest.approx(1)


def test_resamples_are_the_same_for_every_curve_and_every_run():
    rng = np.random.default_rng(0)
    curve = (rng.random((3, 20)), rng.random((3, 20)))
    kept = {"count": 300, "seed": 3}
    draws = aiq_draws([curve, curve], np.arange(20), (0.2, 0.8), **kept)
    again = aiq_draws([curve], np.arange(20), (0.2, 0.8), **kept)
    assert draws.shape == (2, 300)
    assert draws[0].tolist() == draws[1].tolist() == again[0].tolist()
    assert draws[0].std() > 0


def test_the_interval_holds_the_middle_of_the_draws():
    assert interval(np.arange(1001)) == (25.0, 975.0)
