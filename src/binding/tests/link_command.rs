use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{LinkPlaces, NewPlaces, ReadCommand, expanded, only_command, page_size, read};

const MODEL: &str = "/b/build/lib/libmodel_android.a";

fn read_at_b(text: &str) -> Result<ReadCommand, String> {
    read(&shlex::split(text).ok_or("no words")?, &places()).map_err(|error| error.to_string())
}

fn places() -> LinkPlaces<'static> {
    LinkPlaces { build: Utf8Path::new("/b/build"), model: Utf8Path::new(MODEL), read: &contents }
}

fn contents(path: &Utf8Path) -> Option<Vec<u8>> {
    let contents: &[u8] = match path.as_str() {
        "/b/build/main.o" | "/ndk/lib/libc.so" | "/ndk/crtend_so.o" => b"\x7fELF",
        "/b/build/mlc/libmlc.a" | MODEL | "/ndk/lib/libc.a" | "/else where/libextra.a" => {
            b"!<arch>\n"
        }
        "/ndk/lib/libc++_static.a" | "/ndk/lib/libc++abi.a" => b"!<arch>\n",
        "/ndk/lib/libc++.a" => b"INPUT(-lc++_static -lc++abi)",
        "/ndk/lib/liblog.so" => b"/* nothing */",
        "/ndk/lib/libloop.so" => b"INPUT(-lloop)",
        "/b/build/map.txt" => b"{ global: *; };",
        "/b/build/thin.a" => b"!<thin>\n",
        "/b/build/lto.o" => b"BC\xc0\xde",
        "/b/lib/libc.so" => b"\x7fELF other",
        _ => return None,
    };
    Some(contents.to_vec())
}

fn elsewhere(read: &ReadCommand) -> Vec<String> {
    let places = NewPlaces {
        kit: Utf8Path::new("/kit"),
        model: Utf8Path::new("/m.a"),
        output: Utf8Path::new("/o.so"),
    };
    // As another process reads it back.
    let text = serde_json::to_string(&read.command).unwrap();
    let command: super::LinkCommand = serde_json::from_str(&text).unwrap();
    assert_eq!(command.refusal(), None);
    command.at(&places)
}

#[test]
fn what_clang_prints_is_read() {
    let text = "Android clang version 18.0.1\nTarget: aarch64\n \"/ndk/bin/ld.lld\" \"-soname\" \
                \"a \\\"b\\\" \\$c\\\\\" \"\" \"x.o\"\n";
    assert_eq!(expanded(text).unwrap(), ["-soname", "a \"b\" $c\\", "", "x.o"]);
    for (text, why) in [
        ("clang version 18", "the compiler would run 0 programs"),
        (" \"/ld.lld\" \"a\"\n \"/strip\"", "the compiler would run 2 programs"),
        (" \"/ld.lld\" \"a", "the compiler's words for it have no end"),
        (" \"/ld.lld\" a", "the compiler's words for it are not quoted"),
        (" \"/usr/bin/ld.gold\" \"a\"", "it is not linked by lld but by `/usr/bin/ld.gold`"),
    ] {
        let error = expanded(text).unwrap_err().to_string();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}

#[test]
fn what_lld_is_told_can_be_told_anywhere() {
    let read = read_at_b(
        "--sysroot=/ndk -EL -z max-page-size=4096 --hash-style=gnu --build-id=sha1 -m aarch64linux \
         -shared -o out.so main.o -L/nowhere -L=lib -L /b/lib -soname out.so \
         --version-script map.txt -Bstatic -lc++ -Bdynamic -llog -l c --whole-archive mlc/libmlc.a \
         lib/libmodel_android.a --no-whole-archive mlc/libmlc.a '/else where/libextra.a' \
         --dependency-file=y.d --push-state -Bstatic -lc --pop-state --dependency-file x.d \
         /ndk/crtend_so.o",
    )
    .unwrap();
    let files: Vec<_> = read.files.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(
        files,
        [
            ("/b/build/main.o", "files/000-main.o"),
            ("/b/build/map.txt", "files/001-map.txt"),
            ("/b/build/mlc/libmlc.a", "files/005-libmlc.a"),
            ("/else where/libextra.a", "files/006-libextra.a"),
            ("/ndk/crtend_so.o", "files/008-crtend_so.o"),
            ("/ndk/lib/libc++_static.a", "lib/libc++_static.a"),
            ("/ndk/lib/libc++abi.a", "lib/libc++abi.a"),
            ("/ndk/lib/libc.a", "lib/libc.a"),
            ("/ndk/lib/libc.so", "lib/libc.so"),
        ]
    );
    let expected = "-o /o.so -L/kit/lib -EL -z max-page-size=4096 --hash-style=gnu --build-id=sha1 \
                    -m aarch64linux -shared /kit/files/000-main.o -soname out.so \
                    --version-script=/kit/files/001-map.txt -Bstatic -l:libc++_static.a \
                    -l:libc++abi.a -Bdynamic -l:libc.so --whole-archive /kit/files/005-libmlc.a \
                    /m.a --no-whole-archive /kit/files/005-libmlc.a /kit/files/006-libextra.a \
                    --push-state -Bstatic -l:libc.a --pop-state /kit/files/008-crtend_so.o \
                    -z max-page-size=16384";
    assert_eq!(elsewhere(&read).join(" "), expected);
    assert_eq!(read.command.files().filter(|(_, is_input)| *is_input).count(), 9);
}

#[test]
fn large_pages_are_asked_for_once() {
    for (flag, pages) in [
        ("", 1),
        ("-z max-page-size=16384", 1),
        ("-zmax-page-size=0x10000", 1),
        ("-z max-page-size=4096", 2),
        ("-z max-page-size=16384 -z max-page-size=4096", 3),
    ] {
        let words = elsewhere(&read_at_b(&format!("{flag} -o out.so {MODEL}")).unwrap());
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
        ("/ld -o out.so x.a && /strip out.so", "it also runs `/strip out.so`"),
        ("cd x && /ld -o out.so", "it also runs"),
        ("/ld -o out.so lib/libmodel_android.a | cat", "it has a `|`"),
        ("/ld 'unfinished", "it is not as a shell would read it"),
    ] {
        let error = only_command(text).unwrap_err().to_string();
        assert!(error.starts_with(why), "{text}: {error}");
    }
    for (text, why) in [
        ("main.o", "it does not link `/b/build/lib/libmodel_android.a`"),
        ("absent.o", "there is no `/b/build/absent.o`"),
        ("-L/ndk/lib -labsent", "there is no library `absent`"),
        ("-lc", "there is no library `c`"),
        ("-L/ndk/lib -lloop", "`/ndk/lib/libloop.so` is a script for the linker: it names itself"),
        ("thin.a", "`/b/build/thin.a` is a thin archive"),
        ("lto.o", "`/b/build/lto.o` is LLVM bitcode"),
        ("@main.o", "its arguments are in `@main.o`"),
        ("-L/ndk/lib -lc -l:libc.so -L/b/lib /b/lib/libc.so", "it does not link"),
    ] {
        let error = read_at_b(text).unwrap_err();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}

#[test]
fn a_linker_is_asked_for_nothing_but_to_link() {
    for flag in [
        "--error-handling-script=/tmp/evil",
        "--load-pass-plugin=/tmp/evil.so",
        "-plugin /tmp/evil.so",
        "-plugin-opt=/tmp/x",
        "-mllvm -load=/tmp/evil.so",
        "-Map=/home/me/.bashrc",
        "-Map /home/me/.bashrc",
        "--reproduce=/home/me/x",
        "--lto-obj-path=/home/me/x",
        "-lto-obj-path=/home/me/x",
        "--print-archive-stats=/home/me/x",
        "--why-extract=/home/me/x",
        "--time-trace",
        "--save-temps",
        "-T main.o",
        "--script=main.o",
        "--chroot=/",
        "--soname=@/tmp/words",
        "--soname=../lib.so",
        "-soname -Map=/home/me/x",
        "-rpath /home/me",
        "--rpath=$ORIGIN/..",
        "--dynamic-linker=/tmp/evil",
        "--wrap=malloc",
        "--defsym=malloc=evil",
        "--entry=evil",
        "-init evil",
        "-u evil",
        "--plugin-opt=mcpu=x",
        "-z origin",
        "-zinterpose",
        "-z max-page-size=16384,origin",
        "-m elf_x86_64",
        "--hash-style=@main.o",
        "--build-id=uuid",
        "--exclude-libs=../x",
        "--dependent-libraries",
        "--dynamic-list=main.o",
        "@main.o",
        "--never-heard-of",
    ] {
        let Err(why) = read_at_b(&format!("{flag} -o out.so {MODEL}")) else {
            panic!("{flag} is kept");
        };
        let name = flag.split(' ').next().unwrap();
        assert!(why.contains(name.strip_prefix("-l").unwrap_or(name)), "{flag}: {why}");
        // As a stranger's kit has it.
        let words: Vec<_> = flag.split(' ').map(|word| vec![super::text(word)]).collect();
        let why = super::LinkCommand { words }.refusal().unwrap();
        assert!(why.contains(name.strip_prefix("-l").unwrap_or(name)), "{flag}: {why}");
    }
}

#[test]
fn what_the_ndk_has_a_linker_do_is_kept() {
    for flags in [
        "-EL --fix-cortex-a53-843419 -z now -z relro -z max-page-size=4096 --hash-style=gnu \
         --enable-new-dtags --eh-frame-hdr -m aarch64linux -shared",
        "-z noexecstack --build-id=sha1 --no-rosegment --no-undefined-version --fatal-warnings \
         --no-undefined --gc-sections --warn-shared-textrel -soname libtvm4j_runtime_packed.so",
        "--exclude-libs libgcc.a --exclude-libs=libunwind.a,libx.a --pack-dyn-relocs=android+relr \
         --use-android-relr-tags --icf=safe -O2 --as-needed --start-group --end-group",
    ] {
        let read = read_at_b(&format!("{flags} -o out.so {MODEL}")).unwrap();
        assert_eq!(read.command.refusal(), None);
        let words = elsewhere(&read).join(" ");
        assert!(words.contains(flags), "{words}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = only_command(&text);
        let _ = expanded(&text);
        let _ = read_at_b(&text);
    }

    #[test]
    fn words_come_back_as_they_were(words in prop::collection::vec("[A-Za-z0-9,=+ '\"$\\\\-]{0,12}", 1..8)) {
        let quoted: String = words.iter().map(|word| {
            format!(" \"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
        }).collect();
        assert_eq!(expanded(&format!(" \"/ld.lld\"{quoted}")).unwrap(), words);
    }

    #[test]
    fn inputs_keep_their_order(order in prop::collection::vec(0..3usize, 0..6)) {
        let inputs = ["main.o", "mlc/libmlc.a", "/ndk/crtend_so.o"];
        let words: Vec<_> = order.iter().map(|n| inputs[*n].to_owned()).chain([MODEL.to_owned()]).collect();
        let read = read(&words, &places()).unwrap();
        let names: Vec<_> = elsewhere(&read).into_iter().filter(|word| word.starts_with("/kit/files"))
            .map(|word| word.split_once('-').unwrap().1.to_owned()).collect();
        let expected: Vec<_> = order.iter().map(|n| Utf8PathBuf::from(inputs[*n]).file_name().unwrap().to_owned()).collect();
        assert_eq!(names, expected);
    }
}
