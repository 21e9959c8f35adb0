"""Which provider of machines is meant by a name."""

from cluster.providers.runpod import RunPod
from cluster.providers.vast import Vast
from tercet.renting import GpuProvider, ProviderOfMachines


def provider_of(name: ProviderOfMachines, key: str, url: str | None = None) -> GpuProvider:
    """Return a client; `url` defaults to the vendor's own.

    `fake` is Vast.ai's dialect at `url`, without its intervals: the fake cloud has none unless it
    is told to.

    Raises:
        ValueError: `fake` without a URL.
    """
    match name:
        case "vast":
            return Vast(key) if url is None else Vast(key, url)
        case "runpod":
            return RunPod(key) if url is None else RunPod(key, url)
        case "fake":
            if url is None:
                raise ValueError("the fake cloud needs its address: set `url` in rental.yaml")
            return Vast(key, url, name="fake", intervals={})
