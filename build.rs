//! Links the unwinder of GCC's runtime into the program instead of loading it as a shared library, `libgcc_s.so.1`.
//!
//! Every call of the macro is a process of its own, and loading that library took a fifth of its time. The program then
//! needs the C library and nothing else of the host that it runs on.

use std::env;
use std::path::Path;
use std::process::Command;

const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is_there() {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Returns whether the linker finds the unwinder; without it the shared library serves.
fn is_there() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let found = Command::new(linker)
        .arg(format!("-print-file-name={UNWINDER}"))
        .output();
    // What is not found is printed as it was asked for.
    found.is_ok_and(|found| {
        let path = String::from_utf8_lossy(&found.stdout);
        Path::new(path.trim()).is_absolute()
    })
}
