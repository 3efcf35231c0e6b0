"""``/v1/gateway/status``: what the data plane of this process does now, for `argosy top` and for scripts."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from argosy.api.context import AdminCaller

router = APIRouter(prefix="/v1/gateway", tags=["gateway"])


@router.get("/status")
def status(request: Request, caller: AdminCaller) -> dict[str, Any]:
    """What was counted since the process started, which replicas and providers answer, and which are left alone.

    Rates and percentiles come from the difference of two answers of the same ``process``.
    """
    state = request.app.state
    found = msgspec.to_builtins(state.gateway.status(caller.project_id))
    return {"object": "gateway.status", "in_flight": state.metrics.in_flight, **found}
