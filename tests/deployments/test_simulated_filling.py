"""Values that the simulation makes up for a schema."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.simulated.filling import answer_for, arguments_for

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 3}, 3),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "NUMBER", "minimum": 2.5}, 2.5),
        ({"type": "integer", "exclusiveMinimum": 4, "multipleOf": 10}, 10),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "maxItems": 0}, []),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "type": "array"}, [1, 2]),
        ({"type": "string", "format": "date"}, "2026-11-23"),
        ({"type": "string"}, "Told."),
        ({"type": "string", "minLength": 8}, "Told...."),
        ({"type": "string", "maxLength": 2}, "To"),
        ({"anyOf": [{"type": "null"}, {"const": "x"}]}, "x"),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
        (TREE, {"name": "Told."}),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": "Told."}),
    ],
)
def test_an_answer_satisfies_its_schema(schema: dict[str, object], value: object) -> None:
    assert answer_for(schema, "Told.") == value


def test_only_the_first_free_string_has_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date"}, "a": {}, "b": {}},
        "required": ["at", "a", "b"],
    }
    assert answer_for(schema, "Told.") == {"at": "2026-11-23", "a": "Told.", "b": "simulated"}


def test_arguments_are_given_ones_and_what_else_is_required() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {}, "c": {}}, "required": ["a", "b"]}
    assert arguments_for(schema, {"b": "told"}) == {"a": 1, "b": "told"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "required",
                    "items",
                    "anyOf",
                    "allOf",
                    "enum",
                    "$ref",
                    "minimum",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "properties", "allOf", "$ref", "items"]), VALUES))
def test_no_schema_is_too_odd(schema: dict[str, object]) -> None:
    json.dumps(answer_for(schema, "Told."))
    arguments_for(schema, {})
