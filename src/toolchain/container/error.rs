use crate::model::ImageName;

/// Why a program could not be run in an image. Exit 12.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No engine on `PATH`.
    #[error("found no container engine to run `{image}`: {looked_for} on PATH")]
    NoEngine {
        /// The image.
        image: ImageName,
        /// What was looked for.
        looked_for: &'static str,
    },
    /// It is there, and whoever runs the containers does not answer.
    #[error("the container engine `{engine}` does not answer{}", said(.last_lines))]
    Unreachable {
        /// The engine.
        engine: String,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// The registry did not give the image.
    #[error("the image `{image}` could not be pulled{}", said(.last_lines))]
    NotPulled {
        /// The image.
        image: ImageName,
        /// The engine.
        engine: String,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// The engine did not say what the image is.
    #[error("`{engine} image inspect {image}` gave no answer that can be understood")]
    Unknown {
        /// The engine.
        engine: String,
        /// The image.
        image: ImageName,
    },
    /// The engine did not start the container: its exit code 125.
    #[error("`{engine}` could not start a container of `{image}`{}", said(.last_lines))]
    NotStarted {
        /// The engine.
        engine: String,
        /// The image.
        image: ImageName,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// The image lacks the program, or it cannot be executed: exit codes 126 and 127.
    #[error("the image `{image}` has no `{program}` that can be run")]
    NoProgram {
        /// The image.
        image: ImageName,
        /// The program.
        program: String,
    },
    /// The image is for other processors.
    #[error("the image `{image}` is for {found}, and this machine cannot run that")]
    Architecture {
        /// The image.
        image: ImageName,
        /// Its architecture, `arm64` for instance.
        found: String,
    },
    /// The machine.
    #[error("failed to run the image `{image}`: {source}")]
    Io {
        /// The image.
        image: ImageName,
        /// Why.
        source: std::io::Error,
    },
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

/// The line of an engine that says what is wrong: most often its last.
fn said(lines: &[String]) -> String {
    let telling = |line: &&String| {
        let line = line.to_lowercase();
        !line.trim().is_empty() && !line.starts_with("see '") && !line.starts_with("run '")
    };
    match lines.iter().rev().find(telling) {
        Some(line) => format!(": {}", line.trim()),
        None => String::new(),
    }
}

impl ContainerError {
    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// What the engine printed last.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Unreachable { last_lines, .. }
            | Self::NotPulled { last_lines, .. }
            | Self::NotStarted { last_lines, .. } => last_lines,
            _ => &[],
        }
    }

    /// What to do about it: what is wrong with the image or the engine, or how to go without.
    pub fn help(&self) -> Option<String> {
        let mend = self.mend()?;
        Some(format!(
            "{mend}; or use the compiler of this machine: `--compiler-image none`, in the action \
             `container: never`"
        ))
    }

    fn mend(&self) -> Option<String> {
        Some(match self {
            Self::NoEngine { .. } => "install docker, podman or nerdctl".to_owned(),
            Self::Unreachable { engine, last_lines } => unreachable(engine, &last_lines.join("\n")),
            Self::NotPulled { image, engine, last_lines } => {
                not_pulled(image, engine, &last_lines.join("\n"))
            }
            Self::Unknown { engine, image } => {
                format!("see what `{engine} image inspect {image}` says")
            }
            Self::NotStarted { engine, last_lines, .. } => {
                not_started(engine, &last_lines.join("\n"))
            }
            Self::NoProgram { .. } => {
                "name an image that has Python 3.9 or newer with the wheels of MLC LLM on its \
                 PATH; mlc-package's own image has"
                    .to_owned()
            }
            Self::Architecture { found, .. } => format!(
                "take an image for this machine's processor, or install an emulator for {found} \
                 (Debian: `apt-get install qemu-user-static`)"
            ),
            Self::Io { .. } | Self::Interrupted => return None,
        })
    }
}

/// What to do where nobody answers the engine's program.
fn unreachable(engine: &str, said: &str) -> String {
    let said = said.to_lowercase();
    if said.contains("permission denied") {
        return format!(
            "this user may not use the engine: join the group of its socket (`usermod --append --groups \
             docker NAME`, and a new login), or use a rootless {engine}"
        );
    }
    match engine {
        "podman" => "see what `podman info` says".to_owned(),
        engine => format!(
            "start it (`systemctl start docker`, or Docker Desktop), and see that `{engine} info` \
             answers; DOCKER_HOST names one elsewhere"
        ),
    }
}

/// What to do where a registry does not give an image.
fn not_pulled(image: &ImageName, engine: &str, said: &str) -> String {
    let said = said.to_lowercase();
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&["no space left"]) {
        return format!("make room where {engine} keeps images: `{engine} system prune`");
    }
    if has(&["no matching manifest", "no image found in manifest list", "does not match"]) {
        return "it was not made for this machine's processor: take another image".to_owned();
    }
    if has(&["unauthorized", "denied", "authentication required", "no basic auth"]) {
        let registry = match image.as_str().split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) => format!(" {host}"),
            _ => String::new(),
        };
        return format!(
            "the image does not exist or is private: check its name, or log in with \
             `{engine} login{registry}`"
        );
    }
    if has(&["not found", "manifest unknown", "does not exist"]) {
        return "check its name and its tag".to_owned();
    }
    format!("see what `{engine} pull {image}` says")
}

/// What to do where the engine refuses a container.
fn not_started(engine: &str, said: &str) -> String {
    let said = said.to_lowercase();
    if said.contains("bind source path does not exist")
        || said.contains("no such file or directory")
    {
        return format!(
            "{engine} must see the files of this machine by the same paths: where mlc-package itself \
             runs in a container, or the engine on another machine (DOCKER_HOST), it cannot"
        );
    }
    if said.contains("mounts denied") || said.contains("not shared") {
        return "share the directories of the cache and of the models with Docker Desktop: \
                Settings, Resources, File sharing"
            .to_owned();
    }
    if said.contains("no space left") {
        return format!("make room where {engine} keeps images: `{engine} system prune`");
    }
    format!("see that `{engine} run --rm hello-world` works")
}

#[cfg(test)]
mod tests {
    use super::ContainerError;

    fn pulled(said: &str) -> String {
        let last_lines = vec![said.to_owned()];
        let image = "ghcr.io/o/n:1".parse().unwrap();
        let error = ContainerError::NotPulled { image, engine: "docker".to_owned(), last_lines };
        error.help().unwrap()
    }

    #[test]
    fn the_remedy_follows_from_what_the_engine_says() {
        for (said, help) in [
            ("Error response from daemon: manifest unknown", "check its name and its tag"),
            ("denied: denied", "docker login ghcr.io"),
            ("no matching manifest for linux/arm64/v8 in the manifest list", "processor"),
            ("write /var/lib/x: no space left on device", "docker system prune"),
            ("dial tcp: lookup ghcr.io: no such host", "docker pull ghcr.io/o/n:1"),
            ("dial tcp: lookup ghcr.io: no such host", "`container: never`"),
        ] {
            assert!(pulled(said).contains(help), "{said}: {}", pulled(said));
        }
    }

    #[test]
    fn what_an_engine_says_last_is_said() {
        let last_lines = ["docker: Error: boom.", "See 'docker run --help'."].map(str::to_owned);
        let error = ContainerError::NotStarted {
            engine: "docker".to_owned(),
            image: "n".parse().unwrap(),
            last_lines: last_lines.into(),
        };
        let shown = error.to_string();
        assert_eq!(shown, "`docker` could not start a container of `n`: docker: Error: boom.");
    }
}
