{{ head }}
#
# A package that has no wheel for this Python needs a compiler: `RUN apt-get update && apt-get install -y build-essential` in
# front of `poetry install`. Another Python: the build argument PYTHON_VERSION.

ARG PYTHON_VERSION={{ version }}
FROM python:${PYTHON_VERSION}-slim AS dependencies
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/pip pip install poetry

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN --mount=type=cache,target=/root/.cache/pypoetry \
    POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --only main --no-root --no-interaction

FROM python:${PYTHON_VERSION}-slim
ENV PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
WORKDIR /app
COPY --from=dependencies /app/.venv .venv
RUN useradd --create-home --uid 10001 app && chown app /app

# Source.
COPY --chown=app . .
USER app
{% if interrupted %}
# As the first process Python hears no SIGTERM.
STOPSIGNAL SIGINT
{% endif %}
{% if port %}
EXPOSE {{ port }}
{% endif %}
{{ edit }}CMD {{ command }}
