"""Every command of `tercet`: that programs and people are served alike, and what the docs say.

Run as a script it writes the tables of docs/commands.md anew.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.books.commands import BY
from router.books.show import BY as SHOWN_BY
from router.cli import main, parser
from router.terminal.completion import leaves
from tercet.config import PROJECT, environment

DOCUMENT = PROJECT / "docs" / "commands.md"
BEGIN, END = "<!-- begin: written by tests/router/terminal/test_commands.py -->", "<!-- end -->"
COMMANDS = {" ".join(path): found for path, found in leaves(parser())}
WITHOUT_JSON = {
    "run": "runs in the foreground",
    "system": "is what `run` starts",
    "gpu sshd": "runs in the foreground",
    "gpu head": "runs in the foreground",
    "completion": "prints a script",
}
"""Why a command has none."""

ON_AN_EMPTY_LEDGER = [
    ["top", "--once"],
    ["keys", "list"],
    ["keys", "create", "night"],
    ["ledger", "show"],
    ["ledger", "show", "--by", "model", "--open"],
    ["ledger", "verify"],
    ["ledger", "reconcile", "--bill", "BILL"],
    ["ledger", "export", "--format", "csv", "--out", "OUT"],
    ["ledger", "repair"],
    ["ledger", "lift", "google"],
    ["reconcile", "--bill", "BILL"],
    ["prices", "--day", "2026-11-23"],
    ["doctor"],
    ["plan"],
    ["gpu", "status"],
    ["route", "What is 17 * 23?"],
    ["policy", "list"],
    ["policy", "freeze", "--why", "a test"],
    ["labels", "list"],
    ["labels", "import", "BILL"],
    ["replay", "public"],
    ["migration", "list"],
    ["migration", "show", "lookup"],
    ["compositions"],
]


WRONG = [
    ("ask --url nonsense x", "write it as http://127.0.0.1:8000"),
    ("ask --file NONE x", "name another file"),
    ("ask --file BINARY x", "only text can be asked about"),
    ("top --every 0", "write seconds from 0.5 up"),
    ("top --once --ledger NONE", "`make run` and some requests write it"),
    ("keys create A_B", "write 1 to 64 of a-z"),
    ("keys create x --month-usd abc", "write dollars as 19.99"),
    ("keys revoke nobody", "`tercet keys list` shows them"),
    ("ledger show --month 2026-13", "write it as 2026-11"),
    ("ledger reconcile --bill NONE", "`make run` and some requests write it"),
    ("ledger reconcile --bill BINARY", "name the simulated upstreams' log with --bill"),
    ("ledger reconcile --bill FOLDER", "`make run` and some requests write it"),
    ("ledger reconcile --provider google --report NONE", "name a file with --report"),
    ("ledger export --format csv --out FOLDER", "name another file with --out"),
    ("ledger repair --ledger NONE", "name a ledger with --ledger"),
    ("ledger lift google --ledger NONE", "`make run` and some requests write it"),
    ("prices --day 2026-1", "write it as 2026-12-01"),
    ("prices --table NONE", "name LiteLLM's JSON with --table"),
    ("doctor --memory-gib x", "write a number above 0"),
    ("doctor --max-model-len 0", "write a whole number from 1 up"),
    ("doctor --gpu-memory-utilization 3", "write one as 0.9"),
    ("plan --share tier1", "as tier1=0.2"),
    ("route", "write the task"),
    ("policy promote v9 --why x", "`tercet policy fit`"),
    ("replay --days 0", "write it as 30"),
    ("completion fish", "'bash', 'zsh', 'tcsh'"),
]


def option(found: argparse.ArgumentParser, name: str) -> bool:
    return name in found.format_help()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_to_programs(command: str) -> None:
    has_json = option(COMMANDS[command], "--json")
    if command in WITHOUT_JSON:
        assert not has_json, f"{command} has --json now: take it out of WITHOUT_JSON"
    else:
        assert has_json, f"{command} has no --json: add take_json(parser), or a reason here"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_says_what_the_command_does(command: str) -> None:
    said = COMMANDS[command].description or ""
    assert said.endswith("."), command
    assert len(said) >= len("All keys.")
    assert said[0].isupper(), command


@pytest.mark.parametrize("command", ON_AN_EMPTY_LEDGER, ids=" ".join)
def test_what_programs_get_of_an_empty_ledger_is_json(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "TERCET_LOCAL", "TERCET_PHASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    Ledger(tmp_path / "ledger.sqlite3").close()
    (tmp_path / "bill").touch()
    places = {"BILL": str(tmp_path / "bill"), "OUT": str(tmp_path / "out")}
    assert main([*(places.get(word, word) for word in command), "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out) is not None


@pytest.mark.parametrize(("line", "remedy"), WRONG)
def test_what_is_wrong_is_told_with_what_to_do(
    line: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("TERCET_API_KEY", "k")
    monkeypatch.delenv("TERCET_LOCAL", raising=False)
    Ledger(tmp_path / "ledger.sqlite3").close()
    (tmp_path / "binary").write_bytes(b"x\xff")
    (tmp_path / "folder").mkdir()
    words = [
        str(tmp_path / word.lower()) if word in ("NONE", "BINARY", "FOLDER") else word
        for word in line.split(" ")
    ]
    try:
        status = main(words)
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert remedy in said.err
    assert not (tmp_path / "none").exists()


def test_the_groupings_that_are_offered_are_those_there_are() -> None:
    assert list(BY) == list(SHOWN_BY)


def test_what_is_slow_to_import_is_not_imported_for_a_help() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "router.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    ).stderr
    imported = {line.rpartition("|")[2].strip() for line in listed.splitlines()}
    assert "argparse" in imported
    slow = {"ray", "numpy", "scipy", "sklearn", "sqlalchemy", "httpx2", "rich", "asyncio"}
    assert imported & slow == set()


def complete(line: str, home: Path) -> list[str]:
    """Return what a real bash offers at the end of a line."""
    script = home / "tercet"
    with script.open("w") as out:
        command = [sys.executable, "-m", "router.cli", "completion", "bash"]
        subprocess.run(command, check=True, stdout=out, cwd=PROJECT)
    words = line.split(" ")
    asked = f"""
        source {script}
        function=$(complete -p tercet | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=({" ".join(word or "''" for word in words)})
        COMP_CWORD={len(words) - 1}
        COMP_LINE='{line}' COMP_POINT={len(line)}
        "$function"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tercet comp", {"compositions", "completion"}),
        ("tercet ledger re", {"reconcile", "repair", "restore"}),
        ("tercet ledger show --b", {"--by"}),
        ("tercet ledger show --by ", set(BY)),
        ("tercet completion ", {"bash", "zsh", "tcsh"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    line: str, offered: set[str], tmp_path: Path
) -> None:
    assert set(complete(line, tmp_path)) == offered


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script_of_their_own(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert "#compdef tercet" in said or "complete tercet" in said
    assert "--by" in said


@contextmanager
def silent_gateway() -> Iterator[socket.socket]:
    """Listen on loopback; who comes is answered by the test."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(60)
        yield server


def test_ctrl_c_ends_the_request(tmp_path: Path) -> None:
    with silent_gateway() as server:
        command = [sys.executable, "-m", "router.cli", "ask", "x"]
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen(
            command,
            env={**environment(), "TERCET_URL": url, "TERCET_API_KEY": "k"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        ) as asking:
            came, _ = server.accept()
            with closing(came):
                came.settimeout(60)
                assert b"authorization: Bearer k" in came.recv(4_096)
                head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                came.sendall(head + b": opus is reading\n\n")
                assert asking.stderr is not None
                assert asking.stderr.readline() == "tercet: opus is reading\n"
                asking.send_signal(signal.SIGINT)
                while came.recv(4_096):
                    pass  # until it hangs up
            out, err = asking.communicate(timeout=60)
    assert (asking.returncode, out, err) == (130, "", "tercet: stopped\n")


def test_a_reader_who_has_seen_enough_ends_a_command_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m router.cli plan --requests-per-day 9 --json | head -c 1"
    environ = {**environment(), "TERCET_LEDGER": str(tmp_path / "none")}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env=environ,
    )
    assert (done.stdout, done.stderr) == ("{", "")


def summaries(found: argparse.ArgumentParser) -> Mapping[str, str]:
    """Return what the help of a parser says of its commands."""
    told: dict[str, str] = {}
    for action in found._actions:
        if isinstance(action, argparse._SubParsersAction):
            told |= {one.dest: one.help for one in action._choices_actions}
    return told


def tables() -> str:
    """Return a table of the commands as docs/commands.md has it."""
    rows = ["| command | what it does |", "|---|---|"]
    whole = parser()
    for name, summary in summaries(whole).items():
        group = next(a for a in whole._actions if a.dest == "command").choices[name]
        rows.append(f"| `tercet {name}` | {summary} |")
        rows += [f"| `tercet {name} {verb}` | {told} |" for verb, told in summaries(group).items()]
    return "\n".join(rows)


def test_the_document_has_every_command_with_its_summary() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    written = text.partition(BEGIN)[2].partition(END)[0].strip()
    assert written == tables(), f"run PYTHONPATH=tests .venv/bin/python {__file__}"


if __name__ == "__main__":
    old = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}")
