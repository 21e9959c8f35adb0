"""The traps of RunPod, over real HTTP against the fake cloud."""

import time
from dataclasses import replace

import pytest
from fakes.rented_cloud import BID, SPEC, WANT, inside

from cluster.providers import vast_wire
from cluster.providers.runpod_wire import CARDS, PodJson, instance_of, refusal_kind, state_of
from tercet.local_file import load_local
from tercet.renting import Instance

HOUR_60_GB_RUNNING = 8_333_333  # 60 GB at 0.10 USD a month of 720 hours
HOUR_60_GB_STOPPED = 16_666_667  # at 0.20
HOUR_70_GB_RUNNING = 9_722_222  # 10 GB more: the container's own disk


def created(runpod, spec=SPEC) -> Instance:
    instance = runpod.create(runpod.search(WANT)[0], spec)
    assert isinstance(instance, Instance), instance
    return instance


def running(cloud, runpod, spec=SPEC) -> Instance:
    instance = created(runpod, spec)
    cloud.until(lambda: runpod.status(instance.instance_id).state == "running")
    return instance


def test_a_card_is_offered_in_every_data_centre_that_has_it(tmp_path) -> None:
    machines = [
        {"offer_id": n, "gpu": "A40", "hourly": 400_000_000, "least_bid": 1, "region": region}
        for n, region in enumerate(("EU-SE-1", "US-KS-2", "US-KS-2"))
    ]
    with inside(tmp_path, machines=machines) as cloud:
        want = replace(WANT, gpus=("A40",))
        offers = cloud.runpod().search(want)
        assert [one.region for one in offers] == ["EU-SE-1", "US-KS-2"]
        assert offers[0].hourly_nano_usd == 400_000_000 + HOUR_60_GB_RUNNING
        assert offers[0].stopped_hourly_nano_usd == HOUR_60_GB_STOPPED
        (only,) = cloud.runpod().search(replace(want, regions=("US-KS-2",)))
        assert only.offer_id == "NVIDIA A40@US-KS-2"


def test_nothing_can_be_bid_for(cloud) -> None:
    assert list(cloud.runpod().search(BID)) == []
    assert cloud.exchanges == []


def test_what_is_not_in_the_secure_cloud_is_not_trusted(tmp_path) -> None:
    machine = {"offer_id": 1, "gpu": "A40", "hourly": 1, "least_bid": 1, "trusted": False}
    with inside(tmp_path, machines=[machine]) as cloud:
        want = replace(WANT, gpus=("A40",))
        assert cloud.runpod().search(want) == []
        assert len(cloud.runpod().search(replace(want, trusted=False))) == 1


def test_a_pod_without_a_network_volume_keeps_its_disk(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    assert instance.hourly_nano_usd == 220_000_000 + HOUR_70_GB_RUNNING
    assert runpod.stop(instance.instance_id) is None
    stopped = runpod.status(instance.instance_id)
    # Its own price reads 0 now; what it costs running is remembered.
    assert (stopped.state, stopped.hourly_nano_usd) == ("stopped", 220_000_000 + HOUR_70_GB_RUNNING)
    assert stopped.stopped_hourly_nano_usd == HOUR_60_GB_STOPPED


def test_a_stopped_pod_that_another_process_made_is_priced_by_the_catalog(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    runpod.stop(instance.instance_id)
    (found,) = cloud.runpod().instances("lease-")
    assert found.hourly_nano_usd == 220_000_000 + HOUR_70_GB_RUNNING


def test_a_pod_with_a_network_volume_costs_nothing_stopped(cloud) -> None:
    instance = created(cloud.runpod(), replace(SPEC, volume="vol_1"))
    assert instance.hourly_nano_usd == 220_000_000 + HOUR_60_GB_RUNNING
    assert instance.stopped_hourly_nano_usd == 0
    (create,) = cloud.sent("POST", "/v2/pods")
    assert create.sent["mounts"] == {"network": [{"volumeId": "vol_1", "path": "/workspace"}]}
    assert create.sent["dataCenterIds"] == ["DE"]


def test_a_pod_is_billed_from_its_build_on(cloud) -> None:
    cloud.control("delays", load_s=60)
    created(cloud.runpod())
    time.sleep(0.1)
    gpu = [line for line in cloud.bill()["lines"] if line["kind"] == "gpu"]
    assert {line["phase"] for line in gpu} == {"creating", "loading"}


def test_a_create_that_fails_half_way_leaves_a_pod_that_is_found(cloud) -> None:
    runpod = cloud.runpod()
    cloud.control("next", create="half_failed")
    assert runpod.create(runpod.search(WANT)[0], SPEC).kind == "unreachable"
    assert len(cloud.sent("POST", "/v2/pods")) == 1
    assert [one.label for one in runpod.instances("lease-")] == ["lease-1"]


def test_a_create_that_was_one_too_many_is_not_sent_again(cloud) -> None:
    runpod = cloud.runpod()
    offer = runpod.search(WANT)[0]
    cloud.control("garble", kind="too_many", method="POST", path="/v2/pods")
    assert runpod.create(offer, SPEC).kind == "rate_limited"
    assert runpod.instances("") == []


def test_no_room_is_no_offer(cloud) -> None:
    runpod = cloud.runpod()
    offer = runpod.search(WANT)[0]
    cloud.control("next", create="refused")
    assert runpod.create(offer, SPEC).kind == "no_offer"


def test_a_pod_whose_hosts_card_is_taken_does_not_start(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    runpod.stop(instance.instance_id)
    cloud.control("machine", offer_id=101, taken=True)
    failure = runpod.start(instance.instance_id)
    assert (failure.kind, "destroy it" in failure.message) == ("no_gpu", True)
    assert runpod.status(instance.instance_id).state == "stopped"


def test_a_start_that_is_answered_and_does_nothing_leaves_it_stopped(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    runpod.stop(instance.instance_id)
    cloud.control("next", starts_ignored=1)
    assert runpod.start(instance.instance_id) is None
    assert runpod.status(instance.instance_id).state == "stopped"


def pod(**words) -> PodJson:
    said = {"id": "p", "name": "lease-1", "status": "RUNNING", "cloud": "SECURE", "cost": 0.4}
    disks = {"disk": 10, "mounts": {}, "gpu": {"id": "NVIDIA A40", "count": 1}}
    return PodJson.model_validate(said | disks | words)


def test_a_pod_that_came_back_without_its_card_has_failed() -> None:
    bare = instance_of(pod(gpu={"id": "NVIDIA A40", "count": 0}), 0)
    assert (bare.state, bare.detail) == ("failed", "RUNNING, without a card")
    assert state_of(pod(gpu=None)) == "failed"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PROVISIONING", "loading"),
        ("STARTING", "loading"),
        ("RUNNING", "running"),
        ("EXITED", "stopped"),
        ("ERROR", "failed"),
    ],
)
def test_states_are_read_out_of_the_status(status, state) -> None:
    assert state_of(pod(status=status)) == state


def test_a_stop_of_one_that_is_stopped_and_a_start_of_one_that_runs_are_done(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    assert runpod.start(instance.instance_id) is None
    assert runpod.stop(instance.instance_id) is None
    assert runpod.stop(instance.instance_id) is None


def test_one_that_is_loading_can_be_stopped_and_what_is_gone_destroyed(cloud) -> None:
    runpod = cloud.runpod()
    cloud.control("delays", load_s=60)
    instance = created(runpod)
    assert runpod.stop(instance.instance_id) is None
    assert runpod.status(instance.instance_id).state == "stopped"
    assert runpod.destroy(instance.instance_id) is None
    assert runpod.destroy(instance.instance_id) is None
    assert runpod.status(instance.instance_id) is None
    assert runpod.instances("") == []
    assert runpod.start(instance.instance_id).kind == "rejected"


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/catalog/", lambda runpod: runpod.search(WANT)),
        ("/v2/pods", lambda runpod: runpod.instances("")),
        ("/v2/pods/", lambda runpod: runpod.status("7001")),
        ("/billing/", lambda runpod: runpod.charges(0.0, 1.0)),
    ],
)
def test_nonsense_is_a_failure_and_no_exception(cloud, path, ask) -> None:
    runpod = cloud.runpod()
    for kind in ("html", "truncated", "empty"):
        cloud.control("garble", kind=kind, method="GET", path=path)
        assert ask(runpod).kind == "unreachable", kind


def test_a_quota_that_is_used_up_is_waited_for_and_never_passed(tmp_path) -> None:
    with inside(tmp_path, limits={"minute": 3, "window_s": 1.0}) as cloud:
        runpod = cloud.runpod()
        for _ in range(5):
            assert runpod.instances("") == []
        assert [one.status for one in cloud.sent("GET", "/v2/pods")] == [200] * 5


def test_a_quota_that_is_used_up_for_long_is_told_with_its_time(tmp_path) -> None:
    with inside(tmp_path, limits={"minute": 1}) as cloud:
        runpod = cloud.runpod()
        assert runpod.instances("") == []
        failure = runpod.instances("")
        assert (failure.kind, 50 < failure.retry_after_s <= 60) == ("rate_limited", True)
        assert len(cloud.sent("GET", "/v2/pods")) == 1
        # Another process of the same key does not know, and is told by the answer.
        failure = cloud.runpod().instances("")
        assert (failure.kind, 50 < failure.retry_after_s <= 60) == ("rate_limited", True)


def test_a_wrong_key_is_told_with_what_a_right_one_needs(cloud) -> None:
    failure = cloud.runpod("rp-wrong-0123456789").instances("")
    assert failure.kind == "unauthorized"
    assert "read and write pods" in failure.message
    assert "rp-wrong" not in failure.message


@pytest.mark.parametrize(
    ("status", "of_create", "kind"),
    [
        (402, True, "no_credit"),
        (403, True, "no_offer"),
        (403, False, "unauthorized"),
        (422, True, "rejected"),
        (409, False, "rejected"),
        (503, True, "unreachable"),
        (302, False, "unreachable"),
        (201, True, None),
    ],
)
def test_refusals_have_kinds(status, of_create, kind) -> None:
    assert refusal_kind(status, of_create=of_create) == kind


def test_the_bill_of_the_provider_is_read_by_whole_hours(cloud) -> None:
    runpod = cloud.runpod()
    instance = running(cloud, runpod)
    runpod.destroy(instance.instance_id)
    charges = runpod.charges(time.time() - 10, time.time())
    assert {(one.instance_id, one.until - one.since) for one in charges} == {("7001", 3600)}
    assert {one.kind for one in charges} == {"gpu", "storage"}
    assert sum(one.nano_usd for one in charges) == cloud.bill()["nano_usd"] > 0


def test_every_card_of_the_local_model_has_a_name_at_each_provider() -> None:
    assert set(CARDS) == set(vast_wire.CARDS) == set(load_local().cards)
