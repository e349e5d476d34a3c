//! A cursor over bytes that nobody vouches for. Little-endian; every count is held against the
//! bytes that are left before anything is allocated for it.

use super::BlobError;

/// A position in `bytes`. Offsets in errors are counted from the start of the whole blob.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`, which lie `offset` bytes into the blob.
    pub fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    /// How far into the blob the cursor is.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes; `what` they are goes into the error.
    pub fn take(&mut self, n: u64, what: &'static str) -> Result<&'a [u8], BlobError> {
        let split = usize::try_from(n).ok().and_then(|n| self.rest.split_at_checked(n));
        let (taken, rest) = split.ok_or_else(|| self.truncated(n, what))?;
        self.rest = rest;
        self.offset += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BlobError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N as u64, what));
        };
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, BlobError> {
        self.array(what).map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, BlobError> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, BlobError> {
        self.array(what).map(i32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, BlobError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, BlobError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// Eight bytes, a floating-point number.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, BlobError> {
        self.array(what).map(f64::from_le_bytes)
    }

    /// A u64 length and as many bytes.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], BlobError> {
        let length = self.u64(what)?;
        self.take(length, what)
    }

    /// A u64 length and as many bytes of UTF-8.
    pub fn str(&mut self, what: &'static str) -> Result<&'a str, BlobError> {
        let offset = self.offset;
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes).map_err(|_| BlobError::NotText { offset, what })
    }

    /// A u64 count of items that are at least `item` bytes each.
    pub fn count(&mut self, item: usize, what: &'static str) -> Result<usize, BlobError> {
        let offset = self.offset;
        let count = self.u64(what)?;
        let most = self.left() / item.max(1);
        usize::try_from(count).ok().filter(|count| *count <= most).ok_or(BlobError::Count {
            offset,
            what,
            count,
            left: self.left(),
        })
    }

    /// A u64 count and as many items, each at least `item` bytes, read by `read`.
    pub fn vec<T>(
        &mut self,
        item: usize,
        what: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, BlobError>,
    ) -> Result<Vec<T>, BlobError> {
        let count = self.count(item, what)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A u64 count and as many strings.
    pub fn strs(&mut self, what: &'static str) -> Result<Vec<&'a str>, BlobError> {
        self.vec(8, what, |reader| reader.str(what))
    }

    /// A u64 count and as many i64, borrowed.
    pub fn words(&mut self, what: &'static str) -> Result<Words<'a>, BlobError> {
        let count = self.count(8, what)?;
        self.fixed_words(count, what)
    }

    /// `count` i64 without a count before them, borrowed.
    pub fn fixed_words(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<Words<'a>, BlobError> {
        let bytes = self.take((count as u64).saturating_mul(8), what)?;
        Ok(Words(bytes.as_chunks().0))
    }

    /// Nothing may be left after `what`.
    pub fn end(&self, what: &'static str) -> Result<(), BlobError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(BlobError::Trailing { offset: self.offset, what, left: self.left() })
    }

    fn truncated(&self, needed: u64, what: &'static str) -> BlobError {
        BlobError::Truncated { offset: self.offset, what, needed, left: self.left() }
    }
}

/// Little-endian i64, unaligned, where they lie in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a>(&'a [[u8; 8]]);

impl<'a> Words<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The one at `index`.
    pub fn get(self, index: usize) -> Option<i64> {
        self.0.get(index).map(|word| i64::from_le_bytes(*word))
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = i64> + 'a {
        self.0.iter().map(|word| i64::from_le_bytes(*word))
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn reads_what_is_there_and_says_where_it_stopped() {
        let mut reader = Reader::new(b"\x02\0\0\0\0\0\0\0hi\xff\xff\xff\xff", 100);
        assert_eq!(reader.str("a name").unwrap(), "hi");
        assert_eq!(reader.i32("a kind").unwrap(), -1);
        assert!(reader.end("it").is_ok());
        let error = reader.u8("a tag").unwrap_err().to_string();
        assert_eq!(error, "byte 114: a tag needs 1 bytes, 0 are left");
    }

    #[test]
    fn hostile_counts_are_refused_before_anything_is_allocated() {
        for count in [u64::MAX, u64::MAX / 8 + 1, 1 << 61, 3] {
            let mut bytes = count.to_le_bytes().to_vec();
            bytes.extend([0; 16]);
            let reader = || Reader::new(&bytes, 0);
            assert!(reader().words("words").is_err(), "{count}");
            assert!(reader().strs("names").is_err(), "{count}");
            let never = reader().vec(8, "items", |_| -> Result<(), _> { panic!("read") });
            assert_eq!(
                never.unwrap_err().to_string(),
                format!("byte 0: {count} items cannot lie in 16 bytes")
            );
            assert_eq!(reader().bytes("data").is_err(), count > 16);
        }
        let two = [2_i64, 7, -9].map(i64::to_le_bytes).concat();
        let words = Reader::new(&two, 0).words("words").unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), [7, -9]);
        assert_eq!((words.get(1), words.get(2), words.len()), (Some(-9), None, 2));
    }

    #[test]
    fn text_must_be_utf8_and_nothing_may_follow() {
        let mut reader = Reader::new(b"\x01\0\0\0\0\0\0\0\xff!", 0);
        assert_eq!(reader.str("a name").unwrap_err().to_string(), "byte 0: a name is not UTF-8");
        let error = reader.end("the name").unwrap_err().to_string();
        assert_eq!(error, "byte 9: 1 bytes follow the end of the name");
    }
}
