int tokenizers_c_encode(const char* text);
int sentencepiece_encode(const char* text);

int tokenizers_encode(const char* text) {
  return tokenizers_c_encode(text) + sentencepiece_encode(text);
}
