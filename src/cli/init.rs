//! `mlc-package init`: the files that a repository needs for its first package. What is there stays.

mod answers;
mod texts;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use self::answers::Answers;
use self::texts::{Entry, config, project, workflow};
use super::Context;
use super::suggest::device;
use crate::config::project::FILE_NAME as PROJECT;
use crate::config::{Diagnostic, FILE_NAME as CONFIG, Severity, render};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::io::{dir, files};
use crate::model::{Device, PackageConfig, visible};
use crate::pipeline;

/// Below the root of the repository.
const WORKFLOW: &str = ".github/workflows/models.yml";
/// How a workflow names the action.
const ACTION: &str = "mlc-package/mlc-package";

/// `mlc-package init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// A model of the app: HF://user/repo, or a directory; may be given more than once
    /// [default: the models found in this directory]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// The device: android, iphone or macabi [default: detected from the app in this directory,
    /// else android]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    device: Option<Device>,
    /// Ask no questions; use the defaults
    #[arg(short, long)]
    yes: bool,
}

/// A file that may be there.
struct File {
    path: Utf8PathBuf,
    /// What it will say; none if it stays as it is.
    text: Option<String>,
    /// Why it stays.
    kept: &'static str,
}

pub(super) fn run(args: &InitArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let environment = Environment::current()?;
    let answers = Answers::new(args.yes);
    let written = match files::exists(Utf8Path::new(CONFIG)) {
        true => Some(existing(args, context)?),
        false => None,
    };
    if !args.yes && !answers.can_be_asked() {
        return Err(cannot_ask(args, written.is_some()));
    }
    let (device, config_text, guesses) = match &written {
        Some(package) => (package.device, None, Vec::new()),
        None => {
            let (device, entries) = new_config(args, &answers, &environment)?;
            let guesses = entries.iter().filter_map(Entry::guess);
            let guesses = guesses.map(|(id, template)| (id.to_owned(), template)).collect();
            (device, Some(config(device, &entries)), guesses)
        }
    };
    let root = root_of(&environment.directory);
    let files = plan(&environment.directory, &root, device, config_text);
    let new: Vec<_> = files.iter().filter(|file| file.text.is_some()).collect();
    let names: Vec<_> = new.iter().map(|file| file.path.as_str()).collect();
    if !new.is_empty() && !answers.agrees(&format!("Write {}?", names.join(", ")))? {
        writeln!(context.out, "nothing was written")?;
        return Ok(Exit::Ok);
    }
    for file in &files {
        let path = &file.path;
        match &file.text {
            Some(text) => {
                files::create_dir_all(files::parent(path))?;
                files::create_new(path, text.as_bytes())?;
                writeln!(context.out, "wrote  {path}")?;
            }
            // A file of the repository may have any name.
            None => {
                let path = visible(path.as_str(), usize::MAX);
                writeln!(context.out, "kept   {path}: {}", file.kept)?;
            }
        }
    }
    warn_of_unlisted(context)?;
    for (model_id, template) in guesses {
        context.ui.warn(&format!(
            "the checkpoint of `{model_id}` does not say which conversation template it needs: \
             `{template}` is a guess; name the one that it was trained with as `conv_template` in \
             {CONFIG}"
        ));
    }
    if written.is_none() {
        context.ui.status(
            "Note",
            "estimated_vram_bytes is a guess: `build --fix-vram` writes what each model needs",
        );
    }
    for next in [
        "check".to_owned(),
        format!("doctor --device {device}"),
        "build --no-binding --fix-vram".to_owned(),
    ] {
        writeln!(context.out, "next:  mlc-package {next}")?;
    }
    Ok(Exit::Ok)
}

/// The config that is there, which is not changed.
fn existing(args: &InitArgs, context: &Context<'_>) -> Result<PackageConfig, Error> {
    let given = [("--model", !args.model.is_empty()), ("--device", args.device.is_some())];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        return Err(Error::usage(
            format!("{option}: there is a {CONFIG} already, and init changes no file"),
            format!("edit {CONFIG}, or leave {option} out"),
        ));
    }
    let checked = pipeline::check(Utf8Path::new(CONFIG), &Environment::current()?);
    if checked.errors() > 0 {
        context.ui.block(true, |width, out| render::human(&checked, width, out));
    }
    Ok(checked.into_package()?)
}

fn cannot_ask(args: &InitArgs, has_config: bool) -> Error {
    let mut command = "mlc-package init --yes".to_owned();
    if !has_config {
        let given = args.model.iter().map(|model| format!(" --model {model}"));
        command += &match args.model.is_empty() {
            true => " --model HF://user/repo".to_owned(),
            false => given.collect(),
        };
        let device = args.device.map_or("android".to_owned(), |device| device.to_string());
        command += &format!(" --device {device}");
    }
    Error::usage("init asks questions, but there is no terminal", format!("run {command}"))
}

/// The models that are given, found or asked for. Their config has no errors.
fn new_config(
    args: &InitArgs,
    answers: &Answers,
    environment: &Environment,
) -> Result<(Device, Vec<Entry>), Error> {
    let models = match args.model.is_empty() {
        false => args.model.clone(),
        true => answers.models(&found_models())?,
    };
    if models.is_empty() {
        return Err(Error::usage(
            "no models were given, and none were found below this directory",
            "add --model HF://mlc-ai/Qwen3-0.6B-q4f16_1-MLC, for instance",
        ));
    }
    let device = match args.device {
        Some(device) => device,
        None => answers.device(app_here().unwrap_or(Device::Android))?,
    };
    let entries: Vec<_> = models.iter().map(|model| Entry::of(model)).collect();
    let text = config(device, &entries);
    let path = Utf8Path::new(CONFIG);
    let checked = pipeline::check_text(path, &text, environment);
    // Nobody could look at its lines: it is not written.
    let is_error = |found: &&Diagnostic| found.severity == Severity::Error;
    match checked.diagnostics().iter().find(is_error) {
        Some(found) => {
            let option = if args.model.is_empty() { "" } else { "--model " };
            let message =
                models.iter().enumerate().fold(found.message.clone(), |message, (n, model)| {
                    let model = visible(model, usize::MAX);
                    message
                        .replace(&format!("`model_list[{n}].model`"), &format!("`{option}{model}`"))
                });
            Err(Error::usage(message, found.help.clone()))
        }
        None => Ok((device, entries)),
    }
}

/// The three files, and what becomes of each.
fn plan(here: &Utf8Path, root: &Utf8Path, device: Device, config: Option<String>) -> Vec<File> {
    let there = "it already exists";
    let new = |path: Utf8PathBuf, text: String| {
        let text = (!files::exists(&path)).then_some(text);
        File { path, text, kept: there }
    };
    let up = here.strip_prefix(root).unwrap_or(Utf8Path::new(""));
    let to_root: Utf8PathBuf = up.components().map(|_| "..").collect();
    let mut workflow = new(to_root.join(WORKFLOW), workflow(up, branch(root)));
    if workflow.text.is_some()
        && let Some(other) = other_workflow(&to_root)
    {
        workflow = File {
            path: other,
            text: None,
            kept: "it uses the action already, so no other workflow is needed",
        };
    }
    vec![
        File { path: CONFIG.into(), text: config, kept: there },
        new(PROJECT.into(), project(device)),
        workflow,
    ]
}

/// A workflow that uses the action.
fn other_workflow(root: &Utf8Path) -> Option<Utf8PathBuf> {
    let workflows = files::parent(Utf8Path::new(WORKFLOW));
    let workflows = root.join(workflows);
    let names = dir::names(&workflows).unwrap_or_default();
    let mut paths = names.iter().map(|name| workflows.join(name));
    paths.find(|path| {
        let text = files::read(path).unwrap_or_default();
        matches!(path.extension(), Some("yml" | "yaml"))
            && String::from_utf8_lossy(&text).contains(ACTION)
    })
}

/// Packages are built by the project file, which may be older than the config.
fn warn_of_unlisted(context: &Context<'_>) -> Result<(), Error> {
    let project = pipeline::project(None, &context.ui)?;
    let is_listed = project.packages.iter().any(|package| package.config == CONFIG);
    if !is_listed {
        context.ui.warn(&format!(
            "{PROJECT} lists no package with {CONFIG}: add `- {{ name: …, config: {CONFIG} }}` \
             below its `packages`"
        ));
    }
    Ok(())
}

/// The directory of the repository: workflows are read there.
fn root_of(here: &Utf8Path) -> Utf8PathBuf {
    let root = here.ancestors().find(|dir| files::exists(&dir.join(".git")));
    root.unwrap_or(here).to_owned()
}

/// The branch that a workflow runs for.
fn branch(root: &Utf8Path) -> &'static str {
    let head = files::read(&root.join(".git/HEAD")).unwrap_or_default();
    match head.trim_ascii() == b"ref: refs/heads/master" {
        true => "master",
        false => "main",
    }
}

/// What the app here is for.
fn app_here() -> Option<Device> {
    let names = dir::names(Utf8Path::new(".")).ok()?;
    let has = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
    let is_android = has(|name| {
        matches!(
            name,
            "gradlew"
                | "build.gradle"
                | "build.gradle.kts"
                | "settings.gradle"
                | "settings.gradle.kts"
        )
    });
    let is_apple = has(|name| {
        name == "Package.swift" || name.ends_with(".xcodeproj") || name.ends_with(".xcworkspace")
    });
    match (is_android, is_apple) {
        (true, false) => Some(Device::Android),
        (false, true) => Some(Device::Iphone),
        _ => None,
    }
}

/// The directories of models, two levels deep: those of builds, and hidden ones, are left out.
fn found_models() -> Vec<String> {
    let mut found = Vec::new();
    for path in below(Utf8Path::new(".")) {
        for path in std::iter::once(path.clone()).chain(below(&path)) {
            if Entry::is_model(&path) && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    let plain = |path: &Utf8PathBuf| path.as_str().trim_start_matches("./").to_owned();
    found.iter().map(plain).collect()
}

fn below(path: &Utf8Path) -> Vec<Utf8PathBuf> {
    let is_of_no_interest = |name: &str| {
        name.starts_with('.') || matches!(name, "dist" | "build" | "node_modules" | "target")
    };
    let mut names = dir::names(path).unwrap_or_default();
    names.sort_unstable();
    names.retain(|name| !is_of_no_interest(name));
    names.iter().map(|name| path.join(name)).filter(|path| files::is_dir(path)).collect()
}
