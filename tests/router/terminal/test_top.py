"""`tercet top`: the month and what is going on, frame after frame."""

import asyncio
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.rented import opened_lease
from fakes.rented import seen as lease_seen
from fakes.rows import AT, reservation, settlement
from rich.console import Console

from deployments.ledger import Ledger
from router.cli import main
from router.terminal.top.drawing import document, drawn, shown_on
from router.terminal.top.frame import Frame, Trouble
from router.terminal.top.looking import Eyes
from router.terminal.top.watching import watch
from tercet.config import load, settings
from tercet.errors import TercetError
from tercet.ledger import RequestClosed, RequestOpened

CONFIG = load(chosen=settings({}))
HAIKU, FLASH, OPUS = "claude-haiku-5-5", "gemini-3.8-flash", "claude-opus-5-5"
USD = 1_000_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def opened(task_id: str, at: float, seats: dict[str, str], name: str = "tier3") -> RequestOpened:
    route = {
        "name": name,
        "reason": "a [bold]question[/bold]\n\x1b[31m",
        "seats": [{"role": role, "model": model} for role, model in seats.items()],
    }
    return RequestOpened(
        task_id=task_id,
        key_id="default",
        asked_model="auto",
        profile='{"kind": "question"}',
        route=json.dumps(route),
        at=at,
    )


def closed(task_id: str, at: float, answer: dict[str, Any], outcome: str) -> RequestClosed:
    return RequestClosed(task_id=task_id, outcome=outcome, answer=json.dumps(answer), at=at)


async def _fill(ledger: Ledger) -> None:
    pair = {"lead": HAIKU, "member": FLASH}
    answered = {"model": HAIKU, "degraded": ["member:timeout"]}
    failures = {"failures": [{"model": OPUS, "kind": "overloaded"}]}
    ledger.open_request(opened("req_old", AT - 100_000, pair))
    for number, (at, cost) in enumerate([(AT - 5_000, 2 * USD), (AT - 30, USD // 2)]):
        task = f"req_{number}"
        ledger.open_request(opened(task, at, pair))
        await ledger.reserve(reservation(f"att_{number}", task_id=task, at=at, tier="tier3"))
        await ledger.settle(settlement(f"att_{number}", settled_nano_usd=cost, at=at + 2))
        ledger.close_request(closed(task, at + 2.5, answered, "answered"))
    ledger.open_request(opened("req_failed", AT - 20, {"brain": OPUS}, "tier1"))
    ledger.close_request(closed("req_failed", AT - 10, failures, "failed"))
    ledger.open_request(opened("req_open", AT - 1, {"brain": OPUS}, "tier1"))
    await ledger.open_lease(opened_lease("lease-1", at=AT - 600))
    await ledger.see_lease(lease_seen("running", AT - 300, "lease-1"))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path, clock=lambda: AT)) as books:
        asyncio.run(_fill(books))
    return path


@pytest.fixture
def frame(ledger: Path) -> Frame:
    found = Eyes(ledger, CONFIG).look(AT)
    assert isinstance(found, Frame)
    return found


def text_of(seen: Frame | Trouble) -> str:
    out = io.StringIO()
    with shown_on(out, as_json=False, once=True) as show:
        show(seen)
    return out.getvalue()


def test_a_frame_has_the_month_and_what_today_came_to(frame: Frame) -> None:
    assert frame.outlook.spent_nano_usd == frame.scopes["month"].spent >= 2_500_000_000
    assert (frame.outlook.month, frame.outlook.cap_nano_usd) == ("2026-11", 180 * USD)
    assert [(one.route, one.model, one.requests, one.nano_usd) for one in frame.today] == [
        ("tier3", HAIKU, 2, 2_500_000_000),
        ("tier1", "-", 2, 0),
    ]


def test_a_frame_has_the_rate_and_the_newest_requests(frame: Frame) -> None:
    assert (frame.last_minute, frame.under_way) == (3, 1)
    assert frame.a_minute == pytest.approx(0.2)
    assert [one.task_id for one in frame.newest] == ["req_open", "req_failed", "req_1", "req_0"]
    opened_now, _, answered, _ = frame.newest
    assert (opened_now.outcome, opened_now.seconds, opened_now.nano_usd) == (
        "under_way",
        None,
        None,
    )
    assert (answered.model, answered.nano_usd, answered.kind) == (HAIKU, USD // 2, "question")
    assert answered.seconds == pytest.approx(2.5)


def test_a_frame_says_how_providers_do(frame: Frame) -> None:
    told = [(one.provider, one.model, one.asked, one.failed) for one in frame.health]
    assert told == [("anthropic", HAIKU, 1, 0), ("anthropic", OPUS, 2, 1), ("google", FLASH, 1, 1)]
    assert [one.last_failure for one in frame.health] == [None, "overloaded", "timeout"]


def test_people_see_all_of_it_without_a_terminal_and_nothing_steers_it(frame: Frame) -> None:
    text = text_of(frame)
    assert "of $180.00" in text
    assert "step      1 of 6" in text
    assert "3 in the last minute" in text
    assert "a [bold]question[/bold] [31m" in text
    assert "\x1b" not in text
    [machine] = [line for line in text.splitlines() if line.startswith("lease-1")]
    assert machine.split()[1:7] == ["RTX", "3090", "running", "5", "min", "$0.000004"]
    assert max(map(len, text.splitlines())) <= 120


def test_an_empty_ledger_says_what_to_do(tmp_path: Path) -> None:
    Ledger(tmp_path / "empty").close()
    found = Eyes(tmp_path / "empty", CONFIG).look(AT)
    text = text_of(found)
    assert "no request yet (UTC); `tercet ask" in text
    assert "none: nothing was spent in the last 35 days" in text
    assert "none is rented" in text


def test_a_later_frame_has_what_came_since_and_drops_yesterday(ledger: Path) -> None:
    eyes = Eyes(ledger, CONFIG)
    eyes.look(AT)
    with closing(Ledger(ledger, clock=lambda: AT)) as books:
        books.open_request(opened("req_new", AT + 5, {"single": HAIKU}))
        books.close_request(closed("req_open", AT + 6, {"model": OPUS}, "answered"))
    found = eyes.look(AT + 10)
    assert isinstance(found, Frame)
    assert [one.task_id for one in found.newest][:2] == ["req_new", "req_open"]
    assert found.newest[1].outcome == "answered"
    tomorrow = eyes.look(AT + 86_400)
    assert isinstance(tomorrow, Frame)
    assert (tomorrow.today, tomorrow.newest) == ((), ())


def test_money_that_was_spent_since_is_in_the_next_frame(ledger: Path) -> None:
    eyes = Eyes(ledger, CONFIG)
    first = eyes.look(AT)
    with closing(Ledger(ledger, clock=lambda: AT)) as books:
        asyncio.run(books.reserve(reservation("att_9", at=AT + 1)))
        asyncio.run(books.settle(settlement("att_9", settled_nano_usd=7 * USD, at=AT + 1)))
    second = eyes.look(AT + 2)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert second.outlook.spent_nano_usd - first.outlook.spent_nano_usd == 7 * USD


def test_a_ledger_that_is_not_there_is_looked_for_again(tmp_path: Path) -> None:
    eyes = Eyes(tmp_path / "none", CONFIG)
    seen: list[Frame | Trouble] = []
    pauses = iter((lambda: Ledger(tmp_path / "none").close(), _stop))

    def pause() -> None:
        next(pauses)()

    with pytest.raises(KeyboardInterrupt):
        watch(lambda: eyes.look(AT), seen.append, pause)
    missing, found = seen
    assert isinstance(missing, Trouble)
    assert "does not exist; `make run`" in missing.why
    assert "looking again" in text_of(missing)
    assert document(missing) == {"trouble": missing.why}
    assert isinstance(found, Frame)


def _stop() -> None:
    raise KeyboardInterrupt


def test_a_ledger_that_another_has_for_itself_is_trouble(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        found = Eyes(ledger, CONFIG).look(AT)
    assert isinstance(found, Trouble)
    assert "locked; another program has it for itself" in found.why


def test_once_without_a_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TercetError, match="does not exist"):
        watch(lambda: Eyes(tmp_path / "none", CONFIG).look(AT), list[object]().append, None)


def test_a_terminal_sees_frames_in_place(frame: Frame) -> None:
    out = Terminal()
    with shown_on(out, as_json=False, once=False) as show:
        show(frame)
        show(Trouble("gone"))
    assert out.getvalue().startswith("\x1b[?1049h")  # another screen, which is left at the end
    assert "\x1b[?1049l" in out.getvalue()


def test_programs_get_a_document_a_line(frame: Frame) -> None:
    out = io.StringIO()
    with shown_on(out, as_json=True, once=False) as show:
        show(frame)
        show(replace(frame, last_minute=9))
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["trouble"], first["last_minute"], second["last_minute"]) == (None, 3, 9)
    assert first["outlook"]["cap_nano_usd"] == 180 * USD
    assert first["machines"][0]["lease_id"] == "lease-1"


def test_a_cap_that_is_spent_is_red(frame: Frame) -> None:
    closed_month = replace(frame, outlook=replace(frame.outlook, step=6, why="all is spent"))
    [*_, step] = drawn(closed_month).renderables[0].renderables
    assert (step.plain, step.style) == ("step      6 of 6; all is spent", "red")


def test_the_command_reads_and_changes_no_byte(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ledger.read_bytes()
    assert main(["top", "--once", "--json", "--ledger", str(ledger)]) == 0
    assert json.loads(capsys.readouterr().out)["scopes"] is not None
    assert ledger.read_bytes() == before


def test_a_narrow_terminal_cuts_the_reasons_and_no_figure(frame: Frame) -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(drawn(frame))
    [line] = [line for line in out.getvalue().splitlines() if "$0.500000" in line]
    assert HAIKU in line
    assert "2.5 s" in line
    assert line.endswith("…")
    assert len(line) <= 80
