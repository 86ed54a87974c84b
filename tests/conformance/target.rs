//! A scripted target made of Login Responses.

use bytes::Bytes;
use iscsiswiconfig::iscsi::chap::{
    CHALLENGE_LENGTH, ChapAlgorithm, ChapChallenge, ChapCredentials, MutualChap,
};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, LoginStatus, StatSn, Tsih};
use iscsiswiconfig::iscsi::login::{
    Login, LoginChap, LoginError, LoginParameters, LoginResult, LoginStep,
};
use iscsiswiconfig::iscsi::operational::{OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::{LoginRequest, LoginResponse, Stage};

pub const SECURITY: Stage = Stage::SecurityNegotiation;
pub const OPERATIONAL: Stage = Stage::LoginOperationalNegotiation;
pub const FULL_FEATURE: Stage = Stage::FullFeaturePhase;

pub const SECRET: &[u8] = b"SECRETFORVTL1";
pub const TARGET_SECRET: &[u8] = b"TARGETSECRET1234";

/// The StatSN that the target starts with unless a test says otherwise.
pub const FIRST_STAT_SN: u32 = 1000;

/// A challenge as a target sends it.
pub const CHALLENGE: [&str; 3] = [
    "CHAP_A=5",
    "CHAP_I=42",
    "CHAP_C=0x000102030405060708090a0b0c0d0e0f",
];

/// A login under way: what the initiator sent last, and what it waits with.
pub struct Exchange {
    login: Login,
    pub request: LoginRequest,
    stat_sn: u32,
}

impl Exchange {
    pub fn start(parameters: LoginParameters) -> Self {
        let (login, request) = Login::start(parameters);
        Self {
            login,
            request,
            stat_sn: FIRST_STAT_SN,
        }
    }

    /// The values that the initiator sent under a key in its last request.
    pub fn sent(&self, key: &str) -> Option<String> {
        self.pairs()
            .into_iter()
            .find_map(|pair| Some(pair.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
    }

    /// The pairs of the last request.
    pub fn pairs(&self) -> Vec<String> {
        let text = String::from_utf8(self.request.data.to_vec()).unwrap();
        assert!(text.is_empty() || text.ends_with('\0'), "{text:?}");
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Answers the last request with these pairs, as agreeable as the request allows, after an edit of the header.
    pub fn answer(
        self,
        pairs: &[&str],
        edit: impl FnOnce(&mut LoginResponse),
    ) -> Result<Step, LoginError> {
        let is_final = self.request.transit && self.request.next_stage == FULL_FEATURE;
        let text: String = pairs.iter().map(|pair| format!("{pair}\0")).collect();
        let mut response = LoginResponse {
            transit: self.request.transit,
            continues: false,
            current_stage: self.request.current_stage,
            next_stage: self.request.next_stage,
            version_max: 0,
            version_active: 0,
            isid: self.request.isid,
            tsih: Tsih(if is_final { 0x77 } else { 0 }),
            initiator_task_tag: self.request.initiator_task_tag,
            stat_sn: StatSn(self.stat_sn),
            exp_cmd_sn: self.request.cmd_sn,
            max_cmd_sn: self.request.cmd_sn.plus(31),
            status: LoginStatus::SUCCESS,
            data: Bytes::from(text),
        };
        edit(&mut response);
        let stat_sn = response.stat_sn.next().0;
        Ok(match self.login.handle(response)? {
            LoginStep::Send(login, request) => Step::Goes(Box::new(Self {
                login: *login,
                request,
                stat_sn,
            })),
            LoginStep::Done(result) => Step::Done(*result),
            LoginStep::Redirect {
                addresses,
                permanent,
                ..
            } => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                Step::Redirect(addresses.join(" "), permanent)
            }
        })
    }

    /// Answers, and expects that the initiator goes on.
    pub fn goes_on(self, pairs: &[&str]) -> Self {
        self.answer(pairs, |_| {}).unwrap().goes()
    }

    /// Answers with the T bit clear, and expects that the initiator goes on in the same stage.
    pub fn stays(self, pairs: &[&str]) -> Self {
        self.answer(pairs, stay).unwrap().goes()
    }

    /// Answers, and expects that the login has succeeded.
    pub fn succeeds(self, pairs: &[&str]) -> LoginResult {
        match self.answer(pairs, |_| {}) {
            Ok(Step::Done(result)) => result,
            Ok(_) => panic!("the login did not end"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Answers, and expects that the initiator gives up.
    pub fn fails(self, pairs: &[&str]) -> LoginError {
        self.fails_with(pairs, |_| {})
    }

    /// Answers after an edit, and expects that the initiator gives up.
    pub fn fails_with(self, pairs: &[&str], edit: impl FnOnce(&mut LoginResponse)) -> LoginError {
        match self.answer(pairs, edit) {
            Err(error) => error,
            Ok(_) => panic!("the initiator accepted it"),
        }
    }
}

/// What became of a login.
pub enum Step {
    Goes(Box<Exchange>),
    Done(LoginResult),
    Redirect(String, bool),
}

impl Step {
    pub fn goes(self) -> Exchange {
        match self {
            Self::Goes(exchange) => *exchange,
            Self::Done(_) => panic!("the login ended"),
            Self::Redirect(address, _) => panic!("redirected to {address}"),
        }
    }
}

/// Clears the T bit, and with it the TSIH of a final response.
pub fn stay(response: &mut LoginResponse) {
    response.transit = false;
    response.next_stage = SECURITY;
    response.tsih = Tsih(0);
}

pub fn parameters() -> LoginParameters {
    LoginParameters {
        initiator_name: "iqn.1924-02.com.ibm:ibmi.1-i0".parse().unwrap(),
        target_name: Some("iqn.2020-01.com.example:vtl".parse().unwrap()),
        session_type: SessionType::Normal,
        isid: Isid([0x80, 1, 2, 3, 4, 5]),
        cid: Cid(3),
        cmd_sn: CmdSn(0xffff_fff0),
        chap: None,
        offer: OperationalOffer::default(),
    }
}

/// A login without CHAP, its first request sent.
pub fn open_login() -> Exchange {
    Exchange::start(parameters())
}

pub fn credentials(name: &str, secret: &[u8]) -> ChapCredentials {
    ChapCredentials {
        name: name.to_owned(),
        secret: secret.to_vec().into(),
    }
}

/// A login with one-way CHAP, its first request sent.
pub fn chap_login(algorithms: &[ChapAlgorithm]) -> Exchange {
    Exchange::start(LoginParameters {
        chap: Some(LoginChap {
            credentials: credentials("VTLUSER", SECRET),
            algorithms: algorithms.to_vec(),
            mutual: None,
        }),
        ..parameters()
    })
}

pub const OUR_IDENTIFIER: u8 = 0xa5;
pub const OUR_CHALLENGE: [u8; CHALLENGE_LENGTH] = [0xc5; CHALLENGE_LENGTH];

/// A login with mutual CHAP over MD5, its first request sent.
pub fn mutual_login() -> Exchange {
    Exchange::start(LoginParameters {
        chap: Some(LoginChap {
            credentials: credentials("VTLUSER", SECRET),
            algorithms: vec![ChapAlgorithm::Md5],
            mutual: Some(MutualChap {
                target: credentials("TGTUSER", TARGET_SECRET),
                challenge: ChapChallenge {
                    identifier: OUR_IDENTIFIER,
                    challenge: OUR_CHALLENGE,
                },
            }),
        }),
        ..parameters()
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
