//! What a person reads on a terminal: messages that fit it.

use std::io::Read as _;
use std::process::{Child, Stdio};

use rustix::pty;
use rustix::termios::Winsize;
use serde_json::json;

use crate::call::Call;
use crate::scene::Scene;

/// What a run says on a terminal of so many columns.
fn read_on(columns: u16, call: Call<'_>) -> String {
    on_terminal(columns, |terminal| call.spawn_on(Stdio::piped(), terminal))
}

/// The result of a run on such a terminal.
fn result_on(columns: u16, call: Call<'_>) -> String {
    on_terminal(columns, |terminal| call.spawn_on(terminal, Stdio::null()))
}

fn on_terminal(columns: u16, spawn: impl FnOnce(Stdio) -> Child) -> String {
    let terminal = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&terminal).unwrap();
    pty::unlockpt(&terminal).unwrap();
    let name = pty::ptsname(&terminal, Vec::new()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let open = fs_err::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap());
    let mut child = spawn(Stdio::from(open.unwrap().into_parts().0));
    let mut said = Vec::new();
    // It ends with an error when nobody has the other end any more.
    let _ = fs_err::File::from_parts(terminal.into(), "terminal").read_to_end(&mut said);
    child.wait().unwrap();
    String::from_utf8(said).unwrap().replace('\r', "")
}

#[test]
fn errors_about_weights_fit_a_narrow_terminal() {
    let scene = Scene::with_models("android", &["one"]);
    let cache = "app/models/one/tensor-cache.json";
    let mut tensors = scene.json(cache);
    let tensor = &mut tensors["records"][0]["records"][0];
    tensor["shape"] = json!([8, 32]);
    let mut more = tensor.clone();
    more["name"] = "model.layers.0.self_attn.qkv_proj.q_weight".into();
    more["nbytes"] = 0.into();
    tensors["records"][0]["records"].as_array_mut().unwrap().push(more);
    scene.write(cache, tensors.to_string());
    let said = read_on(60, scene.build(&["--quiet"]));
    // How long the path is differs from run to run, and so does where its line ends.
    let (_, said) = said.split_once("tensor-cache.json`").unwrap();
    insta::assert_snapshot!(said);
    assert!(said.lines().all(|line| line.chars().count() <= 60), "{said}");
}

/// Results of every kind.
fn results(scene: &Scene) -> Vec<Vec<&'static str>> {
    scene.build(&[]).ok();
    let verbs: [&[&str]; 8] = [
        &["build", "--no-binding"],
        &["plan"],
        &["report", "--manifest", "dist"],
        &["check"],
        &["doctor"],
        &["cache", "list"],
        &["cache", "verify"],
        &["explain", "ndk"],
    ];
    verbs.map(<[_]>::to_vec).into()
}

#[test]
fn results_have_colours_on_a_terminal_and_the_same_words() {
    let scene = Scene::new("android");
    let strip = |text: &str| anstream::adapter::strip_str(text).to_string();
    for verb in results(&scene) {
        let shown = |term: &str, name: &str, value: &str| {
            result_on(80, scene.call(&verb).env("TERM", term).env(name, value))
        };
        let coloured = shown("xterm-256color", "LANG", "C");
        assert!(coloured.contains("\u{1b}["), "{verb:?}: {coloured}");
        assert!(coloured.contains("\u{1b}[0m"), "{verb:?}: {coloured}");
        let plain = shown("xterm-256color", "NO_COLOR", "1");
        assert!(!plain.contains('\u{1b}'), "{verb:?}: {plain}");
        assert!(!shown("dumb", "LANG", "C").contains('\u{1b}'), "{verb:?}");
        // What `build` says of its own time differs.
        if verb[0] != "doctor" {
            assert_eq!(strip(&coloured), plain, "{verb:?}");
        }
    }
    // Headings are bold, and a word says by its colour how good it is.
    let plan = result_on(80, scene.call(&["plan"]).env("TERM", "xterm"));
    assert!(plan.contains("\u{1b}[1mlibrary\u{1b}[0m"), "{plan}");
    assert!(plan.contains("\u{1b}[1m\u{1b}[32mcached\u{1b}[0m"), "{plan}");
}

#[test]
fn off_a_terminal_results_have_colours_for_who_asks() {
    let scene = Scene::new("android");
    for verb in results(&scene) {
        let has = |variables: &[(&str, &str)], more: &[&str]| {
            let call = scene.call(&[&verb[..], more].concat());
            let call = variables.iter().fold(call, |call, (name, value)| call.env(name, value));
            let run = call.run();
            assert!(matches!(run.status.code(), Some(0 | 14)), "{}", run.shown());
            run.stdout.contains('\u{1b}')
        };
        assert!(!has(&[], &[]), "{verb:?}");
        assert!(has(&[("FORCE_COLOR", "1")], &[]), "{verb:?}");
        assert!(has(&[("CLICOLOR_FORCE", "1")], &[]), "{verb:?}");
        assert!(has(&[], &["--color", "always"]), "{verb:?}");
        assert!(has(&[("NO_COLOR", "1")], &["--color", "always"]), "{verb:?}");
        assert!(!has(&[("FORCE_COLOR", "0")], &[]), "{verb:?}");
        assert!(!has(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], &[]), "{verb:?}");
        assert!(!has(&[("FORCE_COLOR", "1")], &["--color", "never"]), "{verb:?}");
    }
    // Neither programs nor files are shown any.
    let json = scene.plan(&["--format", "json"]).env("FORCE_COLOR", "1").ok();
    assert_eq!(json.json()["schema"], 1);
    let report = ["report", "--manifest", "dist", "-o", "report.txt"];
    scene.call(&report).env("FORCE_COLOR", "1").ok();
    assert!(!scene.read("app/report.txt").contains('\u{1b}'));
    assert!(scene.call(&["--help"]).env("FORCE_COLOR", "1").ok().stdout.contains('\u{1b}'));
}
