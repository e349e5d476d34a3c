//! HTTP as a server speaks it: requests with bodies read piece by piece, so that a test can break
//! off in the middle and a benchmark needs no memory.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub method: String,
    /// Decoded, without the query.
    pub path: String,
    pub query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub struct Connection {
    reader: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Connection {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::with_capacity(1 << 18, stream.try_clone()?), stream })
    }

    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut head = Head { method, path: path.to_owned(), ..Head::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            head.query.push((decoded(key), decoded(&value.replace('+', " "))));
        }
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.trim().split_once(':') {
                head.headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        if head.header("expect").is_some_and(|value| value.contains("100")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(Some(head))
    }

    /// Reads the body; `each` gets its pieces and says whether to go on. Says whether all of it
    /// was read.
    pub fn body(
        &mut self,
        head: &Head,
        each: &mut dyn FnMut(&[u8]) -> io::Result<bool>,
    ) -> io::Result<bool> {
        if head.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            loop {
                let mut line = String::new();
                self.reader.read_line(&mut line)?;
                let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
                let whole = self.exactly(size, each)?;
                let mut end = String::new();
                self.reader.read_line(&mut end)?;
                if size == 0 || !whole {
                    return Ok(whole);
                }
            }
        }
        let length = head.header("content-length").map_or(Ok(0), str::parse);
        self.exactly(length.map_err(io::Error::other)?, each)
    }

    fn exactly(
        &mut self,
        mut left: usize,
        each: &mut dyn FnMut(&[u8]) -> io::Result<bool>,
    ) -> io::Result<bool> {
        while left > 0 {
            let filled = self.reader.fill_buf()?;
            if filled.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let take = filled.len().min(left);
            let goes_on = each(&filled[..take])?;
            self.reader.consume(take);
            left -= take;
            if !goes_on {
                return Ok(left == 0);
            }
        }
        Ok(true)
    }

    pub fn answer(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if status != 204 {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.stream.write_all(format!("{head}\r\n").as_bytes())?;
        self.stream.write_all(body)
    }

    /// The rest of a body that nobody wants: closing over it would take the answer along.
    pub fn drain(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(std::time::Duration::from_secs(2)));
        let mut block = [0; 1 << 16];
        while matches!(self.reader.read(&mut block), Ok(read) if read > 0) {}
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        302 => "Found",
        403 => "Forbidden",
        404 => "Not Found",
        422 => "Unprocessable Entity",
        502 => "Bad Gateway",
        _ => "Status",
    }
}

pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
