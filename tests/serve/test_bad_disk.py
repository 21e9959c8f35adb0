"""The whole system on a disk that turns bad: paid calls stop with a clear 503, and come back."""

from contextlib import contextmanager

import pytest
from fakes.disks import small_disk
from fakes.running import running, wait_until

from deployments.ledger import simulated_totals
from router.books.reconcile import billed_totals

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

BODY = {"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "What is 6 * 7?"}]}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with small_disk(tmp_path_factory.mktemp("tercet") / "disk", "24m") as disk, running(disk) as it:
        yield it


def ask(system):
    with system.http() as http:
        return http.post("/v1/chat/completions", json=BODY)


def refused(system) -> dict[str, str] | None:
    """Ask; return the error if the ledger could not be written."""
    reply = ask(system)
    if reply.status_code == 200:
        return None
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"
    return reply.json()["error"]


@contextmanager
def full(disk):
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
        yield
    ballast.unlink()


def posts(system) -> int:
    return len(system.bill.read_text().splitlines())


def test_a_full_disk_is_a_503_and_nothing_is_asked_until_there_is_room(system) -> None:
    assert ask(system).status_code == 200
    with full(system.home):
        assert wait_until(lambda: refused(system) is not None)
        before = posts(system)
        error = refused(system)
        assert error is not None
        assert error["code"] == "ledger_unavailable"
        assert posts(system) == before
    assert wait_until(lambda: ask(system).status_code == 200)


def test_a_damaged_ledger_is_built_anew_while_the_gateway_runs(system) -> None:
    for _ in range(5):
        assert ask(system).status_code == 200
    receipts = posts(system)
    for suffix in ("", "-wal", "-shm"):
        system.ledger.with_name(system.ledger.name + suffix).unlink(missing_ok=True)

    assert wait_until(lambda: ask(system).status_code == 200, 60)
    with system.http() as http:
        spent = http.get("/v1/budget").json()
    assert posts(system) > receipts
    assert spent["step"] == 1
    assert simulated_totals(system.ledger) == billed_totals(system.bill)
