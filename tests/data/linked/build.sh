#!/bin/sh
# Links the shared libraries of this directory: real objects of TVM (../libraries/android.tar)
# with stand-ins for the runtime and the JNI part, by clang and lld.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
tar -xzf "$here/../libraries/android.tar"

cat >runtime.c <<'END'
#define DEFINE(name) __attribute__((visibility("default"))) int name(void) { return 0; }
DEFINE(TVMFFIEnvModLookupFromImports)
DEFINE(TVMFFIEnvModRegisterSystemLibSymbol)
DEFINE(TVMFFIErrorSetRaisedFromCStrParts)
DEFINE(TVMFFIFunctionCall)
DEFINE(TVMFFIHandleInitOnce)
END
cat >jni.c <<'END'
#define DEFINE(name) __attribute__((visibility("default"))) int name(void) { return 0; }
extern int getpid(void);
extern int TVMFFIOptional(void) __attribute__((weak));
int Java_org_apache_tvm_LibInfo_nativeLibInit(void) { return getpid(); }
int Java_org_apache_tvm_LibInfo_shutdown(void) { return TVMFFIOptional ? TVMFFIOptional() : 0; }
DEFINE(Java_org_apache_tvm_LibInfo_tvmFFIFunctionCall)
END
for part in runtime jni; do
  clang --target=aarch64-linux-gnu -O1 -g0 -fPIC -c "$part.c" -o "$part.o"
done

link() { ld.lld -shared --build-id=none -s -o "$@"; }
link "$here/good.so" -z max-page-size=16384 jni.o runtime.o lib0.o one_layer_devc.o
link "$here/pages-4k.so" -z max-page-size=4096 jni.o runtime.o lib0.o one_layer_devc.o
link "$here/no-runtime.so" -z max-page-size=16384 jni.o lib0.o one_layer_devc.o
link "$here/no-model-no-jni.so" -z max-page-size=16384 runtime.o
