{{ head }}
#
# A package that has no wheel for this Python needs a compiler: `RUN apt-get update && apt-get install -y build-essential` in
# front of `uv sync`. Another Python: the build argument PYTHON_VERSION.

ARG PYTHON_VERSION={{ version }}
FROM python:${PYTHON_VERSION}-slim
ENV PYTHONUNBUFFERED=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never PATH=/app/.venv/bin:$PATH
WORKDIR /app
RUN useradd --create-home --uid 10001 app && chown app /app
RUN --mount=type=cache,target=/root/.cache/pip pip install uv

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN --mount=type=cache,target=/root/.cache/uv uv sync {{ locked }}--no-dev --no-install-project

# Source.
COPY --chown=app . .
{% if package %}
RUN --mount=type=cache,target=/root/.cache/uv uv sync {{ locked }}--no-dev
{% endif %}
USER app
{% if interrupted %}
# As the first process Python hears no SIGTERM.
STOPSIGNAL SIGINT
{% endif %}
{% if port %}
EXPOSE {{ port }}
{% endif %}
{{ edit }}CMD {{ command }}
