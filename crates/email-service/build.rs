//! Linker arguments, and a rebuild when a catalogue is added.

fn main() {
    // The same as in the user service.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo does not notice a new file in the folder otherwise.
    println!("cargo::rerun-if-changed=catalogues");
}
