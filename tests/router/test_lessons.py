"""Which version routes a conversation."""

from fakes import taught

from router.lessons import conversation_of
from tercet.task import turn


def versions(share: float) -> list[str]:
    """Return who routes 2,000 conversations."""
    lessons = taught.lessons(taught.policy("v1"), canary=taught.policy("v2"), canary_share=share)
    found = (lessons.version_for(conversation_of(taught.task(f"task {n}"))) for n in range(2_000))
    return [policy.version for policy in found]


def test_a_canary_routes_about_its_share_of_the_conversations() -> None:
    assert 70 <= versions(0.05).count("v2") <= 130
    assert 430 <= versions(0.25).count("v2") <= 570
    assert versions(0.0).count("v2") == 0
    assert versions(1.0).count("v2") == 2_000


def test_a_larger_share_keeps_the_conversations_of_the_smaller_one() -> None:
    smaller, larger = versions(0.05), versions(0.25)
    assert all(larger[at] == "v2" for at in range(2_000) if smaller[at] == "v2")


def test_a_conversation_keeps_its_name_as_it_goes_on() -> None:
    begun = taught.task("Plan a trip.")
    gone_on = taught.task(
        messages=(
            turn("system", "Be brief."),
            turn("user", "Plan a trip."),
            turn("assistant", "Where to?"),
            turn("user", "Rome"),
        )
    )
    assert conversation_of(begun) == conversation_of(gone_on) == "f403e409961948a12d9d04da"


def test_other_words_and_another_key_make_another_conversation() -> None:
    names = {
        conversation_of(taught.task("Plan a trip.")),
        conversation_of(taught.task("Plan a trip!")),
        conversation_of(taught.task("Plan a trip.", key_id="other")),
    }
    assert len(names) == 3


def test_broken_unicode_names_a_conversation_too() -> None:
    assert len(conversation_of(taught.task("\ud800 hello"))) == 24


def test_without_a_version_nobody_but_the_plans_rule_routes() -> None:
    assert taught.lessons().version_for("any") is None
