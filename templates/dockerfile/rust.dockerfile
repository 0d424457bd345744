{{ head }}
#
# The program that is built is `{{ program }}`. Another Rust: the build argument RUST_VERSION. A program that does not listen for
# SIGTERM ends at once with `init: true` in the Compose file.

ARG RUST_VERSION={{ version }}
FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /src

# Dependencies: built again only when the files named here change. They are built with programs that do nothing in place of yours.
{{ copies }}
RUN mkdir -p {{ folders }} && for file in {{ sources }}; do echo 'fn main() {}' >$file; done && touch src/lib.rs \
    && cargo build --release{{ locked }} && rm -r {{ sources }} src/lib.rs

# Source. Files may be older than what was built above, and cargo goes by their times.
COPY . .
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + && cargo build --release{{ locked }} --bin {{ program }}

FROM gcr.io/distroless/cc-debian12:nonroot
WORKDIR /app
COPY --from=build /src/target/release/{{ program }} ./
ENV PORT={{ port }}
USER nonroot
EXPOSE {{ port }}
{{ edit }}CMD ["/app/{{ program }}"]
