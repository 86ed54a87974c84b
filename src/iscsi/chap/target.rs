//! The target's side: challenges the initiator, verifies its response and answers its challenge when there is one.

use subtle::ConstantTimeEq as _;

use super::{
    ALGORITHM, CHALLENGE, ChapAlgorithm, ChapChallenge, ChapCredentials, ChapError, ChapOutcome,
    IDENTIFIER, NAME, RESPONSE, forbid, read_challenge, read_identifier, read_response, require,
};
use crate::iscsi::text::{self, ReceivedText, TextPairs};

/// A target that waits for the initiator's algorithms.
#[derive(Debug)]
pub struct ChapTarget {
    initiator: ChapCredentials,
    own: Option<ChapCredentials>,
    algorithms: Vec<ChapAlgorithm>,
}

impl ChapTarget {
    /// Returns a target that demands the initiator's credentials, and that proves its own when it has any.
    pub fn new(
        initiator: ChapCredentials,
        own: Option<ChapCredentials>,
        algorithms: Vec<ChapAlgorithm>,
    ) -> Self {
        Self {
            initiator,
            own,
            algorithms,
        }
    }

    /// Selects the first offered algorithm that is acceptable and answers with CHAP_A, CHAP_I and CHAP_C.
    ///
    /// What is offered and not understood is passed over (6.2.1).
    ///
    /// # Errors
    /// [`ChapError`] when no offered algorithm is acceptable, or when a key is out of order.
    pub fn challenge(
        self,
        received: &TextPairs,
        challenge: ChapChallenge,
    ) -> Result<(ChapChallenged, TextPairs), ChapError> {
        forbid(received, &[IDENTIFIER, CHALLENGE, NAME, RESPONSE])?;
        let offered = require(received, ALGORITHM)?;
        let algorithm = text::list(offered)
            .filter_map(text::numerical)
            .find_map(|number| {
                let acceptable = |own: &&ChapAlgorithm| u64::from(own.number()) == number;
                self.algorithms.iter().find(acceptable).copied()
            })
            .ok_or_else(|| ChapError::NoCommonAlgorithm {
                offered: ReceivedText(offered.to_owned()).to_string(),
            })?;

        let mut pairs = TextPairs::new();
        pairs.push(ALGORITHM, algorithm.number().to_string());
        pairs.push(IDENTIFIER, challenge.identifier.to_string());
        pairs.push(CHALLENGE, text::hex_constant(&challenge.challenge));
        let challenged = ChapChallenged {
            initiator: self.initiator,
            own: self.own,
            algorithm,
            challenge,
        };
        Ok((challenged, pairs))
    }
}

/// A target that has challenged the initiator and waits for its response.
#[derive(Debug)]
pub struct ChapChallenged {
    initiator: ChapCredentials,
    own: Option<ChapCredentials>,
    algorithm: ChapAlgorithm,
    challenge: ChapChallenge,
}

impl ChapChallenged {
    /// Verifies CHAP_N and CHAP_R and answers CHAP_I and CHAP_C of the initiator when they came along.
    ///
    /// # Errors
    /// [`ChapError`] when the initiator does not prove its name, breaks a rule of 12.1.3, reflects the challenge
    /// (9.2.1), or asks for a proof that this target cannot give. The login is refused with status 0201 then.
    pub fn verify(self, received: &TextPairs) -> Result<(ChapOutcome, TextPairs), ChapError> {
        forbid(received, &[ALGORITHM])?;
        let name = require(received, NAME)?;
        let response = read_response(received, self.algorithm)?;
        let answer_of = |credentials: &ChapCredentials| {
            let ChapChallenge {
                identifier,
                challenge,
            } = &self.challenge;
            self.algorithm
                .response(*identifier, credentials.secret.reveal(), challenge)
        };
        if let Some(own) = &self.own
            && bool::from(answer_of(own).ct_eq(&response))
        {
            return Err(ChapError::ResponseReflected);
        }
        // The response is compared before the name, so that a wrong name costs as long as a wrong secret.
        if !bool::from(answer_of(&self.initiator).ct_eq(&response)) {
            return Err(ChapError::WrongResponse);
        }
        if name != self.initiator.name {
            return Err(ChapError::WrongName {
                expected: ReceivedText(self.initiator.name),
                received: ReceivedText(name.to_owned()),
            });
        }
        let pairs = self.answer(received)?;
        Ok((
            ChapOutcome {
                algorithm: self.algorithm,
                mutual: !pairs.is_empty(),
            },
            pairs,
        ))
    }

    fn answer(&self, received: &TextPairs) -> Result<TextPairs, ChapError> {
        let mut pairs = TextPairs::new();
        if received.value(IDENTIFIER).is_none() && received.value(CHALLENGE).is_none() {
            return Ok(pairs);
        }
        let identifier = read_identifier(received)?;
        let challenge = read_challenge(received)?;
        if challenge == self.challenge.challenge {
            return Err(ChapError::ChallengeReflected);
        }
        let own = self.own.as_ref().ok_or(ChapError::NoOwnCredentials)?;
        if bool::from(own.secret.reveal().ct_eq(self.initiator.secret.reveal())) {
            return Err(ChapError::SameSecret);
        }
        let response = self
            .algorithm
            .response(identifier, own.secret.reveal(), &challenge);
        pairs.push(NAME, own.name.as_str());
        pairs.push(RESPONSE, text::hex_constant(&response));
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::iscsi::chap::{CHALLENGE_LENGTH, ChapInitiator, MutualChap};

    fn credentials(name: &str, secret: &str) -> ChapCredentials {
        ChapCredentials {
            name: name.to_owned(),
            secret: secret.as_bytes().to_vec().into(),
        }
    }

    fn challenge(identifier: u8, byte: u8) -> ChapChallenge {
        ChapChallenge {
            identifier,
            challenge: [byte; CHALLENGE_LENGTH],
        }
    }

    fn user() -> ChapCredentials {
        credentials("VTLUSER", "SECRETFORVTL1")
    }

    fn target(own: Option<ChapCredentials>) -> ChapTarget {
        ChapTarget::new(user(), own, ChapAlgorithm::ALL.to_vec())
    }

    fn own() -> ChapCredentials {
        credentials("TGTUSER", "TARGETSECRET1234")
    }

    /// Plays the whole exchange and returns both outcomes.
    fn exchange(
        initiator: ChapInitiator,
        target: ChapTarget,
    ) -> Result<(ChapOutcome, ChapOutcome), ChapError> {
        let (challenged, pairs) = target.challenge(&initiator.offer(), challenge(1, 0x11))?;
        let (answered, pairs) = initiator.answer(&pairs)?;
        let (target, pairs) = challenged.verify(&pairs)?;
        Ok((answered.finish(&pairs)?, target))
    }

    #[test]
    fn both_roles_agree_with_every_algorithm_and_in_both_directions() {
        for algorithm in ChapAlgorithm::ALL {
            for mutual in [false, true] {
                let expected = mutual.then(|| MutualChap {
                    target: own(),
                    challenge: challenge(2, 0x22),
                });
                let initiator = ChapInitiator::new(user(), vec![algorithm], expected);
                let outcome = ChapOutcome { algorithm, mutual };
                assert_eq!(
                    exchange(initiator, target(Some(own()))),
                    Ok((outcome, outcome))
                );
            }
        }
    }

    #[test]
    fn the_first_acceptable_algorithm_is_selected() {
        let mut offer = TextPairs::new();
        offer.push("CHAP_A", "99,x,8,5");
        let (_, pairs) = target(None).challenge(&offer, challenge(9, 0xab)).unwrap();
        assert_eq!(pairs.value("CHAP_A"), Some("8"));
        assert_eq!(pairs.value("CHAP_I"), Some("9"));
        assert_eq!(
            pairs.value("CHAP_C"),
            Some(format!("0x{}", "ab".repeat(32)).as_str())
        );

        let md5_only = ChapTarget::new(user(), None, vec![ChapAlgorithm::Md5]);
        let mut offer = TextPairs::new();
        offer.push("CHAP_A", "7,6");
        assert!(matches!(
            md5_only.challenge(&offer, challenge(1, 0)),
            Err(ChapError::NoCommonAlgorithm { .. })
        ));
    }

    #[test]
    fn a_wrong_secret_or_name_is_refused() {
        let wrong_secret = credentials("VTLUSER", "SECRETFORVTL2");
        let initiator = ChapInitiator::new(wrong_secret, Vec::new(), None);
        assert_eq!(
            exchange(initiator, target(None)),
            Err(ChapError::WrongResponse)
        );
        let wrong_name = credentials("vtluser", "SECRETFORVTL1");
        let initiator = ChapInitiator::new(wrong_name, Vec::new(), None);
        assert!(matches!(
            exchange(initiator, target(None)),
            Err(ChapError::WrongName { .. })
        ));
    }

    #[test]
    fn a_proof_that_the_target_cannot_give_is_refused() {
        let mutual = MutualChap {
            target: own(),
            challenge: challenge(2, 0x22),
        };
        let initiator = ChapInitiator::new(user(), Vec::new(), Some(mutual));
        assert_eq!(
            exchange(initiator, target(None)),
            Err(ChapError::NoOwnCredentials)
        );
    }

    #[test]
    fn reflection_is_detected() {
        let mut offer = TextPairs::new();
        offer.push("CHAP_A", "5");
        let start = || {
            target(Some(own()))
                .challenge(&offer, challenge(1, 0x11))
                .unwrap()
                .0
        };
        let respond = |secret: &[u8]| {
            let mut pairs = TextPairs::new();
            let response = ChapAlgorithm::Md5.response(1, secret, &[0x11; CHALLENGE_LENGTH]);
            pairs.push("CHAP_N", "VTLUSER");
            pairs.push("CHAP_R", text::hex_constant(&response));
            pairs
        };
        assert_eq!(
            start().verify(&respond(b"TARGETSECRET1234")),
            Err(ChapError::ResponseReflected)
        );
        let mut reflected = respond(b"SECRETFORVTL1");
        reflected.push("CHAP_I", "1");
        reflected.push("CHAP_C", format!("0x{}", "11".repeat(32)));
        assert_eq!(
            start().verify(&reflected),
            Err(ChapError::ChallengeReflected)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_responses_are_refused_without_a_panic(
            offer in ".{0,12}",
            name in ".{0,12}",
            r in "(0[xb])?.{0,40}",
        ) {
            let mut pairs = TextPairs::new();
            pairs.push("CHAP_A", offer);
            let _ = target(None).challenge(&pairs, challenge(1, 1));
            let mut pairs = TextPairs::new();
            pairs.push("CHAP_A", "5");
            let (challenged, _) = target(None).challenge(&pairs, challenge(1, 1)).unwrap();
            let mut pairs = TextPairs::new();
            pairs.push("CHAP_N", name);
            pairs.push("CHAP_R", r);
            prop_assert!(challenged.verify(&pairs).is_err());
        }
    }
}
