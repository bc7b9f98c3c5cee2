import pytest

from handlers.media.decoding import Decoders
from handlers.media.limits import MediaLimits


@pytest.fixture(scope="session")
def decoders():
    """One process, with the limits that requests have."""
    decoders = Decoders(MediaLimits(), most=1)
    yield decoders
    decoders.close()
