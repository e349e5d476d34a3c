//! A browser, driven by its own driver over the WebDriver protocol, which is JSON over HTTP on
//! loopback: no library is needed for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use serde_json::{Value, json};

/// Longer than anything here takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// One window of a headless browser with a profile of its own.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the driver `MLC_PACKAGE_TEST_CHROMEDRIVER` and by it the browser
    /// `MLC_PACKAGE_TEST_CHROMIUM`.
    pub(crate) fn start() -> Self {
        let set = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let profile = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the driver runs beside the test")]
        let mut command = std::process::Command::new(set("MLC_PACKAGE_TEST_CHROMEDRIVER"));
        let mut driver =
            command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let port = port(&mut driver);
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--window-size=1280,1000",
            // Instead of its start page, which asks for much.
            "about:blank",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let answer = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {"args": flags, "binary": set("MLC_PACKAGE_TEST_CHROMIUM")},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}
            }}}),
        );
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap());
        browser
    }

    /// Opens a page. What was logged before is forgotten.
    pub(crate) fn open(&self, page: &Utf8Path) {
        self.post("url", &json!({"url": "about:blank"}));
        for kind in ["browser", "performance"] {
            self.log(kind);
        }
        self.post("url", &json!({ "url": format!("file://{page}") }));
    }

    /// The value of a function's body, run in the page.
    #[track_caller]
    pub(crate) fn eval(&self, body: &str) -> Value {
        self.post("execute/sync", &json!({"script": body, "args": []}))
    }

    /// Presses a key in whatever has the focus.
    pub(crate) fn press(&self, key: &str) {
        let code = match key {
            "Backspace" => "\u{e003}",
            "Tab" => "\u{e004}",
            "Enter" => "\u{e007}",
            "Escape" => "\u{e00c}",
            "End" => "\u{e010}",
            "Home" => "\u{e011}",
            "ArrowLeft" => "\u{e012}",
            "ArrowRight" => "\u{e014}",
            other => other,
        };
        let actions: Vec<_> =
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": code})).into();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "k", "actions": actions}]}));
    }

    /// Types into the element that a selector finds, over what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.eval(&format!(
            "const it = document.querySelector('{selector}'); it.focus(); it.select()"
        ));
        self.press("Backspace");
        text.chars().for_each(|key| self.press(&key.to_string()));
    }

    /// A command of the browser's own protocol.
    pub(crate) fn protocol(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// What was logged since the last call: `browser` for the console, `performance` for requests.
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("se/log", &json!({ "type": kind }));
        entries.as_array().unwrap().clone()
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        // A window has a least width; the page is told of any.
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
        });
        self.protocol("Emulation.setDeviceMetricsOverride", &size);
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}/{path}", self.session), body)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            let header = line.split_once(':');
            let header = header.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            if let Some((_, value)) = header {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &self.session.clone(), &json!({}));
        }
        // The driver ends its browser; it may have ended itself.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that the driver says it found.
fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // Somebody must read what else it says.
    std::thread::spawn(move || lines.for_each(drop));
    port.unwrap()
}
