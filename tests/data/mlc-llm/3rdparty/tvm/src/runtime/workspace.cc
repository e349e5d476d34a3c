#include <tvm/runtime/base.h>

extern "C" void* TVMBackendAllocWorkspace(int device, int id, unsigned long bytes, int code, int bits) {
  return nullptr;
}
extern "C" int TVMBackendFreeWorkspace(int device, int id, void* workspace) { return 0; }
extern "C" const char* tvm_version() { return TVM_VERSION; }
