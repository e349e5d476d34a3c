use serde::{Deserialize, Serialize};

/// Of the form of the sidecar.
const VERSION: u32 = 1;

/// What of a file is on disk. It is kept beside the incomplete file, so that the next run asks
/// only for what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ranges {
    version: u32,
    /// The file's size.
    bytes: u64,
    /// The size of every range but the last.
    range_bytes: u64,
    /// The ETag that the server gave, strong ones only.
    pub(super) etag: Option<String>,
    /// How much of each range is written, from its beginning.
    written: Vec<u64>,
}

impl Ranges {
    /// Nothing yet of a file. An empty file has one empty range.
    pub(super) fn new(bytes: u64, range_bytes: u64) -> Self {
        let range_bytes = range_bytes.max(1);
        let count = usize::try_from(bytes.div_ceil(range_bytes).max(1)).unwrap_or(usize::MAX);
        Self { version: VERSION, bytes, range_bytes, etag: None, written: vec![0; count] }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote about a file of so many bytes, of which
    /// `on_disk` are there; nothing if it is about another file, or damaged.
    pub(super) fn parse(text: &[u8], bytes: u64, on_disk: u64) -> Option<Self> {
        let found: Self = serde_json::from_slice(text).ok()?;
        let same = found.version == VERSION && found.bytes == bytes && found.range_bytes > 0;
        let count = bytes.div_ceil(found.range_bytes.max(1)).max(1);
        if !same || found.written.len() as u64 != count {
            return None;
        }
        let sound = (0..found.count()).all(|index| {
            let (start, end) = found.bounds(index);
            let written = found.written.get(index).copied().unwrap_or(0);
            written <= end - start && (written == 0 || start + written <= on_disk)
        });
        sound.then_some(found)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.written.len()
    }

    /// A range's first byte, and the one after its last.
    pub(super) fn bounds(&self, index: usize) -> (u64, u64) {
        let start = (index as u64).saturating_mul(self.range_bytes).min(self.bytes);
        (start, start.saturating_add(self.range_bytes).min(self.bytes))
    }

    /// What of a range is missing: from where, and the byte after its last.
    pub(super) fn missing(&self, index: usize) -> (u64, u64) {
        let (start, end) = self.bounds(index);
        (start + self.written.get(index).copied().unwrap_or(0), end)
    }

    pub(super) fn is_whole(&self, index: usize) -> bool {
        let (from, end) = self.missing(index);
        from == end
    }

    pub(super) fn all_whole(&self) -> bool {
        (0..self.count()).all(|index| self.is_whole(index))
    }

    /// Notes that the next bytes of a range are on disk.
    pub(super) fn advance(&mut self, index: usize, bytes: u64) {
        if let Some(written) = self.written.get_mut(index) {
            *written += bytes;
        }
    }

    /// All bytes that are on disk.
    pub(super) fn total(&self) -> u64 {
        self.written.iter().sum()
    }

    /// The ranges that a piece of the file from `start` to `end` touches.
    pub(super) fn touched(&self, start: u64, end: u64) -> std::ops::Range<usize> {
        let index = |at: u64| usize::try_from(at / self.range_bytes).unwrap_or(usize::MAX);
        index(start)..index(end.saturating_sub(1)).saturating_add(1).min(self.count())
    }

    /// How far the file is there without a gap from `start` on. Of the ranges that are not
    /// whole, only `own` counts with what it has: others are being written.
    pub(super) fn unbroken(&self, start: u64, own: Option<usize>) -> u64 {
        let first = usize::try_from(start / self.range_bytes).unwrap_or(usize::MAX);
        let mut reached = start;
        for index in first..self.count() {
            let (written_to, end) = self.missing(index);
            if written_to == end || own == Some(index) {
                reached = reached.max(written_to);
            }
            if written_to != end {
                break;
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn ranges_cover_a_file_once() {
        for (bytes, range_bytes) in [(0, 4), (1, 4), (4, 4), (5, 4), (12, 4), (13, 1), (7, 0)] {
            let ranges = Ranges::new(bytes, range_bytes);
            let bounds: Vec<_> = (0..ranges.count()).map(|index| ranges.bounds(index)).collect();
            assert_eq!(bounds.first().unwrap().0, 0);
            assert_eq!(bounds.last().unwrap().1, bytes);
            assert!(bounds.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].0 < pair[0].1));
            assert_eq!(ranges.all_whole(), bytes == 0);
        }
    }

    #[test]
    fn what_is_there_without_a_gap_is_what_was_written() {
        let mut ranges = Ranges::new(10, 4);
        ranges.advance(1, 4);
        assert_eq!(ranges.unbroken(0, None), 0);
        ranges.advance(0, 3);
        assert_eq!(ranges.unbroken(0, None), 0);
        assert_eq!(ranges.unbroken(0, Some(0)), 3);
        ranges.advance(0, 1);
        assert_eq!(ranges.unbroken(0, None), 8);
        assert_eq!(ranges.unbroken(2, Some(2)), 8);
        ranges.advance(2, 2);
        assert_eq!(ranges.unbroken(8, None), 10);
        assert_eq!(ranges.unbroken(10, None), 10);
        assert!(ranges.all_whole());
    }

    #[test]
    fn a_sidecar_is_believed_only_about_its_file() {
        let mut ranges = Ranges::new(10, 4);
        ranges.advance(1, 3);
        let text = ranges.to_bytes();
        assert_eq!(Ranges::parse(&text, 10, 7), Some(ranges));
        // The incomplete file is shorter than what is said to be written; or it is another.
        assert_eq!(Ranges::parse(&text, 10, 6), None);
        assert_eq!(Ranges::parse(&text, 11, 7), None);
        assert_eq!(Ranges::parse(&text[1..], 10, 7), None);
        for (from, to) in [("[0,3,0]", "[0,5,0]"), ("[0,3,0]", "[0,3]"), (":4,", ":0,")] {
            let text = String::from_utf8(text.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            assert_eq!(Ranges::parse(text.replace(from, to).as_bytes(), 10, 10), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_sidecar_is_refused_or_sound(
            bytes in 0..50_u64, range_bytes in 0..9_u64, on_disk in 0..60_u64,
            written in proptest::collection::vec(0..12_u64, 0..12),
        ) {
            let text = serde_json::json!({
                "version": 1, "bytes": bytes, "range_bytes": range_bytes, "etag": null,
                "written": written,
            });
            if let Some(ranges) = Ranges::parse(text.to_string().as_bytes(), bytes, on_disk) {
                for index in 0..ranges.count() {
                    let (from, end) = ranges.missing(index);
                    assert!(from <= end && end <= bytes);
                }
                assert!(ranges.total() <= on_disk.min(bytes));
            }
        }
    }
}
