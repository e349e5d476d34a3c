"""The Python package of this tree, which nothing here needs."""
