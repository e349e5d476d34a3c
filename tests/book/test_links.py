"""Every relative link of the built book, and of the documents beside it, leads to something that is
there, down to its anchor. scripts/book.sh builds the book; nothing is asked of the network."""

import html.parser
import pathlib
import posixpath
import re
import subprocess
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOK = ROOT / "target/book"
# The repository on GitHub: links to its files are checked against this tree.
REPOSITORY = re.compile(
    r"https://(?:github\.com/mlc-package/mlc-package/(?:blob|tree|edit|raw)"
    r"|raw\.githubusercontent\.com/mlc-package/mlc-package)/main/([^#?]*)(?:#(.+))?$"
)
# What GitHub leaves of a heading in its anchor.
NO_ANCHOR = re.compile(r"[^\w\- ]")
FENCED = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)


class Page(html.parser.HTMLParser):
    """The links of a page and the places in it that links may lead to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.base = [], {"", "top"}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif tag == "base":
                self.base = value
            elif name in ("href", "src") and value:
                self.links.append(value)


def elsewhere(link):
    return urllib.parse.urlsplit(link).scheme or link.startswith("//")


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return listed.stdout.decode().rstrip("\0").split("\0")


def headings(text):
    """The anchors that GitHub gives a document's headings."""
    found, seen = {""}, {}
    for line in FENCED.sub("", text).splitlines():
        match = re.match(r"#{1,6} +(.+?) *#*$", line)
        if match:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
            anchor = NO_ANCHOR.sub("", words.lower()).replace(" ", "-")
            seen[anchor] = seen.get(anchor, -1) + 1
            found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
    return found


def markdown_links(text):
    text = re.sub(r"(`+).+?\1", "", FENCED.sub("", text))
    return re.findall(r"\]\(<?([^)\s>]+)>?\)", text) + re.findall(r"^\[[^\]]+\]: *(\S+)", text, re.M)


class Links(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.files = set(tracked())
        self.folders = {str(up) for name in self.files for up in pathlib.Path(name).parents} | {"."}

    def in_repository(self, path, anchor):
        """What is wrong with a link to a file of the repository."""
        path = posixpath.normpath(path)
        if path not in self.files | self.folders:
            return "there is no such file in the repository"
        if anchor and path.endswith(".md") and anchor not in headings((ROOT / path).read_text()):
            return f"{path} has no heading #{anchor}"
        return None

    def wrong_on_github(self, link):
        match = REPOSITORY.match(link)
        return match and self.in_repository(urllib.parse.unquote(match[1]), match[2])

    def test_the_book(self):
        pages = {path: Page(path.read_text()) for path in sorted(BOOK.rglob("*.html"))}
        self.assertGreater(len(pages), 25, "scripts/book.sh builds the book")
        wrong, followed = [], 0
        for path, page in pages.items():
            for link in page.links:
                if elsewhere(link):
                    fault = self.wrong_on_github(link)
                else:
                    fault = self.wrong_in_book(path, page, link, pages)
                    followed += 1
                if fault:
                    wrong.append(f"{path.relative_to(BOOK)}: {link}: {fault}")
        self.assertGreater(followed, 500)
        self.assertEqual(wrong, [])

    def wrong_in_book(self, path, page, link, pages):
        name, _, anchor = link.partition("#")
        name = urllib.parse.unquote(name.partition("?")[0])
        if page.base is not None:
            # mdbook's own page for what is not found; its heading links to itself.
            target = BOOK / name if name else path
        else:
            target = path.parent / name if name else path
        target = target.resolve()
        if not target.is_relative_to(BOOK):
            return "it leads out of the book"
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            return "there is no such file in the book"
        if anchor and target in pages and urllib.parse.unquote(anchor) not in pages[target].anchors:
            return "there is no such anchor"
        return None

    def test_nothing_was_left_to_include(self):
        for path in BOOK.rglob("*.html"):
            self.assertNotIn("{{#", path.read_text(), path)

    def test_every_page_is_in_the_summary(self):
        listed = set(markdown_links((ROOT / "docs/SUMMARY.md").read_text()))
        pages = {name.removeprefix("docs/") for name in self.files if re.match(r"docs/.*\.md$", name)}
        self.assertEqual(listed, pages - {"SUMMARY.md"})

    def test_documents(self):
        """Links as GitHub follows them, in the pages of the book too."""
        wrong, followed = [], 0
        for name in sorted(self.files):
            if not name.endswith(".md") or name.startswith("tests/data/"):
                continue
            for link in markdown_links((ROOT / name).read_text()):
                if elsewhere(link):
                    fault = self.wrong_on_github(link)
                else:
                    path, _, anchor = link.partition("#")
                    place = (ROOT / name).parent / urllib.parse.unquote(path) if path else ROOT / name
                    place = place.resolve()
                    followed += 1
                    if not place.is_relative_to(ROOT):
                        fault = "it leads out of the repository"
                    else:
                        fault = self.in_repository(str(place.relative_to(ROOT)), anchor)
                if fault:
                    wrong.append(f"{name}: {link}: {fault}")
        self.assertGreater(followed, 50)
        self.assertEqual(wrong, [])

    def test_readme_is_an_introduction(self):
        self.assertLessEqual((ROOT / "README.md").stat().st_size, 7000)


class Checks(unittest.TestCase):
    """The checks find what they are for."""

    def test_a_page(self):
        page = Page('<h2 id="a&amp;b">x</h2><a href="c.html#d">y</a><img src="e.png"><base href="/f/">')
        self.assertEqual(page.anchors, {"", "top", "a&b"})
        self.assertEqual((page.links, page.base), (["c.html#d", "e.png"], "/f/"))

    def test_headings(self):
        text = "# What `dist/` holds\n## mlc-package.yml\n```\n# none\n```\n## Two\n## Two\n"
        self.assertEqual(headings(text), {"", "what-dist-holds", "mlc-packageyml", "two", "two-1"})

    def test_links(self):
        text = "[a](b.md#c) `[no](d.md)` [e](https://f)\n```\n[no](g.md)\n```\n[h]: i.md\n"
        self.assertEqual(markdown_links(text), ["b.md#c", "https://f", "i.md"])

    def test_faults(self):
        checks = Links()
        checks.setUp()
        self.assertIsNone(checks.in_repository("docs/report.md", "mlc-packageyml"))
        self.assertIn("no heading", checks.in_repository("docs/report.md", "nothing"))
        self.assertIn("no such file", checks.in_repository("docs/nothing.md", ""))
        self.assertIsNone(checks.in_repository("schema/", ""))
        base = "https://github.com/mlc-package/mlc-package"
        self.assertIn("no such file", checks.wrong_on_github(f"{base}/blob/main/nothing"))
        self.assertIsNone(checks.wrong_on_github(f"{base}/releases"))


if __name__ == "__main__":
    unittest.main()
