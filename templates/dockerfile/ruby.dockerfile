{{ head }}
#
# A gem that needs a library when it runs (libpq5 for pg): `RUN apt-get update && apt-get install -y NAME` behind the second
# FROM. Another Ruby: the build argument RUBY_VERSION.

ARG RUBY_VERSION={{ version }}
FROM ruby:${RUBY_VERSION} AS dependencies
WORKDIR /app

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN {{ frozen }}BUNDLE_WITHOUT=development:test bundle install

FROM ruby:${RUBY_VERSION}-slim
ENV BUNDLE_WITHOUT=development:test
WORKDIR /app
COPY --from=dependencies /usr/local/bundle /usr/local/bundle
{% if unlocked %}
COPY --from=dependencies /app/Gemfile.lock ./
{% endif %}
RUN useradd --create-home --uid 10001 app && chown app /app

# Source.
COPY --chown=app . .
ENV PORT={{ port }}
USER app
EXPOSE {{ port }}
{{ edit }}CMD {{ command }}
