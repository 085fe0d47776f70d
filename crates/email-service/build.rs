//! How the program is linked, and that a new language is noticed.

fn main() {
    // As in the user service.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
    // A new file in a folder is not noticed otherwise.
    println!("cargo::rerun-if-changed=catalogues");
}
