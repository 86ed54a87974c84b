//! Links the unwinder of GCC's runtime into the program instead of loading it as a shared library, `libgcc_s.so.1`.
//!
//! Every call of the macro is a process of its own, and loading that library took a fifth of its time.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rustc-check-cfg=cfg(unwinder_linked_in)");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && let Some(path) = unwinder()
    {
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
        println!("cargo::rustc-cfg=unwinder_linked_in");
    }
}

/// Returns where the linker finds the unwinder; without it the shared library serves.
fn unwinder() -> Option<PathBuf> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let found = Command::new(linker)
        .arg(format!("-print-file-name={UNWINDER}"))
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    // What is not found is printed as it was asked for.
    path.is_absolute().then_some(path)
}
