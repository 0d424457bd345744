{{ head }}
#
# The jar that is started is the one that `mvn package` leaves in target: it needs a main class, and its dependencies in it or
# beside it. Another Java: the build argument JAVA_VERSION.

ARG JAVA_VERSION={{ version }}
FROM maven:3-eclipse-temurin-${JAVA_VERSION} AS build
WORKDIR /src

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN mvn --batch-mode dependency:go-offline

# Source.
COPY . .
RUN mvn --batch-mode package -DskipTests \
    && cp "$(ls target/*.jar | grep -v -e -sources -e -javadoc -e /original- | head -n 1)" /app.jar

FROM eclipse-temurin:${JAVA_VERSION}-jre
WORKDIR /app
RUN useradd --create-home --uid 10001 app
COPY --from=build /app.jar ./
ENV SERVER_PORT={{ port }}
USER app
EXPOSE {{ port }}
{{ edit }}CMD ["java", "-jar", "app.jar"]
