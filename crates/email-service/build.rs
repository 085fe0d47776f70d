//! Compiles the service again when a language is added: a new file in a folder is not noticed otherwise.

fn main() {
    println!("cargo::rerun-if-changed=catalogues");
}
