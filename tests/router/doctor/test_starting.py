import pytest

from router.doctor.starting import Place, is_loopback, objections

EVERYWHERE = "0.0.0.0"  # noqa: S104


def said(host: str, node: str, mode: str = "token", *, has_key: bool = True) -> list[str]:
    return list(objections(Place(http_host=host, node=node, auth_mode=mode), has_key=has_key))


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", True),
        ("127.77.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        (EVERYWHERE, False),
        ("::", False),
        ("10.0.0.1", False),
        ("", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_only_an_address_of_this_machine_is_loopback(host: str, found: bool) -> None:
    assert is_loopback(host) is found


@pytest.mark.parametrize("node", ["127.0.0.1", "127.77.0.1"])
def test_on_loopback_nothing_is_wanted(node: str) -> None:
    assert said("127.0.0.1", node, "", has_key=False) == []


@pytest.mark.parametrize(
    ("host", "node"), [(EVERYWHERE, "127.0.0.1"), ("127.0.0.1", "10.0.0.1"), ("::", "10.0.0.1")]
)
def test_where_others_reach_it_somebody_has_to_have_a_key(host: str, node: str) -> None:
    (why,) = said(host, node, has_key=False)

    assert why.startswith(f"the gateway would listen on {host} of {node}, and nobody has a key: ")
    assert "TERCET_API_KEY_FILE" in why
    assert said(host, node) == []


@pytest.mark.parametrize("mode", ["", "disabled"])
def test_where_others_reach_ray_it_has_to_ask_for_its_token(mode: str) -> None:
    (why,) = said("127.0.0.1", "10.0.0.1", mode)

    assert f"RAY_AUTH_MODE is {mode or 'not set'}" in why
    assert "set RAY_AUTH_MODE=token" in why
    assert said("127.0.0.1", "10.0.0.1", "TOKEN") == []
    assert len(said(EVERYWHERE, "10.0.0.1", mode, has_key=False)) == 2
