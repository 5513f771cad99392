"""Load by wrk, which costs the machine far less than the server that it asks."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_DONE = """
function done(summary, latency)
  print(string.format('{"requests": %d, "us": %d, "median_us": %f, "p99_us": %f, "errors": %d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read +
    summary.errors.timeout + summary.errors.connect))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk measured; every answer was 2xx or 3xx."""

    requests: int
    rate: float
    median_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.rate:9.1f} a second   median {self.median_ms:7.2f} ms   99th percentile {self.p99_ms:7.2f} ms"


def load(url: str, *, seconds: int, connections: int, script: str = "", headers: dict[str, str] | None = None) -> Load:
    """The load that one thread of wrk puts on `url`; `script` is Lua that makes the requests."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    given = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.lua"
        path.write_text(script + _DONE)
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(path)]
        output = subprocess.run(["wrk", *options, *given, url], text=True, capture_output=True, check=True).stdout
    found = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    if found["errors"]:
        raise SystemExit(f"{found['errors']} of {found['requests']} answers of {url} were errors:\n{output}")
    rate = found["requests"] / found["us"] * 1e6
    return Load(found["requests"], rate, found["median_us"] / 1e3, found["p99_us"] / 1e3)


def other_pages(path: str, teams: int) -> str:
    """Requests of which each asks for another page, so that none is kept."""
    return f"""
local number = 0
function request()
  number = number + 37
  return wrk.format("GET", "{path}?offset=" .. (number % {teams}))
end
"""


def uploads(path: str, source: str, tokens: list[str]) -> str:
    """Requests of which each uploads another file, from the accounts of `tokens` in turn."""
    quoted = ", ".join(f'"{token}"' for token in tokens)
    return f"""
local tokens = {{{quoted}}}
local number = 0
local seed = os.time()
function request()
  number = number + 1
  local body = '--benchmark\\r\\nContent-Disposition: form-data; name="file"; filename="a.py"\\r\\n\\r\\n'
    .. {json.dumps(source)} .. '_ = "' .. seed .. " " .. number .. '"\\r\\n--benchmark--\\r\\n'
  local headers = {{["Content-Type"] = "multipart/form-data; boundary=benchmark",
    ["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]}}
  return wrk.format("POST", "{path}", headers, body)
end
"""
