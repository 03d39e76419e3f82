"""What Prometheus can ask a service about."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

PAGE = "page"
"""The route of what belongs to the web page."""


class Metrics:
    """Counts of one service, in a registry of its own.

    Args:
        waiting: how many clips wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "emovoz_requests", "Requests by route and status.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "emovoz_request_seconds", "From a request's first byte to its answer's last.", ("route",),
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100), registry=self.registry,
        )  # fmt: skip
        self._batches = Histogram(
            "emovoz_batch_clips", "Clips judged together.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self._audio = Counter("emovoz_audio_seconds", "Of audio received.", registry=self.registry)
        depth = Gauge("emovoz_queue_clips", "Clips that wait to be judged.", registry=self.registry)
        depth.set_function(waiting)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered, or given up by its client (status 499)."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def judged(self, clips: int) -> None:
        """Clips were taken from the queue together."""
        self._batches.observe(clips)

    def heard(self, seconds: float) -> None:
        """Audio was received."""
        self._audio.inc(seconds)

    def text(self) -> str:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry).decode()
