import asyncio

import pytest

from cluster.providers.choosing import provider_of
from cluster.providers.runpod import RunPod
from cluster.providers.vast import Vast


@pytest.mark.parametrize(("name", "kind"), [("vast", Vast), ("runpod", RunPod), ("fake", Vast)])
def test_a_provider_is_what_its_name_says(name, kind) -> None:
    provider = provider_of(name, "key", "http://127.0.0.1:9")
    assert isinstance(provider, kind)
    assert provider.name == name
    asyncio.run(provider.close())


def test_the_fake_cloud_has_no_address_of_its_own() -> None:
    with pytest.raises(ValueError, match="address"):
        provider_of("fake", "key")
