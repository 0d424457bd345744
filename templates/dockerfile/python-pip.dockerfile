{{ head }}
#
# A package that has no wheel for this Python needs a compiler: `RUN apt-get update && apt-get install -y build-essential` in
# front of `pip install`. Another Python: the build argument PYTHON_VERSION.

ARG PYTHON_VERSION={{ version }}
FROM python:${PYTHON_VERSION}-slim
ENV PYTHONUNBUFFERED=1
WORKDIR /app
RUN useradd --create-home --uid 10001 app && chown app /app

# Dependencies: built again only when the files named here change.
{{ copies }}
{% if requirements %}
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt
{% else %}
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"].get("dependencies", []), sep="\n")' >/tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt
{% endif %}

# Source.
COPY --chown=app . .
{% if package %}
RUN pip install --no-deps .
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
