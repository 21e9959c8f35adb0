"""Run by the clients' own Python, not by pytest: one feature of langchain-openai against a URL.

    python langchain_cells.py FEATURE URL KEY MODEL IMAGE

It prints one JSON document that the test reads.
"""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Verdict(BaseModel):
    """A judgement."""

    summary: str
    score: int


@tool
def get_weather(city: str) -> str:
    """Say today's weather."""
    return f"12 degrees in {city}"


CALLS = 'What is the weather? sim:tool=get_weather {"city": "Oslo"}'
QUESTION = "What is 17 * 23?"


def chat(model, _image):
    return model.invoke(QUESTION).text


def stream(model, _image):
    return [chunk.text for chunk in model.stream(f"{QUESTION} sim:delay=30")]


def tools(model, _image):
    able = model.bind_tools([get_weather])
    first = able.invoke(CALLS)
    results = [
        ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
        for call in first.tool_calls
    ]
    return able.invoke([HumanMessage(CALLS), first, *results]).text


def tool_stream(model, _image):
    whole = None
    for chunk in model.bind_tools([get_weather]).stream(CALLS):
        whole = chunk if whole is None else whole + chunk
    return [(call["name"], call["args"]) for call in whole.tool_calls]


def images(model, image):
    url = {"url": f"data:image/png;base64,{image}"}
    content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": url}]
    return model.invoke([HumanMessage(content)]).text


def structured_output(model, _image):
    return model.with_structured_output(Verdict).invoke("Judge this.").model_dump()


def thinking(model, _image):
    said = model.bind(reasoning_effort="high").invoke(f"{QUESTION} sim:think")
    return said.usage_metadata["output_token_details"]["reasoning"]


def usage(model, _image):
    said = model.invoke(QUESTION)
    headers = said.response_metadata["headers"]
    return {"id": headers["x-tercet-request-id"], **said.usage_metadata}


def errors(model, _image):
    found = []
    for said in ("hello sim:too-long", "hello sim:cut sim:words=60 sim:delay=20"):
        try:
            list(model.stream(said))
        except Exception as error:  # noqa: BLE001  its type is the finding
            found.append(type(error).__mro__[1].__name__ + "/" + type(error).__name__)
    return found


def cancel(model, _image):
    pieces = model.stream("Count. sim:words=60 sim:drip=100")
    first = next(piece.response_metadata for piece in pieces)
    pieces.close()
    return first


if __name__ == "__main__":
    feature, url, key, name, image = sys.argv[1:]
    asked = ChatOpenAI(
        base_url=f"{url}/v1", api_key=key, model=name, max_retries=0, include_response_headers=True
    )
    found = globals()[feature.replace(" ", "_")](asked, image)
    print(json.dumps(found))
