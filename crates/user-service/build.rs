//! How the program is linked, and a rebuild when a catalogue is added.

fn main() {
    // The addresses that the loader has to correct, of which there are a hundred thousand, as a
    // bitmap: 1 MB less. glibc knows it since 2.36, linkers since binutils 2.38.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo does not notice a new file in the folder otherwise.
    println!("cargo::rerun-if-changed=catalogues");
}
