# Two images from one file: `server` (API, pages, control, admin commands; no torch) and `worker` (torch, with CUDA unless
# TORCH_BACKEND says otherwise, the sandbox's tools, and the admin commands that prepare data and train; no compiler, which
# submissions could not run). Versions are those of requirements.lock. Nothing in them runs as root.
FROM python:3.13-slim AS base
COPY --from=ghcr.io/astral-sh/uv:0.13.8 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 VIRTUAL_ENV=/opt/lethe PATH=/opt/lethe/bin:$PATH PYTHONUNBUFFERED=1
# The folders exist here so that new volumes belong to the user; both images must share its uid to share artifacts.
RUN useradd --system --uid 60999 --home-dir /var/lib/lethe lethe \
    && install -d -m 0700 -o lethe -g lethe /var/lib/lethe /var/cache/lethe /artifacts \
    && uv venv /opt/lethe
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY lethe lethe
COPY server server
COPY evaluator evaluator
COPY sandbox sandbox
COPY attacks attacks
COPY baselines baselines
COPY migrations migrations

FROM base AS server
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
RUN uv pip install --constraint requirements.lock '.[server]'
USER lethe
WORKDIR /var/lib/lethe
CMD ["lethe", "serve"]

FROM base AS worker
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap libseccomp2 && rm -rf /var/lib/apt/lists/*
# TORCH_BACKEND=cpu leaves CUDA out, which is most of the image; that build comes from PyTorch's own index.
ARG TORCH_BACKEND
COPY scripts/constraints scripts/
RUN if [ -z "$TORCH_BACKEND" ]; then cp requirements.lock constraints; else scripts/constraints > constraints; fi \
    && uv pip install --constraint constraints ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} '.[server,worker]'
USER lethe
WORKDIR /var/lib/lethe
CMD ["lethe", "worker"]
