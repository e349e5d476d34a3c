# Stands for the image `android` in tests: Python and the compiler of tests/data/compiler.
ARG DEBIAN
# hadolint ignore=DL3006
FROM mlc-package-test/tool AS tool

# hadolint ignore=DL3006
FROM ${DEBIAN}
# hadolint ignore=DL3008,DL3009
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && mkdir --mode 1777 /home/mlc-package
COPY --from=tool /usr/bin/mlc-package /usr/local/bin/
COPY data/compiler /opt/compiler
COPY data/libraries /opt/libraries
ENV HOME=/home/mlc-package PYTHONPATH=/opt/compiler PYTHONDONTWRITEBYTECODE=1 \
    STAND_IN_LIBRARIES=/opt/libraries STAND_IN_CALLS=/tmp/calls STAND_IN_WAITING=/tmp/waiting
USER 65532:65532
WORKDIR /src
ENTRYPOINT ["/usr/local/bin/mlc-package"]
