use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{LinkPlaces, NewPlaces, ReadCommand, page_size, read};

const MODEL: &str = "/b/build/lib/libmodel_android.a";

fn read_at_b(text: &str) -> Result<ReadCommand, String> {
    let files = ["main.o", "mlc/libmlc.a", "lib/libmodel_android.a", "out.so", "map.txt"];
    let is_file = |path: &Utf8Path| {
        let inside = path.strip_prefix("/b/build").map(Utf8Path::as_str).unwrap_or_default();
        files.contains(&inside) || path == "/else where/libextra.a"
    };
    let places = LinkPlaces {
        build: Utf8Path::new("/b/build"),
        passing: &["/b/build".into(), "/src/mlc-llm".into()],
        ndk: &["/opt/ndk 27".into(), "/real/ndk".into()],
        model: Utf8Path::new(MODEL),
        is_file: &is_file,
        is_dir: &|path| path == "/b/build/mlc" || path == "/src/mlc-llm/lib",
    };
    read(text, &places)
}

fn elsewhere(read: &ReadCommand) -> Vec<String> {
    let places = NewPlaces {
        ndk: Utf8Path::new("/ndk"),
        kit: Utf8Path::new("/kit"),
        model: Utf8Path::new("/m.a"),
        output: Utf8Path::new("/o.so"),
    };
    // As another process reads it back.
    let text = serde_json::to_string(&read.command).unwrap();
    let command: super::LinkCommand = serde_json::from_str(&text).unwrap();
    let (program, arguments) = command.at(&places).unwrap();
    std::iter::once(program).chain(arguments).collect()
}

#[test]
fn what_ninja_prints_runs_anywhere() {
    let text = r#": && '/opt/ndk 27/bin/clang++' --sysroot='/opt/ndk 27/sysroot' -fPIC "-O3" -shared
        -Xlinker --dependency-file=CMakeFiles/x.dir/link.d -Wl,-soname,out.so -o out.so main.o
        -L/real/ndk/lib -L/usr/lib -Wl,--version-script,map.txt -llog -Wl,--whole-archive
        mlc/libmlc.a lib/libmodel_android.a -Wl,--no-whole-archive mlc/libmlc.a
        '/else where/libextra.a' -Wl,--dependency-file=y.d && :"#;
    let read = read_at_b(&text.replace('\n', " ")).unwrap();
    let files: Vec<_> = read.files.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(
        files,
        [
            ("/b/build/main.o", "files/000-main.o"),
            ("/b/build/map.txt", "files/001-map.txt"),
            ("/b/build/mlc/libmlc.a", "files/002-libmlc.a"),
            ("/else where/libextra.a", "files/003-libextra.a"),
        ]
    );
    assert_eq!(read.command.needs, ["/usr/lib"]);
    assert_eq!(
        elsewhere(&read),
        [
            "/ndk/bin/clang++",
            "--sysroot=/ndk/sysroot",
            "-fPIC",
            "-O3",
            "-shared",
            "-Wl,-soname,out.so",
            "-o",
            "/o.so",
            "/kit/files/000-main.o",
            "-L/ndk/lib",
            "-L/usr/lib",
            "-Wl,--version-script,/kit/files/001-map.txt",
            "-llog",
            "-Wl,--whole-archive",
            "/kit/files/002-libmlc.a",
            "/m.a",
            "-Wl,--no-whole-archive",
            "/kit/files/002-libmlc.a",
            "/kit/files/003-libextra.a",
            "-Wl,-z,max-page-size=16384",
        ]
    );
    assert_eq!(read.command.files().count(), 5);
}

#[test]
fn large_pages_are_asked_for_once() {
    for (flag, pages) in [
        ("", 1),
        ("-Wl,-z,max-page-size=16384", 1),
        ("-Wl,-z,max-page-size=0x10000", 1),
        ("-Wl,-z,max-page-size=4096", 2),
    ] {
        let read = read_at_b(&format!("/opt/ld {flag} -o out.so {MODEL}")).unwrap();
        let words = elsewhere(&read);
        let sizes: Vec<_> = words.iter().filter_map(|word| page_size(word)).collect();
        assert_eq!(sizes.len(), pages, "{words:?}");
        assert!(*sizes.last().unwrap() >= 16384, "{words:?}");
    }
}

#[test]
fn what_cannot_be_run_elsewhere_is_refused_with_the_reason() {
    for (text, why) in [
        ("", "it runs nothing"),
        (": && :", "it runs nothing"),
        ("/ld -o out.so lib/libmodel_android.a && /strip out.so", "it also runs `/strip out.so`"),
        ("cd x && /ld -o out.so lib/libmodel_android.a", "it also runs"),
        ("/ld -o out.so lib/libmodel_android.a | cat", "it has a `|`"),
        ("/ld 'unfinished", "it is not as a shell would read it"),
        ("/ld main.o lib/libmodel_android.a", "it names no output"),
        ("/ld -o out.so main.o", "it does not link `/b/build/lib/libmodel_android.a`"),
        ("ld -o out.so lib/libmodel_android.a", "it runs `ld`, wherever that is"),
        ("/ld -o out.so -Lmlc lib/libmodel_android.a", "it searches `/b/build/mlc`"),
        (
            "/ld -o out.so -L/src/mlc-llm/lib lib/libmodel_android.a",
            "it searches `/src/mlc-llm/lib`",
        ),
        ("/ld -o out.so @main.o lib/libmodel_android.a", "its arguments are in `main.o`"),
    ] {
        let error = read_at_b(text).unwrap_err();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}

#[test]
fn a_kit_runs_nothing_but_a_linker_of_the_ndk() {
    let refusal = |program: &str, flag: &str| {
        let text = format!("'{program}' {flag} -o out.so {MODEL}");
        read_at_b(&text).unwrap().command.refusal()
    };
    let clang = "/opt/ndk 27/toolchains/llvm/prebuilt/linux-x86_64/bin/clang++";
    let flags = "-O3 -fuse-ld=lld -Wl,-Bsymbolic '-B/opt/ndk 27/bin' -Wl,--build-id=sha1 -Qunused";
    assert_eq!(refusal(clang, flags), None);
    assert_eq!(refusal("/opt/ndk 27/bin/aarch64-linux-android24-clang", ""), None);
    for program in ["/bin/sh", "/tmp/clang++", "/opt/ndk 27/bin/python3"] {
        assert!(refusal(program, "").is_some(), "{program}");
    }
    for flag in [
        "-fuse-ld=/tmp/evil",
        "--ld-path=/tmp/evil",
        "-B/tmp",
        "--prefix=/tmp",
        "-fplugin=/tmp/evil.so",
        "-Xclang",
        "-Wl,--load-pass-plugin=/tmp/evil.so",
        "-Wl,-mllvm,-load=/tmp/evil.so",
        "-Wl,-Map=/home/me/.bashrc",
        "-Wl,-o,/home/me/.bashrc",
        "-o/home/me/.bashrc",
        "@/tmp/words",
        "-Wl,@/tmp/words",
        "--config=/tmp/x",
        "-ccc-install-dir",
        "'-B/opt/ndk 27/../../tmp'",
    ] {
        assert!(refusal(clang, flag).is_some(), "{flag}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = read_at_b(&text);
    }

    #[test]
    fn flags_come_back_as_they_were(flags in prop::collection::vec("-[a-z]{1,3}[A-Za-z0-9,=+ '\"$-]{0,12}", 0..8)) {
        let flags: Vec<_> = flags.into_iter().filter(|flag| flag != "-o").collect();
        let words = ["/ld".to_owned(), "-o".to_owned(), "out.so".to_owned(), MODEL.to_owned()];
        let words: Vec<_> = words.into_iter().chain(flags.clone()).collect();
        let text = shlex::try_join(words.iter().map(String::as_str)).unwrap();
        let read = read_at_b(&text).unwrap();
        let expected: Vec<_> = ["/ld", "-o", "/o.so", "/m.a"].map(str::to_owned).into_iter()
            .chain(flags).chain(["-Wl,-z,max-page-size=16384".to_owned()]).collect();
        assert_eq!(elsewhere(&read), expected);
        assert_eq!(read.files.keys().cloned().collect::<Vec<Utf8PathBuf>>(), Vec::<Utf8PathBuf>::new());
    }
}
