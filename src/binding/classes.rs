//! mlc4j's own classes: two Kotlin files and one of Java, the same for all models. They are compiled
//! once, where Kotlin's compiler and what they are written against are, and kept in the kit.

use std::collections::BTreeMap;
use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::kit::{imported, keep, mark_imported};
use super::script::Step;
use super::{Binding, BindingError, Kit, KitFile, KitStore, Phase, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::dir;
use crate::io::files::{self, TreeKind};
use crate::io::marked::MarkedDir;
use crate::io::zip::{self, Method, ZipWriter};
use crate::io::{atomic, digest, link};
use crate::model::{LinkMode, ShardPath};
use crate::store::Lookup;

/// Where they are in a kit.
const JAR: &str = "classes/mlc4j.jar";
const DEPENDENCIES: &str = "classes/dependencies.json";
/// The most that classes may have in bytes, and a description of them.
const MOST_BYTES: u64 = 256 << 20;
/// What upstream's `build.gradle` has Kotlin and Java compile for.
const JVM: &str = "1.8";
/// The group of the libraries below.
const KOTLINX: &str = "org.jetbrains.kotlinx";

/// A library that mlc4j is written against, by what its names begin with.
struct Library {
    /// The package that sources import.
    package: &'static str,
    /// What an app depends on.
    artifact: &'static str,
    /// The archives of it that hold classes.
    jars: &'static [&'static str],
}

const LIBRARIES: [Library; 3] = [
    Library {
        package: "kotlinx.coroutines",
        artifact: "kotlinx-coroutines-core",
        jars: &["kotlinx-coroutines-core-jvm"],
    },
    Library {
        package: "kotlinx.serialization.json",
        artifact: "kotlinx-serialization-json",
        jars: &["kotlinx-serialization-json-jvm", "kotlinx-serialization-core-jvm"],
    },
    Library {
        package: "kotlinx.serialization",
        artifact: "kotlinx-serialization-core",
        jars: &["kotlinx-serialization-core-jvm"],
    },
];

/// Something that the classes need at run time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// `groupId`.
    pub group: String,
    /// `artifactId`.
    pub artifact: String,
    /// `version`.
    pub version: String,
}

/// mlc4j's classes.
#[derive(Debug)]
pub struct Classes {
    /// The files of their archive, sorted by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// What they need.
    pub dependencies: Vec<Dependency>,
}

/// What classes are had with.
#[derive(Clone, Copy)]
pub struct ClassesRequest<'a> {
    /// Whose.
    pub binding: &'a Binding,
    /// Where kits are kept.
    pub store: &'a KitStore,
    /// Variables, in which no path is relative, and the user's directory.
    pub given: Surroundings<'a>,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// Makes sure that there are classes, or that they can be compiled: to be asked before what takes
/// long.
///
/// # Errors
/// What they would be compiled with is not there.
pub fn check(request: &ClassesRequest<'_>) -> Result<(), BindingError> {
    if let Lookup::Hit(kit) = request.store.lookup(request.binding.fingerprint)
        && file(&kit, JAR).is_some()
    {
        return Ok(());
    }
    Tools::find(request).map(drop)
}

/// The classes of the kit; or those that are compiled now, and put into it. `tvm4j` is the archive
/// of TVM's classes.
///
/// # Errors
/// As [`check`]; or a compiler failed.
pub fn obtain(request: &ClassesRequest<'_>, tvm4j: &Utf8Path) -> Result<Classes, BindingError> {
    let kit = match request.store.lookup(request.binding.fingerprint) {
        Lookup::Hit(kit) => {
            if let Some(classes) = kept(&kit)? {
                return Ok(classes);
            }
            Some(kit)
        }
        Lookup::Miss(_) => None,
    };
    let tools = Tools::find(request)?;
    let space = MarkedDir::new_in(&temporary_home(request), "mlc-package-")?;
    let files = tools.compile(request, tvm4j, space.path())?;
    let classes = Classes { files, dependencies: tools.dependencies };
    // A cache that cannot be written to serves kits all the same: the next build compiles them again.
    match kit.map(|kit| classes.keep(request, &kit)) {
        Some(Err(BindingError::Interrupted)) => Err(BindingError::Interrupted),
        _ => Ok(classes),
    }
}

fn temporary_home(request: &ClassesRequest<'_>) -> Utf8PathBuf {
    let given = request.given;
    let home = given.path("MLC_TEMP_DIR").or_else(|| given.path("TMPDIR"));
    home.unwrap_or_else(|| "/tmp".into())
}

fn file<'k>(kit: &'k Kit, path: &str) -> Option<&'k KitFile> {
    kit.record.files.iter().find(|file| file.path.as_str() == path)
}

/// The classes that a kit has, unless they are not what was stored.
fn kept(kit: &Kit) -> Result<Option<Classes>, BindingError> {
    let read = |path| -> Result<Option<Vec<u8>>, BindingError> {
        let Some(file) = file(kit, path) else { return Ok(None) };
        let place = kit.path(file);
        let (digest, _) = digest::file(&place)?;
        if digest != file.digest {
            return Ok(None);
        }
        Ok(files::read_at_most(&place, MOST_BYTES)?)
    };
    let (Some(jar), Some(dependencies)) = (read(JAR)?, read(DEPENDENCIES)?) else {
        return Ok(None);
    };
    let dependencies = serde_json::from_slice(&dependencies)?;
    Ok(Some(Classes { files: zip::read(&jar, MOST_BYTES)?, dependencies }))
}

impl Classes {
    /// Puts them into the kit: a kit in the store is never changed, so that another takes its place.
    fn keep(&self, request: &ClassesRequest<'_>, kit: &Kit) -> Result<(), BindingError> {
        let space = MarkedDir::new_in(&temporary_home(request), "mlc-package-")?;
        let new = request.store.begin(kit.record.fingerprint, request.cancel, |_| ())?;
        let new = new.ok_or(BindingError::Interrupted)?;
        let mut record = kit.record.clone();
        record.files.retain(|file| ![JAR, DEPENDENCIES].contains(&file.path.as_str()));
        for file in &record.files {
            let to = new.dir().join(file.path.as_path());
            files::create_dir_all(files::parent(&to))?;
            link::place(&kit.path(file), &to, LinkMode::Auto)?;
        }
        let mut jar = ZipWriter::new(Vec::new());
        for (name, bytes) in &self.files {
            jar.add(name, bytes, Method::Deflated)?;
        }
        let dependencies = serde_json::to_vec(&self.dependencies)?;
        for (name, bytes) in [(JAR, jar.finish()?), (DEPENDENCIES, dependencies)] {
            let from = space.path().join("file");
            atomic::write_unsynced(&from, &bytes)?;
            let path = name.parse::<ShardPath>().map_err(std::io::Error::other)?;
            record.files.push(keep(&from, &new.dir(), path)?);
        }
        if imported(&kit.dir).is_some() {
            mark_imported(&new.dir())?;
        }
        Ok(new.commit(record).map(drop)?)
    }
}

/// What compiles the classes.
struct Tools {
    kotlin: Option<Kotlin>,
    javac: Option<Utf8PathBuf>,
    sources: Vec<Utf8PathBuf>,
    /// Archives that the sources name classes of, TVM's left out.
    classpath: Vec<Utf8PathBuf>,
    dependencies: Vec<Dependency>,
}

struct Kotlin {
    kotlinc: Utf8PathBuf,
    stdlib: Utf8PathBuf,
    /// What makes serializers of `@Serializable` classes; none where no source has one.
    plugin: Option<Utf8PathBuf>,
}

impl Tools {
    fn find(request: &ClassesRequest<'_>) -> Result<Self, BindingError> {
        let given = request.given;
        let module = request.binding.source.mlc_llm.join("android/mlc4j");
        let sources = sources(&module.join("src/main/java"))?;
        let imports = imports(&sources)?;
        let has = |extension| sources.iter().any(|path| path.extension() == Some(extension));
        let imported = |package: &str| imports.iter().any(|name| is_in(name, package));
        let mut dependencies = Vec::new();
        let mut classpath = Vec::new();
        let kotlin = has("kt").then(|| kotlin(given, imported("kotlinx.serialization")));
        let kotlin = kotlin.transpose()?;
        if let Some((_, version)) = &kotlin {
            dependencies.push(Dependency {
                group: "org.jetbrains.kotlin".to_owned(),
                artifact: "kotlin-stdlib".to_owned(),
                version: version.clone(),
            });
        }
        if imported("android") {
            classpath.push(android_jar(given)?);
        }
        let gradle = files::read_at_most(&module.join("build.gradle"), 1 << 20);
        let gradle =
            String::from_utf8_lossy(&gradle.ok().flatten().unwrap_or_default()).into_owned();
        for library in LIBRARIES.iter().filter(|library| imported(library.package)) {
            let wanted = named_version(&gradle, library);
            let (version, jars) = jars(given, library, wanted)?;
            classpath.extend(jars);
            dependencies.push(Dependency {
                group: KOTLINX.to_owned(),
                artifact: library.artifact.to_owned(),
                version,
            });
        }
        classpath.sort();
        classpath.dedup();
        dependencies.sort();
        let javac = has("java").then(|| javac(given)).transpose()?;
        let kotlin = kotlin.map(|(kotlin, _)| kotlin);
        Ok(Self { kotlin, javac, sources, classpath, dependencies })
    }

    /// Compiles everything in a directory of ours; gives the files of the classes.
    fn compile(
        &self,
        request: &ClassesRequest<'_>,
        tvm4j: &Utf8Path,
        space: &Utf8Path,
    ) -> Result<Vec<(String, Vec<u8>)>, BindingError> {
        let classes = space.join("classes");
        files::create_dir_all(&classes)?;
        let mut classpath = self.classpath.clone();
        classpath.push(tvm4j.to_owned());
        let path = |paths: &[Utf8PathBuf]| {
            paths.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(":")
        };
        let step = |program: &Utf8Path, args: Vec<&str>| {
            let args: Vec<_> = args.into_iter().map(OsString::from).collect();
            let log = space.join("log");
            let step = Step {
                program,
                args: &args,
                variables: request.given.variables,
                directory: space,
                log: &log,
                what: Some(Phase::Classes),
                name: program,
            };
            step.run(request.cancel).map_err(|error| match error {
                // The space is gone when the failure is told.
                BindingError::Failed(failed) => {
                    let home = temporary_home(request);
                    let failed = failed.with_log_in(&home, "mlc-package-classes-");
                    BindingError::Failed(Box::new(failed))
                }
                error => error,
            })
        };
        if let Some(kotlin) = &self.kotlin {
            let plugin = kotlin.plugin.as_ref().map(|plugin| format!("-Xplugin={plugin}"));
            let on = path(&classpath);
            let mut args = vec!["-nowarn", "-jvm-target", JVM, "-module-name", "mlc4j"];
            args.extend(plugin.as_deref());
            args.extend(["-classpath", &on, "-d", classes.as_str()]);
            args.extend(self.sources.iter().map(|path| path.as_str()));
            step(&kotlin.kotlinc, args)?;
            classpath.extend([kotlin.stdlib.clone(), classes.clone()]);
        }
        if let Some(javac) = &self.javac {
            let on = path(&classpath);
            let mut args = vec!["-nowarn", "-Xlint:none", "-encoding", "UTF-8", "-source", "8"];
            args.extend(["-target", "8", "-classpath", &on, "-d", classes.as_str()]);
            let java = self.sources.iter().filter(|path| path.extension() == Some("java"));
            args.extend(java.map(|path| path.as_str()));
            step(javac, args)?;
        }
        let mut found = Vec::new();
        for entry in files::tree(&classes, |_| true)? {
            if let TreeKind::File(_) = entry.kind {
                found.push((entry.path.to_string(), files::read(&classes.join(&entry.path))?));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn refused(why: String) -> BindingError {
    BindingError::NoClasses(why)
}

/// The files that are compiled, sorted.
fn sources(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, BindingError> {
    let tree = files::tree(dir, |_| true)
        .map_err(|source| BindingError::Source { dir: dir.to_owned(), source })?;
    let mut found: Vec<_> = tree
        .into_iter()
        .filter(|entry| matches!(entry.kind, TreeKind::File(_)))
        .filter(|entry| matches!(entry.path.extension(), Some("kt" | "java")))
        .map(|entry| dir.join(entry.path))
        .collect();
    found.sort();
    match found.is_empty() {
        true => Err(refused(format!("there are no sources in `{dir}`"))),
        false => Ok(found),
    }
}

fn imports(sources: &[Utf8PathBuf]) -> Result<Vec<String>, BindingError> {
    let mut names = Vec::new();
    for path in sources {
        let text = files::read(path)?;
        for line in String::from_utf8_lossy(&text).lines() {
            let Some(name) = line.trim().strip_prefix("import ") else { continue };
            let name = name.trim_start().trim_start_matches("static ");
            names.push(name.split([' ', ';']).next().unwrap_or(name).to_owned());
        }
    }
    Ok(names)
}

fn is_in(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.starts_with('.'))
}

/// Kotlin's compiler, and the version of its library.
fn kotlin(given: Surroundings<'_>, plugin: bool) -> Result<(Kotlin, String), BindingError> {
    let home = given.path("KOTLIN_HOME").map(|home| home.join("bin/kotlinc"));
    let kotlinc = home.filter(|path| files::is_file(path)).or_else(|| given.program("kotlinc"));
    let kotlinc = kotlinc.ok_or_else(|| refused("there is no `kotlinc` on PATH".to_owned()))?;
    let real = files::canonical(&kotlinc)?;
    let lib = files::parent(files::parent(&real)).join("lib");
    let stdlib = lib.join("kotlin-stdlib.jar");
    let version = files::read_at_most(&stdlib, MOST_BYTES).ok().flatten().and_then(|jar| {
        let files = zip::read(&jar, MOST_BYTES).ok()?;
        let (_, manifest) = files.into_iter().find(|(name, _)| name == "META-INF/MANIFEST.MF")?;
        implementation_version(&String::from_utf8_lossy(&manifest))
    });
    let version = version.ok_or_else(|| refused(format!("`{stdlib}` is not Kotlin's library")))?;
    let plugin = match plugin {
        false => None,
        true => {
            let names =
                ["kotlinx-serialization-compiler-plugin", "kotlin-serialization-compiler-plugin"];
            let paths = names.map(|name| lib.join(format!("{name}.jar")));
            let found = paths.into_iter().find(|path| files::is_file(path));
            Some(found.ok_or_else(|| {
                refused(format!("`{lib}` has no serialization plugin for Kotlin's compiler"))
            })?)
        }
    };
    Ok((Kotlin { kotlinc, stdlib, plugin }, version))
}

/// `2.2.21` of `Implementation-Version: 2.2.21-release-469(2.2.21)`.
fn implementation_version(manifest: &str) -> Option<String> {
    let mut values =
        manifest.lines().filter_map(|line| line.strip_prefix("Implementation-Version:"));
    let version = values.next()?.trim();
    let version = version.split_once("-release").map_or(version, |(version, _)| version);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (!version.is_empty() && version.chars().all(fits)).then(|| version.to_owned())
}

fn javac(given: Surroundings<'_>) -> Result<Utf8PathBuf, BindingError> {
    let home = given.path("JAVA_HOME").map(|home| home.join("bin/javac"));
    let found = home.filter(|path| files::is_file(path)).or_else(|| given.program("javac"));
    found.ok_or_else(|| refused("there is no `javac` on PATH".to_owned()))
}

/// The newest of the SDK's platforms.
fn android_jar(given: Surroundings<'_>) -> Result<Utf8PathBuf, BindingError> {
    let mut newest: BTreeMap<u32, Utf8PathBuf> = BTreeMap::new();
    for name in ["ANDROID_HOME", "ANDROID_SDK_ROOT"] {
        let Some(platforms) = given.path(name).map(|sdk| sdk.join("platforms")) else { continue };
        for name in dir::names(&platforms).unwrap_or_default() {
            let level = name.strip_prefix("android-").and_then(|level| level.parse().ok());
            let jar = platforms.join(&name).join("android.jar");
            if let Some(level) = level.filter(|_| files::is_file(&jar)) {
                newest.entry(level).or_insert(jar);
            }
        }
    }
    newest.pop_last().map(|(_, jar)| jar).ok_or_else(|| {
        refused("ANDROID_HOME names no SDK with a platform (`platforms/android-…`)".to_owned())
    })
}

/// The version that `build.gradle` names of a library.
fn named_version<'g>(gradle: &'g str, library: &Library) -> Option<&'g str> {
    let start = format!("{KOTLINX}:{}:", library.artifact);
    let (_, rest) = gradle.split_once(&start)?;
    let version = rest.split(['\'', '"']).next()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (!version.is_empty() && version.chars().all(fits)).then_some(version)
}

/// The archives of a library in the caches of Gradle and Maven, of the version that is wanted, else
/// of the newest that all of them have.
fn jars(
    given: Surroundings<'_>,
    library: &Library,
    wanted: Option<&str>,
) -> Result<(String, Vec<Utf8PathBuf>), BindingError> {
    let home = given.path("HOME");
    let gradle = given.path("GRADLE_USER_HOME").or_else(|| Some(home.as_ref()?.join(".gradle")));
    let maven = home.map(|home| home.join(".m2/repository"));
    let gradle = gradle.map(|dir| dir.join("caches/modules-2/files-2.1").join(KOTLINX));
    let maven = maven.map(|dir| dir.join(KOTLINX.replace('.', "/")));
    let mut found: BTreeMap<Vec<u64>, (String, Vec<Utf8PathBuf>)> = BTreeMap::new();
    for root in gradle.into_iter().chain(maven) {
        let [first, ..] = library.jars else { continue };
        for version in dir::names(&root.join(first)).unwrap_or_default() {
            if wanted.is_some_and(|wanted| wanted != version) {
                continue;
            }
            let jars: Option<Vec<_>> = library
                .jars
                .iter()
                .map(|name| jar(&root.join(name).join(&version), name, &version))
                .collect();
            if let Some(jars) = jars {
                let order = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
                found.entry(order.collect()).or_insert((version, jars));
            }
        }
    }
    found.pop_last().map(|(_, found)| found).ok_or_else(|| {
        let names = library.jars.join(" and ");
        let version = wanted.map(|version| format!(" {version}")).unwrap_or_default();
        refused(format!("neither Gradle's cache nor ~/.m2 has {KOTLINX}'s {names}{version}"))
    })
}

/// In Maven's repository an archive is in its version's directory, in Gradle's cache one deeper.
fn jar(dir: &Utf8Path, name: &str, version: &str) -> Option<Utf8PathBuf> {
    let file = format!("{name}-{version}.jar");
    let deeper = dir::names(dir).unwrap_or_default();
    let deeper = deeper.iter().map(|hash| dir.join(hash).join(&file));
    std::iter::once(dir.join(&file)).chain(deeper).find(|path| files::is_file(path))
}

#[cfg(test)]
mod tests {
    use super::{LIBRARIES, implementation_version, is_in, named_version};

    #[test]
    fn versions_are_read_as_they_are_written() {
        let manifest =
            "Manifest-Version: 1.0\r\nImplementation-Version: 2.2.21-release-469(2.2.21)\r\n";
        assert_eq!(implementation_version(manifest).as_deref(), Some("2.2.21"));
        assert_eq!(
            implementation_version("Implementation-Version: 1.3.31\n").as_deref(),
            Some("1.3.31")
        );
        assert_eq!(implementation_version("Implementation-Version: <x>\n"), None);
        let gradle = "implementation 'org.jetbrains.kotlinx:kotlinx-serialization-json:1.6.3'\n";
        assert_eq!(named_version(gradle, &LIBRARIES[1]), Some("1.6.3"));
        assert_eq!(named_version(gradle, &LIBRARIES[0]), None);
        assert!(is_in("kotlinx.coroutines.launch", "kotlinx.coroutines"));
        assert!(!is_in("kotlinx.coroutinesx.launch", "kotlinx.coroutines"));
    }
}
