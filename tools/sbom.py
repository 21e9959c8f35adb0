"""Write a CycloneDX 1.6 bill of materials of a lock file: `python tools/sbom.py requirements.lock`.

Licences and who needs whom are known of what is installed at its pin. The same lock in the same
environment makes the same bytes: no time, no random serial number.
"""

import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parent.parent


def bill(lock: Path, project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document: every line of the lock, and what each needs of the others."""
    version = project["version"]
    text = lock.read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and line[0] != "#"]
    made = [_part(line) for line in lines]
    parts = {part["name"]: part for part, _ in made}
    needs = {part["name"]: wanted for part, wanted in made}
    root = {"type": "application", "bom-ref": "tercet", "name": "tercet", "version": version}
    needs["tercet"] = [Requirement(line) for line in project["dependencies"]]
    # What one asks of another may depend on an extra that a third asks for.
    asked = [(canonicalize_name(one.name), one.extras) for some in needs.values() for one in some]
    edges: list[dict[str, Any]] = []
    for name, some in needs.items():
        extras = {"", *(extra for other, more in asked if other == name for extra in more)}
        on = {canonicalize_name(one.name) for one in some if _counts(one, extras)} & parts.keys()
        refs = [parts[other]["bom-ref"] for other in sorted(on)]
        edges.append({"ref": parts.get(name, root)["bom-ref"], "dependsOn": refs})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, version + text)}",
        "metadata": {"component": root},
        "components": list(parts.values()),
        "dependencies": edges,
    }


def _part(line: str) -> tuple[dict[str, Any], Sequence[Requirement]]:
    pinned, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
    name, version = pinned.split(" ")[0].split("==")
    installed = [one for one in metadata.distributions(name=name) if one.version == version]
    about = cast("Message", installed[0].metadata if installed else Message())
    purl = f"pkg:pypi/{name}@{version}"
    digests = [{"alg": "SHA-256", "content": digest} for digest in hashes]
    reference = {"type": "distribution", "url": purl, "hashes": digests}
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    found |= {"licenses": _licences(about), "externalReferences": [reference]}
    return found, [Requirement(one) for one in about.get_all("Requires-Dist") or ()]


def _licences(about: Message) -> Sequence[Mapping[str, Any]]:
    if expression := about.get("License-Expression"):
        return [{"expression": expression}]
    told = [line for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    listed = [line.split(" :: ")[-1] for line in told] or about.get("License", "").split("\n")[:1]
    return [{"license": {"name": name}} for name in listed if name]


def _counts(one: Requirement, extras: set[str]) -> bool:
    return one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)


if __name__ == "__main__":
    with (PROJECT / "pyproject.toml").open("rb") as file:
        found = bill(PROJECT / sys.argv[1], tomllib.load(file)["project"])
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
