# The sidecar. Build: docker build -t portal-gateway .   Run: see README.md, "As a sidecar".
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# For what of the package is compiled, which needs nothing of this at run time.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/build && python -m venv /opt/portal-gateway
WORKDIR /src
# Dependencies first: they change less often than the code, and every file is checked against its hash.
COPY requirements.lock requirements-build.lock ./
RUN /opt/build/bin/pip install --require-hashes --requirement requirements-build.lock
RUN /opt/portal-gateway/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY portal_gateway ./portal_gateway
RUN PORTAL_GATEWAY_COMPILE=1 /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/portal-gateway/bin/pip install --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Portal Gateway" org.opencontainers.image.licenses="MIT"
RUN useradd --no-create-home --no-log-init --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin gateway
COPY --from=build /opt/portal-gateway /opt/portal-gateway
# glibc gives the heap back after every page of 64 KB or more, which costs half of the throughput there.
ENV PATH=/opt/portal-gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_TRIM_THRESHOLD_=536870912
USER 10001:10001
EXPOSE 8080
# Whether it accepts connections; an app behind it that is away is not its own illness.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8080), 2).close()"]
# Mount the configuration at /etc/portal-gateway; secrets come as environment variables or files, never in the image.
ENTRYPOINT ["portal-gateway"]
CMD ["serve", "--config", "/etc/portal-gateway/portal-gateway.yaml", "--host", "0.0.0.0", "--port", "8080"]
