# The images of mlc-package.
#   tool     the program, git and certificates: check, plan, report, publish
#   android  and all that packages for Android are compiled and linked with
#
#   docker build --target android --tag mlc-package .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/src" mlc-package build
#
# The defaults of the arguments are those of toolchain.toml.

ARG IMAGES_DEBIAN=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
ARG IMAGES_RUST=rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
# `source`: the program is built here; `prebuilt`: it is target/image/<architecture>/mlc-package.
ARG PROGRAM=source

FROM ${IMAGES_RUST} AS program-source
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends musl-tools \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY docs/reference docs/reference
COPY schema schema
COPY src src
COPY toolchain.toml ./
RUN cargo build --release --locked --bin mlc-package --target "$(uname -m)-unknown-linux-musl" \
 && cp "target/$(uname -m)-unknown-linux-musl/release/mlc-package" /mlc-package

FROM scratch AS program-prebuilt
ARG TARGETARCH
COPY target/image/${TARGETARCH}/mlc-package /mlc-package

# hadolint ignore=DL3006
FROM program-${PROGRAM} AS program

# What `tool` holds: the program, git with the libraries that it loads, and no shell.
FROM ${IMAGES_DEBIAN} AS files
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git
COPY --from=program /mlc-package /files/usr/bin/mlc-package
COPY LICENSE toolchain.toml /files/usr/share/mlc-package/
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN chmod 755 /files/usr/bin/mlc-package \
 && cp /usr/bin/git /files/usr/bin/ \
 && ldd /usr/bin/git | grep -oE '/[^ ]+' | xargs cp --parents --dereference --target-directory /files \
 && mkdir -p /files/etc/ssl/certs /files/home/mlc-package /files/src /files/tmp \
 && cp --dereference /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/ \
 && echo 'mlc-package:x:65532:65532::/home/mlc-package:/usr/sbin/nologin' > /files/etc/passwd \
 && echo 'mlc-package:x:65532:' > /files/etc/group \
 && printf '[safe]\n\tdirectory = *\n' > /files/etc/gitconfig \
 && chmod 1777 /files/home/mlc-package /files/tmp

FROM scratch AS tool
COPY --from=files /files /
LABEL org.opencontainers.image.title="mlc-package" \
      org.opencontainers.image.description="Checks, plans, reports and publishes packages of language models for MLC LLM" \
      org.opencontainers.image.source="https://github.com/mlc-package/mlc-package" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/bin HOME=/home/mlc-package
# Any user may run it: nothing in the image belongs to this one.
USER 65532:65532
WORKDIR /src
ENTRYPOINT ["/usr/bin/mlc-package"]

FROM ${IMAGES_RUST} AS rust
ARG ANDROID_RUST_TARGET=aarch64-linux-android
RUN rustup target add "$ANDROID_RUST_TARGET"

FROM ${IMAGES_DEBIAN} AS ndk
ARG ANDROID_NDK_ARCHIVE=https://dl.google.com/android/repository/android-ndk-r27c-linux.zip
ARG ANDROID_NDK_SHA256=59c2f6dc96743b5daf5d1626684640b20a6bd2b1d85b13156b90333741bad5cc
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl unzip
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN curl --fail --silent --show-error --location --retry 5 --output /ndk.zip "$ANDROID_NDK_ARCHIVE" \
 && echo "$ANDROID_NDK_SHA256  /ndk.zip" | sha256sum --check \
 && unzip -q /ndk.zip -d /unpacked \
 && mv /unpacked/* /ndk

# What `android` has of Debian.
FROM ${IMAGES_DEBIAN} AS android-tools
ARG TOOLS_JDK=17
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      build-essential ca-certificates ccache clang git "openjdk-$TOOLS_JDK-jdk-headless" python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s "/usr/lib/jvm/java-$TOOLS_JDK-openjdk-$(dpkg --print-architecture)" /opt/jdk \
 && git config --system --add safe.directory '*' \
 && python3 -m venv /opt/venv
ENV JAVA_HOME=/opt/jdk

FROM android-tools AS android
ARG SOURCE_REPOSITORY=https://github.com/mlc-ai/mlc-llm
ARG SOURCE_COMMIT=1307bcae887fc294ef545baf4d56a7a2bbd3eb3b
ARG WHEELS_INDEX=https://mlc.ai/wheels
ARG WHEELS_MLC_LLM_NIGHTLY_CPU=0.20.dev162
ARG WHEELS_MLC_AI_NIGHTLY_CPU=0.20.dev990
ARG WHEELS_APACHE_TVM_FFI=0.1.10
ARG TOOLS_CMAKE=3.31.10
ARG TOOLS_NINJA=1.13.0
ARG ANDROID_API_LEVEL=24
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo/bin /usr/local/cargo/bin
COPY --from=ndk /ndk /opt/ndk
RUN git init --quiet /opt/mlc-llm \
 && git -C /opt/mlc-llm fetch --quiet --depth 1 "$SOURCE_REPOSITORY" "$SOURCE_COMMIT" \
 && git -C /opt/mlc-llm checkout --quiet FETCH_HEAD \
 && git -C /opt/mlc-llm submodule update --quiet --init --recursive --depth 1
COPY LICENSE toolchain.toml /usr/share/mlc-package/
# The whole environment is listed: `--no-deps` leaves out PyTorch, which the wheels ask for and
# which neither compiling nor converting imports. PyPI has placeholders by the names of MLC LLM's
# wheels, of other versions.
# hadolint ignore=DL3042
RUN /opt/venv/bin/python -c 'import sys, tomllib; packages = tomllib.load(sys.stdin.buffer)["python-packages"]; print("\n".join(map("==".join, packages.items())))' \
      </usr/share/mlc-package/toolchain.toml >/tmp/requirements.txt \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps --requirement /tmp/requirements.txt \
 && rm /tmp/requirements.txt \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps --find-links "$WHEELS_INDEX" \
      "mlc-llm-nightly-cpu==$WHEELS_MLC_LLM_NIGHTLY_CPU" \
      "mlc-ai-nightly-cpu==$WHEELS_MLC_AI_NIGHTLY_CPU" \
      "apache-tvm-ffi==$WHEELS_APACHE_TVM_FFI" \
      "cmake==$TOOLS_CMAKE" "ninja==$TOOLS_NINJA"
COPY --from=files /files/usr/bin/mlc-package /usr/local/bin/mlc-package
RUN mkdir --mode 1777 /home/mlc-package && mkdir /src
LABEL org.opencontainers.image.title="mlc-package for Android" \
      org.opencontainers.image.description="Packages language models for MLC LLM on Android: the program, MLC LLM's compiler, and the Android toolchain" \
      org.opencontainers.image.source="https://github.com/mlc-package/mlc-package" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV HOME=/home/mlc-package \
    PATH=/opt/venv/bin:/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    VIRTUAL_ENV=/opt/venv \
    RUSTUP_HOME=/usr/local/rustup \
    CARGO_HOME=/home/mlc-package/.cargo \
    ANDROID_NDK=/opt/ndk \
    TVM_NDK_CC=/opt/ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/aarch64-linux-android${ANDROID_API_LEVEL}-clang \
    MLC_LLM_SOURCE_DIR=/opt/mlc-llm \
    MLC_PACKAGE_IMAGE_SOURCE_DIR=/opt/mlc-llm \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /src
ENTRYPOINT ["/usr/local/bin/mlc-package"]
