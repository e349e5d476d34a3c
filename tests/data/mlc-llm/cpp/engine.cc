#include <tvm/ffi/c_api.h>

extern "C" int tokenizers_encode(const char* text);

extern "C" int mlc_llm_version() { return TVM_FFI_VERSION_MINOR + tokenizers_encode("a"); }
