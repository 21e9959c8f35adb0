from dataclasses import replace

from tercet.call import Prompt
from tercet.catalog import Model
from tercet.config import load
from tercet.content import (
    Controls,
    Media,
    OutputFormat,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Verbatim,
)
from tercet.fitting import fitted, unmet
from tercet.task import Message, turn

MODELS = load().catalog.models
OPUS, HAIKU, ARGON = (
    MODELS["claude-opus-5-5"],
    MODELS["claude-haiku-5-5"],
    MODELS["gemini-4-argon"],
)
BLIND = Model(name="coder", provider="local", window_tokens=16_000, max_output_tokens=4_000)
LS = Tool(name="ls", schema={"type": "object"})
PICTURE = Media(kind="image", mime="image/png", data="AA==")


def prompt(controls: Controls, *messages: Message) -> Prompt:
    return Prompt(
        system="",
        messages=messages or (turn("user", "Hi"),),
        max_output_tokens=9,
        controls=controls,
    )


def test_claude_is_sent_no_sampling_and_the_caller_is_told() -> None:
    asked = prompt(Controls(sampling=Sampling(temperature=0.0, top_p=0.5, seed=1)))
    assert unmet(asked.controls, asked.messages, HAIKU) == ("temperature", "top_p", "seed")
    assert fitted(asked, HAIKU).controls == Controls()


def test_gemini_is_sent_all_of_it() -> None:
    asked = prompt(Controls(sampling=Sampling(temperature=0.0, top_k=4), effort="low"))
    assert unmet(asked.controls, asked.messages, ARGON) == ()
    assert fitted(asked, ARGON) is asked


def test_a_demand_for_a_tool_becomes_an_offer_where_it_would_be_an_error() -> None:
    asked = prompt(Controls(tools=(LS,), tool_choice=ToolChoice(mode="required")))
    assert unmet(asked.controls, asked.messages, OPUS) == ("tool_choice",)
    assert fitted(asked, OPUS).controls == Controls(tools=(LS,))
    assert fitted(asked, HAIKU) is asked


def test_a_verbatim_request_names_what_it_goes_without() -> None:
    verbatim = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=True)
    asked = replace(prompt(Controls(sampling=Sampling(temperature=1.0))), verbatim=verbatim)
    assert fitted(asked, OPUS).verbatim == replace(verbatim, without=("temperature",))


def test_a_model_without_skills_is_sent_text_that_says_what_was_left_out() -> None:
    result = ToolResult(id="call_1", parts=(Text("seen"), PICTURE))
    asked = prompt(
        Controls(tools=(LS,), output=OutputFormat(), effort="high"),
        Message(speaker="user", parts=(Text("What is it?"), PICTURE, result)),
    )
    lacking = ("tools", "response_format", "reasoning_effort", "images")
    note = Text("[image left out: coder reads text alone]")
    assert unmet(asked.controls, asked.messages, BLIND) == lacking
    assert fitted(asked, BLIND) == prompt(
        Controls(),
        Message(
            speaker="user",
            parts=(Text("What is it?"), note, replace(result, parts=(Text("seen"), note))),
        ),
    )
