"""Alive, ready, and measured: for supervisors, load balancers and Prometheus. No key is needed."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

router = APIRouter(tags=["Health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> Any:
    """The platform can do its work: 200, or 503 with the reason why not."""
    reason = request.app.state.not_ready()
    if reason:
        return JSONResponse({"status": "not ready", "reason": reason}, 503, headers={"retry-after": "1"})
    return {"status": "ready"}


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Counters and latencies in Prometheus's text format."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
