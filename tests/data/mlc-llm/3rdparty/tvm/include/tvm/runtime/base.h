#pragma once
#define TVM_VERSION "0.26.0"
