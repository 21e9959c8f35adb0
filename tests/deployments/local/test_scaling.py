"""The keep-alive policy over a fake clock, driven as Serve's controller does."""

from dataclasses import dataclass, field

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from deployments.local.scaling import KeepAlive

POLICY = KeepAlive(idle_s=60, give_up_s=300)


@dataclass
class Controller:
    """What the controller holds between two decisions."""

    running: int = 0
    target: int = 0
    now: float = 1_000.0
    state: dict = field(default_factory=dict)

    def after(self, seconds: float, requests: float = 0, wish: bool | None = False) -> int:
        """Let time pass, decide, and remember."""
        self.now += seconds
        ctx = AutoscalingContext(
            deployment_id=None,
            deployment_name="Engine",
            app_name="local",
            current_num_replicas=self.running,
            target_num_replicas=self.target,
            running_replicas=[],
            total_num_requests=requests,
            total_queued_requests=0,
            aggregated_metrics=None,
            raw_metrics=None,
            capacity_adjusted_min_replicas=0,
            capacity_adjusted_max_replicas=1,
            policy_state=self.state,
            last_scale_up_time=None,
            last_scale_down_time=None,
            current_time=self.now,
            config=None,
        )
        self.target, self.state = POLICY.decide(ctx, wish)
        return self.target


def test_nobody_asked_so_nothing_runs() -> None:
    assert [Controller().after(1_000) for _ in range(3)] == [0, 0, 0]


def test_one_that_was_asked_for_goes_on_starting_when_nobody_waits_any_more() -> None:
    seen = Controller()
    assert [seen.after(1, requests=1), seen.after(1), seen.after(200)] == [1, 1, 1]


def test_a_start_that_takes_too_long_is_given_up_and_not_begun_again() -> None:
    seen = Controller()
    assert [seen.after(1, requests=1), seen.after(299), seen.after(1), seen.after(1)] == [
        1,
        1,
        0,
        0,
    ]


def test_the_next_start_has_the_whole_time_again() -> None:
    seen = Controller()
    seen.after(1, requests=1)
    assert seen.after(300) == 0
    assert [seen.after(1, requests=1), seen.after(299)] == [1, 1]


def test_a_replica_without_requests_goes_after_its_idle_time() -> None:
    seen = Controller(running=1, target=1)
    assert [seen.after(0), seen.after(59), seen.after(1)] == [1, 1, 0]


def test_each_request_begins_the_idle_time_anew() -> None:
    seen = Controller(running=1, target=1)
    assert [seen.after(0), seen.after(59, requests=0.5), seen.after(59), seen.after(1)] == [
        1,
        1,
        1,
        0,
    ]


def test_a_stream_that_runs_for_hours_keeps_its_replica() -> None:
    seen = Controller(running=1, target=1)
    assert [seen.after(3_600, requests=1) for _ in range(3)] == [1, 1, 1]


def test_a_replica_that_dies_is_started_again_for_as_long_as_a_first_one() -> None:
    seen = Controller(running=1, target=1)
    seen.after(0, requests=1)
    seen.running = 0
    assert [seen.after(1), seen.after(299), seen.after(1)] == [1, 1, 0]


def test_serve_takes_the_policy_as_it_is_configured() -> None:
    policy = AutoscalingPolicy(
        policy_function="deployments.local.scaling:KeepAlive",
        policy_kwargs={"idle_s": 60, "give_up_s": 300},
    )
    config = AutoscalingConfig(min_replicas=0, initial_replicas=0, max_replicas=1, policy=policy)
    assert config.policy.policy_kwargs == {"idle_s": 60, "give_up_s": 300}


def test_a_wish_starts_it_and_its_end_stops_it_though_it_is_used() -> None:
    seen = Controller()
    assert seen.after(1, wish=True) == 1
    seen.running = 1
    assert [seen.after(1, requests=1, wish=True), seen.after(500, wish=True)] == [1, 1]
    assert seen.after(1, requests=1, wish=False) == 0


def test_one_that_was_woken_by_hand_goes_when_it_is_idle_whatever_is_wished() -> None:
    seen = Controller()
    seen.after(1, requests=1)
    seen.running = 1
    assert [seen.after(1, requests=1), seen.after(59), seen.after(1)] == [1, 1, 0]


def test_while_nobody_knows_what_is_wished_one_that_runs_stays_and_none_is_started() -> None:
    seen = Controller(running=1, target=1)
    assert seen.after(1_000, wish=None) == 1
    assert Controller().after(1, wish=None) == 0


def test_a_wished_start_that_was_given_up_is_not_begun_again_at_once() -> None:
    seen = Controller()
    assert [seen.after(1, wish=True), seen.after(300, wish=True)] == [1, 0]
    assert [seen.after(1, wish=True), seen.after(298, wish=True)] == [0, 0]
    assert seen.after(1, wish=True) == 1


def test_where_nothing_is_rented_nothing_is_wished() -> None:
    seen = Controller()
    seen.after(1)
    assert seen.target == 0
    assert not POLICY.is_rented
