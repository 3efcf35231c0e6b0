"""The whole application: completions go straight to the data plane, everything else to FastAPI."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from time import perf_counter
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI

import argosy
from argosy.api import health, openai, platform
from argosy.api.at_once import at_once
from argosy.api.bodies import bounded
from argosy.api.book_metrics import BookMetrics
from argosy.api.context import Platform
from argosy.api.errors import handle_errors
from argosy.api.exchange import Wire
from argosy.api.faults import log_fault
from argosy.api.metrics import Metrics
from argosy.api.openai.completions import Completions
from argosy.api.openapi import describe_completions
from argosy.api.request_log import RequestLog
from argosy.api.watch import Watch
from argosy.api.wires import all_wires
from argosy.core import new_id
from argosy.gateway import Gateway


class Application:
    """An ASGI application. `control` is its FastAPI part."""

    def __init__(
        self,
        control: FastAPI,
        gateway: Gateway,
        completions: Completions,
        wires: Iterable[Wire],
        metrics: Metrics,
        request_log: RequestLog | None,
    ) -> None:
        self.control, self.gateway, self.request_log = control, gateway, request_log
        self._completions, self._metrics = completions, metrics
        self._wires = {wire.path: wire for wire in wires}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            if scope["http_version"] == "1.0":
                send = at_once(send)
            wire = self._wires.get(scope["path"]) if scope["method"] == "POST" else None
            if wire is None:
                await self._control(scope, receive, send)
            else:
                await self._completions(wire, scope, receive, send)
        else:
            await self.control(scope, receive, send)

    async def _control(self, scope: Any, receive: Any, send: Any) -> None:
        """The control plane, with a request id on every response, and its time and status in the metrics."""
        request_id, started, status = new_id("req_"), perf_counter(), 500

        async def send_named(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.control(scope, bounded(scope, receive), send_named)
        except Exception as error:  # answered already, by the handler in `errors`; here it is only logged
            log_fault(request_id, scope["path"], error)
        finally:
            path = getattr(scope.get("route"), "path", "unknown")
            self._metrics.observe(scope["method"], path, status, perf_counter() - started)


def create_app(
    platform_parts: Platform, gateway: Gateway, not_ready: Callable[[], str | None] = lambda: None
) -> Application:
    """The application on its parts. ``not_ready`` says why the platform cannot work now, None if it can."""
    control = FastAPI(title="Argosy", version=argosy.__version__, docs_url=None, redoc_url=None)
    metrics = Metrics(gateway)
    metrics.add(BookMetrics(platform_parts.database))
    control.state.platform = platform_parts
    control.state.gateway = gateway
    control.state.metrics = metrics
    control.state.not_ready = not_ready
    handle_errors(control)
    control.include_router(health.router)
    for package in (openai, platform):
        for router in _routers(package):
            control.include_router(router)
    describe_completions(control)
    request_log = RequestLog() if platform_parts.settings.request_log else None
    watch = Watch(gateway, request_log)
    completions = Completions(gateway, platform_parts.keys, metrics, watch, platform_parts.vault)
    return Application(control, gateway, completions, all_wires(platform_parts.database, gateway), metrics, request_log)


def _routers(package: ModuleType) -> list[APIRouter]:
    """The ``router`` of each file in a package of routes, in the order of the files' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return [module.router for module in modules if hasattr(module, "router")]
