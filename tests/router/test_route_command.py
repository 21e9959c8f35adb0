"""`tercet route`: what would be done with a task, and why."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes import taught
from fakes.learned import moved as policy_moved
from fakes.learned import version
from fakes.migrations import transition
from fakes.rows import reservation, settlement
from fakes.taught import HAIKU, OPUS, QUALITY, SONNET

from deployments.ledger import Ledger
from router.asking.making import Wanted, make
from router.cli import main
from router.learning.document import to_bytes
from tercet.keys import Key

Run = Callable[..., tuple[int, str, str]]
SUMMARISE = "Summarise these notes in three sentences: we met on Monday and agreed to ship."


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be a machine without keys, local model and ledger."""
    names = (
        "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "TERCET_LOCAL", "TERCET_PHASE",
        "TERCET_MONTH_CAP_USD",
    )  # fmt: skip
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "none.sqlite3"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def ask(*arguments: str | Path) -> tuple[int, str, str]:
        status = main(["route", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return ask


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with v1 in force, v2 a candidate for Haiku, v3 damaged, and two keys."""
    path = tmp_path / "ledger.sqlite3"

    async def write(ledger: Ledger) -> None:
        haiku = QUALITY | {HAIKU: 0.99}
        for name, document in (
            ("v1", to_bytes(taught.policy("v1"))),
            ("v2", to_bytes(taught.policy("v2", quality=haiku))),
            ("v3", b"no policy"),
        ):
            await ledger.put_policy(version(name, document=document))
        await ledger.move_policies([policy_moved("v1", "candidate", "in_force")])
        await ledger.create_key(
            Key(id="night", sha256="0" * 64, handle="nightkey", tiers=frozenset({"tier3"}))
        )
        await ledger.create_key(Key(id="gone", sha256="1" * 64, handle="gonegone", revoked_at=1.0))
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1"))

    with closing(Ledger(path)) as opened:
        asyncio.run(write(opened))
    return path


def lines(text: str) -> dict[str, str]:
    """Return the lines that begin with a name, by it."""
    found = (line.partition(" ") for line in text.split("\n") if line[:1].isalpha())
    return {name: rest.strip() for name, _, rest in found}


def document(run: Run, *arguments: str | Path) -> dict:
    status, out, _ = run(*arguments, "--json")
    assert status == 0
    return json.loads(out)


def arms(found: dict) -> dict[str, dict]:
    return {arm["arm"]: arm for arm in found["weighing"]["arms"]}


def test_without_a_ledger_the_plans_rule_decides_beside_public_results(run) -> None:
    status, out, err = run(SUMMARISE)
    said = lines(out)

    assert (status, err) == (0, "")
    assert said["task"] == "1 message, about 20 tokens; key default, asks for auto"
    assert said["kind"].startswith("summary 0.9")
    assert (said["flags"], said["unsure"]) == ("none", "no")
    assert said["plan"] == "tier3 because it is quick"
    assert said["no"] == ("version is in force: the plan's rule routes; these are public results")
    assert said["decision"] == "tier3, consensus"
    assert said["seats"] == "member claude-haiku-5-5, member gemini-3.8-flash"
    assert said["contract"] == "text; at a disagreement: critique, 3 rounds at most"
    assert said["version"] == "none: the plan's rule"
    assert "note: there is no ledger yet: no version is in force and nothing is spent\n" in out
    assert "note: no provider's key is set: both are taken for there" in out


def test_every_arm_has_its_row_or_says_why_it_may_not_answer(run) -> None:
    _, out, _ = run(SUMMARISE)
    table = out[out.index("arm ") :].split("\n")

    assert table[0].split() == ["arm", "quality", "deviation", "cost", "USD", "drawn", "with"]
    assert len({line.partition("  ")[0] for line in table[1:10]}) == 9
    assert (
        "  tier1(claude-opus-5-5+gemini-4-argon): "
        "too little to read for gemini-4-argon: about 20 tokens\n"
    ) in out


def test_a_version_in_force_decides(run, ledger) -> None:
    _, out, _ = run(SUMMARISE, "--ledger", ledger)
    said = lines(out)

    assert said["version"].startswith(f"v1; arm {OPUS}, with probability 0.9")
    assert said["decision"] == "tier1, single"
    assert said["seats"] == "single claude-opus-5-5 (if it fails gemini-4-argon)"
    assert "version v1 decides\nmargin 0.03: so much quality may be lost to save money; " in out
    assert "there is no ledger" not in out


def test_json_has_what_was_drawn_from_and_the_whole_route(run, ledger) -> None:
    found = document(run, SUMMARISE, "--ledger", ledger)
    known = arms(found)

    assert (found["version"], found["by"], found["hard_rule"]) == ("v1", "version v1 decides", None)
    assert known[OPUS]["quality"] == pytest.approx(0.95)
    assert known[OPUS]["cost_nano_usd"] == 40_000_000
    assert sum(arm["propensity"] or 0 for arm in known.values()) == pytest.approx(1.0)
    assert found["decision"]["draw"]["propensities"][OPUS] == known[OPUS]["propensity"]
    assert found["plan"]["name"] == "tier3"
    assert found["profile"]["kind"] == "summary"
    assert (found["weighing"]["margin"], found["weighing"]["quality_per_usd"]) == (0.03, 0.0)
    assert found["month"]["step"] == 1


def test_a_version_that_is_not_in_force_can_be_asked(run, ledger) -> None:
    found = document(run, SUMMARISE, "--ledger", ledger, "--version", "v2")
    assert (found["version"], found["decision"]["name"]) == ("v2", "claude-haiku-5-5")


def test_the_canary_is_named_where_it_has_the_conversation(run, ledger) -> None:
    async def begin(opened: Ledger) -> None:
        await opened.move_policies([policy_moved("v2", "candidate", "canary", share=1.0)])

    with closing(Ledger(ledger)) as opened:
        asyncio.run(begin(opened))
    found = document(run, SUMMARISE, "--ledger", ledger)
    assert found["by"] == "version v2, the canary with 100% of the conversations, decides"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--critical"], "design and critical work are never left to estimates"),
        (["--design"], "design and critical work are never left to estimates"),
        (["--model", "tier2"], "the caller asked for tier2"),
        (["--model", "claude-3-haiku"], "the caller asked for claude-haiku-5-5"),
    ],
)
def test_a_hard_rule_is_named(run, ledger, arguments, rule) -> None:
    found = document(run, SUMMARISE, "--ledger", ledger, *arguments)

    assert found["hard_rule"] == rule
    assert found["by"] == (
        f"version v1 is asked, but a hard rule leaves this to the plan's rule: {rule}"
    )
    assert found["decision"]["draw"]["is_forced"]
    assert all(arm["propensity"] is None for arm in arms(found).values())


def test_tools_leave_single_seats(run, ledger) -> None:
    found = document(run, SUMMARISE, "--ledger", ledger, "--tools")
    barred = {arm for arm, seen in arms(found).items() if "tools" in (seen["bar"] or "")}
    assert (found["is_agentic"], len(barred)) == (True, 4)
    assert found["decision"]["composition"] == "single"


def test_a_key_has_its_own_arms(run, ledger) -> None:
    found = document(run, SUMMARISE, "--ledger", ledger, "--key", "night")
    assert found["decision"]["name"] == "claude-haiku-5-5"
    assert arms(found)[OPUS]["bar"] == "the caller's key may not use it"


def test_what_the_caller_says_counts(run) -> None:
    found = document(
        run, "Do it.", "--kind", "maths", "--implementation", "--routine", "--deadline", "50"
    )
    profile = found["profile"]
    assert (profile["kind"], profile["confidence"]) == ("maths", 1.0)
    assert (profile["requires_implementation"], profile["is_routine"]) == (True, True)
    assert arms(found)[SONNET]["bar"] is None
    pair = arms(found)["tier3(claude-haiku-5-5+gemini-3.8-flash)"]
    assert pair["bar"].startswith("3 answers after each other do not fit into")


def test_the_local_model_is_taken_for_ready_and_that_is_said(run, monkeypatch) -> None:
    monkeypatch.setenv("TERCET_LOCAL", "cpu")
    monkeypatch.setenv("TERCET_PHASE", "ungated")
    _, out, _ = run("Rename the variable tmp to total.", "--routine")
    assert lines(out)["decision"] == "local, single"
    assert lines(out)["side"] == "none: the phase is `ungated`: nothing is assigned"
    assert lines(out)["instead"] == "tier3 because it is routine"
    assert "note: the local model is taken for ready, for nobody is asked\n" in out


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch, ledger: Path) -> Path:
    """The ledger, when lookups are a canary; there is a local model."""
    monkeypatch.setenv("TERCET_LOCAL", "cpu")

    async def move(opened: Ledger) -> None:
        assert await opened.move_migration(transition(1, "baseline", "shadow"))
        assert await opened.move_migration(transition(2, "shadow", "canary", 0.1))

    with closing(Ledger(ledger)) as opened:
        asyncio.run(move(opened))
    return ledger


@pytest.mark.parametrize(
    ("number", "side", "why"),
    [
        (2, "held out", "held out: the API answers for comparison"),
        (9, "waiting", "lookup is in canary at 10%, and this conversation waits"),
    ],
)
def test_who_is_not_treated_is_told_its_side_and_why(run, moved, number, side, why) -> None:
    _, out, _ = run(f"Which year is it? {number}", "--kind", "lookup", "--ledger", moved)
    said = lines(out)
    assert said["side"] == f"{side}; lookup, canary: treated with probability 0.090"
    assert said["decision"] == "tier1, single"
    assert said["reason"].endswith(f"; {why}")
    assert f"  local(tiny-llama): {why}\n" in out


def test_who_is_treated_is_told_its_side_and_why(run, moved) -> None:
    said = lines(run("Which year is it? 13", "--kind", "lookup", "--ledger", moved)[1])
    assert said["side"] == "treated; lookup, canary: treated with probability 0.090"
    assert said["decision"] == "local, single"
    assert said["reason"] == "local because lookup is in canary at 10%"
    assert said["version"].startswith("v1; arm local(tiny-llama), forced: lookup is in canary")


def test_of_the_treated_the_version_chooses_who_answers_in_the_local_models_place(
    run, moved
) -> None:
    found = document(run, "Which year is it? 13", "--kind", "lookup", "--ledger", moved)
    assert found["by"] == "version v1 decides who answers where the local model cannot"
    assert found["migration"] == {"is_left_alone": False, "why": "lookup is in canary at 10%"}
    assert found["decision"]["assignment"]["side"] == "treated"
    assert found["decision"]["draw"]["is_forced"]
    assert found["decision"]["instead"]["draw"]["arm"] == OPUS


def test_why_a_task_is_on_no_side_is_told(run, moved) -> None:
    said = lines(run(SUMMARISE, "--ledger", moved)[1])
    assert said["side"] == "none: summary is not among the kinds that may move"
    said = lines(run("hi", "--model", "local", "--kind", "lookup", "--ledger", moved)[1])
    assert (said["decision"], said["side"]) == (
        "local, single", "none: the caller asked for local",
    )  # fmt: skip


def test_in_the_first_month_a_task_has_its_side_without_a_local_model(run) -> None:
    said = lines(run("Which year is it? 13", "--kind", "lookup")[1])
    assert said["side"] == "waiting; lookup, baseline: treated with probability 0.000"
    assert said["reason"] == (
        "tier3 because it is routine, but there is no local model; "
        "lookup is in baseline: the API answers"
    )


def test_a_conversation_is_read_from_a_file(run, tmp_path) -> None:
    file = tmp_path / "conversation.json"
    messages = [
        {"role": "user", "content": "Design a queue for 5,000 orders a second."},
        {"role": "assistant", "content": "Which database is there?"},
        {"role": "user", "content": "Postgres. Go on."},
    ]
    file.write_text(json.dumps(messages))
    assert document(run, "--file", file)["profile"]["requires_design"]
    file.write_text(
        json.dumps({"model": "tier3", "messages": messages, "metadata": {"kind": "chat"}})
    )
    found = document(run, "--file", file, "--kind", "maths")
    assert (found["model"], found["profile"]["kind"]) == ("tier3", "maths")


def test_a_task_is_read_from_standard_input_whatever_its_bytes_are() -> None:
    command = [sys.executable, "-m", "router.cli", "route", "-", "--json"]
    done = subprocess.run(
        command, input=SUMMARISE.encode() + b"\xff", capture_output=True, check=True
    )
    assert json.loads(done.stdout)["profile"]["kind"] == "summary"


def test_a_version_in_force_that_is_damaged_is_not_used_and_told(run, ledger) -> None:
    async def take_over(opened: Ledger) -> None:
        await opened.move_policies([policy_moved("v3", "candidate", "in_force")])

    with closing(Ledger(ledger)) as opened:
        asyncio.run(take_over(opened))
    found = document(run, SUMMARISE, "--ledger", ledger)
    assert found["version"] is None
    assert found["remarks"][0].startswith("version v3 is not used: this is no policy document")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing is asked; write the task, - for standard input, or --file FILE"),
        (["  "], "nothing is asked; write the task, - for standard input, or --file FILE"),
        (["hi", "--file", "x"], "the task is a text or in --file: leave one of them out"),
        (["--file", "/no/x"], "/no/x cannot be read: No such file or directory; name another"),
        (["hi", "--kind", "poem"], "this: metadata.kind must be one of security, architecture,"),
        (["hi", "--deadline", "soon"], "metadata.deadline_s must be a number of seconds above 0"),
        (["hi", "--model", "zzz"], "model 'zzz' does not exist"),
        (["hi", "--version", "v1"], "there is no ledger yet, so no version; name one with"),
        (["hi", "--key", "x"], "there is no key 'x'; there are default"),
        (["hi", "--ledger", "/no/ledger"], "/no/ledger does not exist"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_refused_with_its_remedy(run, arguments, said) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "v9"], "there is no version 'v9'; there are v"),
        (["--version", "v3"], "this is no policy document, or a damaged one"),
        (["--key", "gone"], "the key gone is revoked; name another"),
        (["--key", "x"], "there is no key 'x'; there are default, night\n"),
    ],
)
def test_what_the_ledger_does_not_have_is_refused(run, ledger, arguments, said) -> None:
    status, _, err = run("hi", "--ledger", ledger, *arguments)
    assert status == 2
    assert said in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON ("),
        ("3", "is no conversation; write a list of messages, or a request"),
        ("[]", "messages must be a list of 1 to 2000"),
        ("[" * 100_000, "is no JSON ("),
    ],
)
def test_a_file_that_is_no_conversation_is_refused(run, tmp_path, text, said) -> None:
    file = tmp_path / "conversation.json"
    file.write_text(text)
    status, _, err = run("--file", file)
    assert status == 2
    assert said in err


def test_reading_changes_no_byte_of_the_ledger(run, ledger) -> None:
    before = ledger.read_bytes()
    run(SUMMARISE, "--ledger", ledger)
    assert ledger.read_bytes() == before


def test_the_months_money_counts(monkeypatch, capsys, ledger) -> None:
    monkeypatch.setenv("TERCET_MONTH_CAP_USD", "0.000000001")
    wanted = Wanted(
        text=SUMMARISE, file=None, said={}, model=None, offers_tools=False, key=None,
        version=None, ledger=str(ledger), as_json=False,
    )  # fmt: skip
    assert make(wanted, "", taught.NOW) == 0
    said = lines(capsys.readouterr().out)
    assert said["plan"].startswith("the budget is on step 6")
    assert said["decision"].startswith("nobody answers: the budget is on step 6")


def test_help_has_two_examples(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["route", "--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "tercet route 'Summarise these notes: ...'" in printed
    assert "tercet route --file conversation.json --tools" in printed
