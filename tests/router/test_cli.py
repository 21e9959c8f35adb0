import pytest

from router.cli import main


def test_a_bad_setting_is_named_with_its_remedy(monkeypatch, capsys) -> None:
    monkeypatch.setenv("TERCET_LOCAL_AVAILABLE", "yes")

    assert main(["reconcile"]) == 2
    assert capsys.readouterr().err == (
        "tercet: TERCET_LOCAL_AVAILABLE is 'yes'; set it to 1 or 0, or leave it out\n"
    )


def test_help_lists_the_commands_for_people_and_what_steers_them(monkeypatch, capsys) -> None:
    monkeypatch.delenv("TERCET_LOCAL_AVAILABLE", raising=False)
    for arguments in (["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
    printed = capsys.readouterr().out

    assert "{run,reconcile}" in printed
    assert "  system" not in printed
    assert "TERCET_API_KEY" in printed
