//! Tells the crate which profile it is built with: cargo itself says only `debug` or `release`.

fn main() {
    // …/target/<profile>/build/<package>-<hash>/out
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    let profile = std::path::Path::new(&out).ancestors().nth(3).and_then(|path| path.file_name());
    let profile = profile.map_or_else(|| "unknown".into(), |name| name.to_string_lossy());
    println!("cargo::rustc-env=DOWNBEAT_PROFILE={profile}");
    println!("cargo::rerun-if-changed=build.rs");
}
