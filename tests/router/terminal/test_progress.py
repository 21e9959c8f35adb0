"""How far a long command is."""

import argparse
import io
import sys
import time

import pytest

from router.arguments import screen_of
from router.terminal.progress import progress, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_that_is_gone_at_the_end() -> None:
    screen = Terminal()
    with progress("reading", screen, total=2_000) as advance:
        assert list(watched(range(2_000), advance)) == list(range(2_000))
    drawn = screen.getvalue()
    assert "reading" in drawn
    assert "2,000 of 2,000" in drawn
    assert drawn.endswith("\x1b[2K")


def test_a_file_gets_a_line_now_and_then() -> None:
    screen = io.StringIO()
    with progress("reading", screen, total=None, every_s=0.01) as advance:
        advance(2_500)
        until = time.monotonic() + 10
        while "2,500" not in screen.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    told = screen.getvalue().splitlines()
    assert told[-1] == "tercet: reading: 2,500 after 0 s"


def test_what_is_over_soon_says_nothing_to_a_file() -> None:
    screen = io.StringIO()
    with progress("reading", screen) as advance:
        advance(5)
    assert screen.getvalue() == ""


def test_nobody_is_told_without_a_screen() -> None:
    with progress("reading", None) as advance:
        advance(5)


@pytest.mark.parametrize("rows", [0, 1, 999, 1_000, 2_001])
def test_every_row_is_counted(rows: int) -> None:
    told: list[int] = []
    assert sum(1 for _ in watched(range(rows), told.append)) == rows
    assert sum(told) == rows


def test_a_bar_is_taken_away_where_the_work_fails() -> None:
    screen = Terminal()
    with pytest.raises(ValueError, match="scripted"), progress("reading", screen):
        raise ValueError("scripted")
    assert screen.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("quiet", "json", "is_told"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_quiet_and_programs_are_not_told(quiet: bool, json: bool, is_told: bool) -> None:
    found = screen_of(argparse.Namespace(quiet=quiet, json=json))
    assert (found is sys.stderr) == is_told
