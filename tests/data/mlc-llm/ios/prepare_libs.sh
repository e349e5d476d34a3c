# Builds the static libraries for iPhone or Mac Catalyst below the working directory, with the
# arguments and in the steps of upstream's script, by a clang that needs no Xcode.
MLC_LLM_SOURCE_DIR="${MLC_LLM_SOURCE_DIR:-..}"
arch=arm64
target_of_rust=aarch64-apple-ios
system=ios14.0
build_dir=build
while [ "$1" != "" ]; do
  case $1 in
    --catalyst) catalyst=true ;;
    --arch) shift; arch=$1 ;;
    --deployment-target) shift; deployment_target=$1 ;;
    *) echo "illegal option $1"; exit 1 ;;
  esac
  shift
done
set -euxo pipefail
if [ "${catalyst:-}" = true ]; then
  system=ios$deployment_target-macabi
  build_dir=build-maccatalyst-$arch
  target_of_rust=$arch-apple-ios-macabi
fi
rustup target add "$target_of_rust"
xcrun --sdk iphoneos --show-sdk-version
mkdir -p "$build_dir" && cd "$build_dir"
cmake "$MLC_LLM_SOURCE_DIR" \
  -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_SYSTEM_NAME=Generic \
  -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY \
  -DCMAKE_C_COMPILER=clang -DCMAKE_C_COMPILER_TARGET="$arch-apple-$system" \
  -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_COMPILER_TARGET="$arch-apple-$system" \
  -DCMAKE_C_FLAGS=-ffreestanding -DCMAKE_CXX_FLAGS=-ffreestanding \
  -DCMAKE_AR="$(command -v llvm-ar)" -DCMAKE_C_ARCHIVE_FINISH= -DCMAKE_CXX_ARCHIVE_FINISH= \
  -DCMAKE_SKIP_INSTALL_ALL_DEPENDENCY=ON \
  -DCMAKE_INSTALL_PREFIX=. \
  -DMLC_LLM_INSTALL_STATIC_LIB=ON
cmake --build . --config release --target mlc_llm_static -j
cmake --build . --config release -j
cmake --build . --target install --config release -j
cd ..
rm -rf $MLC_LLM_SOURCE_DIR/ios/MLCSwift/tvm_home
ln -s $MLC_LLM_SOURCE_DIR/3rdparty/tvm $MLC_LLM_SOURCE_DIR/ios/MLCSwift/tvm_home
