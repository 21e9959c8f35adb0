"""`tercet golden` as an operator calls it."""

import pytest

from router.cli import main


@pytest.mark.parametrize("arms", ["", " , ,"])
def test_a_run_of_no_arm_is_refused(capsys: pytest.CaptureFixture[str], arms: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["golden", "run", "--arms", arms])
    assert ended.value.code == 2
    assert f"{arms!r} names no arm, as tier3,MODEL would" in capsys.readouterr().err
