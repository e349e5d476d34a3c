package org.apache.tvm;

class LibInfo {
  native int nativeLibInit(String name);
}
