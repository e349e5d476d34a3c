//! A GitHub on loopback: it keeps releases, comments and check runs, and does badly where a test
//! asks for it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use sha2::Digest as _;

use super::http::{Connection, Head};
use super::routes;
use super::shapes::{Asset, Check, Comment, Pull, Release};

pub const TOKEN: &str = "ghs_0123456789secret";

/// Bytes of an asset that are kept for a download.
const KEPT: usize = 8 << 20;

/// What is wrong with an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, these headers, this message; nothing is done.
    Refuse(u16, Vec<(&'static str, String)>, &'static str),
    /// Of an upload this much is read, then 502; what is left is in the release.
    BadGateway(usize),
    /// The same without an answer.
    Drop(usize),
    /// All is done, and the answer lost.
    LoseAnswer,
    /// All is done as if by somebody else: there is something of this name already.
    Taken,
    /// One byte is stored wrong.
    Corrupt,
    /// The release becomes final before this is done.
    Finalize,
    /// An answer that is no JSON.
    Garbage,
    /// A page of a list that has always another one after it.
    Endless,
    /// An upload that is never over, for a test that kills the client.
    Hang(usize),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Value,
    pub authorized: bool,
    pub content_length: Option<u64>,
}

/// Says what is wrong with the answer to a request; the number counts the requests with this
/// method and path before it.
type Rule = Box<dyn Fn(&Seen, usize) -> Option<Fault> + Send + Sync>;

#[derive(Default)]
pub struct Store {
    pub releases: Vec<Release>,
    pub comments: Vec<Comment>,
    pub checks: Vec<Check>,
    pub pulls: Vec<Pull>,
    /// All of a pull request, where somebody looks at what we do not read.
    pub pull_shape: Option<Value>,
    pub seen: Vec<Seen>,
    /// Whether releases are final once they are published.
    pub immutable: bool,
    /// Whether the token may only read.
    pub read_only: bool,
    /// Whether digests are known.
    pub no_digests: bool,
    /// Whether the repository is public: what it released needs no token.
    pub everybody_downloads: bool,
    /// Whose token it is; none for a workflow's.
    pub me: Option<String>,
    last_id: u64,
}

impl Store {
    pub fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn release(&mut self, tag: &str, draft: bool) -> u64 {
        let id = self.id();
        self.releases.push(Release {
            id,
            tag: tag.to_owned(),
            name: tag.to_owned(),
            draft,
            prerelease: false,
            immutable: false,
            target: "main".to_owned(),
            assets: Vec::new(),
        });
        id
    }

    /// An asset of a release, whole or not.
    pub fn asset(&mut self, release: u64, name: &str, bytes: &[u8], state: &'static str) -> u64 {
        let id = self.id();
        let asset = Asset {
            id,
            name: name.to_owned(),
            label: String::new(),
            content_type: "application/octet-stream".to_owned(),
            size: bytes.len() as u64,
            state,
            sha256: (state == "uploaded").then(|| hex(&sha2::Sha256::digest(bytes))),
            bytes: bytes.to_vec(),
        };
        self.releases.iter_mut().find(|other| other.id == release).unwrap().assets.push(asset);
        id
    }
}

pub struct State {
    store: Mutex<Store>,
    rule: Rule,
    public: Mutex<String>,
    /// The address of the storage that downloads are redirected to: another host, as far as a
    /// client can see.
    pub storage: String,
    /// Whether uploads are only counted: a benchmark's.
    pub sink: bool,
}

impl State {
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// The address that answers name.
    pub fn public(&self) -> String {
        self.public.lock().unwrap().clone()
    }
}

/// The server. It lives as long as the process.
#[derive(Clone)]
pub struct Github {
    pub address: SocketAddr,
    pub state: Arc<State>,
}

impl Github {
    pub fn new(rule: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(Box::new(rule), false)
    }

    /// Nothing is wrong with it.
    pub fn sound() -> Self {
        Self::new(|_, _| None)
    }

    /// Uploads are read and forgotten.
    pub fn sink() -> Self {
        Self::start(Box::new(|_, _| None), true)
    }

    fn start(rule: Rule, sink: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let public = Mutex::new(format!("http://{address}"));
        let store = Mutex::new(Store { no_digests: sink, ..Store::default() });
        let storage = format!("http://localhost:{}", address.port());
        let state = Arc::new(State { store, rule, public, storage, sink });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // The client may go away in the middle.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers name this address, of a proxy in front.
    pub fn is_behind(&self, url: &str) {
        *self.state.public.lock().unwrap() = url.to_owned();
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.state.store()
    }

    /// The one release.
    pub fn only_release(&self) -> Release {
        let store = self.store();
        assert_eq!(store.releases.len(), 1, "{:?}", store.releases);
        store.releases[0].clone()
    }

    /// The requests of a method whose path ends so.
    pub fn seen(&self, method: &str, end: &str) -> Vec<Seen> {
        let store = self.store();
        let wanted = |seen: &&Seen| seen.method == method && seen.path.ends_with(end);
        store.seen.iter().filter(wanted).cloned().collect()
    }

    /// The names of the files that were sent, as far as the requests got, sorted.
    pub fn uploads(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .seen("POST", "/assets")
            .iter()
            .map(|seen| seen.query.iter().find(|(key, _)| key == "name").unwrap().1.clone())
            .collect();
        names.sort();
        names
    }

    pub fn forget(&self) {
        self.store().seen.clear();
    }
}

fn serve(stream: TcpStream, state: &State) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(head) = connection.head()? {
        let upload = head.method == "POST" && head.path.ends_with("/assets");
        let mut body = Vec::new();
        if !upload {
            connection.body(&head, &mut |piece| {
                body.extend_from_slice(piece);
                Ok(true)
            })?;
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        let seen = Seen {
            method: head.method.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            body,
            authorized: head.header("authorization") == Some(&format!("Bearer {TOKEN}")),
            content_length: head.header("content-length").and_then(|value| value.parse().ok()),
        };
        let nth = {
            let mut store = state.store();
            let same = |other: &&Seen| other.path == seen.path && other.method == seen.method;
            let nth = store.seen.iter().filter(same).count();
            store.seen.push(seen.clone());
            nth
        };
        let fault = (state.rule)(&seen, nth);
        let done = match (&fault, upload) {
            (Some(Fault::Refuse(status, headers, message)), _) => {
                let mut answer = routes::refusal(*status, message, &[]);
                let headers =
                    headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                answer.headers.extend(headers);
                Some(answer)
            }
            (_, true) => receive(&mut connection, &head, &seen, state, fault.as_ref())?,
            (Some(Fault::Endless), _) => {
                let mut answer = routes::refusal(200, "", &[]);
                answer.body = b"[]".to_vec();
                let next = "<https://elsewhere.example/>; rel=\"next\"".to_owned();
                answer.headers.push(("Link".to_owned(), next));
                Some(answer)
            }
            (Some(Fault::Garbage), _) => {
                let mut answer = routes::refusal(200, "", &[]);
                answer.body = b"<html>".to_vec();
                Some(answer)
            }
            _ => Some(routes::answer(&seen, state)),
        };
        // Nothing is said, and the connection ends.
        let Some(done) = done.filter(|_| !matches!(fault, Some(Fault::LoseAnswer))) else {
            return Ok(());
        };
        connection.answer(done.status, &done.headers, &done.body)?;
        if upload && done.status != 201 {
            connection.drain();
            return Ok(());
        }
    }
    Ok(())
}

/// An upload: the asset is there from its beginning on, and whole at its end.
fn receive(
    connection: &mut Connection,
    head: &Head,
    seen: &Seen,
    state: &State,
    fault: Option<&Fault>,
) -> io::Result<Option<routes::Answer>> {
    let finalize = matches!(fault, Some(Fault::Finalize));
    let (release, id) = match routes::begin_upload(head, seen, state, finalize) {
        Ok(begun) => begun,
        Err(refusal) => return Ok(Some(refusal)),
    };
    let stop = match fault {
        Some(Fault::BadGateway(bytes) | Fault::Drop(bytes) | Fault::Hang(bytes)) => *bytes,
        _ => usize::MAX,
    };
    let (mut hasher, mut size, mut kept) = (sha2::Sha256::new(), 0, Vec::new());
    let mut corrupt = matches!(fault, Some(Fault::Corrupt));
    let whole = connection.body(head, &mut |piece| {
        size += piece.len();
        if !state.sink {
            let mut piece = piece.to_vec();
            if std::mem::take(&mut corrupt) {
                piece[0] ^= 1;
            }
            hasher.update(&piece);
            kept.extend_from_slice(&piece[..piece.len().min(KEPT.saturating_sub(kept.len()))]);
        }
        Ok(size < stop)
    })?;
    match fault {
        Some(Fault::Drop(_)) => return Ok(None),
        Some(Fault::Hang(_)) => loop {
            std::thread::park();
        },
        Some(Fault::BadGateway(_)) => return Ok(Some(routes::refusal(502, "Server Error", &[]))),
        _ => assert!(whole, "the body of an upload is read to its end"),
    }
    let digest = hex(&hasher.finalize());
    let done = routes::end_upload(state, release, id, size as u64, digest, kept);
    match fault {
        Some(Fault::Taken) => {
            Ok(Some(routes::refusal(422, "Validation Failed", &["already_exists"])))
        }
        _ => Ok(Some(done)),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
