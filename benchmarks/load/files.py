"""nginx as the reference for sending files: one worker process, `sendfile`, no compression."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.servers import Served
from tests.conftest import free_port, nginx, wait_for_port

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
}}
"""


@contextlib.contextmanager
def running_nginx(root: Path) -> Iterator[Served]:
    """An nginx that serves the files in `root`."""
    with tempfile.TemporaryDirectory(prefix="lethe-nginx-") as name:
        folder, port = Path(name), free_port()
        for each in (folder, root):
            each.chmod(0o755)  # a worker of root's nginx runs as another user
        text = CONFIGURATION.format(folder=folder, port=port, root=root)
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        command = [nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        process = subprocess.Popen(command)
        try:
            wait_for_port(port, limit_s=30)
            yield Served(port, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)
