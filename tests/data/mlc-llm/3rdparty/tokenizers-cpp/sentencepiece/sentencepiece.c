int sentencepiece_encode(const char* text) { return text[0] + 1; }
