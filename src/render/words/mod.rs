//! The one table of words: what a cause is called, what it means and what to do next.
//!
//! | module | what it holds |
//! |---|---|
//! | [`check`] | what `check` looks at: why IBM i cares, on whose word, and what to do |
//! | [`code`] | the codes, each with its meaning in general; the man page lists them |
//! | [`d_mode`] | what a D-mode IPL from the VTL demands |
//! | [`event`] | what happens while a resident IOP runs |
//! | [`failure`] | why a target failed |
//! | [`finding`] | what the words of findings have in common |
//! | [`login_status`] | the login statuses of RFC 7143 section 11.13.5 |
//! | [`loss`] | why a session has ended that a resident IOP held |
//! | [`problem`] | what IBM i would stumble over at a device or a target |
//! | [`resident`] | why a resident IOP did not do what it was asked for |
//! | [`error`] | why a command was refused, or could not be carried out |
//! | [`next_step`] | what to do then |
//! | [`sql`] | what is wrong with a statement of `sql` |
//! | [`waiting`] | what another process keeps this one waiting for |
//! | [`warning`] | what is to be said beside a result |

pub mod check;
pub mod code;
pub mod d_mode;
pub mod error;
pub mod event;
pub mod failure;
pub mod finding;
pub mod login_status;
pub mod loss;
pub mod next_step;
pub mod problem;
pub mod resident;
pub mod sql;
pub mod waiting;
pub mod warning;

use std::time::Duration;

pub use code::{Code, CodeKind};

/// A cause in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The stable name of the cause.
    pub code: Code,
    /// What happened, a sentence.
    pub message: String,
    /// What to do next, where that is known, a sentence.
    pub next_step: Option<String>,
}

impl Words {
    fn new(code: Code, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            next_step: Some(next_step.into()),
        }
    }

    fn without_next_step(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            next_step: None,
        }
    }
}

/// The steps that IBM's document gives where replicated storage has CHAP configurations without their credentials.
pub const REMEDIES: &str = "Recreate the CHAP configuration here with -changetarget -initiatorchapsecret, or store \
     it as plain text by adding -chapkeystore NONE, or remove CHAP with -removetarget and -addtarget without it.";

/// Returns a duration in seconds, to a tenth.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
fn assert_sentences(words: &Words) {
    for sentence in [Some(&words.message), words.next_step.as_ref()]
        .into_iter()
        .flatten()
    {
        let begins = |c: char| c.is_ascii_uppercase() || c == '-' || c == '*';
        assert!(
            sentence.is_ascii() && sentence.starts_with(begins) && sentence.ends_with('.'),
            "{words:?}"
        );
        assert!(
            !sentence.contains("  ") && !sentence.contains(".."),
            "{words:?}"
        );
    }
}
