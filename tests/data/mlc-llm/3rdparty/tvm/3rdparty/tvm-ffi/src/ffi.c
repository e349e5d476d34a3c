#include <tvm/ffi/c_api.h>

/* What libraries that TVM compiled call, by its names alone. */
int TVMFFIFunctionCall(void* function, void* args, int count, void* result) { return 0; }
void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int count) {}
int TVMFFIHandleInitOnce(void** handle, int (*init)(void**)) { return init(handle); }
int TVMFFIEnvModLookupFromImports(void* library, const char* name, void** out) { return 0; }
int TVMFFIEnvModRegisterSystemLibSymbol(const char* name, void* symbol) { return 0; }
