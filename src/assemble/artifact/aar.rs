//! An Android archive: what a library's Gradle module would give, without Gradle.
//! Format: Android's documentation of the AAR, and AGP 8's `aar-metadata.properties`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use camino::Utf8PathBuf;

use crate::io::files;
use crate::io::zip::{Method, ZipWriter};

/// What it needs of a phone: the native libraries are built for this level
/// (`android/mlc4j/prepare_libs.py`).
const MIN_SDK: u32 = 24;

/// The classes that native code finds by their names, and the methods that it is.
const PROGUARD: &str = "\
# TVM's native library looks these up by name.
-keep class org.apache.tvm.** { *; }
-keepclasseswithmembernames,includedescriptorclasses class * {
    native <methods>;
}
";
/// The same of mlc4j's own classes, whose serializers are found through annotations.
const PROGUARD_OWN: &str = "\
# mlc4j: callbacks, and classes that kotlinx.serialization finds the serializers of.
-keep class ai.mlc.mlcllm.** { *; }
-keepattributes *Annotation*,InnerClasses,Signature
";

/// Android's tools need nothing newer to read it.
const METADATA: &str = "\
aarFormatVersion=1.0
aarMetadataVersion=1.0
coreLibraryDesugaringEnabled=false
minAndroidGradlePluginVersion=1.0.0
minCompileSdk=1
minCompileSdkExtension=0
";

/// What an archive is made of.
pub(super) struct AarContents<'a> {
    /// The package that Android's tools know it by.
    pub(super) namespace: String,
    /// The files of `classes.jar`.
    pub(super) classes: BTreeMap<String, Vec<u8>>,
    /// Whether mlc4j's own are among them.
    pub(super) own_classes: bool,
    /// The native libraries: `arm64-v8a/….so`, and where they lie.
    pub(super) native: BTreeMap<String, Utf8PathBuf>,
    /// The text of `mlc-app-config.json`.
    pub(super) app_config: &'a str,
    /// Bundled models: their files below `assets/`, and where they lie.
    pub(super) assets: BTreeMap<String, Utf8PathBuf>,
}

impl AarContents<'_> {
    /// Writes the archive. Native libraries are compressed, as fast as that goes; weights are
    /// stored, and streamed.
    pub(super) fn write(&self, out: impl Write) -> io::Result<()> {
        let mut aar = ZipWriter::new(out);
        let text = Method::Deflated;
        aar.add("AndroidManifest.xml", self.manifest().as_bytes(), text)?;
        aar.add(
            "META-INF/com/android/build/gradle/aar-metadata.properties",
            METADATA.as_bytes(),
            text,
        )?;
        aar.add("R.txt", b"", Method::Stored)?;
        let mut classes = ZipWriter::new(Vec::new());
        for (name, bytes) in &self.classes {
            classes.add(name, bytes, Method::Deflated)?;
        }
        aar.add("classes.jar", &classes.finish()?, Method::Stored)?;
        let own = if self.own_classes { PROGUARD_OWN } else { "" };
        aar.add("proguard.txt", format!("{PROGUARD}{own}").as_bytes(), text)?;
        for (name, path) in &self.native {
            aar.add(&format!("jni/{name}"), &files::read(path)?, Method::Deflated)?;
        }
        aar.add("assets/mlc-app-config.json", self.app_config.as_bytes(), text)?;
        for (name, path) in &self.assets {
            aar.store_file(&format!("assets/{name}"), path)?;
        }
        aar.finish()?.flush()
    }

    /// Phones of Android 12 and newer load a vendor's OpenCL for those alone who name it.
    fn manifest(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <manifest xmlns:android=\"http://schemas.android.com/apk/res/android\"\n    \
             package=\"{}\">\n\n    \
             <uses-sdk android:minSdkVersion=\"{MIN_SDK}\" />\n\n    <application>\n        \
             <uses-native-library\n            android:name=\"libOpenCL.so\"\n            \
             android:required=\"false\" />\n        \
             <uses-native-library\n            android:name=\"libOpenCL-pixel.so\"\n            \
             android:required=\"false\" />\n    </application>\n\n</manifest>\n",
            self.namespace
        )
    }
}
