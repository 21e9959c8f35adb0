"""The traps of Vast.ai, over real HTTP against the fake cloud."""

import logging
import time
from dataclasses import replace

import pytest
from fakes.rented_cloud import BID, KEY, SPEC, WANT, Site, inside

from cluster.providers.vast import INTERVALS, Vast
from cluster.providers.vast_wire import (
    ErrorJson,
    InstanceJson,
    OfferJson,
    is_gone,
    offer_of,
    refusal_kind,
    state_of,
)
from tercet.renting import Instance, RentFailure


def created(vast, want=WANT, spec=SPEC) -> Instance:
    instance = vast.create(vast.search(want)[0], spec)
    assert isinstance(instance, Instance), instance
    return instance


def running(cloud, vast, want=WANT) -> Instance:
    instance = created(vast, want)
    cloud.until(lambda: vast.status(instance.instance_id).state == "running")
    return instance


def test_offers_are_told_in_our_words_the_cheapest_first(cloud) -> None:
    first, second = cloud.vast().search(WANT)
    # 60 GB at 0.15 USD a month of 720 hours: 0.0125 USD an hour.
    assert (first.offer_id, first.hourly_nano_usd) == ("101", 232_500_000)
    assert (second.offer_id, second.hourly_nano_usd) == ("102", 262_500_000)
    assert (first.gpu, first.stopped_hourly_nano_usd) == ("RTX 3090", 12_500_000)
    assert (first.region, first.trusted, first.interruptible) == ("DE", True, False)


def test_a_bids_offer_costs_the_bid_that_would_win_now_and_its_disk(cloud) -> None:
    assert [one.hourly_nano_usd for one in cloud.vast().search(BID)] == [102_500_000, 132_500_000]


def test_what_is_too_dear_is_not_offered(cloud) -> None:
    assert cloud.vast().search(replace(WANT, most_hourly_nano_usd=232_499_999)) == []
    assert len(cloud.vast().search(replace(WANT, most_hourly_nano_usd=232_500_000))) == 1


def test_an_offer_that_cannot_be_read_is_none() -> None:
    readable = {"id": 1, "gpu_name": "RTX 3090", "dph_total": 0.2, "storage_cost": 0.15}
    assert offer_of(OfferJson.read(readable), WANT, "vast").hourly_nano_usd == 200_000_000
    for field in readable:
        broken = {name: value for name, value in readable.items() if name != field}
        assert offer_of(OfferJson.read(broken), WANT, "vast") is None
    assert offer_of(OfferJson.read(readable), BID, "vast") is None  # no price to bid


def test_the_smaller_card_of_the_same_name_is_not_offered() -> None:
    want = replace(WANT, gpus=("A100 80",))
    said = {"id": 1, "gpu_name": "A100 PCIE", "dph_total": 0.7, "storage_cost": 0.1}
    small, large = (OfferJson.read(said | {"gpu_ram": mb}) for mb in (40_960, 81_920))
    assert offer_of(small, want, "vast") is None
    assert offer_of(large, want, "vast").gpu == "A100 80"


def test_both_spellings_of_a_card_are_searched_for(cloud) -> None:
    cloud.vast().search(replace(WANT, gpus=("RTX 3090", "A40")))
    (search,) = cloud.sent("POST", "/bundles/")
    assert search.sent["gpu_name"] == {"in": ["RTX 3090", "A40", "RTX_3090"]}


def test_a_bid_is_created_with_its_price_and_on_demand_without(cloud) -> None:
    vast = cloud.vast()
    created(vast, BID)
    created(vast, WANT)
    bid, demand = cloud.sent("PUT", "/asks/")
    assert bid.sent["price"] == 0.09
    assert "price" not in demand.sent
    assert [one["bid"] for one in cloud.ever()] == [90_000_000, None]


def test_a_bid_that_is_too_low_is_a_failure_and_a_stopped_instance_that_is_found(cloud) -> None:
    vast = cloud.vast()
    offer = vast.search(BID)[0]
    cloud.control("machine", offer_id=102, least_bid_usd=0.1)
    failure = vast.create(offer, SPEC)
    assert (failure.kind, "invalid_price" in failure.message) == ("rejected", True)
    (left,) = vast.instances("lease-1")
    assert (left.state, left.stopped_hourly_nano_usd) == ("stopped", 12_500_000)


def test_a_create_that_fails_half_way_leaves_an_instance_that_is_found(cloud) -> None:
    vast = cloud.vast()
    cloud.control("next", create="half_failed")
    assert vast.create(vast.search(WANT)[0], SPEC).kind == "unreachable"
    assert len(cloud.sent("PUT", "/asks/")) == 1
    assert [one.label for one in vast.instances("lease-")] == ["lease-1"]


def test_a_create_that_takes_too_long_is_not_sent_again(cloud) -> None:
    vast = cloud.vast(timeout_s=0.2)
    cloud.control("next", create="slow")
    failure = vast.create(vast.search(WANT)[0], SPEC)
    assert (failure.kind, "may have been done" in failure.message) == ("unreachable", True)
    assert len(cloud.sent("PUT", "/asks/")) == 1
    assert len(vast.instances("lease-")) == 1


def test_an_offer_that_is_gone_is_no_offer(cloud) -> None:
    vast = cloud.vast()
    offer = vast.search(WANT)[0]
    created(vast)
    assert vast.create(offer, SPEC).kind == "no_offer"


def test_an_instance_loads_and_runs_at_its_price(cloud) -> None:
    vast = cloud.vast()
    instance = created(vast)
    assert (instance.state, instance.hourly_nano_usd) == ("loading", 232_500_000)
    cloud.until(lambda: vast.status(instance.instance_id).state == "running")
    shown = vast.status(instance.instance_id)
    assert (shown.label, shown.gpu, shown.hourly_nano_usd) == ("lease-1", "RTX 3090", 232_500_000)


def test_a_start_that_is_answered_and_does_nothing_leaves_it_stopped(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast, BID)
    vast.stop(instance.instance_id)
    cloud.control("next", starts_ignored=1)
    assert vast.start(instance.instance_id) is None
    assert vast.status(instance.instance_id).state == "stopped"


def test_a_start_whose_card_is_taken_waits_stopped_and_goes_on_when_it_is_free(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast)
    vast.stop(instance.instance_id)
    cloud.control("machine", offer_id=101, taken=True)
    assert vast.start(instance.instance_id) is None
    assert vast.status(instance.instance_id).state == "stopped"
    assert cloud.phase(instance.instance_id) == "scheduling"
    cloud.control("machine", offer_id=101, taken=False)
    cloud.until(lambda: vast.status(instance.instance_id).state == "running")


def test_a_start_that_waits_for_its_card_can_be_called_off(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast)
    vast.stop(instance.instance_id)
    cloud.control("machine", offer_id=101, taken=True)
    vast.start(instance.instance_id)
    assert vast.stop(instance.instance_id) is None
    cloud.control("machine", offer_id=101, taken=False)
    time.sleep(0.15)
    assert cloud.phase(instance.instance_id) == "stopped"


def test_an_instance_that_was_outbid_says_so_and_comes_back_by_itself(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast, BID)
    cloud.control("outbid", instance_id=instance.instance_id)
    assert vast.status(instance.instance_id).state == "outbid"
    assert vast.instances("lease-")[0].state == "outbid"
    cloud.control("machine", offer_id=102, least_bid_usd=0.05)
    cloud.until(lambda: vast.status(instance.instance_id).state == "running")


def test_what_we_stopped_ourselves_is_not_outbid(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast, BID)
    vast.stop(instance.instance_id)
    cloud.control("outbid", instance_id=instance.instance_id)
    assert vast.status(instance.instance_id).state == "stopped"


def said(**words) -> InstanceJson:
    prices = {"dph_total": 0.2, "storage_cost": 0.1, "disk_space": 10}
    return InstanceJson.model_validate({"id": 1, "is_bid": True} | prices | words)


STOPPED = {"actual_status": "stopped", "cur_state": "stopped", "next_state": "stopped"}


@pytest.mark.parametrize(
    ("words", "wish", "state"),
    [
        ({"actual_status": None, "cur_state": "running"}, "starting", "loading"),
        ({"actual_status": "created"}, None, "loading"),
        ({"actual_status": "rebooting"}, None, "loading"),
        ({"actual_status": "frozen"}, None, "running"),
        ({"actual_status": "exited", "intended_status": "running"}, "up", "failed"),
        ({"actual_status": "exited", "intended_status": "stopped"}, "stopped", "stopped"),
        ({"actual_status": "unknown"}, "up", "failed"),
        ({"actual_status": "offline"}, None, "failed"),
        ({"actual_status": None, "cur_state": "unloaded"}, None, "failed"),
        (STOPPED | {"intended_status": "stopped"}, "up", "outbid"),
        (STOPPED | {"intended_status": "stopped"}, None, "stopped"),
        (STOPPED | {"intended_status": "stopped"}, "stopped", "stopped"),
        (STOPPED | {"intended_status": "running"}, None, "outbid"),
        (STOPPED | {"intended_status": "running"}, "starting", "stopped"),
        (STOPPED | {"intended_status": "running", "is_bid": False}, "up", "stopped"),
    ],
)
def test_states_are_read_out_of_four_words_and_what_this_process_did(words, wish, state) -> None:
    assert state_of(said(**words), wish) == state


def test_a_machine_that_went_offline_has_failed(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast)
    cloud.control("kill", instance_id=instance.instance_id)
    shown = vast.status(instance.instance_id)
    assert (shown.state, "offline" in shown.detail) == ("failed", True)


class Time:
    """A clock that a sleep sets forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_each_endpoint_is_asked_at_its_own_pace(cloud) -> None:
    clock = Time()
    vast = cloud.vast(intervals=INTERVALS, clock=clock.clock, sleep=clock.sleep)
    vast.search(WANT)
    vast.instances("")
    vast.status("1")
    assert clock.slept == []
    vast.status("1")
    vast.status("1")
    vast.instances("")
    # Two seconds between two looks at an instance, and a margin; meanwhile a list was free to go.
    assert clock.slept == pytest.approx([2.1, 2.1])


def test_paced_requests_are_never_too_many(tmp_path) -> None:
    # Twice as slow as it has to be: a request may be late on its way.
    with inside(tmp_path, limits={"list": 0.1}) as cloud:
        vast = cloud.vast(intervals={"list": 0.2})
        begun = time.monotonic()
        for _ in range(4):
            vast.instances("")
        assert [one.status for one in cloud.sent("GET", "/instances/")] == [200] * 4
        assert time.monotonic() - begun >= 0.6


def test_too_many_requests_are_asked_again_ever_later_and_then_told(cloud) -> None:
    clock = Time()
    vast = cloud.vast(clock=clock.clock, sleep=clock.sleep)
    cloud.control("garble", kind="too_many", method="GET", path="/instances/", times=2)
    assert vast.instances("") == []
    assert clock.slept == [1, 2]
    cloud.control("garble", kind="too_many", method="GET", path="/instances/", times=9)
    failure = vast.instances("")
    assert (failure.kind, failure.retry_after_s) == ("rate_limited", 8)
    assert len(cloud.sent("GET", "/instances/")) == 3 + 4


def test_a_create_that_was_too_early_is_not_sent_again(cloud) -> None:
    clock = Time()
    vast = cloud.vast(clock=clock.clock, sleep=clock.sleep)
    offer = vast.search(WANT)[0]
    cloud.control("garble", kind="too_many", method="PUT", path="/asks/", times=1)
    failure = vast.create(offer, SPEC)
    assert (failure.kind, failure.retry_after_s, clock.slept) == ("rate_limited", 12, [])


def test_every_page_of_a_list_is_read(tmp_path) -> None:
    machines = [
        {"offer_id": n, "gpu": "A40", "hourly": 1_000_000, "least_bid": 1} for n in range(1, 8)
    ]
    with inside(tmp_path, machines=machines, page=3) as cloud:
        vast = cloud.vast()
        want = replace(WANT, gpus=("A40",))
        for n in range(1, 8):
            created(vast, want, replace(SPEC, label=f"{'lease' if n % 2 else 'other'}-{n}"))
        found = vast.instances("lease-")
        assert [one.label for one in found] == ["lease-1", "lease-3", "lease-5", "lease-7"]
        assert len(cloud.sent("GET", "/v1/instances/")) == 3


def test_every_page_of_a_bill_is_read(tmp_path) -> None:
    with inside(tmp_path, page=1) as cloud:
        vast = cloud.vast()
        ids = {created(vast).instance_id for _ in range(2)}
        time.sleep(0.1)
        assert {one.instance_id for one in vast.charges(0.0, time.time() + 1)} == ids
        assert len(cloud.sent("GET", "/charges/")) == 2


def test_half_a_list_is_no_list(tmp_path) -> None:
    with inside(tmp_path, page=1) as cloud:
        vast = cloud.vast()
        created(vast)
        created(vast)
        assert len(vast.instances("")) == 2
        cloud.control("garble", kind="truncated", method="GET", path="after_token=")
        assert vast.instances("").kind == "unreachable"


NONSENSE = {
    "html": "unreachable",
    "truncated": "unreachable",
    "empty": "unreachable",
    "unsuccessful": "rejected",
}


@pytest.mark.parametrize(
    ("method", "path", "ask"),
    [
        ("POST", "/bundles/", lambda vast: vast.search(WANT)),
        ("GET", "/v1/instances/", lambda vast: vast.instances("")),
        ("GET", "/v0/instances/", lambda vast: vast.status("7001")),
        ("GET", "/charges/", lambda vast: vast.charges(0.0, 1.0)),
    ],
)
def test_nonsense_is_a_failure_and_no_exception(cloud, method, path, ask) -> None:
    vast = cloud.vast()
    for kind, failure in NONSENSE.items():
        cloud.control("garble", kind=kind, method=method, path=path)
        assert ask(vast).kind == failure, kind


def test_an_act_answered_with_nonsense_was_not_done_for_sure(cloud) -> None:
    vast = cloud.vast()
    instance = created(vast)
    for kind in ("html", "truncated", "unsuccessful"):
        for method, act in (("PUT", vast.start), ("PUT", vast.stop), ("DELETE", vast.destroy)):
            cloud.control("garble", kind=kind, method=method, path="/instances/")
            assert isinstance(act(instance.instance_id), RentFailure), (kind, method)


def test_a_create_answered_with_nonsense_may_have_been_done(cloud) -> None:
    vast = cloud.vast()
    offer = vast.search(WANT)[0]
    for kind, failure in NONSENSE.items():
        cloud.control("garble", kind=kind, method="PUT", path="/asks/")
        assert vast.create(offer, SPEC).kind == failure, kind


def test_a_provider_that_is_not_there_is_unreachable() -> None:
    nowhere = Site(url="http://127.0.0.1:9")
    assert nowhere.vast().instances("").kind == "unreachable"
    nowhere.shut()


def test_a_wrong_key_is_told_with_what_a_right_one_needs(cloud, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "sk-wrong-0123456789"
    failure = cloud.vast(wrong).instances("")
    assert failure.kind == "unauthorized"
    assert "misc, instance_read, instance_write and billing_read" in failure.message
    assert wrong not in failure.message + caplog.text + repr(Vast(wrong, cloud.url))


def test_a_key_that_the_provider_repeats_is_not_repeated(cloud) -> None:
    cloud.control("garble", kind="unsuccessful", method="GET", path="/instances/")
    failure = cloud.vast().instances("")
    assert "not Bearer [key]" in failure.message
    assert KEY not in failure.message


def test_a_key_without_a_scope_is_told_so(tmp_path) -> None:
    reader = "reader-0123456789"
    with inside(tmp_path, scopes={reader: ["instance_read"]}) as cloud:
        vast = cloud.vast(reader)
        assert vast.instances("") == []
        assert vast.search(WANT).kind == "unauthorized"


def test_an_unknown_key_does_not_look_like_an_instance_that_is_gone() -> None:
    # show_charges.yaml says 404 with `auth_error` of a key that matches no user.
    body = {"success": False, "error": "auth_error", "msg": "Invalid user key"}
    assert refusal_kind(404, ErrorJson.read(body)) == "unauthorized"
    assert not is_gone(404, body)
    assert not is_gone(404, None)
    assert is_gone(404, {"success": False, "error": "no_such_instance"})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_args", "msg": "Invalid args"}, "rejected"),
        (403, {"error": "invalid_args", "msg": "Offer 1 is not your own."}, "rejected"),
        (410, {"error": "no_such_ask", "msg": "no longer available"}, "no_offer"),
        (400, {"error": "missing_billing", "msg": "add a card"}, "no_credit"),
        (200, {"success": False, "error": "resources_unavailable"}, "no_gpu"),
        (502, {}, "unreachable"),
        (200, {"success": True}, None),
        (200, {"success": False}, "rejected"),
    ],
)
def test_refusals_have_kinds(status, body, kind) -> None:
    assert refusal_kind(status, ErrorJson.read(body)) == kind


def test_one_that_is_loading_can_be_stopped_and_what_is_gone_destroyed(cloud) -> None:
    vast = cloud.vast()
    cloud.control("delays", load_s=60)
    instance = created(vast)
    assert vast.stop(instance.instance_id) is None
    assert vast.status(instance.instance_id).state == "stopped"
    assert vast.destroy(instance.instance_id) is None
    assert vast.destroy(instance.instance_id) is None
    assert vast.status(instance.instance_id) is None
    assert vast.instances("") == []


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"command": "x" * 4097}, "4097"),
        ({"environment": {"NODE_KEY": "k" * 257}}, "NODE_KEY"),
        ({"environment": {f"V{n}": "x" * 250 for n in range(140)}}, "32768"),
        ({"label": "x" * 257}, "257"),
        ({"volume": "vol_1"}, "vol_1"),
    ],
)
def test_what_vast_would_refuse_is_not_sent(cloud, part, word) -> None:
    vast = cloud.vast()
    failure = vast.create(vast.search(WANT)[0], replace(SPEC, **part))
    assert (failure.kind, word in failure.message) == ("rejected", True)
    assert cloud.sent("PUT", "/asks/") == []


def test_the_bill_of_the_provider_is_read_line_by_line(cloud) -> None:
    vast = cloud.vast()
    instance = running(cloud, vast)
    vast.destroy(instance.instance_id)
    bill = cloud.bill()
    charges = vast.charges(0.0, time.time() + 1)
    assert {one.instance_id for one in charges} == {instance.instance_id}
    assert {one.kind for one in charges} == {"gpu", "storage"}
    assert sum(one.nano_usd for one in charges) == bill["nano_usd"] > 0


def test_an_environment_arrives_as_it_was_sent(cloud) -> None:
    created(cloud.vast())
    (one,) = cloud.ever()
    assert one["environment"]["GREETING"] == "good day, 'you'"
    assert one["command"] == "echo hello\n"
    assert KEY not in str(one)
