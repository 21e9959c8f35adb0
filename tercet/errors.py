"""Exceptions, few by design: a provider's failure is a value (`tercet.call.Failure`).

TercetError
└── ConfigError     files or environment are wrong; lists every problem; the process does not start
"""


class TercetError(Exception):
    """Root of the exceptions raised on purpose."""


class ConfigError(TercetError):
    """Configuration that cannot be run. The message names every problem and its remedy."""
