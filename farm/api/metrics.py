"""Prometheus metrics: the farm's state read from the store at each scrape, and the requests of this process."""

import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Iterator

import prometheus_client as prometheus
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from prometheus_client.core import GaugeMetricFamily, Metric

from .context import Farm, FarmContext

router = APIRouter(tags=["status"])
usual = APIRouter(include_in_schema=False)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(farm: Farm, request: Request) -> Response:
    """Prometheus text; give Prometheus the token as its bearer token."""
    registry = prometheus.CollectorRegistry()
    registry.register(_FarmState(farm))
    text = prometheus.generate_latest(registry) + prometheus.generate_latest(request.app.state.request_registry)
    return Response(text, media_type=prometheus.CONTENT_TYPE_LATEST)


@usual.get("/metrics")
def where_prometheus_looks() -> RedirectResponse:
    """Sends on whoever asks at the path that is Prometheus's default."""
    return RedirectResponse("/api/v1/metrics")


def instrument(app: FastAPI) -> None:
    """Count and time the requests of ``app`` by route, never by full path."""
    app.state.request_registry = registry = prometheus.CollectorRegistry()
    seconds = prometheus.Histogram(
        "farm_api_request_seconds", "Time until an answer began", ["method", "route", "status"], registry=registry
    )

    @app.middleware("http")
    async def measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        start = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "other")
        seconds.labels(request.method, route, response.status_code).observe(time.perf_counter() - start)
        return response


class _FarmState:
    """A collector over the store."""

    def __init__(self, farm: FarmContext) -> None:
        self._store = farm.store

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("farm_jobs", "Jobs per state", labels=["state"])
        for state, count in self._store.summary().states.items():
            jobs.add_metric([state.value], count)
        yield jobs
        yield GaugeMetricFamily("farm_running_attempts", "Tasks being executed", len(self._store.running_attempts()))
        replicas = GaugeMetricFamily("farm_replicas", "Model replicas per state", labels=["state"])
        states = Tally(replica.state for replica in self._store.replicas())
        for name, count in states.items():
            replicas.add_metric([name], count)
        yield replicas
