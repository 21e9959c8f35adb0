"""Signatures under thoughts, which their makers want back unchanged and from nobody else."""

import hashlib
import re

from deployments.simulated.markers import family

_NONCE = 16
_CHECK = 8
_SIGNATURE = re.compile(rf"simsig_([\w.-]+)_([0-9a-f]{{{_NONCE}}})([0-9a-f]{{{_CHECK}}})", re.ASCII)


def signature(model: str, seed: str) -> str:
    """Return what `model` signs with; it can be told from a foreign or a damaged one."""
    nonce = _digest(model, seed)[:_NONCE]
    return f"simsig_{model}_{nonce}{_digest(model, nonce)[:_CHECK]}"


def is_signed_by(of_family: str, text: str) -> bool:
    """Tell whether a model of the family made this signature."""
    match = _SIGNATURE.fullmatch(text)
    if match is None:
        return False
    model, nonce, check = match.groups()
    return family(model) == of_family and check == _digest(model, nonce)[:_CHECK]


def _digest(model: str, text: str) -> str:
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()
