# A compiler that is real all the way through: examples/tiny on TVM. The context has Python's packages
# in packages/, for the Python of this Debian, and the compiler in compiler/.
ARG DEBIAN
# hadolint ignore=DL3006
FROM ${DEBIAN}
# hadolint ignore=DL3008,DL3009
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev python3
COPY packages /opt/packages
COPY compiler /opt/compiler
ENV PYTHONPATH=/opt/compiler:/opt/packages PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
