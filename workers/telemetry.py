"""Every metric of the worker, with its unit and a sentence, and the two health answers.

`/metrics` is Prometheus text, `/livez` says whether the loops turn, `/readyz` whether frames that
arrive now would be scored and flagged.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

HEARTBEAT_LIMIT_S: Final = 10.0
LATENCY_BUCKETS: Final = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 5.0, 15.0, 60.0)


class Metrics:
    """Metrics of one worker process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.messages = Counter("flagpost_messages", "Messages taken from Kafka.", registry=r)
        self.message_bytes = Counter(
            "flagpost_message_bytes", "Bytes of media taken from Kafka.", registry=r
        )
        self.dead_letters = Counter(
            "flagpost_dead_letters", "Messages set aside, by reason.", ["reason"], registry=r
        )
        self.score_latency = Histogram(
            "flagpost_score_latency_seconds",
            "Kafka timestamp of a message to the scores of its frames.",
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self.flag_latency = Histogram(
            "flagpost_flag_latency_seconds",
            "Kafka timestamp of a message to the flag that it opened being in Redis.",
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self.decode_time = Counter(
            "flagpost_decode_seconds", "Time that children spent decoding.", registry=r
        )
        self.infer_time = Counter("flagpost_infer_seconds", "Time spent in the engine.", registry=r)
        self.flags = Counter(
            "flagpost_flags", "Steps of flags stored, by step.", ["step"], registry=r
        )
        self.evidence_missing = Counter(
            "flagpost_evidence_missing", "Flags stored without all of their evidence.", registry=r
        )
        self.redis_retries = Counter(
            "flagpost_redis_retries",
            "Rounds that Redis did not take and that were kept.",
            registry=r,
        )
        self.child_restarts = Gauge(
            "flagpost_child_restarts", "Decoder children that had to be replaced.", registry=r
        )
        self.held_bytes = Gauge(
            "flagpost_held_bytes", "Bytes of encoded media that work still needs.", registry=r
        )
        self.lag = Gauge(
            "flagpost_lag_messages",
            "Messages of the worker's partitions not yet taken.",
            registry=r,
        )
        self.streams = Gauge("flagpost_streams", "Streams seen lately.", registry=r)
        self.paused = Gauge("flagpost_paused", "1 while consuming waits for room.", registry=r)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class FrameAccountCollector(Collector):
    """Shows the frame account at every scrape, so that it can never disagree with itself."""

    def __init__(self, outcomes: Callable[[], dict[str, int]], arrived: Callable[[], int]) -> None:
        self._outcomes = outcomes
        self._arrived = arrived

    def collect(self) -> Iterator[Metric]:
        settled = CounterMetricFamily(
            "flagpost_frames", "Frames by what became of them.", labels=["outcome"]
        )
        outcomes = self._outcomes()
        for outcome, count in outcomes.items():
            settled.add_metric([outcome], count)
        yield settled
        arrived = self._arrived()
        yield CounterMetricFamily("flagpost_frames_arrived", "Frames that came in.", value=arrived)
        still_open = arrived - sum(outcomes.values())
        yield GaugeMetricFamily("flagpost_frames_open", "Frames in work.", value=still_open)


class Health:
    """What the probes are told: heartbeats of the loops and reasons not to be ready."""

    def __init__(self, loops: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._beats = dict.fromkeys(loops, time.monotonic())
        self._obstacles: dict[str, str] = {"start": "starting"}

    def beat(self, loop: str) -> None:
        """A loop turned once more."""
        self._beats[loop] = time.monotonic()

    def obstruct(self, part: str, reason: str | None) -> None:
        """Names why a part cannot work now; None when it can again."""
        with self._lock:
            if reason is None:
                self._obstacles.pop(part, None)
            else:
                self._obstacles[part] = reason

    def stuck_loops(self) -> list[str]:
        now = time.monotonic()
        return [name for name, beat in self._beats.items() if now - beat > HEARTBEAT_LIMIT_S]

    def obstacles(self) -> dict[str, str]:
        with self._lock:
            return dict(self._obstacles)


class HealthServer:
    """Serves `/metrics`, `/livez` and `/readyz` on a thread of its own."""

    def __init__(self, host: str, port: int, metrics: Metrics, health: Health) -> None:
        handler = _handler(metrics, health)
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(metrics: Metrics, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers the three addresses; everything else is 404."""

        def do_GET(self) -> None:
            match self.path:
                case "/metrics":
                    self._answer(200, metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
                case "/livez":
                    self._state(dict.fromkeys(health.stuck_loops(), "stuck"))
                case "/readyz":
                    self._state(health.obstacles())
                case _:
                    self._answer(404, b"not here: /metrics, /livez, /readyz\n", "text/plain")

        def _state(self, wrong: dict[str, str]) -> None:
            body = json.dumps({"ok": not wrong, "reasons": wrong}).encode() + b"\n"
            self._answer(503 if wrong else 200, body, "application/json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes every few seconds would bury the log."""

    return Handler
