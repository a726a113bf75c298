# syntax=docker/dockerfile:1
# Pinned by tag. Where your rules ask for a digest: --build-arg BASE=docker.io/library/python:3.13-slim-bookworm@sha256:...
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE} AS build
# `signatures`: also what it takes to load signed policy trees (GATEWAY_POLICY_KEY). `otel`: to send traces
# (GATEWAY_OTEL_ENDPOINT). Both: LOCK="signatures otel"
ARG LOCK=runtime
WORKDIR /src
COPY deploy/locks deploy/locks
RUN python -m venv /opt/gateway && \
    for lock in ${LOCK}; do \
        /opt/gateway/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r "deploy/locks/${lock}.txt" || exit 1; \
    done && \
    python -m venv /opt/build && \
    /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r deploy/locks/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
# pip goes from what runs when it has done its work. The base image has one of its own, for its own Python.
RUN /opt/build/bin/hatchling build --target wheel && \
    /opt/gateway/bin/pip install --no-cache-dir --no-deps dist/*.whl && \
    /opt/gateway/bin/pip uninstall --yes pip && \
    mkdir /state

FROM ${BASE}
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="A self-hosted, OpenAI-compatible LLM gateway" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/gateway /opt/gateway
COPY --from=build --chown=10001:10001 /state /var/lib/gateway
COPY routing_policies /etc/gateway/routing_policies
# `docker stop` kills after ten seconds: what is cut then has said so before. Set it higher with a longer --stop-timeout.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_GRACE_SECONDS=8 \
    GATEWAY_POLICIES=/etc/gateway/routing_policies \
    GATEWAY_STATE_DIR=/var/lib/gateway/state
# Numbers, which an orchestrator can check; nothing here needs a name, a home or a shell.
USER 10001:10001
WORKDIR /var/lib/gateway
# The only place that is written: the rest may be mounted read-only. COPY gives it the mode 0755, and a disk of its own may
# be open to a group; the gateway makes the folder in it for itself, 0700.
VOLUME ["/var/lib/gateway"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["/opt/gateway/bin/python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('GATEWAY_PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["/opt/gateway/bin/python", "-m", "gateway"]
CMD ["serve"]
