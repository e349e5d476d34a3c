use crate::doctor::facts::{Facts, Xcode};
use crate::doctor::finding::{APPLE, About, BINDING, BOTH, COMPILE, Finding};
use crate::doctor::required::XCODE_METAL_APART;
use crate::doctor::version;
use crate::model::Device;

const SELECT: &str = "install Xcode from the App Store, then `sudo xcode-select --switch \
                      /Applications/Xcode.app/Contents/Developer`";

pub(super) fn apple(facts: &Facts) -> Vec<Finding> {
    match &facts.xcode {
        Some(xcode) => with_xcode(xcode),
        None => vec![
            About::new("macos", APPLE, BINDING).problem(
                "this is not macOS: the static libraries for Apple are built with Xcode",
                "run this on a Mac, `runs-on: macos-latest` for instance; --no-binding does \
                 without them",
            ),
            About::new("metal", APPLE, COMPILE).warning(
                "there is no `xcrun metal` here, which MLC LLM's own compiler calls",
                "compile on a Mac, and carry the cache or prepared libraries here",
            ),
        ],
    }
}

fn with_xcode(xcode: &Xcode) -> Vec<Finding> {
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
    let metal = About::new("metal", APPLE, COMPILE);
    vec![
        about.ok(format!("{says} in {dir}")),
        if xcode.has_iphone_sdk {
            sdk.ok("the iPhone SDK is there")
        } else {
            sdk.problem("Xcode has no iPhone SDK", "xcodebuild -downloadPlatform iOS")
        },
        if xcode.metal_runs {
            metal.ok("`xcrun metal` runs")
        } else if major.is_none_or(|major| major >= XCODE_METAL_APART) {
            metal.problem(
                "`xcrun metal` does not run: the Metal toolchain is a download of its own since \
                 Xcode 26",
                "xcodebuild -downloadComponent MetalToolchain",
            )
        } else {
            metal.problem("`xcrun metal` does not run", SELECT)
        },
    ]
}
