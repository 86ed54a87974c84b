//! The `iscsiswiconfig` command: arguments in, exit status out.
fn main() {}
