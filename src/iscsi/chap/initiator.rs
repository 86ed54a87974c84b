//! The initiator's side: answers the target's challenge and, when asked to, challenges the target.

use subtle::ConstantTimeEq as _;

use super::{
    ALGORITHM, CHALLENGE, ChapAlgorithm, ChapChallenge, ChapCredentials, ChapError, ChapOutcome,
    IDENTIFIER, NAME, RESPONSE, forbid, offered, read_challenge, read_identifier, read_response,
    require,
};
use crate::iscsi::secret::Secret;
use crate::iscsi::text::{self, ReceivedText, TextPairs};

/// What an initiator needs to authenticate the target as well.
#[derive(Clone, Debug)]
pub struct MutualChap {
    /// The name and secret that the target has to prove.
    pub target: ChapCredentials,
    /// The challenge for the target.
    pub challenge: ChapChallenge,
}

/// An initiator that offers its algorithms and waits for the target's challenge.
#[derive(Debug)]
pub struct ChapInitiator {
    credentials: ChapCredentials,
    algorithms: Vec<ChapAlgorithm>,
    mutual: Option<MutualChap>,
}

impl ChapInitiator {
    /// Returns an initiator with its own credentials and its algorithms in order of preference; none means MD5.
    pub fn new(
        credentials: ChapCredentials,
        mut algorithms: Vec<ChapAlgorithm>,
        mutual: Option<MutualChap>,
    ) -> Self {
        if algorithms.is_empty() {
            algorithms.push(ChapAlgorithm::Md5);
        }
        Self {
            credentials,
            algorithms,
            mutual,
        }
    }

    /// Returns CHAP_A with the offered algorithms.
    pub fn offer(&self) -> TextPairs {
        let mut pairs = TextPairs::new();
        pairs.push(ALGORITHM, offered(&self.algorithms));
        pairs
    }

    /// Answers CHAP_A, CHAP_I and CHAP_C of the target with CHAP_N and CHAP_R, and CHAP_I and CHAP_C when mutual.
    ///
    /// # Errors
    /// [`ChapError`] when the target breaks a rule of 12.1.3, when it reflects the challenge, or when the two
    /// directions have the same secret (9.2.1).
    pub fn answer(self, received: &TextPairs) -> Result<(ChapAnswered, TextPairs), ChapError> {
        forbid(received, &[NAME, RESPONSE])?;
        let algorithm = self.read_algorithm(require(received, ALGORITHM)?)?;
        let identifier = read_identifier(received)?;
        let challenge = read_challenge(received)?;
        let own = &self.credentials;
        let response = algorithm.response(identifier, own.secret.reveal(), &challenge);

        let mut pairs = TextPairs::new();
        pairs.push(NAME, own.name.as_str());
        pairs.push(RESPONSE, text::hex_constant(&response));
        let expected = match self.mutual {
            None => None,
            Some(MutualChap {
                target,
                challenge: ours,
            }) => {
                if bool::from(own.secret.reveal().ct_eq(target.secret.reveal())) {
                    return Err(ChapError::SameSecret);
                }
                if challenge == ours.challenge {
                    return Err(ChapError::ChallengeReflected);
                }
                pairs.push(IDENTIFIER, ours.identifier.to_string());
                pairs.push(CHALLENGE, text::hex_constant(&ours.challenge));
                let answer = |secret: &Secret<Vec<u8>>| {
                    Secret::from(algorithm.response(
                        ours.identifier,
                        secret.reveal(),
                        &ours.challenge,
                    ))
                };
                Some(ExpectedResponse {
                    response: answer(&target.secret),
                    own_responses: [response.into(), answer(&own.secret)],
                    name: target.name,
                })
            }
        };
        Ok((
            ChapAnswered {
                algorithm,
                expected,
            },
            pairs,
        ))
    }

    fn read_algorithm(&self, received: &str) -> Result<ChapAlgorithm, ChapError> {
        if matches!(received, "Reject" | "NotUnderstood" | "None") {
            return Err(ChapError::NoCommonAlgorithm {
                offered: offered(&self.algorithms),
            });
        }
        let number = text::numerical(received);
        self.algorithms
            .iter()
            .copied()
            .find(|algorithm| number == Some(algorithm.number().into()))
            .ok_or_else(|| ChapError::AlgorithmNotOffered {
                offered: offered(&self.algorithms),
                received: ReceivedText(received.to_owned()),
            })
    }
}

/// An initiator that has answered and waits for the target's verdict.
#[derive(Debug)]
pub struct ChapAnswered {
    algorithm: ChapAlgorithm,
    expected: Option<ExpectedResponse>,
}

impl ChapAnswered {
    /// Returns whether the target has to authenticate itself before [`finish`](Self::finish) can succeed.
    pub fn is_mutual(&self) -> bool {
        self.expected.is_some()
    }

    /// Takes the keys that came with the target's consent: CHAP_N and CHAP_R when mutual, else none.
    ///
    /// # Errors
    /// [`ChapError`] when the target breaks a rule of 12.1.3, reflects a response (9.2.1) or does not know its secret.
    /// The connection has to be closed then.
    pub fn finish(self, received: &TextPairs) -> Result<ChapOutcome, ChapError> {
        forbid(received, &[ALGORITHM, IDENTIFIER, CHALLENGE])?;
        let mutual = self.is_mutual();
        match self.expected {
            None => {
                // A whole proof, though no challenge was sent.
                if received.value(NAME).is_some() && received.value(RESPONSE).is_some() {
                    return Err(ChapError::MutualDemanded);
                }
                forbid(received, &[NAME, RESPONSE])?;
            }
            Some(expected) => expected.check(received, self.algorithm)?,
        }
        Ok(ChapOutcome {
            algorithm: self.algorithm,
            mutual,
        })
    }
}

/// What the target has to answer, and what it may not.
#[derive(Debug)]
struct ExpectedResponse {
    name: String,
    response: Secret<Vec<u8>>,
    /// The response that this side sent, and the one that it would have sent to its own challenge (9.2.1).
    own_responses: [Secret<Vec<u8>>; 2],
}

impl ExpectedResponse {
    fn check(self, received: &TextPairs, algorithm: ChapAlgorithm) -> Result<(), ChapError> {
        let name = require(received, NAME)?;
        let response = read_response(received, algorithm)?;
        if self
            .own_responses
            .iter()
            .any(|own| bool::from(own.reveal().ct_eq(&response)))
        {
            return Err(ChapError::ResponseReflected);
        }
        if !bool::from(self.response.reveal().ct_eq(&response)) {
            return Err(ChapError::WrongResponse);
        }
        if name != self.name {
            return Err(ChapError::WrongName {
                expected: ReceivedText(self.name),
                received: ReceivedText(name.to_owned()),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::iscsi::chap::CHALLENGE_LENGTH;
    use crate::iscsi::text::BinaryError;

    fn credentials(name: &str, secret: &str) -> ChapCredentials {
        ChapCredentials {
            name: name.to_owned(),
            secret: secret.as_bytes().to_vec().into(),
        }
    }

    fn mutual() -> MutualChap {
        MutualChap {
            target: credentials("TGTUSER", "TARGETSECRET1234"),
            challenge: ChapChallenge {
                identifier: 7,
                challenge: [0xc5; CHALLENGE_LENGTH],
            },
        }
    }

    fn initiator(mutual: Option<MutualChap>) -> ChapInitiator {
        ChapInitiator::new(
            credentials("VTLUSER", "SECRETFORVTL1"),
            vec![ChapAlgorithm::Sha256, ChapAlgorithm::Md5],
            mutual,
        )
    }

    fn pairs(text: &str) -> TextPairs {
        let mut pairs = TextPairs::new();
        for (key, value) in text
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
        {
            pairs.push(key, value);
        }
        pairs
    }

    fn answer_error(received: &str) -> ChapError {
        initiator(None).answer(&pairs(received)).unwrap_err()
    }

    const CHALLENGED: &str = "CHAP_A=5 CHAP_I=42 CHAP_C=0x000102030405060708090a0b0c0d0e0f";

    #[test]
    fn offers_its_algorithms_by_number_in_order() {
        assert_eq!(initiator(None).offer(), pairs("CHAP_A=7,5"));
        let none = ChapInitiator::new(credentials("N", "S"), Vec::new(), None);
        assert_eq!(none.offer(), pairs("CHAP_A=5"));
    }

    #[test]
    fn answers_a_challenge_and_succeeds_on_consent() {
        let (answered, sent) = initiator(None).answer(&pairs(CHALLENGED)).unwrap();
        assert_eq!(
            sent,
            pairs("CHAP_N=VTLUSER CHAP_R=0x84f795bd59e3a565447d85f5e3b4be58")
        );
        let outcome = ChapOutcome {
            algorithm: ChapAlgorithm::Md5,
            mutual: false,
        };
        assert_eq!(answered.finish(&TextPairs::new()), Ok(outcome));
    }

    #[test]
    fn takes_the_challenge_in_base64_and_numbers_in_hex() {
        let received = pairs("CHAP_C=0bAAECAwQFBgcICQoLDA0ODw== CHAP_I=0x2A CHAP_A=0x5");
        let (_, sent) = initiator(None).answer(&received).unwrap();
        assert_eq!(
            sent.value("CHAP_R"),
            Some("0x84f795bd59e3a565447d85f5e3b4be58")
        );
    }

    #[test]
    fn rejects_an_algorithm_that_was_not_offered() {
        for value in ["6", "8", "MD5", "5,7", "-5", ""] {
            assert_eq!(
                answer_error(&format!("CHAP_A={value} CHAP_I=1 CHAP_C=0x01")),
                ChapError::AlgorithmNotOffered {
                    offered: "7,5".to_owned(),
                    received: ReceivedText(value.to_owned())
                }
            );
        }
        assert_eq!(
            answer_error("CHAP_A=Reject"),
            ChapError::NoCommonAlgorithm {
                offered: "7,5".to_owned()
            }
        );
    }

    #[test]
    fn rejects_missing_and_misplaced_keys() {
        for (received, error) in [
            ("CHAP_I=1 CHAP_C=0x01", ChapError::Missing { key: "CHAP_A" }),
            ("CHAP_A=5 CHAP_C=0x01", ChapError::Missing { key: "CHAP_I" }),
            ("CHAP_A=5 CHAP_I=1", ChapError::Missing { key: "CHAP_C" }),
            (
                "CHAP_A=5 CHAP_I=1 CHAP_C=0x01 CHAP_N=T",
                ChapError::Unexpected { key: "CHAP_N" },
            ),
        ] {
            assert_eq!(answer_error(received), error);
        }
    }

    #[test]
    fn rejects_an_identifier_that_is_no_byte() {
        for value in ["256", "-1", "x", "", "0x100"] {
            assert!(matches!(
                answer_error(&format!("CHAP_A=5 CHAP_I={value} CHAP_C=0x01")),
                ChapError::Malformed { key: "CHAP_I", .. }
            ));
        }
        for value in ["0", "255"] {
            let received = pairs(&format!("CHAP_A=5 CHAP_I={value} CHAP_C=0x01"));
            assert!(initiator(None).answer(&received).is_ok());
        }
    }

    #[test]
    fn takes_challenges_of_1_to_1024_bytes() {
        for length in [1, 16, 1024] {
            let received = pairs(&format!(
                "CHAP_A=5 CHAP_I=1 CHAP_C=0x{}",
                "5a".repeat(length)
            ));
            let (_, sent) = initiator(None).answer(&received).unwrap();
            let expected = ChapAlgorithm::Md5.response(1, b"SECRETFORVTL1", &vec![0x5a; length]);
            assert_eq!(
                sent.value("CHAP_R"),
                Some(text::hex_constant(&expected).as_str())
            );
        }
        assert_eq!(
            answer_error(&format!("CHAP_A=5 CHAP_I=1 CHAP_C=0x{}", "5a".repeat(1025))),
            ChapError::Binary {
                key: "CHAP_C",
                source: BinaryError::TooLong {
                    limit: 1024,
                    received: 1025
                }
            }
        );
        for empty in ["0x", "0b", "", "12"] {
            assert!(matches!(
                answer_error(&format!("CHAP_A=5 CHAP_I=1 CHAP_C={empty}")),
                ChapError::Binary { key: "CHAP_C", .. }
            ));
        }
    }

    #[test]
    fn one_way_takes_no_proof_that_was_not_asked_for() {
        let (answered, _) = initiator(None).answer(&pairs(CHALLENGED)).unwrap();
        assert_eq!(
            answered.finish(&pairs("CHAP_N=TGTUSER CHAP_R=0x00")),
            Err(ChapError::MutualDemanded)
        );
    }

    fn mutual_finish(received: &str) -> Result<ChapOutcome, ChapError> {
        let (answered, sent) = initiator(Some(mutual()))
            .answer(&pairs(CHALLENGED))
            .unwrap();
        assert_eq!(sent.value("CHAP_I"), Some("7"));
        assert_eq!(
            sent.value("CHAP_C"),
            Some(format!("0x{}", "c5".repeat(32)).as_str())
        );
        answered.finish(&pairs(received))
    }

    fn target_response(secret: &[u8]) -> String {
        text::hex_constant(&ChapAlgorithm::Md5.response(7, secret, &[0xc5; CHALLENGE_LENGTH]))
    }

    #[test]
    fn mutual_succeeds_only_with_the_targets_name_and_secret() {
        let right = target_response(b"TARGETSECRET1234");
        assert_eq!(
            mutual_finish(&format!("CHAP_N=TGTUSER CHAP_R={right}")),
            Ok(ChapOutcome {
                algorithm: ChapAlgorithm::Md5,
                mutual: true
            })
        );
        let wrong = target_response(b"ANOTHERSECRET");
        assert_eq!(
            mutual_finish(&format!("CHAP_N=TGTUSER CHAP_R={wrong}")),
            Err(ChapError::WrongResponse)
        );
        assert!(matches!(
            mutual_finish(&format!("CHAP_N=VTLUSER CHAP_R={right}")),
            Err(ChapError::WrongName { .. })
        ));
        assert_eq!(mutual_finish(""), Err(ChapError::Missing { key: "CHAP_N" }));
        assert_eq!(
            mutual_finish("CHAP_N=TGTUSER"),
            Err(ChapError::Missing { key: "CHAP_R" })
        );
        assert_eq!(
            mutual_finish("CHAP_N=TGTUSER CHAP_R=0x1234"),
            Err(ChapError::Length {
                key: "CHAP_R",
                expected: 16,
                received: 2
            })
        );
    }

    #[test]
    fn a_recorded_exchange_is_repeated_and_accepted() {
        // Recorded from a login at tgtd 1.0.85, which accepted the response and was believed.
        let recorded = MutualChap {
            target: credentials("TGTUSER", "TARGETSECRET1234"),
            challenge: ChapChallenge {
                identifier: 9,
                challenge: [0x5a; CHALLENGE_LENGTH],
            },
        };
        let (answered, sent) = initiator(Some(recorded))
            .answer(&pairs(
                "CHAP_A=5 CHAP_I=4 CHAP_C=0x085efe2ebc06ed8bd162a208f1c8fa4fb5ab7d4469f4187e2df69758d8d04b33\
                 871271364404195e7f39163e4e421a2f6ed0",
            ))
            .unwrap();
        assert_eq!(
            sent.value("CHAP_R"),
            Some("0x83352267bf4300b43910c2eea9668baf")
        );
        let outcome = answered
            .finish(&pairs(
                "CHAP_N=TGTUSER CHAP_R=0xf7ddb551b9eaab3bfe4e26a0b1073d49",
            ))
            .unwrap();
        assert!(outcome.mutual);
    }

    #[test]
    fn mutual_detects_reflection() {
        let reflected = format!("CHAP_A=5 CHAP_I=7 CHAP_C=0x{}", "c5".repeat(32));
        assert_eq!(
            initiator(Some(mutual()))
                .answer(&pairs(&reflected))
                .unwrap_err(),
            ChapError::ChallengeReflected
        );
        for own in [
            "0x84f795bd59e3a565447d85f5e3b4be58".to_owned(),
            target_response(b"SECRETFORVTL1"),
        ] {
            assert_eq!(
                mutual_finish(&format!("CHAP_N=TGTUSER CHAP_R={own}")),
                Err(ChapError::ResponseReflected)
            );
        }
    }

    #[test]
    fn one_secret_for_both_directions_is_refused_before_anything_is_sent() {
        let mut mutual = mutual();
        mutual.target.secret = b"SECRETFORVTL1".to_vec().into();
        assert_eq!(
            initiator(Some(mutual))
                .answer(&pairs(CHALLENGED))
                .unwrap_err(),
            ChapError::SameSecret
        );
    }

    #[test]
    fn debug_and_errors_show_no_secret_or_response() {
        let (answered, _) = initiator(Some(mutual()))
            .answer(&pairs(CHALLENGED))
            .unwrap();
        let shown = format!("{:?} {answered:?}", initiator(Some(mutual())));
        assert!(
            !shown.contains("SECRET") && !shown.contains("83, 69, 67"),
            "{shown}"
        );
        let error = mutual_finish("CHAP_N=TGTUSER CHAP_R=0xdeadbeefxx").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("deadbeef"));
    }

    proptest! {
        #[test]
        fn arbitrary_values_never_panic(a in ".{0,6}", i in ".{0,6}", c in "(0[xb])?.{0,20}", r in ".{0,40}") {
            let mut received = TextPairs::new();
            received.push("CHAP_A", a);
            received.push("CHAP_I", i);
            received.push("CHAP_C", c);
            let _ = initiator(None).answer(&received);
            let (answered, _) = initiator(Some(mutual())).answer(&pairs(CHALLENGED)).unwrap();
            let mut received = TextPairs::new();
            received.push("CHAP_N", "TGTUSER");
            received.push("CHAP_R", r);
            prop_assert!(answered.finish(&received).is_err());
        }
    }
}
