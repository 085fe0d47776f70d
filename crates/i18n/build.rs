//! A rebuild when a language is added.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo does not notice a new file in the folder otherwise.
    println!("cargo::rerun-if-changed=languages");
}
