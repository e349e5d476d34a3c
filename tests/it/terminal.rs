//! What a person reads on a terminal: messages that fit it.

use std::io::Read as _;
use std::process::Stdio;

use rustix::pty;
use rustix::termios::Winsize;
use serde_json::json;

use crate::call::Call;
use crate::scene::Scene;

/// What a run says on a terminal of so many columns.
fn read_on(columns: u16, call: Call<'_>) -> String {
    let terminal = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&terminal).unwrap();
    pty::unlockpt(&terminal).unwrap();
    let name = pty::ptsname(&terminal, Vec::new()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let open = fs_err::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap());
    let mut child = call.spawn_on(Stdio::from(open.unwrap().into_parts().0));
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
