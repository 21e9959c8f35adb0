"""Suites: what ships is sound, what is wrong is told all at once, and what is vacuous is found."""

from pathlib import Path

import pytest
from fakes.golden import CONFIG, bench, golden

from router.cli import main
from router.golden.checking import Workbench
from router.golden.proving import problems_of
from router.golden.sandbox import Ran, isolation
from router.golden.suites import load_suites
from router.golden.tasks import Case, Exact, Number, Rubric, UnitTests
from tercet.errors import ConfigError

SUITES = load_suites(CONFIG.taxonomy)
RIGHT = """
tasks:
  - id: capital
    kind: question
    prompt: What is the capital of Australia?
    exact: [Canberra]
    reference: Canberra
    wrong: [Sydney]
"""


def file(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str) -> list[str]:
    """Return what is said of a file, without its path."""
    path = file(tmp_path, text)
    with pytest.raises(ConfigError) as refusal:
        load_suites(CONFIG.taxonomy, [path])
    return [line.replace(f"{path}: ", "") for line in str(refusal.value).split("\n")]


@pytest.mark.parametrize("task", SUITES.tasks, ids=lambda task: f"{task.suite}/{task.name}")
def test_every_shipped_checker_tells_right_from_wrong(task) -> None:
    if isinstance(task.checker, UnitTests) and not isolation().is_whole:
        pytest.skip(f"this kernel does not shut the sandbox off: {isolation()}")
    assert problems_of(task, Workbench()) == []


def test_every_kind_has_golden_tasks_and_the_first_to_move_have_most() -> None:
    counts = dict.fromkeys(CONFIG.taxonomy.names, 0)
    for task in SUITES.tasks:
        counts[task.kind] += 1
    assert counts == {
        "security": 2, "architecture": 2, "code_review": 3, "bug_fix": 3, "implementation": 3,
        "routine_code": 10, "lookup": 10, "transformation": 3, "summary": 2, "maths": 5,
        "explanation": 2, "chat": 2, "question": 4,
    }  # fmt: skip


def test_gold_pairs_cover_every_kind_and_neither_place_is_the_better_one() -> None:
    pairs = SUITES.pairs
    assert len(pairs) == 45
    assert {pair.kind for pair in pairs} == set(CONFIG.taxonomy.names)
    assert sum(pair.truth > 0 for pair in pairs) == 18
    assert sum(pair.truth < 0 for pair in pairs) == 19
    long_and_wrong = [pair for pair in pairs if pair.trap == "length"]
    assert len(long_and_wrong) == 10
    assert all(pair.truth * (len(pair.first) - len(pair.second)) < 0 for pair in long_and_wrong)
    assert all(pair.truth == 0 for pair in pairs if pair.trap in ("verbosity", "identical"))


def test_a_file_of_ones_own_is_read(tmp_path) -> None:
    (task,) = load_suites(CONFIG.taxonomy, [file(tmp_path, RIGHT)]).tasks
    assert (task.suite, task.name, task.checker) == (
        "mine", "capital", Exact(answers=("Canberra",)),
    )  # fmt: skip


def test_another_checker_makes_another_task_and_other_answers_do_not() -> None:
    task = golden()
    assert task.id == golden(wrong=("Perth",)).id
    assert task.id.startswith("golden:s/capital@")
    assert task.id != golden(Exact(answers=("Sydney",))).id
    assert task.id != golden(kind="lookup").id


def test_every_problem_of_a_file_is_told_at_once(tmp_path) -> None:
    text = """
tasks:
  - {id: a, kind: question, prompt: P, reference: R, wrong: [W]}
  - {id: b, kind: question, prompt: P, exact: [R], rubric: T, reference: R, wrong: [W]}
  - {id: c, kind: question, exact: [R], reference: R, wrong: [W]}
  - {id: d, kind: question, prompt: P, exact: [R], reference: R, wrong: []}
  - {id: e, kind: question, prompt: P, number: {value: 3 of 4}, reference: R, wrong: [W]}
  - {id: f, kind: question, prompt: P, patterns: {has: ["("]}, reference: R, wrong: [W]}
  - {id: g, kind: question, prompt: P, json_schema: {type: what}, reference: R, wrong: [W]}
  - {id: h, kind: question, prompt: P, json_schema: {pattern: a+}, reference: R, wrong: [W]}
  - {id: i, kind: question, prompt: P, unit_tests: {cases: [{run: f(, gives: 1}]}, reference: R, wrong: [W]}
  - {id: j, kind: question, prompt: P, unit_tests: {cases: [{run: f()}]}, reference: R, wrong: [W]}
  - {id: k, kind: question, prompt: P, exact: [R], reference: R, wrong: [W], extra: 1}
"""  # noqa: E501
    told = refused(tmp_path, text)
    assert [line.split(": ", 1)[0] for line in told] == [
        "tasks.0", "tasks.1", "tasks.2", "tasks.3.wrong", "tasks.4.number.value",
        "tasks.5.patterns", "tasks.6.json_schema", "tasks.7.json_schema",
        "tasks.8.unit_tests.cases.0", "tasks.9.unit_tests.cases.0", "tasks.10.extra",
    ]  # fmt: skip
    assert told[0].endswith(
        "has none; give one checker of exact, number, patterns, json_schema, unit_tests, rubric"
    )
    assert told[1].endswith("has exact and rubric; give one checker of exact, number, patterns, "
                            "json_schema, unit_tests, rubric")  # fmt: skip
    assert told[7].endswith("has pattern, which can hang; use const or enum")


def test_kinds_and_ids_are_checked_across_the_file(tmp_path) -> None:
    text = RIGHT + RIGHT.replace("\ntasks:\n", "").replace("question", "riddle")
    kinds = ", ".join(CONFIG.taxonomy.names)
    assert refused(tmp_path, text) == [
        "capital: there are two with this id",
        f"capital: 'riddle' is no kind of task; kinds are {kinds}",
    ]


def test_an_empty_file_two_of_one_name_and_none_at_all_are_told(tmp_path) -> None:
    assert refused(tmp_path, "about: nothing") == ["has neither tasks nor pairs"]
    (tmp_path / "other").mkdir()
    twice = [file(tmp_path, RIGHT), file(tmp_path / "other", RIGHT)]
    with pytest.raises(ConfigError, match=r"another file is named mine\.yaml too"):
        load_suites(CONFIG.taxonomy, twice)
    with pytest.raises(ConfigError, match=r"has no \.yaml file; name one with --suite"):
        load_suites(CONFIG.taxonomy, (), tmp_path)


def test_a_checker_that_cannot_fail_and_one_that_cannot_pass_are_found() -> None:
    vacuous = golden(Exact(answers=("Canberra", "Sydney")))
    assert problems_of(vacuous, bench()) == [
        "s/capital: wrong answer 1 is not found wrong: one of Canberra, Sydney"
    ]
    impossible = golden(Number(value="4", within=None))
    assert problems_of(impossible, bench()) == [
        "s/capital: the reference does not pass: the number 4"
    ]
    unknown = golden(
        UnitTests(before="", cases=(Case(run="f()", gives=1),)), reference="def f(): 1"
    )
    assert problems_of(unknown, bench(Ran(how="timed_out"))) == [
        "s/capital: the reference does not pass: it took too long"
    ]
    same = golden(Rubric(text="kind"), wrong=("Canberra",))
    assert problems_of(same, bench()) == ["s/capital: it has one answer as right and wrong"]


def test_the_command_says_what_it_found_and_fails_on_a_vacuous_checker(tmp_path, capsys) -> None:
    assert main(["golden", "check", "--suite", str(file(tmp_path, RIGHT))]) == 0
    assert capsys.readouterr().out.split("\n")[0] == (
        "1 tasks and 0 pairs: every reference passes and every wrong answer fails (rubrics: only "
        "a judge can tell)"
    )
    vacuous = file(tmp_path, RIGHT.replace("[Canberra]", "[Canberra, Sydney]"))
    assert main(["golden", "check", "--suite", str(vacuous)]) == 1
    assert capsys.readouterr().out.split("\n")[:2] == [
        "mine/capital: wrong answer 1 is not found wrong: one of Canberra, Sydney",
        "1 tasks and 0 pairs: 1 problems",
    ]
