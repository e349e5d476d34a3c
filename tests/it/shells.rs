//! What bash, zsh and fish offer once they have read the script of `completions`.

use std::process::Command;

use serde_json::json;

use crate::scene::Scene;

/// The words that a shell offers for what is typed. Each shell is asked by its own means: bash's
/// function is called as Readline calls it, zsh completes at a terminal, fish has `complete -C`.
const BASH: &str = r#"
source <("$PROGRAM" completions bash)
COMP_LINE=$LINE
read -ra COMP_WORDS <<<"$LINE"
[[ $LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_POINT=${#COMP_LINE} COMP_TYPE=9
complete -p mlc-package >/dev/null || exit 1
_clap_complete_mlc_package mlc-package "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;
const FISH: &str = r#"
$PROGRAM completions fish | source
complete --do-complete $LINE | string replace --regex '\t.*' ''
"#;
/// A second zsh at a pseudo-terminal completes, and what it would list is caught in `compadd`.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty -b inner zsh -f -i
zpty -w inner "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D"
zpty -w inner "source <($PROGRAM completions zsh)"
zpty -w inner 'compadd() { local -a found; builtin compadd -A found "$@"; print -rl -- $found >>$CAUGHT; builtin compadd "$@" }'
zpty -w inner 'print -n >>$CAUGHT; finish() { print DONE >>$CAUGHT }; zle -N finish; bindkey ^X finish'
zpty -w inner "print READY >>\$CAUGHT"
while ! grep -q READY $CAUGHT 2>/dev/null; do sleep 0.05; done
zpty -n -w inner "$LINE"$'\t\x18'
while ! grep -q DONE $CAUGHT; do sleep 0.05; done
grep -v -e READY -e DONE $CAUGHT
"#;

fn offered(scene: &Scene, shell: &str, line: &str) -> Vec<String> {
    let (script, arguments) = match shell {
        "bash" => (BASH, vec!["--norc", "-c"]),
        "zsh" => (ZSH, vec!["-f", "-c"]),
        _ => (FISH, vec!["--no-config", "-c"]),
    };
    let program = camino::Utf8Path::new(env!("CARGO_BIN_EXE_mlc-package"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the program here is the shell")]
    let mut command = Command::new(shell);
    let output = command
        .args(arguments)
        .arg(script)
        .env_clear()
        .envs([("PATH", &*path), ("PROGRAM", "mlc-package"), ("LINE", line)])
        .envs([("HOME", scene.root.join("home").as_str()), ("TERM", "dumb")])
        .env("CAUGHT", scene.root.join("tmp").join(line.replace([' ', '/'], "_")))
        .current_dir(scene.app())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("scripts/setup-tools.sh installs zsh and fish");
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.split(':').next().unwrap_or(word).to_owned()).collect()
}

#[test]
fn each_shell_completes_verbs_options_values_and_the_names_of_a_project() {
    let scene = Scene::new("android");
    let project = json!({"packages": [
        {"name": "phone", "config": "mlc-package-config.json", "output": "dist"},
    ]});
    fs_err::write(scene.app().join("mlc-package.yml"), project.to_string()).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        for (line, expected) in [
            ("mlc-package che", "check"),
            ("mlc-package build --link", "--link-mode"),
            ("mlc-package build --link-mode re", "reflink"),
            ("mlc-package cache li", "list"),
            ("mlc-package doctor --device an", "android"),
            ("mlc-package compile --device we", "webgpu"),
            ("mlc-package build --linker rust", "rust-lld"),
            ("mlc-package try --container-engine ne", "nerdctl"),
            ("mlc-package try --device vu", "vulkan"),
            ("mlc-package convert --quantization q4bf16_", "q4bf16_0"),
            ("mlc-package convert --conv-template llama-3", "llama-3"),
            ("mlc-package build --only ot", "other-q0f16"),
            ("mlc-package plan --package ph", "phone"),
            ("mlc-package check mlc-package-c", "mlc-package-config.json"),
        ] {
            let words = offered(&scene, shell, line);
            assert!(words.iter().any(|word| word == expected), "{shell}: {line}: {words:?}");
        }
        // No names of files where a word is meant.
        for line in ["mlc-package compile --device m", "mlc-package build --only m"] {
            let words = offered(&scene, shell, line);
            assert!(!words.iter().any(|word| word.starts_with("mlc-p")), "{shell}: {words:?}");
        }
    }
}
