#!/usr/bin/env bash
# Installs what judges artifacts for Android: a JDK, Maven with its resolver, aapt with Android's
# resources from the system, and Kotlin's compiler from npm into target/kotlin. Quick when all is
# there.
set -euo pipefail
cd "$(dirname "$0")/.."

root=target/kotlin
package=kotlin-compiler@2.2.21

missing=()
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v aapt >/dev/null || missing+=(aapt)
command -v unzip >/dev/null || missing+=(unzip)
[ -e /usr/share/android-framework-res/framework-res.apk ] || missing+=(android-framework-res)
[ -e /usr/share/maven/lib/maven-resolver-impl.jar ] || missing+=(maven)
[ -e /usr/share/java/maven-resolver-transport-file.jar ] || missing+=(libmaven-resolver-java)
if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}"
  scripts/apt-install.sh "${missing[@]}"
fi

if [ "$(cat $root/.package 2>/dev/null)" != "$package" ]; then
  echo "setup: installing $package into $root"
  rm -rf $root
  mkdir -p $root
  archive=$(cd $root && npm pack --silent "$package")
  tar -xzf "$root/$archive" -C $root --strip-components 1 package/bin package/lib package/license
  rm "$root/$archive"
  printf '%s' "$package" >$root/.package
fi
