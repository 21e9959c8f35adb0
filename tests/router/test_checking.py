from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.surfaces.checking import (
    FLAG,
    RefusedError,
    a_choice,
    a_model,
    base64_media,
    check_neutral,
    check_rules,
    data_url,
    ignored,
    public_url,
)
from router.surfaces.refusal import Refusal
from tercet.content import JsonValue, Media


def fault(call: Any, *args: Any) -> Refusal:
    with pytest.raises(RefusedError) as raised:
        call(*args)
    return raised.value.refusal


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/a.png?b=c&d=%20#e",
        "https://a-b.c_d.example.co.uk:8443/",
        "HTTPS://EXAMPLE.COM./",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/a.png",
        "https://[2606:4700::1111]/a.png",
        "https://1.2.3.4.example/",
    ],
)
def test_an_https_url_of_a_public_host_is_passed_on(url: str) -> None:
    assert public_url(url, "url") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//example.com/a.png",
        "http://example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "gs://bucket/a.png",
        "javascript:alert(1)",
        "https:///a.png",
        "https://localhost/",
        "https://localhost:8000/",
        "https://intranet/",
        "https://a.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal./",
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://a.0x1/",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[::1",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\n",
        "https://bücher.example/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://example..com/",
        "https://example.com:port/",
        "https://example.com:70000/",
        "https://example.com/" + "a" * 8_192,
        None,
        7,
        ["https://example.com"],
    ],
)
def test_any_other_url_is_refused(url: JsonValue) -> None:
    refusal = fault(public_url, url, "url")
    assert (refusal.status, refusal.param) == (400, "url")


@pytest.mark.parametrize("check", [public_url, data_url])
@given(url=st.text() | st.text().map("https://{}".format) | st.text().map("data:{}".format))
def test_any_text_is_a_url_or_refused(check: Any, url: str) -> None:
    with suppress(RefusedError):
        check(url, "url")


@pytest.mark.parametrize(
    ("url", "media"),
    [
        ("data:image/png;base64,AAAA", Media(kind="image", mime="image/png", data="AAAA")),
        ("data:image/jpg;base64,AA==", Media(kind="image", mime="image/jpeg", data="AA==")),
        (
            "data:application/pdf;name=a.pdf;base64,AAA=",
            Media(kind="document", mime="application/pdf", data="AAA="),
        ),
    ],
)
def test_a_data_url_holds_an_image_or_a_pdf(url: str, media: Media) -> None:
    assert data_url(url, "url") == media


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:,",
        "data:image/png,AAAA",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/svg+xml;base64,AAAA",
        "data:text/html;base64,AAAA",
        "data:;base64,AAAA",
        "image/png;base64,AAAA",
        "https://example.com/;base64,AAAA",
    ],
)
def test_any_other_data_url_is_refused(url: str) -> None:
    assert fault(data_url, url, "url").param == "url"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "A",
        "AAA",
        "AA=A",
        "AAAA=",
        "AAAAA===",
        "AAAA\n",
        "AA A",
        "AA_-",
        "é",
        "\ud800AAA",
        None,
        4,
    ],
)
def test_data_that_is_not_base64_is_refused(data: JsonValue) -> None:
    assert fault(base64_media, "image/png", data, "source.data").message == (
        "source.data must have data in standard base64, padded and without line ends."
    )


def test_a_choice_names_what_it_could_have_been() -> None:
    assert fault(a_choice, "c" * 999, "kind", ("a", "b")).message == (
        f"kind must be one of a, b, not '{'c' * 100}'."
    )


def test_a_model_is_called_as_we_call_it() -> None:
    assert a_model("gpt-7", {"gpt-7": "auto"}.get) == "auto"


def test_the_first_rule_that_is_broken_is_told() -> None:
    check_rules({"stream": True, "other": 1}, {"stream": FLAG, "absent": FLAG})
    assert fault(check_rules, {"stream": 1}, {"stream": FLAG}).message == (
        "stream must be true or false."
    )


def test_true_is_not_the_number_one() -> None:
    check_neutral({"n": 1}, {"n": (1,), "audio": ()})
    assert fault(check_neutral, {"n": True}, {"n": (1,)}).message == (
        "n is not supported: it must be 1."
    )
    assert fault(check_neutral, {"audio": {}}, {"audio": ()}).message == (
        "audio is not supported: it must be left out."
    )


def test_names_that_a_header_cannot_hold_are_not_told() -> None:
    assert ignored(["b", "a.b", "", "x: y", "é", "a" * 65]) == ("a.b", "b")
