{{ head }}
#
# The program that is built is the package `{{ package }}`. Another Go: the build argument GO_VERSION.

ARG GO_VERSION={{ version }}
FROM golang:${GO_VERSION} AS build
WORKDIR /src

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN go mod download

# Source.
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED=0 go build -o /out/app {{ package }}

# Certificates, time zones and a user without rights; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
WORKDIR /app
COPY --from=build /out/app ./
ENV PORT={{ port }}
USER nonroot
EXPOSE {{ port }}
{{ edit }}CMD ["/app/app"]
