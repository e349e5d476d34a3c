extern "C" int TVMFFIFunctionCall(void* function, void* args, int count, void* result);
extern "C" int mlc_llm_version();

extern "C" int Java_org_apache_tvm_LibInfo_nativeLibInit(void* env, void* type, void* name) {
  return mlc_llm_version();
}
extern "C" int Java_org_apache_tvm_LibInfo_tvmFFIFunctionCall(void* env, void* type, long handle) {
  return TVMFFIFunctionCall(nullptr, nullptr, 0, nullptr);
}
