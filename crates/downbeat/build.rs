//! Tells the crate which profile it is built with: cargo itself says only `debug` or `release`.

fn main() {
    // …/target/<profile>/build/<package>-<hash>/out
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    let profile = std::path::Path::new(&out).ancestors().nth(3).and_then(|path| path.file_name());
    let profile = profile.map_or_else(|| "unknown".into(), |name| name.to_string_lossy());
    // Cargo sets it for what it runs, too: a name that begins with DOWNBEAT_ would be taken for a setting.
    println!("cargo::rustc-env=BUILD_PROFILE={profile}");
    println!("cargo::rerun-if-changed=build.rs");
}
