int tokenizers_c_encode(const char* text) { return text[0]; }
