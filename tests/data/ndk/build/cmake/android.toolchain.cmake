# What of an NDK's toolchain file our projects need, for one processor.
get_filename_component(NDK "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(ANDROID_TOOLCHAIN_ROOT "${NDK}/toolchains/llvm/prebuilt/linux-x86_64")

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER "${ANDROID_TOOLCHAIN_ROOT}/bin/clang")
set(CMAKE_CXX_COMPILER "${ANDROID_TOOLCHAIN_ROOT}/bin/clang++")
set(CMAKE_AR "${ANDROID_TOOLCHAIN_ROOT}/bin/llvm-ar" CACHE FILEPATH "")
set(CMAKE_C_COMPILER_TARGET aarch64-none-linux-android24)
set(CMAKE_CXX_COMPILER_TARGET aarch64-none-linux-android24)
set(CMAKE_SYSROOT "${NDK}/sysroot")
# No program can be linked: there is nothing that would start it.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-g -ffreestanding -fPIC")
set(CMAKE_CXX_FLAGS_INIT "-g -ffreestanding -fPIC -fno-exceptions -fno-rtti")
# The flags get a place in the cache before CMake reads LDFLAGS, which then does nothing.
set(CMAKE_SHARED_LINKER_FLAGS "" CACHE STRING "Of shared libraries.")
set(CMAKE_SHARED_LINKER_FLAGS
    "-nostdlib -fuse-ld=lld -L\"${NDK}/sysroot/usr/lib\" -Wl,--build-id=sha1 -Wl,--no-undefined ${CMAKE_SHARED_LINKER_FLAGS}")
