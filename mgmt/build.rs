//! Packs the web interface into the binary: what stands in `ui/dist`, or nothing where it isn't built.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let dist = here.join("ui/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that isn't there would run this, and compile the crate, each time.
    let watched = if dist.is_dir() { "ui/dist" } else { "ui" };
    println!("cargo::rerun-if-changed={watched}");
    let mut files = Vec::new();
    if dist.is_dir() {
        collect(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("pub(super) const FILES: &[File] = &[\n");
    for file in files.iter().filter(|file| is_served(file)) {
        let address = file.strip_prefix(&dist).unwrap_or(file);
        let mut hasher = DefaultHasher::new();
        fs::read(file)?.hash(&mut hasher);
        let packed = |end: &str| {
            let packed = PathBuf::from(format!("{}.{end}", file.display()));
            let there = packed.is_file();
            if there { format!("Some(include_bytes!({packed:?}))") } else { "None".to_owned() }
        };
        let _ = writeln!(
            table,
            "File {{ path: {:?}, tag: {:?}, plain: include_bytes!({file:?}), gzip: {}, brotli: {} }},",
            format!("/{}", address.display()),
            format!("\"{:016x}\"", hasher.finish()),
            packed("gz"),
            packed("br"),
        );
    }
    table.push_str("];\n");
    fs::write(out.join("ui.rs"), table)
}

/// Packed forms go with what they pack; the manifest is for tests.
fn is_served(file: &Path) -> bool {
    let packed = file.extension().is_some_and(|end| end == "gz" || end == "br");
    !packed && !file.ends_with("dist/manifest.json")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
