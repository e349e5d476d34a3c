//! The program that runs images: docker, podman or nerdctl, which take the same commands.

use std::ffi::OsString;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::error::ContainerError;
use crate::io::answer::{self, Question};
use crate::io::caller;
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::{self, Cancel, End, Ended, LogLimit, Program, last_lines};
use crate::model::{EngineChoice, ImageName};

/// How long an engine may take to answer: one that is started by its socket takes some seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an engine may take to end a container.
const REMOVAL: Duration = Duration::from_secs(30);
const ANSWER: u64 = 4 << 20;
const LINES: usize = 10;

/// Which of the three it is, whatever it is called: podman may be installed as `docker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Podman,
    Nerdctl,
}

/// As whom a container runs, so that what it writes belongs to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Users {
    /// Numbers of users mean the same inside and outside.
    Same,
    /// The engine runs as the caller, who is root inside.
    Rootless,
    /// The daemon gives users inside other numbers, unless it is told not to.
    Remapped,
}

/// An engine that answers.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    path: Utf8PathBuf,
    /// What people call it.
    pub(super) name: String,
    pub(super) kind: Kind,
    users: Users,
    environment: Environment,
}

impl Engine {
    /// Finds the engine that is asked for.
    ///
    /// # Errors
    /// None is on `PATH`, or none of those answers.
    pub(super) fn find(
        choice: EngineChoice,
        image: &ImageName,
        environment: &Environment,
        cancel: &Cancel,
    ) -> Result<Self, ContainerError> {
        let (names, looked_for): (&[&str], _) = match choice {
            EngineChoice::Auto => {
                (&["docker", "podman", "nerdctl"], "neither docker, podman nor nerdctl is")
            }
            EngineChoice::Docker => (&["docker"], "docker is not"),
            EngineChoice::Podman => (&["podman"], "podman is not"),
            EngineChoice::Nerdctl => (&["nerdctl"], "nerdctl is not"),
        };
        let mut silent = None;
        for name in names {
            let path = environment.get("PATH");
            let Some(path) = process::find_program(name, path, &environment.directory) else {
                continue;
            };
            let mut engine = Self {
                path,
                name: (*name).to_owned(),
                kind: Kind::Docker,
                users: Users::Same,
                environment: environment.clone(),
            };
            match engine.introduce(image, cancel) {
                Ok(()) => return Ok(engine),
                Err(error @ ContainerError::Unreachable { .. }) => {
                    silent.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(silent.unwrap_or(ContainerError::NoEngine { image: image.clone(), looked_for }))
    }

    /// Learns which engine it is, and whether it answers.
    fn introduce(&mut self, image: &ImageName, cancel: &Cancel) -> Result<(), ContainerError> {
        let version = self.ask(&["--version"], image, cancel)?.unwrap_or_default();
        let version = String::from_utf8_lossy(&version).to_lowercase();
        self.kind = match version.split_whitespace().next() {
            Some("podman") => Kind::Podman,
            Some("nerdctl") => Kind::Nerdctl,
            _ => Kind::Docker,
        };
        let format = match self.kind {
            Kind::Podman => "{{.Host.Security.Rootless}}",
            Kind::Docker | Kind::Nerdctl => "{{json .SecurityOptions}}",
        };
        let info = ["info", "--format", format];
        let Some(answer) = self.ask(&info, image, cancel)? else {
            let (_, last_lines) = self.run(&["info"], Some(PATIENCE), image, cancel)?;
            return Err(ContainerError::Unreachable { engine: self.name.clone(), last_lines });
        };
        let answer = String::from_utf8_lossy(&answer);
        self.users = match self.kind {
            Kind::Podman if answer.trim() == "true" => Users::Rootless,
            Kind::Podman => Users::Same,
            _ if answer.contains("name=rootless") => Users::Rootless,
            _ if answer.contains("name=userns") => Users::Remapped,
            _ => Users::Same,
        };
        Ok(())
    }

    /// What it prints on standard output; none where it fails.
    pub(super) fn ask(
        &self,
        args: &[&str],
        image: &ImageName,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, ContainerError> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let question = Question {
            path: &self.path,
            args: &args,
            variables: &self.environment.variables,
            directory: &self.environment.directory,
            limit: ANSWER,
            patience: PATIENCE,
        };
        answer::ask(&question, cancel).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => ContainerError::Interrupted,
            _ => ContainerError::Io { image: image.clone(), source: error },
        })
    }

    /// Has it do something, and gives how that ended and what it printed last.
    pub(super) fn run(
        &self,
        args: &[&str],
        limit: Option<Duration>,
        image: &ImageName,
        cancel: &Cancel,
    ) -> Result<(End, Vec<String>), ContainerError> {
        let io = |source| ContainerError::Io { image: image.clone(), source };
        let home = self.environment.temporary_home();
        let space = MarkedDir::new_in(&home, "mlc-package-").map_err(io)?;
        let log = space.path().join("log");
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let program = Program {
            path: &self.path,
            args: &args,
            variables: &self.environment.variables,
            directory: &self.environment.directory,
            log: &log,
            log_limit: LogLimit { head: 64 << 10, tail: 64 << 10 },
            limit,
        };
        let Ended { how, .. } = process::run(&program, cancel).map_err(io)?;
        if how == End::Cancelled {
            return Err(ContainerError::Interrupted);
        }
        Ok((how, last_lines(&log, LINES).unwrap_or_default()))
    }

    /// Ends a container, whatever state it is in; one that is gone is what is wanted.
    pub(super) fn remove(&self, container: &str, image: &ImageName) {
        // Whoever asked to stop has asked for exactly this.
        let patient = Cancel::default();
        let _ = self.run(&["rm", "--force", container], Some(REMOVAL), image, &patient);
    }

    /// The executable.
    pub(super) fn path(&self) -> &camino::Utf8Path {
        &self.path
    }

    /// The arguments by which a container is one of this user's, with the limits that a program of
    /// this machine would have.
    pub(super) fn confinement(&self) -> Vec<String> {
        let mut args: Vec<String> = Vec::new();
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        let own = caller::user().map(|(user, group)| format!("{user}:{group}"));
        match (self.users, self.kind, own) {
            (Users::Rootless, Kind::Podman, Some(own)) => {
                add("--userns", "keep-id".to_owned());
                add("--user", own);
            }
            (Users::Rootless, ..) => add("--user", "0:0".to_owned()),
            (Users::Remapped, _, Some(own)) => {
                add("--userns", "host".to_owned());
                add("--user", own);
            }
            (_, _, Some(own)) => add("--user", own),
            (_, _, None) => {}
        }
        add("--cap-drop", "ALL".to_owned());
        add("--security-opt", "no-new-privileges".to_owned());
        // Labels of SELinux would keep the container from what is mounted.
        if self.kind != Kind::Nerdctl {
            add("--security-opt", "label=disable".to_owned());
        }
        for (name, soft, hard) in caller::limits() {
            add("--ulimit", format!("{name}={soft}:{hard}"));
        }
        if let Some(bytes) = caller::memory_limit() {
            add("--memory", format!("{bytes}b"));
        }
        args
    }
}
