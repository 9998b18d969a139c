# One image for the four services; the command chooses: services.gateway, services.ingest, services.retrieval
# or services.answer. `make image-base` pins another base, tag and digest together.
ARG PYTHON_IMAGE=python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Dependencies first: their layer stays until the lock changes.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/docuquery \
 && pip --python /opt/docuquery install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY services services
COPY libs libs
# What builds the package goes again once it is built.
RUN pip --python /opt/docuquery install --no-deps --no-build-isolation . \
 && pip --python /opt/docuquery uninstall --yes editables hatchling pathspec pluggy trove-classifiers

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="DocuQuery" \
      org.opencontainers.image.description="Document question answering over gRPC, with citations the server has checked" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing that installs; a place for the embedded store and uploads under way.
RUN pip uninstall --yes pip \
 && install -d -o 10001 -g 10001 /var/lib/docuquery /var/spool/docuquery
COPY --from=build /opt/docuquery /opt/docuquery
# A container runs one service, so the health port is the same for each. It is served on loopback.
ENV PATH=/opt/docuquery/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/var/lib/docuquery/retrieval \
    INGEST_SPOOL_DIR=/var/spool/docuquery/uploads \
    GATEWAY_HEALTH_PORT=8081 INGEST_HEALTH_PORT=8081 RETRIEVAL_HEALTH_PORT=8081 ANSWER_HEALTH_PORT=8081
WORKDIR /var/lib/docuquery
# By number, so that Kubernetes can tell it is not root.
USER 10001:10001
EXPOSE 50051 50052 50053 50054
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "libs.rpc.probe"]
ENTRYPOINT ["python", "-m"]
CMD ["services.gateway"]
