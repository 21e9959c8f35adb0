"""What a replica keeps of what was learned, and of its conversations."""

import asyncio
from dataclasses import replace

from fakes.taught import CONFIG, HAIKU, NOW, OPUS, Versions, task

from router.learning.cold import arms_of_catalog
from router.learning.exploring import forced
from router.lesson_feed import CONVERSATIONS, LessonFeed
from router.lessons import Kept
from tercet.drawing import Draw
from tercet.route import Route, Seat
from tercet.task import turn

DAY_S = 86_400.0


def feed_of(versions: Versions, replicas: int = 1) -> LessonFeed:
    specs = arms_of_catalog(CONFIG.catalog, CONFIG.rules)
    rules = replace(CONFIG.learning, exploration_nano_usd=1_000)
    return LessonFeed(versions, rules, CONFIG.taxonomy, specs, lambda: replicas)


def looks(feed: LessonFeed, times: int = 1) -> tuple[str | None, str | None, float]:
    """Return what is in force, the canary and its share after so many looks."""

    async def whole() -> None:
        for _ in range(times):
            await feed.look()

    asyncio.run(whole())
    seen = feed.lessons(NOW)
    in_force, canary = seen.in_force, seen.canary
    names = [None if policy is None else policy.version for policy in (in_force, canary)]
    return names[0], names[1], seen.canary_share


def route(draw: Draw | None) -> Route:
    seat = Seat(role="single", tier="tier3", model=HAIKU)
    return Route(
        name="tier3",
        composition="single",
        seats=(seat,),
        reason="a test",
        deadline_at=0.0,
        draw=draw,
    )


def drawn(extra: int) -> Route:
    return route(
        Draw(
            arm=OPUS, propensities={OPUS: 1.0}, is_forced=False, seed=1, extra_nano_usd=extra,
            reason="a test",
        )
    )  # fmt: skip


GOES_ON = task(messages=(turn("user", "hello"), turn("assistant", "hi"), turn("user", "more")))


def test_until_the_ledger_was_read_the_plans_rule_is_in_force() -> None:
    assert feed_of(Versions()).lessons(NOW).in_force is None


def test_versions_that_route_are_read_and_their_documents_once() -> None:
    versions = Versions()
    versions.put("v1", "in_force")
    versions.put("v2", "canary", share=0.05)
    versions.put("v3", "candidate")

    assert looks(feed_of(versions), times=3) == ("v1", "v2", 0.05)
    assert versions.read == ["v1", "v2"]


def test_a_canarys_share_is_read_again() -> None:
    versions = Versions()
    versions.put("v1", "canary", share=0.05)
    feed = feed_of(versions)
    assert looks(feed) == (None, "v1", 0.05)
    versions.put("v1", "canary", share=0.25)
    assert looks(feed) == (None, "v1", 0.25)


def test_a_rollback_is_seen_at_the_next_look() -> None:
    versions = Versions()
    versions.put("v1", "in_force")
    feed = feed_of(versions)
    assert looks(feed)[0] == "v1"
    versions.put("v1", "rolled_back")
    assert looks(feed) == (None, None, 0.0)


def test_while_the_ledger_is_away_what_was_read_holds_and_the_log_says_so_once(caplog) -> None:
    versions = Versions()
    versions.put("v1", "in_force")
    feed = feed_of(versions)
    looks(feed)
    versions.down = True
    assert looks(feed, times=5)[0] == "v1"
    assert [record.getMessage() for record in caplog.records] == [
        "what was learned could not be read; routing stands still"
    ]


def test_a_damaged_document_leaves_the_version_before_it_and_is_told_once(caplog) -> None:
    versions = Versions()
    versions.put("v1", "in_force")
    feed = feed_of(versions)
    looks(feed)
    versions.put("v1", "retired")
    versions.put("v2", "in_force", document=b"not a policy")
    assert looks(feed, times=3)[0] == "v1"
    assert [record.getMessage() for record in caplog.records] == ["version v2 is not used"]


def test_a_damaged_canary_routes_nothing() -> None:
    versions = Versions()
    versions.put("v1", "in_force")
    versions.put("v2", "canary", document=b"PK\x03\x04", share=0.25)
    assert looks(feed_of(versions)) == ("v1", None, 0.0)


def test_a_version_that_was_rolled_back_does_not_stay_for_a_damaged_one() -> None:
    versions = Versions()
    versions.put("v2", "in_force")
    feed = feed_of(versions)
    looks(feed)
    versions.put("v2", "rolled_back")
    versions.put("v1", "in_force", document=b"")
    assert looks(feed)[0] is None


def test_a_damaged_document_without_one_before_it_leaves_the_plans_rule() -> None:
    versions = Versions()
    versions.put("v1", "in_force", document=b"\x00" * 100)
    assert looks(feed_of(versions))[0] is None


def test_the_days_budget_is_shared_by_the_replicas_and_spent_by_what_is_tried() -> None:
    feed = feed_of(Versions(), replicas=2)
    left = [feed.lessons(NOW).left_nano_usd]
    for extra in (300, 150, 900):
        feed.note(task(), drawn(extra), 5, NOW)
        left.append(feed.lessons(NOW).left_nano_usd)
    assert left == [500, 200, 50, 0]
    assert feed.lessons(NOW + DAY_S).left_nano_usd == 500


def test_a_new_day_begins_with_nothing_tried() -> None:
    feed = feed_of(Versions())
    feed.note(task(), drawn(800), 5, NOW)
    feed.note(task(), drawn(100), 5, NOW + DAY_S)
    assert feed.lessons(NOW + DAY_S).left_nano_usd == 900


def test_a_conversation_that_goes_on_is_known_by_what_answered_it_last() -> None:
    feed = feed_of(Versions())
    assert feed.kept(GOES_ON) is None
    feed.note(task(), drawn(0), 7, NOW)
    assert feed.kept(GOES_ON) == Kept(arm=OPUS, tokens=7, at=NOW)
    feed.note(GOES_ON, route(forced(HAIKU, "a test")), 9, NOW + 5)
    assert feed.kept(GOES_ON) == Kept(arm=HAIKU, tokens=9, at=NOW + 5)


def test_one_that_begins_with_the_same_words_is_a_new_one() -> None:
    feed = feed_of(Versions())
    feed.note(task(), drawn(0), 7, NOW)
    assert feed.kept(task()) is None


def test_what_the_plans_rule_decided_alone_is_not_kept() -> None:
    feed = feed_of(Versions())
    feed.note(task(), route(None), 7, NOW)
    assert feed.kept(GOES_ON) is None


def test_the_oldest_conversations_are_forgotten() -> None:
    feed = feed_of(Versions())
    feed.note(task(), drawn(0), 7, NOW)
    for number in range(CONVERSATIONS):
        feed.note(task(f"task {number}"), drawn(0), 7, NOW)
    assert feed.kept(GOES_ON) is None
