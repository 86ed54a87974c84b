//! The remote tape protocol, rmt(8): requests from bytes, and the bytes of replies. No I/O.
//!
//! ```text
//!  O device \n mode \n     open            R count \n         read         L offset \n whence \n   seek
//!  C device \n             close           W count \n data    write        I operation \n count \n MTIOCTOP
//!  S                       MTIOCGET
//! ```
//!
//! A request begins with a letter. Its arguments end with a line feed each; `S` has none. The extensions `i` (two arguments) and
//! `s` (one character) are understood, so that they can be refused without losing the next request.
//!
//! A reply is `A`, a number and a line feed, behind it the data of a read; or `E`, the error number, a line feed, and a line of text.

use bytes::Bytes;
use thiserror::Error;

use crate::values::characters::escape;

/// The longest argument of a request, in bytes.
pub const MAX_ARGUMENT: usize = 1024;

/// A request. Of a write, the data follows in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RmtRequest {
    /// `O`: open a device; one that is open is closed before.
    Open {
        /// The device as typed.
        device: String,
        /// The flags of open(2), by their Linux numbers.
        flags: u64,
    },
    /// `C`: close the device.
    Close,
    /// `R`: read a block.
    Read {
        /// The most bytes that are wanted.
        count: u64,
    },
    /// `W`: write a block.
    Write {
        /// How many bytes of data follow.
        count: u64,
    },
    /// `L`: seek.
    Seek {
        /// Where to, in bytes.
        offset: i64,
        /// From where, as in lseek(2).
        whence: i64,
    },
    /// `I`: an operation of MTIOCTOP.
    Operate {
        /// The operation by its Linux number.
        operation: i64,
        /// How often.
        count: i64,
    },
    /// `S`: the status of MTIOCGET.
    Status,
    /// `i` or `s`: extensions, which are refused.
    Extension {
        /// The letter.
        letter: char,
    },
}

/// What is no request. Where the next one would begin is not known then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// No request begins so.
    #[error("no request of the remote tape protocol begins with {}", shown(*.0))]
    UnknownLetter(u8),
    /// An argument is too long.
    #[error("an argument of a request is longer than {MAX_ARGUMENT} bytes")]
    TooLong,
    /// An argument is no number.
    #[error("'{}' is not a number, in a request {letter}", escape(argument))]
    NotANumber {
        /// The request.
        letter: char,
        /// The argument.
        argument: String,
    },
}

fn shown(byte: u8) -> String {
    match byte {
        b'!'..=b'~' => format!("'{}'", char::from(byte)),
        byte => format!("byte {byte:02X}h"),
    }
}

/// Makes requests of the bytes of an input, whatever pieces they come in.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    letter: Option<u8>,
    arguments: Vec<String>,
    /// The argument that has begun.
    argument: Vec<u8>,
}

impl RequestDecoder {
    /// Takes bytes up to the end of a request: returns how many, and the request where there is a whole one.
    ///
    /// # Errors
    /// [`Malformed`] instead of the request. Nothing behind it can be made sense of.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Result<RmtRequest, Malformed>>) {
        for (taken, byte) in (1..).zip(bytes) {
            if let Some(decoded) = self.byte(*byte) {
                *self = Self::default();
                return (taken, Some(decoded));
            }
        }
        (bytes.len(), None)
    }

    fn byte(&mut self, byte: u8) -> Option<Result<RmtRequest, Malformed>> {
        let Some(letter) = self.letter else {
            // A client may end `S` with a line feed, too.
            if byte == b'\n' {
                return None;
            }
            if byte == b'S' {
                return Some(Ok(RmtRequest::Status));
            }
            if arguments_of(byte).is_none() {
                return Some(Err(Malformed::UnknownLetter(byte)));
            }
            self.letter = Some(byte);
            return None;
        };
        if letter == b's' {
            return Some(Ok(RmtRequest::Extension { letter: 's' }));
        }
        if byte != b'\n' {
            if self.argument.len() >= MAX_ARGUMENT {
                return Some(Err(Malformed::TooLong));
            }
            self.argument.push(byte);
            return None;
        }
        let argument = std::mem::take(&mut self.argument);
        self.arguments
            .push(String::from_utf8_lossy(&argument).into_owned());
        (Some(self.arguments.len()) == arguments_of(letter)).then(|| self.request(letter))
    }

    fn request(&self, letter: u8) -> Result<RmtRequest, Malformed> {
        let argument = |index: usize| self.arguments.get(index).map_or("", String::as_str);
        let malformed = |index| Malformed::NotANumber {
            letter: char::from(letter),
            argument: argument(index).to_owned(),
        };
        let signed = |index| {
            let number = argument(index).trim().parse();
            number.map_err(|_| malformed(index))
        };
        let unsigned = |index| {
            let number = argument(index).trim().parse();
            number.map_err(|_| malformed(index))
        };
        Ok(match letter {
            b'O' => RmtRequest::Open {
                device: argument(0).to_owned(),
                // GNU's clients give the flags by name behind the number.
                flags: argument(1)
                    .split_ascii_whitespace()
                    .next()
                    .and_then(|number| number.parse().ok())
                    .ok_or_else(|| malformed(1))?,
            },
            b'C' => RmtRequest::Close,
            b'R' => RmtRequest::Read {
                count: unsigned(0)?,
            },
            b'W' => RmtRequest::Write {
                count: unsigned(0)?,
            },
            b'L' => RmtRequest::Seek {
                offset: signed(0)?,
                whence: signed(1)?,
            },
            b'I' => RmtRequest::Operate {
                operation: signed(0)?,
                count: signed(1)?,
            },
            letter => RmtRequest::Extension {
                letter: char::from(letter),
            },
        })
    }
}

/// Returns how many arguments a request has; none for what is no request.
const fn arguments_of(letter: u8) -> Option<usize> {
    match letter {
        b'S' => Some(0),
        // `s` has a character and no line feed.
        b'C' | b'R' | b'W' | b's' => Some(1),
        b'O' | b'L' | b'I' | b'i' => Some(2),
        _ => None,
    }
}

/// Returns the reply of a request that was done.
#[must_use]
pub fn done(number: u64) -> Bytes {
    Bytes::from(format!("A{number}\n"))
}

/// Returns the reply of a request that failed: the error number, and a line of text.
#[must_use]
pub fn failed(errno: i32, text: &str) -> Bytes {
    Bytes::from(format!("E{errno}\n{}\n", escape(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes pieces until something malformed ends it. What follows a write in a piece is taken as the next request.
    fn decode(pieces: &[&[u8]]) -> Vec<Result<RmtRequest, Malformed>> {
        let mut decoder = RequestDecoder::default();
        let mut decoded = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, request) = decoder.take(rest);
                assert!((1..=rest.len()).contains(&taken));
                assert!(decoder.argument.len() <= MAX_ARGUMENT);
                assert!(decoder.arguments.len() < 2);
                rest = &rest[taken..];
                decoded.extend(request);
                if matches!(decoded.last(), Some(Err(_))) {
                    return decoded;
                }
            }
        }
        decoded
    }

    #[test]
    fn each_request_is_made_of_its_bytes() {
        let requests = decode(&[
            b"OTAP01\n577 O_WRONLY|O_CREAT|O_TRUNC\nR10240\nL-5\n1\nI6\n1\nI-1\n0\nSS\nC\nCTAP01\nW3\n",
            b"i4\n1\nsTOx\n0\n",
        ]);
        let operate = |operation, count| RmtRequest::Operate { operation, count };
        let expected = [
            RmtRequest::Open {
                device: "TAP01".to_owned(),
                flags: 0o1101,
            },
            RmtRequest::Read { count: 10_240 },
            RmtRequest::Seek {
                offset: -5,
                whence: 1,
            },
            operate(6, 1),
            operate(-1, 0),
            RmtRequest::Status,
            RmtRequest::Status,
            RmtRequest::Close,
            RmtRequest::Close,
            RmtRequest::Write { count: 3 },
            RmtRequest::Extension { letter: 'i' },
            RmtRequest::Extension { letter: 's' },
            RmtRequest::Open {
                device: "x".to_owned(),
                flags: 0,
            },
        ];
        assert_eq!(
            requests.into_iter().collect::<Result<Vec<_>, _>>().unwrap(),
            expected
        );
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (bytes, told) in [
            (&b"X\n"[..], "begins with 'X'"),
            (b"\0", "begins with byte 00h"),
            (b"R\n", "'' is not a number, in a request R"),
            (b"W-1\n", "'-1' is not a number, in a request W"),
            (b"W18446744073709551616\n", "is not a number"),
            (b"L1\n\x1b[2J\n", "'<U+001B>[2J' is not a number"),
            (b"OTAP01\nO_RDONLY\n", "'O_RDONLY' is not a number"),
        ] {
            let decoded = decode(&[bytes]);
            let Some(Err(malformed)) = decoded.first() else {
                panic!("{decoded:?}");
            };
            assert!(malformed.to_string().contains(told), "{malformed}");
        }
        let mut long = vec![b'O'];
        long.resize(1 + MAX_ARGUMENT, b'x');
        assert_eq!(decode(&[&long]), []);
        long.push(b'x');
        assert_eq!(decode(&[&long]), [Err(Malformed::TooLong)]);
    }

    #[test]
    fn replies_are_lines() {
        assert_eq!(done(0), "A0\n");
        assert_eq!(done(u64::MAX), "A18446744073709551615\n");
        assert_eq!(failed(16, "in use"), "E16\nin use\n");
        assert_eq!(failed(5, "a\nA0\n"), "E5\na<U+000A>A0<U+000A>\n");
    }

    fn requests() -> impl Strategy<Value = Vec<u8>> {
        let request = prop_oneof![
            ("[A-Za-z0-9/]{0,20}", any::<u64>())
                .prop_map(|(name, flags)| format!("O{name}\n{flags}\n")),
            Just("S".to_owned()),
            Just("C\n".to_owned()),
            any::<u64>().prop_map(|count| format!("R{count}\n")),
            any::<u64>().prop_map(|count| format!("W{count}\n")),
            any::<(i64, i64)>().prop_map(|(offset, whence)| format!("L{offset}\n{whence}\n")),
            any::<(i64, i64)>().prop_map(|(operation, count)| format!("I{operation}\n{count}\n")),
        ];
        proptest::collection::vec(request, 0..12)
            .prop_map(|requests| requests.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in prop_oneof![requests(), proptest::collection::vec(any::<u8>(), 0..3000)],
            length in 1_usize..40,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(length).collect();
            prop_assert_eq!(decode(&pieces), decode(&[&bytes]));
        }

        #[test]
        fn numbers_come_as_they_were_sent(bytes in requests()) {
            let decoded = decode(&[&bytes]);
            prop_assert!(decoded.iter().all(Result::is_ok));
            let encoded: Vec<u8> = decoded
                .into_iter()
                .map(|request| match request.unwrap() {
                    RmtRequest::Open { device, flags } => format!("O{device}\n{flags}\n"),
                    RmtRequest::Close => "C\n".to_owned(),
                    RmtRequest::Read { count } => format!("R{count}\n"),
                    RmtRequest::Write { count } => format!("W{count}\n"),
                    RmtRequest::Seek { offset, whence } => format!("L{offset}\n{whence}\n"),
                    RmtRequest::Operate { operation, count } => format!("I{operation}\n{count}\n"),
                    RmtRequest::Status => "S".to_owned(),
                    RmtRequest::Extension { letter } => letter.to_string(),
                })
                .collect::<String>()
                .into_bytes();
            prop_assert_eq!(encoded, bytes);
        }
    }
}
