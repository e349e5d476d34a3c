"""Builds mlc4j in `build/` below the working directory, in the steps of upstream's script."""

import json
import os
import pathlib
import subprocess

import mlc_llm  # The Python must be one that has it, as upstream's must.

SOURCES = pathlib.Path(os.environ["MLC_LLM_SOURCE_DIR"])


def step(message, *command):
    print(f"[2026-01-01 00:00:00] INFO prepare_libs.py:1: {message}", flush=True)
    subprocess.run(command, check=True)


def cmake_build(message, target):
    jobs = f"-j{os.cpu_count()}"
    step(message, "cmake", "--build", ".", "--target", target, "--config", "release", jobs)


def main():
    subprocess.run(["rustup", "target", "add", "aarch64-linux-android"], check=True)
    os.makedirs("build/lib", exist_ok=True)
    os.chdir("build")
    if "TVM_SOURCE_DIR" in os.environ:
        with open("config.cmake", "w", encoding="utf-8") as file:
            file.write(f"set(TVM_SOURCE_DIR {json.dumps(os.environ['TVM_SOURCE_DIR'])})\n")
    toolchain = pathlib.Path(os.environ["ANDROID_NDK"], "build/cmake/android.toolchain.cmake")
    step(
        "Running cmake",
        "cmake",
        SOURCES / "android/mlc4j",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
        "-DCMAKE_INSTALL_PREFIX=.",
        "-DANDROID_ABI=arm64-v8a",
        "-DANDROID_PLATFORM=android-24",
        "-DMLC_LLM_INSTALL_STATIC_LIB=ON",
        "-DCMAKE_SKIP_INSTALL_ALL_DEPENDENCY=ON",
    )
    cmake_build("Running cmake build", "tvm4j_runtime_packed")
    cmake_build("Running cmake install", "install")


main()
