"""Stands in for MLC LLM: the same call, answered in milliseconds with a library that real TVM
compiled beforehand. What else it does is said by variables; see __main__.py."""
