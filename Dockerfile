# One image for `fivefold serve` (the default), `fivefold worker` and every other command: docker run fivefold fivefold migrate up
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/fivefold
COPY requirements.lock pyproject.toml README.md ./
COPY app app
COPY sql sql
COPY migrations migrations
# Exactly the locked versions; what only the demo and the tests need is not asked for.
RUN /opt/fivefold/bin/pip install --no-cache-dir -c requirements.lock '.[ai,telemetry]' \
    && find /opt/fivefold -name __pycache__ -prune -exec rm -r {} +

FROM python:3.13-slim
RUN useradd --system --no-create-home --uid 10001 fivefold
COPY --from=build /opt/fivefold /opt/fivefold
ENV PATH=/opt/fivefold/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER fivefold
EXPOSE 8000
# `serve` must say that it is ready; other commands end by themselves.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["fivefold", "serve", "--host", "0.0.0.0"]
