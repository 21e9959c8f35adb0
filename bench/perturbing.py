"""Labelled conversations as other people might have typed them: noise, case, spaces, typos, wraps.

    .venv/bin/python -m bench.perturbing [--save]

Prints, for each disturbance, the share of tasks whose kind and whose plan's tier stay what they
were, and the share of tasks outside of tier 1 that it raises to it. Bar: 85 % of tiers; aim: 95 %.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from router.classify import classify
from tercet.task import Message, Profile, Task, turn

CASES = Path(__file__).parents[1] / "tests" / "router" / "classify_cases.jsonl"
NOISE = (
    "Hi there, I hope you are doing well.",
    "It rained all weekend and the trains were late.",
    "My cat sits on the keyboard again.",
    "I had a great lunch today.",
    "Sorry to bother you so early.",
)
BEFORE = (
    "Hello! Could you please help me with something? ",
    "Good morning, I would be very grateful if you could help. ",
    "Hey, quick one for you: ",
    "I have the following request. ",
)
AFTER = (" Thanks a lot in advance!", " Thank you so much, you are great.", " Many thanks!", " :)")
SWAPS = (
    ("please ", ""),
    ("can you ", "could you "),
    ("what's", "what is"),
    ("What's", "What is"),
    ("don't", "do not"),
    ("I'm", "I am"),
    ("how do I", "how can I"),
    ("How do I", "How can I"),
    ("Write ", "Please write "),
    ("Implement ", "Please implement "),
    ("Design ", "Please design "),
    ("Explain ", "Please explain "),
    ("Fix ", "Please fix "),
    ("Should we ", "Do you think we should "),
    ("our ", "my company's "),
)
REMINDER = (
    "<system-reminder>\nYou design, implement, review and fix code. Security is critical; never "
    "delete production data.\n</system-reminder>\n"
)
Disturb = Callable[[str, Random], str]


def typed(text: str, random: Random) -> str:
    """Return a text with one letter in fifty mistyped: swapped, dropped or doubled."""
    letters = list(text)
    for at in range(1, len(letters) - 1):
        if letters[at].isalpha() and letters[at - 1].isalpha() and random.random() < 0.02:
            kind = random.randrange(3)
            if kind == 0:
                letters[at], letters[at - 1] = letters[at - 1], letters[at]
            else:
                letters[at] = "" if kind == 1 else letters[at] * 2
    return "".join(letters)


def reworded(text: str, _: Random) -> str:
    """Return a text with common turns of phrase replaced by others."""
    for was, becomes in SWAPS:
        text = text.replace(was, becomes)
    return text


def spaced(text: str, random: Random) -> str:
    """Return a text with stray spaces between its words and empty lines around it."""
    return (
        "\n\n  "
        + "".join(
            letter + " " * random.randrange(2) if letter == " " else letter for letter in text
        )
        + "  \n"
    )


DISTURBANCES: Mapping[str, Disturb] = {
    "noise before": lambda text, random: f"{random.choice(NOISE)} {random.choice(NOISE)} {text}",
    "noise after": lambda text, random: f"{text}\n{random.choice(NOISE)}",
    "polite": lambda text, random: f"{random.choice(BEFORE)}{text}{random.choice(AFTER)}",
    "lower case": lambda text, _: text.lower(),
    "upper case": lambda text, _: text.upper(),
    "spaces": spaced,
    "typos, 2 %": typed,
    "reworded": reworded,
    "reminder": lambda text, _: f"{REMINDER}{text}",
    "no full stop": lambda text, _: text.rstrip(".?! "),
}


def conversations() -> list[tuple[Message, ...]]:
    """Return the labelled conversations."""
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").split("\n") if line]
    return [tuple(turn(m["speaker"], m["text"]) for m in row["messages"]) for row in rows]


def kept(tried: list[tuple[Message, ...]], disturb: Disturb, *, seed: int = 11) -> dict[str, float]:
    """Return the shares of kinds and tiers kept, and of tasks raised to tier 1."""
    random = Random(seed)
    kinds = tiers = raised = below = 0
    for messages in tried:
        before = profile_of(messages)
        after = profile_of((*messages[:-1], turn("user", disturb(messages[-1].text, random))))
        kinds += before.kind == after.kind
        tiers += tier_of(before) == tier_of(after)
        below += tier_of(before) != "tier1"
        raised += tier_of(before) != "tier1" and tier_of(after) == "tier1"
    shares = {"kind": kinds / len(tried), "tier": tiers / len(tried), "raised": raised / below}
    return {name: round(share, 4) for name, share in shares.items()}


def profile_of(messages: tuple[Message, ...]) -> Profile:
    """Return the profile of a conversation."""
    return classify(Task(id="t", key_id="k", model="auto", messages=messages, deadline_at=0.0))


def tier_of(profile: Profile) -> str:
    """Return the plan's tier, with no local model."""
    if profile.requires_design or profile.is_critical:
        return "tier1"
    return "tier2" if profile.requires_implementation else "tier3"


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    saves = parser.parse_args().save
    tried = conversations()
    rows = {name: kept(tried, disturb) for name, disturb in DISTURBANCES.items()}
    rows["mean"] = {
        name: round(sum(row[name] for row in rows.values()) / len(rows), 4)
        for name in ("kind", "tier", "raised")
    }
    for name, row in rows.items():
        print(f"{name:<14}" + "  ".join(f"{key} {share:.3f}" for key, share in row.items()))
    if saves:
        today = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
        file = Path(__file__).parent / "results" / f"{today}-perturbing.json"
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
