# Two images from one file: `server` (API, pages, control; no torch) and `worker` (torch and the sandbox's tools).
FROM python:3.13-slim AS base
COPY --from=ghcr.io/astral-sh/uv:0.13.8 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 VIRTUAL_ENV=/opt/lethe PATH=/opt/lethe/bin:$PATH
WORKDIR /src
COPY . .

FROM base AS server
RUN uv venv /opt/lethe && uv pip install --constraint requirements.lock . && useradd --system --uid 60999 lethe
USER lethe
CMD ["lethe", "serve", "--host", "0.0.0.0"]

FROM base AS worker
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap libseccomp2 && rm -rf /var/lib/apt/lists/*
RUN uv venv /opt/lethe && uv pip install --constraint requirements.lock '.[worker]'
CMD ["lethe", "worker"]
