//! Kits as files: from where there is everything to where there is nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use camino::Utf8PathBuf;

use crate::call::Call;
use crate::scene::entry;
use crate::site::{LIBRARY, Site, lld};
use crate::tree;

/// Where nothing is built: no sources, no NDK, no JDK, no CMake, no Rust; a linker at most.
fn elsewhere(device: &str) -> Site {
    let site = Site::bare(device);
    let root = &site.scene.root;
    for dir in ["mlc-llm", "ndk", "include", "bin"] {
        fs_err::remove_dir_all(root.join(dir)).unwrap();
    }
    site.program("ld.lld", &format!("exec {} \"$@\"", lld()));
    site
}

fn call<'a>(site: &'a Site, arguments: &[&str]) -> Call<'a> {
    site.call(arguments).env("MLC_LLM_SOURCE_DIR", "").env("ANDROID_NDK", "")
}

fn exported(site: &Site) -> (Utf8PathBuf, String) {
    let file = site.scene.root.join("kit.tar.zst");
    let said = site.call(&["kit", "export", "-o", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(said["bytes"], fs_err::metadata(&file).unwrap().len());
    (file, said["sha256"].as_str().unwrap().to_owned())
}

fn bindings(site: &Site) -> Vec<(String, Vec<u8>)> {
    let dist = site.scene.dist().join("lib");
    let paths = tree::files(&dist).into_iter();
    paths.map(|path| (path.clone(), fs_err::read(dist.join(path)).unwrap())).collect()
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_whole_android_package_comes_of_a_kit_and_a_linker() {
    let site = Site::new("android");
    site.scene.write("mlc-llm/3rdparty/tokenizers-cpp/rust/Cargo.lock", "version = 4\n");
    site.build(&[]).ok();
    let [kit] = site.kits().try_into().unwrap();
    assert!(kit.join("notices/tokenizers-cpp/Cargo.lock").is_file(), "which crates it has");
    let (file, sha256) = exported(&site);
    // The same kit, built again, is the same file.
    site.build(&["--rebuild-binding"]).ok();
    assert_eq!(exported(&site).1, sha256);

    let other = elsewhere("android");
    let planned = call(&other, &["plan", "--kit", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(planned["binding"]["inputs"]["kit"], format!("sha256:{sha256}"));
    assert_eq!(planned["binding"]["cache"], "hit");
    call(&other, &["build", "--kit", file.as_str()]).ok().says("kit cached");
    assert_eq!(bindings(&other), bindings(&site));
    assert!(other.scene.dist().join(LIBRARY).is_file());

    // Nothing that builds is missed, and nothing is read in by looking.
    let third = elsewhere("android");
    let doctor = |arguments: &[&str]| {
        let arguments =
            [&["doctor", "--device", "android", "--format", "json"], arguments].concat();
        let report = call(&third, &arguments).run().json();
        report["devices"][0]["problems"].to_string()
    };
    assert!(doctor(&[]).contains("sources"), "{}", doctor(&[]));
    assert_eq!(doctor(&["--kit", file.as_str()]), "[]");
    assert_eq!(doctor(&["--kit", "gone.tar.zst"]), r#"["kit"]"#);
    // A config of somebody else's pull request names nothing that lies elsewhere; what has no end is
    // not read.
    let confined = call(&third, &["build", "--kit", file.as_str()]);
    confined
        .env("MLC_PACKAGE_CONFINE_TO", third.scene.app())
        .fails(10)
        .says("it is not in the directory that MLC_PACKAGE_CONFINE_TO names")
        .says("name a kit by its address and digest")
        .never_says("SHA-256");
    call(&third, &["build", "--kit", "/dev/zero"]).fails(11).says("it is not a regular file");
    call(&third, &["kit", "import", "/dev/zero"]).fails(11).says("it is not a regular file");
    call(&third, &["build", "--kit", "gone"])
        .fails(11)
        .says("there is no such file")
        .says("check the path")
        .never_says("digest");
    third.scene.write("not-a-kit", "text");
    assert_eq!(doctor(&["--kit", "../not-a-kit"]), r#"["kit"]"#);
    assert_eq!(third.kits().len(), 0);

    // A kit that was named once is no choice for later builds; one that was imported is.
    call(&other, &["build"]).fails(14).says("which the platform binding is built, are not named");
    call(&other, &["kit", "import", file.as_str()]).ok();
    call(&other, &["build"]).ok().says("kit cached");
    // One that was damaged since is read again from its file, and is an error where there is none.
    let damage = || {
        let path = other.kits().pop().unwrap().join("output/tvm4j_core.jar");
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[0] ^= 1;
        fs_err::write(&path, bytes).unwrap();
    };
    damage();
    call(&other, &["build", "--kit", file.as_str()])
        .ok()
        .says("is not what was stored; it was read again from where it is from");
    call(&other, &["build"]).ok().never_says("is not what was stored");
    damage();
    call(&other, &["build"]).fails(14).says("which the platform binding is built, are not named");
    call(&other, &["kit", "import", file.as_str()]).ok();
    call(&other, &["build", "--kit", "source"])
        .fails(14)
        .says("which the platform binding is built, are not named");
    call(&other, &["build"])
        .env("MLC_PACKAGE_KIT", format!("{file}#sha256={}", "0".repeat(64)))
        .fails(13)
        .says("its SHA-256 is ")
        .says("it is not the file that was meant");
    call(&other, &["build", "--kit", "../not-a-kit"]).fails(11);
    other.scene.write("not-a-kit", "text");
    call(&other, &["build", "--kit", "../not-a-kit"]).fails(13).says("it is damaged");
    call(&other, &["build", "--kit", "https://example.com/kit.tar.zst"])
        .fails(2)
        .says("a kit from a server needs its digest");
    fs_err::remove_file(other.scene.root.join("bin/ld.lld")).unwrap();
    call(&other, &["build"]).fails(14).says("`ld.lld` of an NDK or of PATH");
    // What was built here is not taken from a file, whatever that says it is made from.
    let imported = site.call(&["kit", "import", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(imported["sha256"], sha256);
    assert_eq!((site.kits().len(), site.reason().as_str()), (2, "cached"));
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_is_built_without_models() {
    for device in ["android", "iphone"] {
        let site = Site::new(device);
        site.xcode();
        let file = site.scene.root.join("built.tar.zst");
        let build = || {
            site.call(&["kit", "build", "--device", device, "-o", file.as_str(), "--format=json"])
                .ok()
                .json()
        };
        let said = build();
        assert_eq!(said["device"], device);
        assert_eq!(build()["sha256"], said["sha256"], "out of the cache");
        assert_eq!((site.scripts(), site.kits().len()), (1, 1));
        // It is the kit that a package would have, down to the byte.
        site.build(&[]).ok().says(if device == "android" { "kit cached" } else { "" });
        assert_eq!(exported(&site).1, said["sha256"].as_str().unwrap());
        assert_eq!(site.scripts(), 1);
        let other = elsewhere(device);
        call(&other, &["build", "--kit", file.as_str()]).ok();
        assert_eq!(bindings(&other), bindings(&site));
        assert_eq!((site.leftovers(), other.leftovers()), (vec![], vec![]));
    }
    let site = elsewhere("android");
    let arguments = ["kit", "build", "--device", "android", "-o", "kit.tar.zst"];
    call(&site, &arguments).fails(14).says("which the platform binding is built, are not named");
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn the_kit_of_a_release_is_downloaded_when_it_is_needed() {
    let site = Site::new("iphone");
    site.xcode();
    site.build(&[]).ok();
    let (file, sha256) = exported(&site);
    let releases = server(fs_err::read(&file).unwrap());
    let other = elsewhere("iphone");
    let list = |kits: &str| {
        other.scene.write(
            "kits.json",
            format!(r#"{{"{}": {{{kits}}}, "0.0.1": {{}}}}"#, env!("CARGO_PKG_VERSION")),
        )
    };
    let entry = |file: &str, sha256: &str, bytes: u64| {
        format!(r#""iphone": {{"file": "{file}", "sha256": "{sha256}", "bytes": {bytes}}}"#)
    };
    let bytes = fs_err::metadata(&file).unwrap().len();
    let released = list(&entry("kit-iphone.tar.zst", &sha256, bytes));
    let run = |arguments: &[&str]| {
        call(&other, arguments)
            .env("MLC_PACKAGE_RELEASE_KITS", &released)
            .env("MLC_PACKAGE_RELEASES_URL", &releases)
    };
    // The plan knows where it will be, and asks nobody.
    let plan = || run(&["plan", "--format", "json"]).ok().json()["binding"].take();
    let before = plan();
    assert_eq!((&before["cache"], &before["reason"]), (&"miss".into(), &"download".into()));
    let address = format!("{releases}/v{}/kit-iphone.tar.zst", env!("CARGO_PKG_VERSION"));
    assert_eq!(before["from"], address);
    run(&["plan"]).ok().says(&format!("download {address}"));
    assert_eq!(other.kits().len(), 0);
    // Sources that are named are built.
    let built = run(&["plan", "--format", "json"]).env("MLC_LLM_SOURCE_DIR", "nowhere").ok().json();
    assert_eq!(built["binding"]["cache"], "impossible");
    run(&["build", "--offline"]).fails(11).says("does not let it be downloaded");
    run(&["build"]).ok().says("Downloading the kit");
    assert_eq!(bindings(&other), bindings(&site));
    let after = plan();
    assert_eq!(after["cache"], "hit");
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    let again = run(&["build", "--offline"]).ok();
    assert!(!again.stderr.contains("Downloading"), "{}", again.stderr);
    assert_eq!(other.leftovers(), [""; 0]);

    // A mirror may be a directory.
    let mirror = other.scene.root.join("mirror/v").to_string() + env!("CARGO_PKG_VERSION");
    fs_err::create_dir_all(&mirror).unwrap();
    fs_err::copy(site.scene.root.join("kit.tar.zst"), format!("{mirror}/kit-iphone.tar.zst"))
        .unwrap();
    fs_err::remove_dir_all(other.kits_dir()).unwrap();
    let from_mirror = run(&["build"])
        .env("MLC_PACKAGE_RELEASES_URL", format!("file://{}", other.scene.root.join("mirror")));
    from_mirror.ok().never_says("Downloading");

    // A list without one leaves what was imported; one that is no list is said.
    list("");
    run(&["build"]).fails(14).says("`xcrun`");
    call(&other, &["kit", "import", file.as_str()]).ok();
    run(&["build"]).ok();
    let lists = [
        entry("kit.tar.zst", "12", bytes),
        entry("../kit.tar.zst", &sha256, bytes),
        entry("a?b=c", &sha256, bytes),
        r#""iphone": {"file": "kit.tar.zst"}"#.to_owned(),
    ];
    for kits in lists {
        list(&kits);
        run(&["build"])
            .fails(13)
            .says("which MLC_PACKAGE_RELEASE_KITS names, cannot be used")
            .says("name the action/kits.json of a release");
    }
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_whole_iphone_package_comes_of_a_kit_on_linux() {
    let site = Site::new("iphone");
    site.xcode();
    site.build(&[]).ok();
    let (file, _) = exported(&site);
    let other = elsewhere("iphone");
    call(&other, &["build", "--kit", file.as_str()]).ok();
    assert_eq!(bindings(&other), bindings(&site));
    let android = elsewhere("android");
    call(&android, &["build", "--kit", file.as_str()])
        .fails(13)
        .says("it is for iphone, not for android")
        .says("name a kit for android");
    assert_eq!(android.kits().len(), 0);
}

/// An object that asks the linker to load a script of the kit, which has it take a file of the machine.
fn asking_object(site: &Site) -> Vec<u8> {
    let root = &site.scene.root;
    let source = site.scene.write(
        "asking.s",
        ".section .deplibs,\"MS\",@llvm_dependent_libraries,1\n.asciz \"sources/script\"\n",
    );
    let object = root.join("asking.o");
    assert_cmd::Command::new("clang")
        .args(["--target=aarch64-none-linux-android24", "-c", source.as_str(), "-o"])
        .arg(&object)
        .assert()
        .success();
    fs_err::read(object).unwrap()
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_has_the_linker_read_no_file_of_the_machine() {
    const SECRET: &str = "the contents of a private key";
    let site = Site::new("android");
    site.build(&[]).ok();
    let secret = site.scene.write("secret", SECRET);
    let script = format!("TARGET(binary) INPUT({secret})");
    let more = [("files/999-asking.o", asking_object(&site)), ("sources/script", script.into())];
    let named = |record: &mut serde_json::Value| {
        for (path, bytes) in &more {
            let digest = mlc_package::model::Digest::of(bytes).to_string();
            let file = serde_json::json!({"path": path, "bytes": bytes.len(), "digest": digest});
            record["files"].as_array_mut().unwrap().push(file);
        }
        let words = record["link"]["command"]["words"].as_array_mut().unwrap();
        words.push(serde_json::json!([{"kit": more[0].0}]));
    };

    // As a file that somebody sends.
    let (file, _) = exported(&site);
    let unpacked = zstd::decode_all(fs_err::File::open(&file).unwrap()).unwrap();
    let mut from = tar::Archive::new(unpacked.as_slice());
    let mut to = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        to.append_data(&mut header, path, bytes).unwrap();
    };
    for entry in from.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if path == "kit.json" {
            let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            named(&mut manifest["kit"]);
            bytes = serde_json::to_vec(&manifest).unwrap();
        }
        add(&path, &bytes);
    }
    for (path, bytes) in &more {
        add(path, bytes);
    }
    let packed = zstd::encode_all(to.into_inner().unwrap().as_slice(), 1).unwrap();
    let hostile = site.scene.write("hostile.tar.zst", packed);
    let other = elsewhere("android");
    call(&other, &["kit", "import", hostile.as_str()])
        .fails(13)
        .says("`files/999-asking.o` in it names libraries that the linker is to load")
        .says("`mlc-package kit export` did not write this");
    assert_eq!((other.kits().len(), other.leftovers()), (0, vec![]));

    // In a cache that somebody wrote to, the linker itself is told to load nothing.
    let [kit] = site.kits().try_into().unwrap();
    let mut record: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(kit.join("kit.json")).unwrap()).unwrap();
    named(&mut record);
    for (path, bytes) in &more {
        fs_err::write(kit.join(path), bytes).unwrap();
    }
    let record = serde_json::to_string(&record).unwrap();
    let seal = format!("{}\n", mlc_package::model::Digest::of(record.as_bytes()));
    fs_err::write(kit.join("kit.json"), record).unwrap();
    fs_err::write(kit.join("kit.digest"), seal).unwrap();
    site.build(&[]).ok().says("kit cached");
    let library = site.library();
    assert!(!library.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
}

/// The user nobody, and his group.
const NOBODY: u32 = 65534;
const SETPRIV: &str = "/usr/bin/setpriv";

/// The scene of another user, who has a home, a cache and a program of his own.
struct Other {
    site: Site,
}

impl Other {
    /// With libraries that are compiled already, so that nothing of root's is read but the kit.
    fn new() -> Self {
        let site = elsewhere("android");
        compiled(&site);
        let root = site.scene.root.clone();
        fs_err::copy(env!("CARGO_BIN_EXE_mlc-package"), root.join("bin/mlc-package")).unwrap();
        for entry in walkdir::WalkDir::new(&root) {
            std::os::unix::fs::lchown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Self { site }
    }

    fn call(&self, arguments: &[&str]) -> Call<'_> {
        let program = self.site.scene.root.join("bin/mlc-package");
        let ids = format!("--reuid {NOBODY} --regid {NOBODY} --clear-groups");
        let script = format!("shift; exec {SETPRIV} {ids} '{program}' \"$@\"");
        call(&self.site, arguments).through_shell(&script)
    }
}

/// Libraries that a config names are compiled by nobody.
fn compiled(site: &Site) {
    for (name, kind) in [("one", "android"), ("other", "other-android")] {
        site.scene.library(kind, &format!("app/{name}.tar"));
    }
    site.scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] =
            serde_json::json!({"one_layer": "one.tar", "other_layer": "other.tar"});
    });
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_travels_between_users_and_links_to_the_same_bytes() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    if !rustix::process::getuid().is_root() || !Utf8PathBuf::from(SETPRIV).is_file() {
        println!("not tested: only root may become another user, by setpriv");
        return;
    }
    let site = Site::new("android");
    compiled(&site);
    site.build(&[]).ok();
    let (file, sha256) = exported(&site);
    let readable = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&site.scene.root, readable).unwrap();

    let nobody = Other::new();
    nobody.call(&["build"]).fails(14).says("which the platform binding is built, are not named");
    let theirs = site.scene.cache();
    nobody
        .call(&["kit", "import", file.as_str(), "--cache-dir", theirs.as_str()])
        .fails(1)
        .says("cannot be written to");
    let imported = nobody.call(&["kit", "import", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(imported["sha256"], sha256);
    nobody.call(&["build"]).ok().says("kit cached");
    assert_eq!(bindings(&nobody.site), bindings(&site));
    for made in [nobody.site.scene.dist().join(LIBRARY), nobody.site.kits()[0].join("kit.json")] {
        assert_eq!(fs_err::metadata(&made).unwrap().uid(), NOBODY, "{made}");
    }

    // And back: what he exports is the same file, and links to the same library.
    let back = nobody.site.scene.root.join("home/back.tar.zst");
    let said = nobody.call(&["kit", "export", "-o", back.as_str(), "--format", "json"]).ok().json();
    assert_eq!(said["sha256"], sha256);
    let third = elsewhere("android");
    compiled(&third);
    call(&third, &["build", "--kit", back.as_str()]).ok().says("kit cached");
    assert_eq!(bindings(&third), bindings(&site));
}

/// A server that is busy at first, and then sends a file to whoever asks. Gives its address.
fn server(file: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let (status, body) = match n {
                0 => ("503 Service Unavailable", &b"busy"[..]),
                _ => ("200 OK", &file[..]),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    format!("http://{address}")
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_comes_from_a_server_by_its_digest() {
    let site = Site::new("iphone");
    site.xcode();
    site.build(&[]).ok();
    let (file, sha256) = exported(&site);
    let url = format!("{}/kit.tar.zst?signature=secret", server(fs_err::read(file).unwrap()));
    let other = elsewhere("iphone");
    let kit = format!("{url}#sha256={sha256}");
    let offline = call(&other, &["build", "--offline", "--kit", &kit]).fails(11);
    offline.says("`--offline` does not let it be downloaded").says("run it once without --offline");
    let wrong = format!("{url}#sha256={}", "0".repeat(64));
    let refused = call(&other, &["build", "--kit", &wrong]).fails(13).says("retrying in");
    assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    assert_eq!(other.kits().len(), 0);
    call(&other, &["build", "--kit", &kit]).ok().says("Downloading the kit http://127.0.0.1");
    assert_eq!(bindings(&other), bindings(&site));
    // It is in the cache now, and no server is asked.
    let again = call(&other, &["build", "--offline", "--kit", &kit]).ok();
    assert!(!again.stderr.contains("Downloading"), "{}", again.stderr);
    call(&other, &["build"]).fails(14).says("`xcrun`");
    assert_eq!(other.leftovers(), [""; 0]);
}

#[test]
fn a_kit_that_cannot_be_downloaded_ends_as_any_other_download() {
    let site = elsewhere("iphone");
    let answer = |head: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let _ = stream.write_all(head.as_bytes());
            }
        });
        format!("http://{address}/kit.tar.zst?signature=secret#sha256={}", "0".repeat(64))
    };
    for (head, why) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "the server answers 404"),
        // Nothing of it is read.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9999999999999\r\n\r\n",
            "kit.tar.zst: the answer is longer than 1073741824 bytes",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
            "which is not safe",
        ),
    ] {
        let run = call(&site, &["build", "--kit", &answer(head)]).fails(11).says(why);
        run.says("check the address").never_says("secret").never_says("digest");
        assert_eq!((site.kits().len(), site.leftovers()), (0, vec![]));
    }
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_of_each_processor_of_mac_catalyst_is_exported_by_its_name() {
    let one = |site: &Site| {
        site.scene.configure(|config| config["model_list"] = serde_json::json!([entry("one")]));
    };
    let site = Site::new("macabi");
    site.xcode();
    one(&site);
    for arch in ["arm64", "x86_64"] {
        site.build(&[]).env("MLC_MACABI_ARCH", arch).ok();
    }
    let file = site.scene.root.join("kit.tar.zst");
    let export = |arch: &str| {
        site.call(&["kit", "export", "-o", file.as_str(), "--format", "json"])
            .env("MLC_MACABI_ARCH", arch)
    };
    export("")
        .fails(2)
        .says("macabi-arm64")
        .says("macabi-x86_64")
        .says("name the processor in MLC_MACABI_ARCH");
    export("arm").fails(2).says("expected one of arm64, x86_64");
    for arch in ["arm64", "x86_64"] {
        assert_eq!(export(arch).ok().json()["inputs"]["MLC_MACABI_ARCH"], arch);
    }
    let other = elsewhere("macabi");
    one(&other);
    call(&other, &["build", "--kit", file.as_str()])
        .fails(13)
        .says("it is for macabi-x86_64, not for macabi-arm64");
    call(&other, &["build", "--kit", file.as_str()]).env("MLC_MACABI_ARCH", "x86_64").ok();
}
