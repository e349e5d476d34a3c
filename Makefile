.PHONY: check demo test test-container bench fuzz book

# Formatting, clippy and the unit tests: what to run while working.
check:
	@scripts/check.sh

# Builds examples/tiny for android and iphone, end to end.
demo:
	@scripts/demo.sh

# Formatting, lints, licences, and every test.
test:
	@scripts/test.sh

# The images, the action in them, and the documented workflows run by act; needs a container engine,
# or root on Debian.
test-container:
	@scripts/test-container.sh

# The numbers of docs/performance.md.
bench:
	@scripts/bench.sh

# Fuzz targets of the parsers of foreign bytes, a minute each.
fuzz:
	@scripts/fuzz.sh

# The documentation as a book, target/book/index.html, with its links checked.
book:
	@scripts/book.sh
