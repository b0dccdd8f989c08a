"""Real servers on loopback: HLS over HTTP, RTMP by ffmpeg, RTSP by GStreamer."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.servers import missing, wait_until

USER, PASSWORD, TOKEN = "camera", "hunter2secret", "tok3nsecret"

RTSP_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( filesrc location={sys.argv[2]} ! qtdemux ! h264parse"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("up", flush=True)
GLib.MainLoop().run()
"""


def need(program: str, works: bool | None = None) -> str:
    """The program's path; where it is missing: a skip on a laptop, a failure in CI."""
    path = shutil.which(program)
    if path is None or works is False:
        missing(f"{program} (apt-get install $(cat docker/apt-test.txt))")
    assert path is not None
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebServer:
    """Serves a directory on a port that stays the same over stops and starts."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.port = free_port()
        self.requests: list[str] = []
        self._server: http.server.ThreadingHTTPServer | None = None

    def url(self, path: str) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{path}?token={TOKEN}"

    def start(self) -> None:
        outer, directory = self, self.directory

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, directory=directory, **kwargs)

            def do_GET(self) -> None:
                outer.requests.append(self.path)
                if self.path.startswith("/forbidden"):
                    self.send_error(403)
                elif self.path.startswith("/silent"):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write((Path(directory) / "clip.ts").read_bytes())
                    self.wfile.flush()
                    with contextlib.suppress(OSError):
                        self.connection.recv(1)  # until the other side gives up
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def copyfile(self, source: Any, outputfile: Any) -> None:
                with contextlib.suppress(OSError):
                    super().copyfile(source, outputfile)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextlib.contextmanager
def web_server(directory: Path) -> Iterator[WebServer]:
    server = WebServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def rtmp_server(clip: Path, port: int, is_awaited: bool = False) -> Iterator[str]:
    """ffmpeg plays a clip in real time to the one who asks; then it is gone.

    Where somebody `is_awaited`, it may have listened and been asked before we look.
    """
    url = f"rtmp://127.0.0.1:{port}/live/{TOKEN}"
    ffmpeg = need("ffmpeg")
    with running(
        *(ffmpeg, "-nostdin", "-loglevel", "error", "-re", "-i", str(clip)),
        *("-c", "copy", "-f", "flv", "-listen", "1", url),
    ):
        wait_until(lambda: is_awaited or _is_listening(port))
        yield url


@contextlib.contextmanager
def rtsp_server(clip: Path) -> Iterator[str]:
    python = need("/usr/bin/python3", works=_has_gstreamer())
    port = free_port()
    with running(python, "-c", RTSP_SERVER, str(port), str(clip)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "up"
        yield f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{port}/live"


def _has_gstreamer() -> bool:
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst; Gst.init(None);"
        "assert all(Gst.ElementFactory.find(n) for n in ('qtdemux', 'h264parse', 'rtph264pay'))"
    )
    return subprocess.run(["/usr/bin/python3", "-c", check], capture_output=True).returncode == 0


def _is_listening(port: int) -> bool:
    # A connection would be taken for the one client that `ffmpeg -listen` serves.
    wanted = f"0100007F:{port:04X} "
    table = Path("/proc/net/tcp").read_text()
    return any(wanted in line and " 0A " in line for line in table.splitlines())
