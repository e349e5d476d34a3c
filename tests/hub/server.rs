//! A hub on loopback that answers as the real one does, and badly where a test asks for it.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha1::Digest as _;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const REPO: &str = "user/model";

/// A file of the repository.
#[derive(Clone)]
pub struct File {
    pub bytes: Arc<Vec<u8>>,
    pub etag: String,
    pub lfs: bool,
}

impl File {
    /// A file in git itself, named by git's digest.
    pub fn small(bytes: &[u8]) -> Self {
        let mut hasher = sha1::Sha1::new();
        hasher.update(format!("blob {}\0", bytes.len()));
        hasher.update(bytes);
        Self { bytes: Arc::new(bytes.to_vec()), etag: hex(&hasher.finalize()), lfs: false }
    }

    /// A file in git-lfs, named by its sha256.
    pub fn lfs(bytes: Vec<u8>) -> Self {
        let etag = hex(&sha2::Sha256::digest(&bytes));
        Self { bytes: Arc::new(bytes), etag, lfs: true }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, this header, and a page of HTML.
    Status(u16, &'static str),
    /// The connection is closed after so many bytes of the body, its length announced.
    Cut(usize),
    /// The same, the length not announced: the end of the connection is the end of the body.
    CutUnannounced(usize),
    /// The same, in chunks.
    CutChunked(usize),
    /// All of it, in chunks.
    Chunked,
    /// A body that is complete by its head, and shorter than the file.
    Short(usize),
    /// The right size, one byte wrong.
    Wrong,
    /// Silence after so many bytes.
    Stall(usize),
    /// Another ETag, and other bytes with it.
    Etag(&'static str),
    /// The whole file, whatever was asked for.
    IgnoreRange,
    /// A redirect.
    Redirect(String),
    /// As fast as a line lets through that all answers share.
    Line(Arc<Line>),
    /// This body, as JSON, with this `Link` header.
    Json(String, String),
    /// An endless JSON.
    Endless,
    /// JSON that never ends, a byte now and then.
    Trickle,
}

impl Fault {
    /// A line of its own for this answer.
    pub fn slow(bytes_per_millisecond: u32) -> Self {
        Self::Line(Arc::new(Line::new(f64::from(bytes_per_millisecond) * 1e3)))
    }
}

/// A line of limited speed.
#[derive(Debug)]
pub struct Line {
    bytes_per_second: f64,
    /// When it has room again.
    free: Mutex<Instant>,
}

impl Line {
    pub fn new(bytes_per_second: f64) -> Self {
        Self { bytes_per_second, free: Mutex::new(Instant::now()) }
    }

    /// What goes through in a millisecond, in bytes, if that is not too much at once.
    fn piece(&self) -> usize {
        (self.bytes_per_second as usize / 1000).clamp(1, 1 << 18)
    }

    /// Returns when so many bytes have gone through.
    fn carry(&self, bytes: usize) {
        let done = {
            let mut free = self.free.lock().unwrap();
            *free = (*free).max(Instant::now())
                + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
            *free
        };
        std::thread::sleep(done.saturating_duration_since(Instant::now()));
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub range: Option<(usize, usize)>,
    pub authorization: Option<String>,
    pub accept: Option<String>,
}

/// Says what is wrong with the answer to a request; the number counts the requests for the
/// same path before it.
type Rule = Box<dyn Fn(&Seen, usize) -> Option<Fault> + Send + Sync>;

struct State {
    commit: Mutex<String>,
    files: Mutex<BTreeMap<String, File>>,
    rule: Rule,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

/// The server. It lives as long as the process.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    pub fn new(
        files: &[(&str, File)],
        rule: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = files.iter().map(|(path, file)| ((*path).to_owned(), file.clone())).collect();
        let state = Arc::new(State {
            commit: Mutex::new(COMMIT.to_owned()),
            files: Mutex::new(files),
            rule: Box::new(rule),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                state.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // The client may go away in the middle.
                    let _ = serve(&stream, &state);
                });
            }
        });
        Self { address, state }
    }

    /// Nothing is wrong with it.
    pub fn sound(files: &[(&str, File)]) -> Self {
        Self::new(files, |_, _| None)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The requests for a file's content.
    pub fn downloads(&self, path: &str) -> Vec<Seen> {
        let end = format!("/{path}");
        let of_file = |seen: &Seen| seen.path.contains("/resolve/") && seen.path.ends_with(&end);
        self.seen().into_iter().filter(|seen| seen.method == "GET" && of_file(seen)).collect()
    }

    pub fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// The branch moves on: another commit, with this file changed in it.
    pub fn push(&self, commit: &str, path: &str, file: File) {
        *self.state.commit.lock().unwrap() = commit.to_owned();
        self.state.files.lock().unwrap().insert(format!("{commit}:{path}"), file);
    }
}

fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let Some(seen) = read(&mut reader)? else { return Ok(()) };
        let nth = {
            let mut all = state.seen.lock().unwrap();
            let same = |other: &&Seen| other.path == seen.path && other.method == seen.method;
            let nth = all.iter().filter(same).count();
            all.push(seen.clone());
            nth
        };
        let fault = (state.rule)(&seen, nth);
        if !answer(stream, state, &seen, fault)? {
            return Ok(());
        }
    }
}

fn read(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let mut seen = Seen { method, path, range: None, authorization: None, accept: None };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(seen));
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => seen.authorization = Some(value.trim().to_owned()),
            "accept" => seen.accept = Some(value.trim().to_owned()),
            "range" => {
                let (from, to) = value.trim().trim_start_matches("bytes=").split_once('-').unwrap();
                let end = to.parse::<usize>().map_or(usize::MAX, |last| last + 1);
                seen.range = Some((from.parse().unwrap(), end));
            }
            _ => {}
        }
    }
}

/// Says whether the connection can be used again.
fn answer(
    mut stream: &TcpStream,
    state: &State,
    seen: &Seen,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    let path = seen.path.split('?').next().unwrap_or_default();
    let simple = |mut stream: &TcpStream, status: u16, headers: &str, body: &str| {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
            .map(|()| true)
    };
    match &fault {
        Some(Fault::Status(status, header)) => {
            let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            return simple(stream, *status, &header, "<html>an error, not a weight</html>");
        }
        Some(Fault::Redirect(to)) => {
            return simple(stream, 302, &format!("Location: {to}\r\n"), "Found");
        }
        Some(Fault::Json(body, link)) => {
            let link = if link.is_empty() { String::new() } else { format!("Link: {link}\r\n") };
            return simple(stream, 200, &link, body);
        }
        Some(Fault::Trickle) => {
            write!(stream, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n[")?;
            loop {
                // So that each is a piece of its own.
                std::thread::sleep(Duration::from_millis(2));
                stream.write_all(b" ")?;
            }
        }
        Some(Fault::Endless) => {
            write!(stream, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n[")?;
            let entry = r#"{"type":"directory","path":"x","oid":"y"},"#.repeat(1000);
            loop {
                stream.write_all(entry.as_bytes())?;
            }
        }
        _ => {}
    }
    let commit = state.commit.lock().unwrap().clone();
    let api = format!("/api/models/{REPO}");
    if let Some(rest) = path.strip_prefix(&api) {
        let body = match rest.split('/').collect::<Vec<_>>()[..] {
            ["", "revision", "main" | "refs%2Fpr%2F1"] => description(&commit),
            // A tag, which does not move.
            ["", "revision", "v1"] => description(COMMIT),
            ["", "revision", other] if other == commit => description(&commit),
            ["", "tree", of] => tree(state, of),
            _ => return simple(stream, 404, "X-Error-Code: RevisionNotFound\r\n", "{}"),
        };
        return simple(stream, 200, "Content-Type: application/json\r\n", &body);
    }
    let prefix = format!("/{REPO}/resolve/");
    // A bare path is what a redirect leads to.
    let (of, name) = path
        .strip_prefix(&prefix)
        .map_or((COMMIT, path), |rest| rest.split_once('/').unwrap_or_default());
    let name = name.trim_start_matches('/').trim_start_matches("cdn/");
    let files = state.files.lock().unwrap();
    let file = files.get(&format!("{of}:{name}")).or_else(|| files.get(name)).cloned();
    drop(files);
    match file {
        Some(file) => send(stream, seen, &file, of, fault),
        None => simple(stream, 404, "X-Error-Code: EntryNotFound\r\n", "Entry not found"),
    }
}

fn description(commit: &str) -> String {
    format!(
        r#"{{"_id": "1", "id": "{REPO}", "modelId": "{REPO}", "sha": "{commit}", "private": false,
            "tags": [], "downloads": 1, "likes": 1, "siblings": [],
            "createdAt": "2024-01-01T00:00:00.000Z"}}"#
    )
}

fn tree(state: &State, of: &str) -> String {
    let files = state.files.lock().unwrap();
    let named = files.iter().filter(|(path, _)| !path.contains(':'));
    let entries: Vec<_> = named
        .map(|(path, file)| {
            let file = files.get(&format!("{of}:{path}")).unwrap_or(file);
            let (size, etag) = (file.bytes.len(), &file.etag);
            let oid = if file.lfs { "0".repeat(40) } else { etag.clone() };
            let lfs =
                format!(r#", "lfs": {{"oid": "{etag}", "size": {size}, "pointerSize": 130}}"#);
            let lfs = if file.lfs { lfs.as_str() } else { "" };
            format!(r#"{{"type": "file", "path": "{path}", "size": {size}, "oid": "{oid}"{lfs}}}"#)
        })
        .collect();
    format!("[{}]", entries.join(","))
}

fn send(
    mut stream: &TcpStream,
    seen: &Seen,
    file: &File,
    commit: &str,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    let size = file.bytes.len();
    let range = seen.range.filter(|_| !matches!(fault, Some(Fault::IgnoreRange)));
    let (start, mut end) = range.map_or((0, size), |(start, end)| (start, end.min(size)));
    if let Some(Fault::Short(bytes)) = fault {
        end = start + bytes.min(end - start);
    }
    let altered = match fault {
        Some(Fault::Wrong | Fault::Etag(_)) => {
            let mut bytes = file.bytes.to_vec();
            bytes[start] ^= 1;
            Some(bytes)
        }
        _ => None,
    };
    let body = &altered.as_ref().unwrap_or(&file.bytes)[start..end];
    let etag = if let Some(Fault::Etag(etag)) = fault { etag } else { &file.etag };
    let mut head = format!(
        "HTTP/1.1 {} X\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {commit}\r\nAccept-Ranges: bytes\r\n\
         X-Linked-Size: {size}\r\nX-Linked-Etag: \"{}\"\r\n",
        if range.is_some() { 206 } else { 200 },
        file.etag,
    );
    if range.is_some() {
        head += &format!("Content-Range: bytes {start}-{}/{size}\r\n", end - 1);
    }
    let chunked = matches!(fault, Some(Fault::CutChunked(_) | Fault::Chunked));
    head += &match fault {
        Some(Fault::CutUnannounced(_)) => "Connection: close\r\n\r\n".to_owned(),
        _ if chunked => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
        _ => format!("Content-Length: {}\r\n\r\n", body.len()),
    };
    stream.write_all(head.as_bytes())?;
    if seen.method == "HEAD" {
        return Ok(true);
    }
    let sent = match fault {
        Some(
            Fault::Cut(bytes)
            | Fault::CutUnannounced(bytes)
            | Fault::CutChunked(bytes)
            | Fault::Stall(bytes),
        ) => &body[..bytes.min(body.len())],
        _ => body,
    };
    if chunked {
        for chunk in sent.chunks(10_000) {
            write!(stream, "{:x}\r\n", chunk.len())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")?;
        }
    } else if let Some(Fault::Line(line)) = &fault {
        for piece in sent.chunks(line.piece()) {
            line.carry(piece.len());
            stream.write_all(piece)?;
        }
    } else {
        stream.write_all(sent)?;
    }
    match fault {
        Some(Fault::Stall(_)) => {
            std::thread::sleep(Duration::from_secs(20));
            Ok(false)
        }
        Some(Fault::Chunked) => stream.write_all(b"0\r\n\r\n").map(|()| true),
        Some(Fault::Cut(_) | Fault::CutUnannounced(_) | Fault::CutChunked(_)) => Ok(false),
        _ => Ok(true),
    }
}
