//! The table that is printed, a line as soon as it is known.
#![allow(dead_code, reason = "each bench has lines of its own kinds")]

/// Prints the head.
pub fn begin() {
    println!("Medians (lowest-highest). Every ratio is of runs that took turns in this run.");
    line("what", "ours", "peer", "ratio", "aim", "met");
}

/// Prints a comparison: ours took `ratio` times what the peer took, and at most `aim` times is aimed at.
pub fn ratio(what: &str, ours: &str, peer: &str, ratio: f64, aim: f64) {
    let ratio_text = format!("{ratio:.2}");
    let aim_text = format!("<= {aim:.2}");
    line(what, ours, peer, &ratio_text, &aim_text, met(ratio <= aim));
}

/// Prints a comparison: ours was `share` times as fast as the peer, and at least `aim` times is aimed at.
pub fn share(what: &str, ours: &str, peer: &str, share: f64, aim: f64) {
    let share_text = format!("{share:.2}");
    let aim_text = format!(">= {aim:.2}");
    line(what, ours, peer, &share_text, &aim_text, met(share >= aim));
}

/// Prints a comparison for which nothing is aimed at: ours took `ratio` times what the peer took.
pub fn compare(what: &str, ours: &str, peer: &str, ratio: f64) {
    line(what, ours, peer, &format!("{ratio:.2}"), "-", "-");
}

/// Prints what was measured of us alone, and nothing is aimed at.
pub fn note(what: &str, ours: &str) {
    line(what, ours, "-", "-", "-", "-");
}

/// Prints what was measured of us alone.
pub fn limit(what: &str, ours: &str, aim: &str, is_met: bool) {
    line(what, ours, "-", "-", aim, met(is_met));
}

fn met(is_met: bool) -> &'static str {
    if is_met { "yes" } else { "NO" }
}

fn line(what: &str, ours: &str, peer: &str, ratio: &str, aim: &str, met: &str) {
    println!("{what:<50} {ours:<28} {peer:<48} {ratio:>5}  {aim:<10} {met}");
}
