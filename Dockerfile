# Two stages: the first builds, the second holds Python, the runtime dependencies, your functions and nothing else.
FROM python:3.13-slim AS build
WORKDIR /build
# The locks first: as long as they stay the same, so does this layer.
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m venv tools \
 && tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-build.lock \
 && python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY bff/ bff/
RUN tools/bin/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps dist/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin bff
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080
WORKDIR /srv
COPY --from=build /venv /venv
COPY routes.yaml ./
COPY functions/ functions/
# The state store: put a volume here, or name a PostgreSQL under `state`, for it to outlive the container.
RUN install -d -o bff -m 0700 .bff
USER bff
EXPOSE 8080
# By Python, because the image has no curl; past any proxy the environment names.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/readiness', timeout=2)"]
# Exec form: the gateway is process 1, gets SIGTERM itself and drains. It reads PORT on its own.
CMD ["bff", "serve", "--host", "0.0.0.0", "--admin", "127.0.0.1:8001"]
