"""deploy/nginx.conf in a real nginx in front of a real server, at the root of a host and below a path."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port, nginx, sign_oneself, wait_for_port
from tests.integration.server.conftest import SLUG, Site, upload

pytestmark = pytest.mark.component("nginx")
DEPLOY = Path(__file__).parents[3] / "deploy"
MAIN = """
{user}daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/html html; }}
    include {folder}/lethe.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx: its addresses, with the path of the site, and the folder in the place of /etc/lethe."""

    url: str
    plain_url: str
    folder: Path
    trust: ssl.SSLContext


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture(params=["", "/lethe"])
def root_path(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


def example(folder: Path, site: Site, root: str, ports: tuple[int, int]) -> str:
    """The example with the names, ports and folders of this test, and, as the document says, below `root`."""
    text = (DEPLOY / "nginx.conf").read_text()
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    for one, other in (
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen 443 ", f"listen 127.0.0.1:{ports[1]} "),
        ("https://$server_name$", f"https://$server_name:{ports[1]}$"),
        ("lethe.example.org;", "localhost;"),
        ("/etc/letsencrypt/live/lethe.example.org/", f"{folder}/"),
        ("/etc/lethe/", f"{folder}/"),
        ("127.0.0.1:8000", site.url.removeprefix("http://").removesuffix(root)),
        ("allow 127.0.0.1;", "allow 192.0.2.1;"),  # so that this test is a stranger
    ):
        assert one in text, one
        text = text.replace(one, other)
    if root:  # docs/operations.md: the path in front of every path of Lethe's
        text = re.sub(r"(location (?:= |~ \^|))/(?!away|\.well-known)", rf"\1{root}/", text)
        text = text.replace('"~^/(', f'"~^{root}/(')
    return text


@pytest.fixture
def proxy(site: Site, root_path: str, tmp_path: Path) -> Iterator[Proxy]:
    folder, ports = tmp_path / "nginx", (free_port(), free_port())
    (folder / "pages").mkdir(parents=True)
    shutil.copyfile(DEPLOY / "away.html", folder / "pages" / "away.html")
    sign_oneself(folder / "fullchain.pem", folder / "privkey.pem")
    (folder / "lethe.conf").write_text(example(folder, site, root_path, ports))
    user = "user root;\n" if os.geteuid() == 0 else ""  # who may look into the tests' folders
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    command = [nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if "[warn]" in line]
    assert [
        line for line in warnings if '"listen ... http2" directive is deprecated' not in line
    ] == []  # 1.22 wants it
    process = subprocess.Popen(command)
    try:
        wait_for_port(ports[1])
        trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        addresses = (f"https://localhost:{ports[1]}{root_path}", f"http://localhost:{ports[0]}{root_path}")
        yield Proxy(*addresses, folder, trust)
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_example_serves_a_site(site: Site, proxy: Proxy, root_path: str) -> None:
    pages_and_refusals(proxy)
    logins_uploads_and_events(site, proxy, root_path)
    while_it_is_away(proxy)


def pages_and_refusals(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60) as client:
        for path in ("/", f"/competitions/{SLUG}", "/healthz", f"/api/v1/competitions/{SLUG}"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert f"export LETHE_SERVER={proxy.url}\n" in client.get(f"/competitions/{SLUG}").text  # scheme, port and path
        assert client.head("/readyz").status_code == 200
        for path in ("/metrics", "/internal/v1/work/claim"):
            assert client.post(path).status_code == 403, path
            assert client.get(path).status_code == 403, path
        assert client.post(f"/api/v1/competitions/{SLUG}/submissions", content=b"x" * 2**24).status_code == 401
        assert client.post("/api/v1/users", content=b"x" * 2**17).json()["code"] == "body_too_large"

    away = httpx.get(f"{proxy.plain_url}/login?next=/x")
    assert (away.status_code, away.headers["location"]) == (308, f"{proxy.url}/login?next=/x")
    with pytest.raises(httpx.ConnectError):  # by an address instead of the name
        httpx.get(proxy.url.replace("localhost", "127.0.0.1"), verify=False)  # noqa: S501
    asked = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", str(proxy.folder / "fullchain.pem"), "-o", os.devnull,
         "-w", "%{http_version} %{http_code}", f"{proxy.url}/"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.stdout == "2 200", asked.stderr


def logins_uploads_and_events(site: Site, proxy: Proxy, root_path: str) -> None:
    site.register("ann").close()
    port = httpx.URL(proxy.url).port
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60) as client:
        sent = {"username": "ann", "password": "correct horse"}
        foreign = client.post("/login", data=sent, headers={"Origin": "https://localhost:1"})
        assert foreign.status_code == 403
        logged_in = client.post("/login", data=sent, headers={"Origin": f"https://localhost:{port}"})
        assert logged_in.status_code == 303
        prefix, path = ("__Secure-", root_path) if root_path else ("__Host-", "/")
        cookie = logged_in.headers["set-cookie"]
        assert cookie.startswith(f"{prefix}lethe_session_{port}{root_path.replace('/', '_')}=")
        assert {f"Path={path}", "Secure"} <= set(cookie.split("; "))
    with site.register("bob") as bob, httpx.Client(verify=proxy.trust, headers=bob.headers, timeout=60) as client:
        client.base_url = httpx.URL(f"{proxy.url}/api/v1")
        accepted = upload(client)
        assert (accepted.status_code, accepted.headers["location"].startswith(f"{root_path}/api/v1/")) == (202, True)
        with client.stream("GET", f"/submissions/{accepted.json()['id']}/events") as events:
            first = next(events.iter_lines())  # arrives while the stream is open: nothing is held back
            assert first.startswith(("event:", "data:", "id:", "retry:", ":"))


def while_it_is_away(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60) as client:
        (proxy.folder / "away").touch()
        page, call = client.get("/"), client.get("/api/v1/competitions")
        for answer in (page, call):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "Back in a moment" in page.text
        assert (call.headers["content-type"], call.json()["code"]) == ("application/problem+json", "unavailable")
        (proxy.folder / "away").unlink()
        assert client.get("/").status_code == 200
