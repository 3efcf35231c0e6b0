"""Every test here gets an API and an engine of its own."""

from collections.abc import AsyncIterator

import pytest
from tests.gateway.harness import Api, running_api

from argosy.gateway import Deadlines


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=1.0, replica=0.5, poll=0.01)) as running:
        yield running
