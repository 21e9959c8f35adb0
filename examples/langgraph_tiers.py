"""The plan's LangGraph orchestrator: a router node, four tier nodes, conditional edges.

Each tier node is one call to Tercet, which seats the tier's models, holds its votes and keeps its
bill. (`model="auto"` would let Tercet pick the tier as well, by the same rules.)

    pip install -r tests/clients/requirements.txt
    python examples/langgraph_tiers.py --url http://127.0.0.1:8000 --key "$(cat var/api_key)"
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

QUESTIONS = (
    "Design the architecture of a billing system for many tenants.",
    "Implement a function that retries a call three times.",
    "Rename the variable x to count in: def f(x): return x + 1",
    "What is 17 * 23?",
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A question and what the router saw in it."""

    question: str
    requires_design: bool = False
    is_critical: bool = False
    requires_implementation: bool = False
    is_routine: bool = False


class TaskState(TypedDict, total=False):
    """What the nodes hand on."""

    question: str
    task: Task
    answer: str
    node: str
    request_id: str
    """Of the receipt: `GET /v1/requests/{id}` says who answered, why, and what it cost."""


SIGNS = {
    "requires_design": r"\b(design|architecture|schema)\b",
    "is_critical": r"\b(security|production|outage)\b",
    "requires_implementation": r"\b(implement|fix|refactor|write)\b",
    "is_routine": r"\b(rename|format|translate|sort)\b",
}


def classify_task(state: TaskState) -> TaskState:
    """Look for the words that make a task expensive or cheap."""
    said = state["question"].lower()
    seen = {flag: re.search(sign, said) is not None for flag, sign in SIGNS.items()}
    return {"task": Task(question=state["question"], **seen)}


def route_by_complexity(state: TaskState, *, deepseek_available: bool) -> str:
    """Return the node that takes the task: the plan's own rules."""
    task = state["task"]
    if task.requires_design or task.is_critical:
        return "tier1_arch"
    if task.requires_implementation:
        return "tier2_exec"
    if task.is_routine and deepseek_available:
        return "deepseek"
    return "tier3_fast"


def tier(node: str, model: ChatOpenAI) -> Callable[[TaskState], TaskState]:
    """Return a node that asks one tier."""

    def ask(state: TaskState) -> TaskState:
        reply = model.invoke(state["task"].question)
        headers = reply.response_metadata["headers"]
        return {"node": node, "answer": reply.text, "request_id": headers["x-tercet-request-id"]}

    return ask


def graph(url: str, key: str, *, deepseek_available: bool) -> CompiledStateGraph:
    """Return the workflow, every tier of it behind one base URL."""
    models = {
        "tier1_arch": "tier1",
        "tier2_exec": "tier2",
        "tier3_fast": "tier3",
        "deepseek": "local",
    }
    workflow = StateGraph(TaskState)
    workflow.add_node("router", classify_task)
    for node, model in models.items():
        client = ChatOpenAI(
            base_url=f"{url}/v1", api_key=key, model=model, include_response_headers=True
        )
        workflow.add_node(node, tier(node, client))
        workflow.add_edge(node, END)
    workflow.add_edge(START, "router")
    workflow.add_conditional_edges(
        "router",
        lambda state: route_by_complexity(state, deepseek_available=deepseek_available),
        list(models),
    )
    return workflow.compile()


def main() -> None:
    """Ask one question of each sort, and say who took it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", required=True)
    parser.add_argument("--local", action="store_true", help="the local model may be asked")
    told = parser.parse_args()
    workflow = graph(told.url, told.key, deepseek_available=told.local)
    for question in QUESTIONS:
        done = workflow.invoke({"question": question})
        sys.stdout.write(f"{done['node']:<11} {done['request_id']}  {done['answer'][:60]!r}\n")


if __name__ == "__main__":
    main()
