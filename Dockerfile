# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
# `signatures`: also what it takes to load signed policy trees (GATEWAY_POLICY_KEY)
ARG LOCK=runtime
WORKDIR /src
COPY deploy/locks deploy/locks
RUN python -m venv /opt/gateway \
    && /opt/gateway/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r deploy/locks/$LOCK.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r deploy/locks/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN /opt/build/bin/hatchling build --target wheel \
    && /opt/gateway/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /opt/gateway/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
RUN groupadd --system --gid 10001 gateway \
    && useradd --system --uid 10001 --gid gateway --home-dir /var/lib/gateway --shell /usr/sbin/nologin gateway \
    && install --directory --owner gateway --group gateway --mode 0700 /var/lib/gateway
COPY --from=build /opt/gateway /opt/gateway
COPY routing_policies /etc/gateway/routing_policies
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_POLICIES=/etc/gateway/routing_policies \
    GATEWAY_STATE_DIR=/var/lib/gateway
USER 10001:10001
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
