raise ImportError("the identity of the compiler is read without importing it")
