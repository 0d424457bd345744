{{ head }}
#
{% if workspaces %}
# The workspaces of this package have a package.json each: every one needs a COPY beside that of the first.
{% endif %}
# Another Node.js: the build argument NODE_VERSION. A program that does not listen for SIGTERM ends at once with `init: true` in the
# Compose file.

ARG NODE_VERSION={{ version }}
FROM node:${NODE_VERSION}-slim
WORKDIR /app
RUN chown node /app
{% if manager %}
RUN --mount=type=cache,target=/root/.npm {{ manager }}
{% endif %}

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN {{ install }}

# Source.
COPY --chown=node . .
{% if build %}
RUN {{ build }}
{% endif %}
ENV NODE_ENV=production PORT={{ port }}
USER node
EXPOSE {{ port }}
{{ edit }}CMD {{ command }}
