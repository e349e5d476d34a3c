use crate::doctor::facts::{Facts, Xcode};
use crate::doctor::finding::{APPLE, About, BINDING, BOTH, COMPILE, Finding};
use crate::doctor::required::XCODE_METAL_APART;
use crate::doctor::version;
use crate::model::{Device, Metal, MetalChoice};

const SELECT: &str = "install Xcode from the App Store, then `sudo xcode-select --switch \
                      /Applications/Xcode.app/Contents/Developer`";

pub(super) fn apple(facts: &Facts, choice: MetalChoice) -> Vec<Finding> {
    match &facts.xcode {
        Some(xcode) => with_xcode(xcode, choice),
        None => vec![
            About::new("macos", APPLE, BINDING).problem(
                "this is not macOS: the runtime's static libraries are built with Xcode",
                "use a kit with --kit, or build them on a Mac (`runs-on: macos-latest` in a workflow); \
                 with --no-binding everything else is made here: model libraries, archive, bundles, \
                 app config",
            ),
            metal(
                choice,
                "there is no `xcrun metal` here",
                "compile on a Mac, or store the kernels as source with `--metal source`",
            ),
        ],
    }
}

/// Where `xcrun metal` does not run: source does without it, unless a metallib is asked for.
fn metal(choice: MetalChoice, why: &str, remedy: &str) -> Finding {
    let about = About::new("metal", APPLE, COMPILE);
    match choice {
        MetalChoice::Source => about.ok(Metal::SOURCE_NOTE),
        MetalChoice::Auto => about.ok(format!("{why}; {}", Metal::SOURCE_NOTE)),
        MetalChoice::Metallib => about.problem(why, remedy),
    }
}

fn with_xcode(xcode: &Xcode, choice: MetalChoice) -> Vec<Finding> {
    let about = About::new("xcode", APPLE, BOTH);
    let dir = match xcode.developer_dir.as_deref() {
        None => return vec![about.problem("no Xcode is selected: `xcrun` finds nothing", SELECT)],
        Some(dir) if dir.contains("CommandLineTools") => {
            let message = format!(
                "only the command line tools are selected (`{dir}`): a full Xcode is needed"
            );
            return vec![about.problem(message, SELECT)];
        }
        Some(dir) => dir,
    };
    let Some(says) = xcode.version.as_deref() else {
        let message = format!("the Xcode in `{dir}` does not run");
        return vec![
            about.problem(message, "sudo xcodebuild -license accept && xcodebuild -runFirstLaunch"),
        ];
    };
    let major = version::in_line(says).and_then(|numbers| numbers.first().copied());
    let sdk = About::new("iphone-sdk", &[Device::Iphone], BINDING);
    vec![
        about.ok(format!("{says} in {dir}")),
        if xcode.has_iphone_sdk {
            sdk.ok("the iPhone SDK is there")
        } else {
            sdk.problem("Xcode has no iPhone SDK", "xcodebuild -downloadPlatform iOS")
        },
        if xcode.metal_runs && choice != MetalChoice::Source {
            About::new("metal", APPLE, COMPILE).ok("`xcrun metal` runs")
        } else if major.is_none_or(|major| major >= XCODE_METAL_APART) {
            metal(
                choice,
                "`xcrun metal` does not run: the Metal toolchain is a download of its own since \
                 Xcode 26 (`xcodebuild -downloadComponent MetalToolchain`)",
                "xcodebuild -downloadComponent MetalToolchain",
            )
        } else {
            metal(choice, "`xcrun metal` does not run", SELECT)
        },
    ]
}
