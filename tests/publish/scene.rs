//! A directory with files, and a job of GitHub Actions that runs the program in it.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::github::{Github, TOKEN};

pub const HEAD: &str = "1111111111111111111111111111111111111111";
pub const MERGE: &str = "3333333333333333333333333333333333333333";

/// Longer than anything here takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Scene {
    _dir: tempfile::TempDir,
    pub root: Utf8PathBuf,
    variables: BTreeMap<String, String>,
}

/// What a run said, and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    pub fn new(github: &Github) -> Self {
        Self::at(&github.url())
    }

    pub fn at(api: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", path.as_str()),
            ("HOME", root.as_str()),
            ("TMPDIR", root.as_str()),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", api),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_SHA", MERGE),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_RUN_ID", "42"),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let variables = variables.into_iter().map(own).collect();
        Self { _dir: dir, root, variables }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// The job is about pull request 7.
    pub fn of_pull_request(&mut self) {
        let payload = serde_json::json!({"pull_request": {
            "number": 7,
            "head": {"sha": HEAD, "repo": {"full_name": "octo/app"}},
            "base": {"sha": MERGE, "ref": "main", "repo": {"full_name": "octo/app"}},
        }});
        self.of_event("pull_request", &payload);
    }

    pub fn of_event(&mut self, name: &str, payload: &Value) {
        let path = self.write("event.json", payload.to_string().as_bytes());
        self.set("GITHUB_EVENT_NAME", name);
        self.set("GITHUB_EVENT_PATH", path.as_str());
        let summary = self.root.join("summary.md");
        self.set("GITHUB_STEP_SUMMARY", summary.as_str());
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.root.join(name);
        fs_err::write(&path, bytes).unwrap();
        path
    }

    pub fn summary(&self) -> String {
        fs_err::read_to_string(self.root.join("summary.md")).unwrap_or_default()
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_mlc-package"))
            .args(arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the program, which must end with this code.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> Run {
        let run = Run::of(self.spawn(arguments).wait_with_output().unwrap());
        assert_eq!(run.code, Some(code), "{arguments:?}\n{}\n{}", run.stdout, run.stderr);
        run
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(!stderr.contains(TOKEN) && !stdout.contains(TOKEN), "the token was printed");
        Self { code: output.status.code(), stdout, stderr }
    }

    /// How often it says something.
    pub fn says(&self, text: &str) -> usize {
        self.stderr.matches(text).count()
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes that do not repeat soon.
pub fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(count).collect()
}
