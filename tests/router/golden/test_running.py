"""A run: arms asked through a gateway, checked, priced, labelled, resumed and stopped."""

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.gateway import NOW, Says, gateway
from fakes.golden import (
    CONFIG,
    FLASH,
    HAIKU,
    LEAD,
    LED,
    PAIR,
    SONNET,
    Answers,
    arms,
    golden,
)

from deployments.ledger import Ledger
from router.golden.asking import Gateway
from router.golden.making import Plan, Wanted, answered, judges, planned
from router.golden.running import Unit, left
from router.golden.showing import Row, as_text, rows_of
from router.golden.tasks import Exact, Rubric, Suites
from tercet.errors import ConfigError

USD = 1_000_000_000
ARGON = "gemini-4-argon"


def wanted(ledger: Path, **changes) -> Wanted:
    fields = {
        "arms": [HAIKU], "suites": [], "kinds": [], "repeat": 1, "again": False, "url": "",
        "most_nano_usd": USD, "at_once": 2, "folder": None, "ledger": str(ledger), "as_json": False,
    }  # fmt: skip
    return Wanted(**(fields | changes))


def units(*names: str, task=None, expected: int = 0) -> list[Unit]:
    return [
        Unit(task=task or golden(), arm=arm, time=1, expected_nano_usd=expected)
        for arm in arms(*names)
    ]


def plan(asked: list[Unit]) -> Plan:
    return Plan(config=CONFIG, units=asked, judge_of=judges(CONFIG), earlier=())


def played(tmp_path: Path, asked: list[Unit], site: Answers, **changes):
    """Run units; return the results by arm, and the labels in the ledger."""
    path = tmp_path / "ledger.sqlite3"

    async def scenario():
        with closing(Ledger(path)) as ledger:
            async with site.http() as http:
                results = await answered(
                    plan(asked), http, ledger, lambda: NOW, wanted(path, **changes)
                )
            return results, list(await ledger.labels(0))

    results, labels = asyncio.run(scenario())
    return {result.unit.arm.id: result for result in results}, labels


def test_each_arm_is_asked_for_by_name_and_its_answer_is_a_label(tmp_path) -> None:
    site = Answers(says={"tier3": "Canberra", SONNET: "Sydney"}, speaks={"tier3": [HAIKU, FLASH]})
    results, labels = played(tmp_path, units("tier3", SONNET), site)

    assert {arm: result.quality for arm, result in results.items()} == {PAIR: 1.0, LEAD: 0.0}
    assert site.bodies[0] == {
        "model": "tier3",
        "messages": [{"role": "user", "content": "What is the capital of Australia?"}],
        "metadata": {"kind": "question"},
    }
    label = next(label for label in labels if label.arm == PAIR)
    assert label.task_id == label.group_id == golden().id
    assert (label.kind, label.is_declared, label.quality, label.source) == (
        "question", True, 1.0, "test",
    )  # fmt: skip
    assert (label.cost_nano_usd, label.propensity, label.at) == (1_000_000, None, NOW)
    assert label.size_tokens == 9
    assert 0 <= label.seconds < 5
    assert b"Australia" not in (tmp_path / "ledger.sqlite3").read_bytes()


def test_a_vote_is_taken_among_repeats_which_cost_what_all_cost(tmp_path) -> None:
    said = iter(["Sydney", "Canberra", "It is Canberra.", "Canberra"])
    site = Answers(says={HAIKU: lambda _: next(said)})
    results, labels = played(tmp_path, units(f"{HAIKU}*4"), site)
    assert results[f"{HAIKU}*4"].quality == 1.0
    assert [(label.arm, label.cost_nano_usd) for label in labels] == [(f"{HAIKU}*4", 4_000_000)]


def test_answers_that_are_not_the_arms_own_have_no_quality(tmp_path) -> None:
    asked = units("tier3", LED, "local", f"{HAIKU}*2", FLASH)
    site = Answers(
        says={"tier3": "Canberra", "tier2": "Canberra", "local": "Canberra", HAIKU: 503,
              FLASH: "Canberra"},
        speaks={"tier3": [HAIKU], "tier2": [SONNET, ARGON], "local": [FLASH]},
        nano_usd=7,
    )  # fmt: skip
    results, labels = played(tmp_path, asked, site)

    assert {arm: result.why for arm, result in results.items() if result.quality is None} == {
        PAIR: f"{HAIKU} answered instead",
        "local(tiny-llama)": f"{FLASH} answered instead",
        f"{HAIKU}*2": "503: scripted",
    }
    assert results[f"{HAIKU}*2"].nano_usd == 14
    assert sorted(label.arm for label in labels) == [FLASH, LED]
    assert next(b for b in site.bodies if b["model"] == "local")["metadata"] == {
        "kind": "question", "batch": "true",
    }  # fmt: skip
    assert left(list(results.values())) == {
        f"{HAIKU} answered instead": 1, f"{FLASH} answered instead": 1, "503: scripted": 1,
    }  # fmt: skip


def test_missing_voices_make_it_another_arm(tmp_path) -> None:
    site = Answers(
        says={"tier3": "Canberra"}, speaks={"tier3": [HAIKU, FLASH]}, degraded=["member:timeout"]
    )
    results, labels = played(tmp_path, units("tier3"), site)
    assert (results[PAIR].why, labels) == ("without member:timeout", [])


def verdict(a: float, b: float, better: str) -> str:
    return json.dumps({"why": "w", "a": a, "b": b, "better": better})


def by_content(body) -> str:
    """Prefer the reference, wherever it stands."""
    said = body["messages"][-1]["content"]
    is_first = said.index("Canberra is the capital") < said.index("No idea")
    return verdict(1, 0.5, "A") if is_first else verdict(0.5, 1, "B")


def rubric():
    return golden(Rubric(text="It names the city."), reference="Canberra is the capital.")


def test_a_rubric_is_judged_in_both_orders_by_another_family(tmp_path) -> None:
    site = Answers(says={HAIKU: "No idea", FLASH: by_content})
    results, labels = played(tmp_path, units(HAIKU, task=rubric()), site)

    result = results[HAIKU]
    assert (result.quality, result.source) == (0.5, "judge")
    assert (result.nano_usd, result.judge_nano_usd) == (1_000_000, 2_000_000)
    assert [label.source for label in labels] == ["judge"]
    judged = [body for body in site.bodies if body["model"] == FLASH]
    assert len(judged) == 2
    assert judged[0]["response_format"]["json_schema"]["strict"] is True
    assert judged[0]["messages"][0]["role"] == "system"
    assert HAIKU not in json.dumps(judged)
    assert "What counts in an answer: It names the city." in judged[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("says", "speaks", "why"),
    [
        ("I like both.", {}, "the judge gave no verdict that can be read"),
        (429, {}, "the judge: 429: scripted"),
        (by_content, {FLASH: [ARGON]}, f"{ARGON} judged, not {FLASH}"),
    ],
)
def test_without_a_verdict_there_is_no_quality(tmp_path, says, speaks, why) -> None:
    site = Answers(says={HAIKU: "No idea", FLASH: says}, speaks=speaks)
    results, labels = played(tmp_path, units(HAIKU, task=rubric()), site)
    assert (results[HAIKU].why, labels) == (why, [])


def test_it_stops_before_the_money_is_spent(tmp_path) -> None:
    asked = [
        replace(unit, task=golden(name=f"t{n}"), expected_nano_usd=400_000)
        for n in range(10)
        for unit in units(HAIKU)
    ]
    site = Answers(says={HAIKU: "Canberra"}, nano_usd=300_000)
    path = tmp_path / "ledger.sqlite3"

    async def scenario():
        with closing(Ledger(path)) as ledger:
            async with site.http() as http:
                terms = wanted(path, most_nano_usd=1_000_000)
                return await answered(plan(asked), http, ledger, lambda: NOW, terms)

    results = asyncio.run(scenario())
    assert len(site.bodies) == 3
    assert left(results) == {"the limit of 0.001 USD": 7}


def test_a_receipt_is_waited_for_until_its_task_has_ended() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def ask(site: Answers):
        async with site.http() as http:
            return await Gateway(http, sleep=sleep).ask(
                _question()
            )  # fmt: skip

    said = asyncio.run(ask(Answers(says={HAIKU: "Canberra"}, lasts=2)))
    assert (said.nano_usd, waits) == (1_000_000, [0.1, 0.1])
    waits.clear()
    never = asyncio.run(ask(Answers(says={HAIKU: "Canberra"}, lasts=1_000)))
    assert (never.nano_usd, never.text, len(waits)) == (None, "Canberra", 40)


def _question():
    from router.golden.asking import Question

    return Question(model=HAIKU, messages=golden().messages)


def test_without_a_gateway_or_with_the_wrong_key_the_remedy_is_told(tmp_path) -> None:
    async def scenario(http):
        with closing(Ledger(tmp_path / "l.sqlite3")) as ledger:
            async with http:
                await answered(plan([]), http, ledger, lambda: NOW, wanted(tmp_path / "l.sqlite3"))

    import httpx2

    def lost(request):
        raise httpx2.ConnectError("refused")

    for handler, said in (
        (lost, "no gateway answers at http://g: ConnectError; `make run` starts one"),
        (
            lambda _: httpx2.Response(401),
            "the gateway at http://g answers 401; see that TERCET_API",
        ),
    ):
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler), base_url="http://g")
        with pytest.raises(ConfigError, match=said):
            asyncio.run(scenario(client))


def test_what_was_labelled_today_is_not_asked_again_and_a_changed_task_is(tmp_path) -> None:
    path = tmp_path / "ledger.sqlite3"
    site = Answers(says={HAIKU: "Canberra"})
    played(tmp_path, units(HAIKU), site)
    suites = Suites(tasks=(golden(), golden(name="other")), pairs=())

    def asked(suites=suites, now=NOW + 60, **changes) -> list[str]:
        made = planned(wanted(path, **changes), CONFIG, suites, now)
        return [f"{unit.task.name} {unit.time}" for unit in made.units]

    assert asked() == ["other 1"]
    assert asked(repeat=2) == ["other 1", "capital 2", "other 2"]
    assert asked(again=True) == ["capital 1", "other 1"]
    assert asked(now=NOW + 90_000) == ["capital 1", "other 1"]
    changed = Suites(tasks=(golden(Exact(answers=("Canberra", "The ACT"))),), pairs=())
    assert asked(changed) == ["capital 1"]


def test_what_a_run_is_expected_to_cost_is_known_before(tmp_path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)):
        pass
    suites = Suites(tasks=(golden(), rubric()), pairs=())
    names = [HAIKU, f"{HAIKU}*3", "local"]
    made = planned(wanted(path, arms=names), CONFIG, suites, NOW)
    plain, thrice, local, judged, judged_thrice, local_judged = (
        unit.expected_nano_usd for unit in made.units
    )
    assert 0 < plain < 10_000_000
    assert thrice == pytest.approx(3 * plain, abs=2)
    assert local == 0
    assert judged > plain
    assert judged_thrice - judged == pytest.approx(2 * plain, abs=3)
    assert local_judged > 0
    assert made.expected_nano_usd == sum(unit.expected_nano_usd for unit in made.units)


def test_kinds_arms_and_empty_choices_are_told(tmp_path) -> None:
    suites = Suites(tasks=(golden(),), pairs=())
    for changes, said in (
        ({"kinds": ["riddle"]}, "'riddle' is no kind of task; kinds are"),
        ({"arms": ["gpt"]}, "'gpt' is no arm"),
        ({"kinds": ["maths"]}, "there is no golden task to ask"),
    ):
        with pytest.raises(ConfigError, match=said):
            planned(wanted(tmp_path / "none", **changes), CONFIG, suites, NOW)


def test_rows_are_by_kind_and_arm_and_their_intervals_over_tasks(tmp_path) -> None:
    site = Answers(says={HAIKU: lambda b: "Canberra" if len(site.bodies) != 2 else "Sydney"})
    asked = [
        replace(unit, task=golden(name=f"t{n}"), time=time)
        for n in range(2)
        for time in (1, 2)
        for unit in units(HAIKU)
    ]
    _, labels = played(tmp_path, asked, site, at_once=1)
    kind, whole = rows_of(labels)
    assert replace(kind, seconds=None) == Row(
        kind="question", arm=HAIKU, tasks=2, quality=0.75, low=pytest.approx(0.0608, abs=1e-3),
        high=pytest.approx(0.9991, abs=1e-3), nano_usd=1_000_000, seconds=None, sources=("test",),
    )  # fmt: skip
    assert whole.kind == "all"
    text = as_text([replace(kind, seconds=1.5)], {"503: down": 2}, 4_000_000)
    assert text.split("\n") == [
        "kind                   arm  tasks  quality            95 %  USD an answer  median s    by",
        "question  claude-haiku-5-5      2    0.750  0.061 to 1.000       0.001000      1.50  test",
        "left: 2 because 503: down",
        "spent: 0.004000 USD",
        "",
    ]


def test_the_real_gateway_is_asked_as_a_client_asks_it(tmp_path) -> None:
    path = tmp_path / "ledger.sqlite3"
    task = golden(Exact(answers=("It is 391",)))

    async def scenario():
        with closing(Ledger(path)) as ledger:
            async with gateway(Says(), ledger) as site:
                site.http.headers["authorization"] = "Bearer key-of-default"
                return await answered(
                    plan(units(HAIKU, "tier3", task=task)), site.http, ledger, lambda: NOW,
                    wanted(path),
                )  # fmt: skip

    results = {result.unit.arm.id: result for result in asyncio.run(scenario())}
    assert (results[HAIKU].quality, results[HAIKU].nano_usd) == (1.0, 0)
    # Only Claude has a key there, so the pair is not whole.
    assert results[PAIR].why == "without member:no_key"
