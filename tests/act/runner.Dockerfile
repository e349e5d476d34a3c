# Stands for GitHub's ubuntu-24.04 where act runs workflows: what the action's steps and the clients of
# caches and artifacts call, and the Python of the stand-in compiler.
ARG DEBIAN
# hadolint ignore=DL3006
FROM ${DEBIAN}
# hadolint ignore=DL3008,DL3009
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl git jq nodejs python3 zstd
