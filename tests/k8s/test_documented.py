"""docs/kubernetes.md against the manifests it is about."""

import re
from pathlib import Path

from k8s.rendering import OVERLAYS, Manifest, cluster, of_kind, rendered, service

from tercet.config import PROJECT
from tercet.environment import KEY_FILES

TEXT = (PROJECT / "docs" / "kubernetes.md").read_text(encoding="utf-8")


def references(value: object) -> set[tuple[str, str]]:
    """Return the name and key of every secret that a document takes a variable from."""
    if isinstance(value, list):
        return {pair for it in value for pair in references(it)}
    if not isinstance(value, dict):
        return set()
    found = {pair for it in value.values() for pair in references(it)}
    if "secretKeyRef" in value:
        found.add((value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]))
    return found


def test_every_secret_that_a_pod_wants_is_made_by_a_documented_command() -> None:
    wanted = {pair for overlay in OVERLAYS for pair in references(service(overlay))}
    # The operator reads this key of the secret that authOptions names.
    for it in OVERLAYS:
        wanted.add((cluster(it)["authOptions"]["secretName"], "auth_token"))
        (told,) = [
            settings["data"]
            for settings in of_kind(rendered(it), "ConfigMap")
            if settings["metadata"]["name"].startswith("tercet-settings")
        ]
        # Mounted whole: the settings say which of its files are looked for.
        wanted |= {("tercet-keys", Path(told[name]).name) for name in KEY_FILES.values()}
    commands = re.findall(r"create secret generic (\S+)(.*)", TEXT)
    made = {
        (name, key)
        for name, options in commands
        for key in re.findall(r"--from-file=([\w-]+)", options)
    }
    assert made == wanted


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`?((?:k8s|tests)/[\w./-]*\w)", TEXT))
    assert len(named) > 8
    assert [it for it in sorted(named) if not (PROJECT / it).exists()] == []


def test_every_overlay_is_in_the_table() -> None:
    folders = {it.name for it in (PROJECT / "k8s" / "overlays").iterdir()}
    assert folders == set(OVERLAYS)
    assert all(f"| `{it}` " in TEXT for it in OVERLAYS)


def test_labels_and_names_are_the_policies_own() -> None:
    policies: list[Manifest] = of_kind(rendered("cpu-only"), "NetworkPolicy")
    (callers,) = [it for it in policies if it["metadata"]["name"] == "callers"]
    source = callers["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
    assert "label namespace INGRESS-NAMESPACE tercet-callers=true" in TEXT
    assert source == {"tercet-callers": "true"}
    name = service("cpu-only")["metadata"]["name"]
    assert f"{name}-serve-svc" in TEXT
    assert f"wait rayservice/{name}" in TEXT
