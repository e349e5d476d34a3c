//! mlc4j's own classes: Kotlin and Java, compiled by the real compilers.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::android::{entries, project, resolve};
use crate::run;
use crate::scene::entry;
use crate::site::Site;
use crate::tree;

const AAR: &str = "maven/com/example/models/1.2.0/models-1.2.0.aar";
const MAVEN: &str = "artifact: aar\nmaven: { group: com.example, version: 1.2.0 }";
const SOURCES: &str = "mlc-llm/android/mlc4j/src/main/java/ai/mlc/mlcllm";

/// A site whose JDK is the machine's, whose TVM is compiled by it, and whose mlc4j has a file of
/// Kotlin.
fn site() -> Site {
    let site = Site::new("android");
    let javac = which::which("javac").expect("setup-jvm.sh: javac");
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", javac.display());
    let path = site.scene.write("bin/javac", script);
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    site.scene.edit(
        "mlc-llm/android/mlc4j/CMakeLists.txt",
        "COMMAND ${CMAKE_COMMAND} -E tar cf ${CMAKE_CURRENT_BINARY_DIR}/tvm4j_core.jar --format=zip\n          --mtime=2026-01-01 -- ${JAVA_SOURCES}",
        "COMMAND javac -d ${CMAKE_CURRENT_BINARY_DIR}/tvm4j ${JAVA_SOURCES}\n  COMMAND jar --create --file ${CMAKE_CURRENT_BINARY_DIR}/tvm4j_core.jar -C ${CMAKE_CURRENT_BINARY_DIR}/tvm4j .",
    );
    let tvm = "mlc-llm/3rdparty/tvm/jvm/core/src/main/java/org/apache/tvm/LibInfo.java";
    site.scene.write(
        tvm,
        "package org.apache.tvm;\n\npublic class LibInfo {\n  public native int nativeLibInit(String name);\n}\n",
    );
    site.scene.write(
        &format!("{SOURCES}/MLCEngine.java"),
        "package ai.mlc.mlcllm;\n\nimport android.util.Log;\nimport org.apache.tvm.LibInfo;\n\n\
         public class MLCEngine {\n  public static String of(Chat chat) {\n    \
         Log.d(\"mlc\", chat.name());\n    return LibInfo.class.getName() + chat.name();\n  }\n}\n",
    );
    site.scene.write(
        &format!("{SOURCES}/Chat.kt"),
        "package ai.mlc.mlcllm\n\nimport kotlinx.coroutines.channels.Channel\n\n\
         class Chat(val channel: Channel<String>?) {\n    fun name(): String = \"chat\"\n    \
         fun engine(): String = MLCEngine.of(this)\n}\n",
    );
    site.scene.configure(|config| config["model_list"] = json!([entry("one")]));
    project(&site, MAVEN);
    site
}

/// What real machines have: an SDK, and Kotlin's compiler.
fn with_tools(site: &Site) -> (String, String) {
    let root = &site.scene.root;
    let stub = site.scene.write(
        "stub/android/util/Log.java",
        "package android.util;\n\npublic final class Log {\n  \
         public static int d(String tag, String message) { return 0; }\n}\n",
    );
    let classes = root.join("stub/classes");
    run("javac", &["-d", classes.as_str(), stub.as_str()]);
    let jar = root.join("sdk/platforms/android-34/android.jar");
    fs_err::create_dir_all(jar.parent().unwrap()).unwrap();
    run("jar", &["--create", "--file", jar.as_str(), "-C", classes.as_str(), "."]);
    let kotlin = std::env::var("MLC_PACKAGE_TEST_KOTLIN").expect("setup-jvm.sh");
    let library = "kotlinx-coroutines-core-jvm";
    let repository = format!("home/.m2/repository/org/jetbrains/kotlinx/{library}/1.8.0");
    let coroutines = fs_err::read(format!("{kotlin}/lib/{library}.jar")).unwrap();
    site.scene.write(&format!("{repository}/{library}-1.8.0.jar"), coroutines);
    (kotlin, root.join("sdk").into_string())
}

#[test]
#[ignore = "needs scripts/setup-cross.sh and scripts/setup-jvm.sh: make test"]
fn classes_are_compiled_once_and_java_compiles_against_them() {
    let site = site();
    let (kotlin, sdk) = with_tools(&site);
    let build = || site.build(&[]).env("KOTLIN_HOME", &kotlin).env("ANDROID_HOME", &sdk);
    // A kit that was made without them gets them.
    site.build(&["--artifact", "aar-native"]).ok();
    build().ok();
    assert_eq!((site.scripts(), site.kits().len()), (1, 1));
    let aar = site.scene.dist().join(AAR);
    let cold = tree::digest(&aar);

    let said = resolve(&site, "com.example:models:aar:1.2.0");
    let version =
        run("unzip", &["-p", &format!("{kotlin}/lib/kotlin-stdlib.jar"), "META-INF/MANIFEST.MF"]);
    let version = version.lines().find_map(|line| line.strip_prefix("Implementation-Version: "));
    let version = version.unwrap().split("-release").next().unwrap();
    for needed in [
        format!("depends org.jetbrains.kotlin:kotlin-stdlib:jar:{version} compile"),
        "depends org.jetbrains.kotlinx:kotlinx-coroutines-core:jar:1.8.0 compile".to_owned(),
    ] {
        assert!(said.contains(&needed), "{needed}: {said}");
    }

    // An app of Java: it compiles against classes.jar, and what JNI looks for is in there.
    let root = &site.scene.root;
    run("unzip", &["-q", "-o", aar.as_str(), "classes.jar", "-d", root.join("x").as_str()]);
    let jar = root.join("x/classes.jar");
    let app = site.scene.write(
        "x/App.java",
        "import ai.mlc.mlcllm.Chat;\n\npublic class App {\n  public static void main(String[] a) throws Exception {\n    \
         Class<?> info = Class.forName(\"org.apache.tvm.LibInfo\");\n    \
         System.out.println(info.getMethod(\"nativeLibInit\", String.class));\n    \
         System.out.println(new Chat(null).engine());\n  }\n}\n",
    );
    let classpath = format!(
        "{jar}:{sdk}/platforms/android-34/android.jar:{kotlin}/lib/kotlin-stdlib.jar:\
         {kotlin}/lib/kotlinx-coroutines-core-jvm.jar"
    );
    let said = run("java", &["-cp", &classpath, app.as_str()]);
    assert!(said.contains("public native int org.apache.tvm.LibInfo.nativeLibInit"), "{said}");
    assert!(said.contains("org.apache.tvm.LibInfochat"), "{said}");
    let names = run("jar", &["tf", jar.as_str()]);
    assert!(names.contains("META-INF/mlc4j.kotlin_module"), "{names}");
    assert!(entries(aar.as_str()).iter().any(|(name, ..)| name == "proguard.txt"));

    // They are in the kit: the next build needs none of the tools, and gives the same bytes.
    site.build(&[]).ok();
    assert_eq!(tree::digest(&aar), cold);
    assert_eq!((site.scripts(), site.leftovers()), (1, vec![]));
}

#[test]
#[ignore = "needs scripts/setup-cross.sh and scripts/setup-jvm.sh: make test"]
fn what_cannot_be_compiled_is_refused_before_anything_is_built() {
    let site = site();
    let refused = |why: &str| {
        let run = site.build(&[]).fails(14).says("mlc4j's classes cannot be compiled here");
        run.says(why).says("--artifact aar-native");
        assert_eq!((site.scripts(), site.scene.compilations().len()), (0, 0));
    };
    refused("there is no `kotlinc` on PATH");
    let (kotlin, sdk) = with_tools(&site);
    let with = |tools: &[(&str, &str)]| {
        let call = tools.iter().fold(site.build(&[]), |call, (name, value)| call.env(name, value));
        call.fails(14)
    };
    let both = [("KOTLIN_HOME", kotlin.as_str()), ("ANDROID_HOME", sdk.as_str())];
    with(&both[..1]).says("ANDROID_HOME names no SDK with a platform");
    let file = format!("{SOURCES}/Chat.kt");
    let text = site.scene.read(&file);
    site.scene.write(
        "mlc-llm/android/mlc4j/build.gradle",
        "implementation 'org.jetbrains.kotlinx:kotlinx-serialization-json:1.6.3'\n",
    );
    site.scene
        .write(&file, text.replace("import", "import kotlinx.serialization.json.Json\nimport"));
    with(&both).says("kotlinx-serialization-json-jvm and kotlinx-serialization-core-jvm 1.6.3");
    assert_eq!((site.scripts(), site.scene.compilations().len()), (0, 0));
    // What a compiler refuses is told by it, and nothing is left in dist/.
    site.scene.write(&file, text.replace("\"chat\"", "nowhere"));
    with(&both).says("compiling mlc4j's classes failed").says("nowhere");
    assert!(!site.scene.dist().exists());
}
