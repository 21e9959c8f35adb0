import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.surfaces.body import JsonObject, parse
from router.surfaces.refusal import Refusal

NOT_JSON = {
    "nothing": b"",
    "spaces only": b" \t\r\n ",
    "a byte order mark": b'\xef\xbb\xbf{"model":"auto"}',
    "a byte order mark alone": b"\xef\xbb\xbf",
    "UTF-16 little endian": '{"model":"auto"}'.encode("utf-16-le"),
    "UTF-16 with its mark": '{"model":"auto"}'.encode("utf-16"),
    "UTF-32": '{"model":"auto"}'.encode("utf-32"),
    "an opening brace": b"{",
    "a closing brace": b"}",
    "a name without a value": b'{"a"}',
    "a name and a colon": b'{"a":',
    "no colon": b'{"a" 1}',
    "two colons": b'{"a"::1}',
    "a name that is a number": b"{1:1}",
    "a bare name": b"{a:1}",
    "a single-quoted name": b"{'a':1}",
    "a single-quoted value": b"{\"a\":'b'}",
    "a comma after the last pair": b'{"a":1,}',
    "a comma before the first pair": b'{,"a":1}',
    "two commas": b'{"a":1,,"b":2}',
    "no comma": b'{"a":1 "b":2}',
    "a comma after the last item": b'{"a":[1,]}',
    "a comma alone in a list": b'{"a":[,]}',
    "a missing item": b'{"a":[1,,2]}',
    "an open list": b'{"a":[1,2}',
    "a list closed by a brace": b'{"a":[1}}',
    "an object closed by a bracket": b'{"a":1]',
    "an open string": b'{"a":"b',
    "a string cut in an escape": b'{"a":"b\\',
    "a string cut in a unicode escape": b'{"a":"\\u00',
    "something after the end": b'{"a":1}x',
    "a second document": b'{"a":1}{"b":2}',
    "a NUL after the end": b'{"a":1}\x00',
    "a comment": b'{"a":1} // note',
    "a block comment": b'{/* note */"a":1}',
    "a hash comment": b'{"a":1} # note',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "inf": b'{"a":inf}',
    "True": b'{"a":True}',
    "None": b'{"a":None}',
    "undefined": b'{"a":undefined}',
    "a cut word": b'{"a":tru}',
    "a leading zero": b'{"a":01}',
    "a negative leading zero": b'{"a":-01}',
    "a leading plus": b'{"a":+1}',
    "a leading point": b'{"a":.5}',
    "a trailing point": b'{"a":1.}',
    "a minus alone": b'{"a":-}',
    "two minuses": b'{"a":--1}',
    "an empty exponent": b'{"a":1e}',
    "a signed empty exponent": b'{"a":1e+}',
    "a fraction in the exponent": b'{"a":1e1.5}',
    "a hexadecimal number": b'{"a":0x10}',
    "an underscore in a number": b'{"a":1_000}',
    "full-width digits": b'{"a":\xef\xbc\x91}',
    "a float that overflows": b'{"a":1e999}',
    "a negative float that overflows": b'{"a":-1e999}',
    "a deep float that overflows": b'{"a":[[{"b":[1,2,1e999]}]]}',
    "a long float that overflows": b'{"a":' + b"1" * 400 + b".0}",
    "an integer of 5,000 digits": b'{"a":' + b"9" * 5_000 + b"}",
    "an unknown escape": b'{"a":"\\x41"}',
    "an escaped quote mark of the wrong kind": b'{"a":"\\\'"}',
    "an upper-case unicode escape": b'{"a":"\\U0041"}',
    "a short unicode escape": b'{"a":"\\u41"}',
    "a unicode escape that is not hexadecimal": b'{"a":"\\u00g0"}',
    "a raw newline in a string": b'{"a":"b\nc"}',
    "a raw tab in a string": b'{"a":"b\tc"}',
    "a raw NUL in a string": b'{"a":"\x00"}',
    "a raw escape character in a string": b'{"a":"\x1b"}',
    "a lone high surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate": b'{"a":"\\udc00"}',
    "surrogates in the wrong order": b'{"a":"\\ude00\\ud83d"}',
    "a high surrogate and a letter": b'{"a":"\\ud800A"}',
    "a surrogate in a name": b'{"\\ud800":1}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a byte that begins nothing": b'{"a":"\xff"}',
    "a continuation byte alone": b'{"a":"\x80"}',
    "a cut UTF-8 sequence": b'{"a":"\xe2\x82"}',
    "an overlong slash": b'{"a":"\xc0\xaf"}',
    "a character past the last": b'{"a":"\xf4\x90\x80\x80"}',
    "Latin-1": b'{"a":"caf\xe9"}',
    "invalid UTF-8 in a name": b'{"\xff":1}',
    "a form feed outside strings": b'{\x0c"a":1}',
    "a no-break space outside strings": b'{\xc2\xa0"a":1}',
    "100,000 open brackets": b"[" * 100_000,
    "100,000 open brackets in an object": b'{"a":' + b"[" * 100_000,
    "100,000 closed brackets": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "1,000 nested objects": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "an empty file of another kind": b"PK\x05\x06" + bytes(18),
    "a form": b"model=auto&stream=true",
    "XML": b"<model>auto</model>",
    "JavaScript": b'({"model":"auto"})',
    "an event stream": b'data: {"model":"auto"}\n\n',
}

NOT_AN_OBJECT = {
    "a list": b'[{"model":"auto"}]',
    "a string": b'"auto"',
    "a number": b"1",
    "zero": b"0",
    "null": b"null",
    "true": b"true",
    "an empty list": b"[]",
    "an empty string": b'""',
}

REPEATED = {
    "model": (b'{"model":"a","model":"b"}', "model"),
    "model with the same value": (b'{"model":"a","model":"a"}', "model"),
    "stream": (b'{"stream":true,"x":1,"stream":false}', "stream"),
    "max_tokens": (b'{"max_tokens":1,"max_tokens":1000000}', "max_tokens"),
    "model spelt with an escape": (b'{"model":"a","mod\\u0065l":"b"}', "model"),
    "model spelt with two escapes": (b'{"mod\\u0065l":"a","\\u006dodel":"b"}', "model"),
    "max_tokens with its line escaped": (b'{"max_tokens":1,"max\\u005Ftokens":2}', "max_tokens"),
}

ODD_BUT_VALID: dict[str, tuple[bytes, JsonObject]] = {
    "an empty object": (b"{}", {}),
    "space around everything": (b' \r\n\t{ "a" : 1 } \n', {"a": 1}),
    "an empty name": (b'{"":1}', {"": 1}),
    "minus zero": (b'{"a":-0}', {"a": 0}),
    "an upper-case exponent": (b'{"a":1E2}', {"a": 100.0}),
    "a signed exponent": (b'{"a":1e+2}', {"a": 100.0}),
    "a float that underflows": (b'{"a":1e-999}', {"a": 0.0}),
    "the largest float": (b'{"a":1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    "an integer beyond 64 bits": (b'{"a":12345678901234567890}', {"a": 12345678901234567890}),
    "a surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    "raw UTF-8": ('{"a":"né 😀"}'.encode(), {"a": "né 😀"}),
    "an escaped NUL": (b'{"a":"\\u0000"}', {"a": "\x00"}),
    "every short escape": (b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', {"a": '"\\/\b\f\n\r\t'}),
    "a raw line separator": (b'{"a":"\xe2\x80\xa8"}', {"a": "\u2028"}),
    "a raw delete": (b'{"a":"\x7f"}', {"a": "\x7f"}),
    "a character that is never assigned": (b'{"a":"\xef\xbf\xbf"}', {"a": "\uffff"}),
    "a byte order mark inside a string": (b'{"a":"\xef\xbb\xbf"}', {"a": "\ufeff"}),
    "names that differ in case": (b'{"model":"a","Model":"b"}', {"model": "a", "Model": "b"}),
    "a repeated name that decides nothing": (b'{"a":1,"a":2}', {"a": 2}),
    "model again, but deeper": (
        b'{"model":"a","metadata":{"model":"b"}}',
        {"model": "a", "metadata": {"model": "b"}},
    ),
    "model again, as a value": (b'{"model":"model","a":"model"}', {"model": "model", "a": "model"}),
    "stream again, inside a text": (
        b'{"stream":true,"a":"\\"stream\\":false"}',
        {"stream": True, "a": '"stream":false'},
    ),
    "an escaped letter in a text": (b'{"model":"\\u0061uto"}', {"model": "auto"}),
    "nothing but escapes": (b'{"\\u006dodel":"a"}', {"model": "a"}),
}


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    refusal = parse(raw)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code, refusal.param) == (400, "invalid_json", None)


@pytest.mark.parametrize("raw", NOT_AN_OBJECT.values(), ids=NOT_AN_OBJECT.keys())
def test_json_that_is_not_an_object_is_refused_as_such(raw: bytes) -> None:
    refusal = parse(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "The body is JSON but not an object; send a JSON object."


@pytest.mark.parametrize(("raw", "param"), REPEATED.values(), ids=REPEATED.keys())
def test_a_name_that_decides_cost_or_target_may_not_be_given_twice(raw: bytes, param: str) -> None:
    refusal = parse(raw)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)
    assert refusal.message == f"{param} is given more than once; give it once."


@pytest.mark.parametrize(("raw", "value"), ODD_BUT_VALID.values(), ids=ODD_BUT_VALID.keys())
def test_odd_but_valid_json_is_read(raw: bytes, value: JsonObject) -> None:
    assert parse(raw) == value


def test_an_integer_longer_than_the_interpreter_reads_does_not_raise() -> None:
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        refusal = parse(b'{"a":' + b"9" * 4_000 + b',"model":"a","model":"b"}')
    finally:
        sys.set_int_max_str_digits(most)
    assert isinstance(refusal, Refusal)
    assert refusal.param == "model"


def test_nesting_is_read_to_200_levels_and_refused_beyond() -> None:
    assert isinstance(parse(b'{"a":' + b"[" * 199 + b"]" * 199 + b"}"), dict)
    assert isinstance(parse(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"), Refusal)


def test_every_truncation_of_a_valid_body_is_refused() -> None:
    raw = b'{"model":"auto","messages":[{"role":"user","content":"h\\u00e9\\n"}],"n":1.5e3}'
    assert all(isinstance(parse(raw[:cut]), Refusal) for cut in range(len(raw)))


@pytest.mark.parametrize("raw", [b"", b" \n"])
def test_an_empty_body_is_called_empty(raw: bytes) -> None:
    refusal = parse(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "The body is empty; send a JSON object."


def test_a_refusal_says_where_the_fault_is_without_quoting_the_body() -> None:
    refusal = parse(b'{"secret": hunter2}')
    assert isinstance(refusal, Refusal)
    assert refusal.message == (
        "The body is not valid JSON: expected value at line 1 column 12. "
        "Send one JSON object in UTF-8 without a byte order mark."
    )


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    parse(raw)


@given(st.binary(max_size=60), st.integers(min_value=0, max_value=60))
def test_no_damage_to_a_valid_body_raises(noise: bytes, at: int) -> None:
    raw = b'{"model":"auto","model":"b","a":[1,2.5,"\\u0065"],"stream":true}'
    parse(raw[:at] + noise + raw[at + len(noise) :])


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | FINITE | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_what_another_encoder_writes_is_read_back(value: JsonObject) -> None:
    assert parse(json.dumps(value).encode()) == value
