from fakes.rows import AT

from router.classify import classify
from router.labelling import Opinion, label_of, propensity_of
from router.learning.features import sketch_of
from tercet.drawing import Draw
from tercet.task import Hints, Task, turn

DRAW = Draw(
    arm="flash", propensities={"flash": 0.25, "haiku": 0.75}, is_forced=False, seed=1,
    extra_nano_usd=0, reason="drawn",
)  # fmt: skip
FORCED = Draw(
    arm="flash", propensities={"flash": 1.0}, is_forced=True, seed=0, extra_nano_usd=0, reason="pin"
)


def task(text: str, kind: str | None = None) -> Task:
    return Task(
        id="req_1", key_id="default", model="auto", messages=(turn("user", text),),
        hints=Hints(kind=kind), deadline_at=AT,
    )  # fmt: skip


def test_a_label_has_hashes_of_what_was_asked_and_not_the_words() -> None:
    asked = task("Translate this to German: the secret is out")
    opinion = Opinion(arm="flash", quality=0.5, source="judge", policy_version="v1", draw=DRAW)
    made = label_of(asked, classify(asked), opinion, AT)
    assert made.sketch == sketch_of("Translate this to German: the secret is out").to_bytes()
    assert (made.task_id, made.kind, made.is_declared) == ("req_1", "transformation", False)
    assert (made.propensity, made.policy_version, made.at) == (0.25, "v1", AT)
    assert "secret" not in repr(made)


def test_a_kind_that_the_caller_said_is_declared() -> None:
    asked = task("Go on", kind="maths")
    opinion = Opinion(arm="flash", quality=1.0, source="test")
    assert label_of(asked, classify(asked), opinion, AT).is_declared


def test_turns_of_one_conversation_are_one_group() -> None:
    opinion = Opinion(arm="flash", quality=1.0, source="test")
    first, other = task("What is Ray?"), task("What is Serve?")
    again = Task(
        id="req_2", key_id="default", model="auto", deadline_at=AT,
        messages=(*first.messages, turn("assistant", "A library."), turn("user", "And why?")),
    )  # fmt: skip
    groups = [label_of(one, classify(one), opinion, AT).group_id for one in (first, again, other)]
    assert groups[0] == groups[1] != groups[2]


def test_only_the_arm_that_was_drawn_has_a_propensity() -> None:
    assert propensity_of("flash", DRAW) == 0.25
    assert propensity_of("haiku", DRAW) is None
    assert propensity_of("flash", FORCED) is None
    assert propensity_of("flash", None) is None
