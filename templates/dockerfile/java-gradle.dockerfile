{{ head }}
#
# Another Gradle or Java: the build arguments GRADLE_VERSION and JAVA_VERSION.

ARG GRADLE_VERSION={{ gradle }}
ARG JAVA_VERSION={{ version }}
FROM gradle:${GRADLE_VERSION}-jdk${JAVA_VERSION} AS build
ENV GRADLE_USER_HOME=/gradle
WORKDIR /src

# Dependencies: built again only when the files named here change. Gradle has no task that brings them alone.
{{ copies }}
RUN echo 'allprojects { task fetchAll { doLast { configurations.findAll { it.canBeResolved }.each { it.incoming.artifactView { lenient = true }.files.files } } } }' >/tmp/fetch.gradle \
    && gradle --no-daemon --init-script /tmp/fetch.gradle fetchAll

# Source.
COPY . .
{% if install %}
RUN gradle --no-daemon installDist && mv build/install/* /out \
    && ln -s "$(ls /out/bin | grep -v '\.bat$' | head -n 1)" /out/bin/start
{% else %}
RUN gradle --no-daemon assemble && mkdir /out \
    && cp "$(ls build/libs/*.jar | grep -v -e -plain -e -sources -e -javadoc | head -n 1)" /out/app.jar
{% endif %}

FROM eclipse-temurin:${JAVA_VERSION}-jre
WORKDIR /app
RUN useradd --create-home --uid 10001 app
COPY --from=build /out ./
ENV SERVER_PORT={{ port }}
USER app
EXPOSE {{ port }}
{{ edit }}CMD {{ command }}
