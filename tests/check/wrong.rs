//! Targets that are wrong in one way each.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iscsiswiconfig::iscsi::chap::ChapAlgorithm;
use iscsiswiconfig::iscsi::pdu::Stage;
use iscsiswiconfig::scsi::data::inquiry::PeripheralDeviceType;
use iscsiswiconfig::scsi::data::vpd::VpdPage;
use iscsiswiconfig::scsi::{AdditionalSenseCode, Lun, SenseData, SenseKey};
use iscsiswiconfig::vtl::{AnswerFault, Barcode, InjectedAnswer};
use socket2::{Domain, Socket, Type};

use super::{CHAP_NAME, Findings, NAME, SECRET, add, add_with_chap, check, open_target};
use crate::common::{TestEnvironment, text};
use crate::hostile::target::{self, Peer};
use crate::peers::embedded::{Portal, Target};
use crate::peers::relay::{Conduct, Relay};

/// A finding, and the target that produces it.
pub struct Case {
    pub id: &'static str,
    result: &'static str,
    /// What is seen begins with, or has in it.
    seen: &'static str,
    find: fn() -> Findings,
}

const fn case(
    id: &'static str,
    result: &'static str,
    seen: &'static str,
    find: fn() -> Findings,
) -> Case {
    Case {
        id,
        result,
        seen,
        find,
    }
}

/// One for each row of the table.
pub const CASES: &[Case] = &[
    case("network.name-resolution", "failure", "no-such-host", || {
        at("no-such-host.invalid", 3260, &[])
    }),
    case(
        "network.host-unreachable",
        "failure",
        "cannot be reached",
        || at("255.255.255.255", 3260, &[]),
    ),
    case(
        "network.port-filtered",
        "failure",
        "does not answer",
        || {
            let full = FullPort::new();
            at("127.0.0.1", full.0.port(), &["--timeout", "0.5"])
        },
    ),
    case(
        "network.port-refused",
        "failure",
        "refuses connections",
        || at("127.0.0.1", 1, &[]),
    ),
    case("network.not-iscsi", "failure", "SSH-2.0", || {
        scripted(|peer| {
            peer.stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")?;
            peer.stay_silent()
        })
    }),
    case("network.path-mtu", "warning", "a packet has 576", || {
        let portal = Portal::serving([open_target()]);
        at("127.0.0.1", narrow(portal.port()), &[])
    }),
    case("network.round-trip", "warning", "A ping was answered", slow),
    case(
        "identity.initiator-name",
        "warning",
        "Upper case: P.",
        || {
            let portal = Portal::serving([open_target()]);
            let environment = TestEnvironment::new();
            let port = portal.port().to_string();
            environment
                .run(&[
                    "-addtarget",
                    "-initiatorname",
                    "iqn.1924-02.com.ibm:Prod",
                    "-targethostname",
                    "127.0.0.1",
                    "-targetname",
                    NAME,
                    "-targetport",
                    &port,
                ])
                .assert_status(0);
            check(&environment, &[])
        },
    ),
    case(
        "identity.target-name",
        "warning",
        "Upper case: VTL.",
        || {
            let portal = Portal::serving([open_target()]);
            let environment = TestEnvironment::new();
            environment.add(&NAME.replace("vtl", "VTL"), "127.0.0.1", portal.port());
            check(&environment, &[])
        },
    ),
    case(
        "login.accepted",
        "failure",
        "hardware or software error",
        || scripted(|peer| peer.send_status(3, 0, "")),
    ),
    case("login.secret-missing", "failure", "KeyStore", || {
        let environment = TestEnvironment::new();
        environment
            .run(&["partition", "set", "--keystore-size", "4096"])
            .assert_status(0);
        add_with_chap(&environment, "127.0.0.1", 1);
        fs::remove_dir_all(environment.home().join("keystore")).unwrap();
        let portal = Portal::serving([open_target()]);
        let config = environment.state_file("config.json");
        let moved = fs::read_to_string(&config).unwrap();
        let port = format!("\"target_port\": {}", portal.port());
        fs::write(&config, moved.replace("\"target_port\": 1", &port)).unwrap();
        check(&environment, &[])
    }),
    case("login.chap-required", "failure", "CHAP", || {
        without_chap(open_target().account(CHAP_NAME, SECRET))
    }),
    case(
        "login.chap-not-asked",
        "warning",
        "no authentication",
        || with_chap(open_target(), &[]),
    ),
    case(
        "login.chap-credentials",
        "failure",
        "did not accept",
        || with_chap(open_target().account("OTHER", "OTHEROTHER12"), &[]),
    ),
    case("login.chap-secret-case", "failure", "in lower case", || {
        let lower = SECRET.to_ascii_lowercase();
        with_chap(open_target().account(CHAP_NAME, &lower), &[])
    }),
    case("login.chap-name-case", "failure", "in lower case", || {
        let lower = CHAP_NAME.to_ascii_lowercase();
        with_chap(open_target().account(&lower, SECRET), &[])
    }),
    case("login.chap-algorithm", "failure", "SHA-256 of all", || {
        let target = open_target()
            .account(CHAP_NAME, SECRET)
            .algorithms(&[ChapAlgorithm::Sha256]);
        with_chap(target, &[])
    }),
    case("login.mutual-chap", "failure", "mutual CHAP", mutual),
    case("login.initiator-unknown", "failure", "not allowed", || {
        without_chap(open_target().only("iqn.2020-01.com.example:other"))
    }),
    case("login.target-unknown", "failure", "not known", || {
        scripted(|peer| peer.send_status(2, 3, ""))
    }),
    case("login.departures", "warning", "section 13.9", || {
        scripted(|peer| peer.run(|_| None))
    }),
    case(
        "library.enumeration",
        "warning",
        "could not be read",
        || answering(&[(0, &[0xb8], refused())]),
    ),
    case("library.one-library", "failure", "no library", || {
        answering(&[(0, &[0x12, 0], data(&target::inquiry(0, b"DISK")))])
    }),
    case("library.type-model", "warning", "no VPD page D0h", || {
        let pages = VpdPage::encode(PeripheralDeviceType(8), 0, &[0, 0x80, 0x83]);
        answering(&[(0, &[0x12, 1, 0], data(&pages))])
    }),
    case(
        "library.one-drive-type",
        "failure",
        "more than one drive type",
        || answering(&[(2, &[0x12, 0], data(&target::inquiry(1, b"ULT3580-TD5")))]),
    ),
    case(
        "library.drive-generation",
        "failure",
        "older than LTO3",
        || answering(&[(1, &[0x12, 0], data(&target::inquiry(1, b"ULT3580-TD2")))]),
    ),
    case("library.drive-elements", "failure", "is not a LUN", || {
        answering(&[(2, &[0x12, 0], data(&target::inquiry(0, b"DISK")))])
    }),
    case("library.ready", "failure", "NOT READY", || {
        answering(&[(0, &[0], check_condition(SenseKey::NOT_READY, 0x04, 0x03))])
    }),
    case("library.barcodes", "warning", "LONGBARCODE1", || {
        without_chap(open_target().with(|_, library| {
            library.cartridges = vec![Barcode::parse("LONGBARCODE1").unwrap()];
        }))
    }),
    case("drives.ready", "failure", "HARDWARE ERROR", || {
        answering(&[(1, &[0], check_condition(SenseKey::HARDWARE_ERROR, 0x44, 0))])
    }),
    case(
        "drives.block-limits",
        "failure",
        "up to 65536 bytes",
        || answering(&[(1, &[0x05], data(&[0, 1, 0, 0, 0, 1]))]),
    ),
    case("drives.saved-values", "failure", "ILLEGAL REQUEST", || {
        answering(&[
            (1, &[0x5a, 0, 0xff], refused()),
            (1, &[0x1a, 0, 0xd0], refused()),
        ])
    }),
    case(
        "drives.reservation-capabilities",
        "failure",
        "CRH=1",
        || answering(&[(1, &[0x5e, 2], data(&[0, 8, 0x10, 0x80, 0xea, 1, 0, 0]))]),
    ),
    case(
        "drives.reservation-full-status",
        "failure",
        "ILLEGAL REQUEST",
        || answering(&[(1, &[0x5e, 3], refused())]),
    ),
    case("drives.log-pages", "failure", "no log page 31h", || {
        answering(&[(1, &[0x4d, 0, 0x40], data(&[0, 0, 0, 2, 0, 0x0c]))])
    }),
    case(
        "drives.read-position",
        "failure",
        "BOP=1 at block 7",
        || {
            let mut position = vec![0x80, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 7];
            position.resize(20, 0);
            answering(&[(1, &[0], data(&[])), (1, &[0x34], data(&position))])
        },
    ),
    case("drives.reserved", "failure", "iqn.other", || {
        let mut status = vec![0, 0, 0, 1, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 7];
        status.extend([0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 20]);
        status.extend(b"\x05\0\0\x10iqn.other\0\0\0\0\0\0\0");
        answering(&[(1, &[0x5e, 3], data(&status))])
    }),
    case(
        "drives.tape-alert",
        "warning",
        "flags 3, 20 are set",
        || {
            let flag = |code: u8, set: u8| [0, code, 3, 1, set];
            let flags = [flag(3, 1), flag(4, 0), flag(20, 1)].concat();
            let page = [&[0x2e, 0, 0, 15], &flags[..]].concat();
            let portal = wrong_library(&[(1, &[0x4d, 0, 0x6e], data(&page))]);
            at("127.0.0.1", portal.port(), &["--tape-alert"])
        },
    ),
    case("security.chap-absent", "warning", "without CHAP", || {
        without_chap(open_target())
    }),
    case("security.chap-md5", "warning", "MD5", || {
        with_chap(open_target().account(CHAP_NAME, SECRET), &[])
    }),
    case(
        "security.digests-off",
        "warning",
        "HeaderDigest=None",
        || without_chap(open_target()),
    ),
    case("security.secret-plain-text", "warning", "on disk", || {
        with_chap(open_target().account(CHAP_NAME, SECRET), &[])
    }),
    case(
        "security.secret-short",
        "warning",
        "has 11 characters",
        || {
            let portal = Portal::serving([open_target().account(CHAP_NAME, "ELEVENCHARS")]);
            let environment = TestEnvironment::new();
            let chap = [
                "-initiatorchapname",
                CHAP_NAME,
                "-initiatorchapsecret",
                "ELEVENCHARS",
            ];
            environment.add_with(NAME, "127.0.0.1", portal.port(), &chap);
            check(&environment, &[])
        },
    ),
    case("speed.write-rate", "warning", "MB/s", slow),
];

#[test]
fn each_wrong_target_produces_its_finding() {
    let failed: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = CASES
            .iter()
            .map(|case| (case, scope.spawn(case.find)))
            .collect();
        running
            .into_iter()
            .filter_map(|(case, running)| {
                let Ok(findings) = running.join() else {
                    return Some(format!("{}: the check panicked", case.id));
                };
                let found = &findings[case.id];
                let is_right = found["result"] == case.result
                    && text(&found["seen"]).contains(case.seen)
                    && found["next_step"].is_string();
                (!is_right).then(|| format!("{}: {found:#}", case.id))
            })
            .collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_target_sees_four_logins_at_most_a_second_apart() {
    let logins = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&logins);
    let target = target::Target::start(move |peer| {
        let mut is_first = true;
        loop {
            let request = peer.login_request()?;
            if is_first {
                seen.lock().unwrap().push(Instant::now());
            }
            let text = match is_first {
                true => "AuthMethod=CHAP\0TargetPortalGroupTag=1\0",
                false if request.data.starts_with(b"CHAP_A") => {
                    "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x0123456789abcdef0123456789abcdef\0"
                }
                false => {
                    let mut response = peer.grant(&request, "");
                    response.transit = false;
                    response.next_stage = Stage::SecurityNegotiation;
                    response.status = iscsiswiconfig::iscsi::ids::LoginStatus::new(2, 1);
                    return peer.send_login(response);
                }
            };
            is_first = false;
            let mut response = peer.grant(&request, text);
            response.transit = false;
            response.next_stage = Stage::SecurityNegotiation;
            peer.send_login(response)?;
        }
    });
    let environment = TestEnvironment::new();
    add_with_chap(&environment, "127.0.0.1", target.port);
    let findings = check(&environment, &[]);
    assert_eq!(findings["login.chap-credentials"]["result"], "failure");
    for id in ["login.chap-secret-case", "login.chap-name-case"] {
        assert_eq!(findings[id]["result"], "pass", "{id}");
    }
    let logins = logins.lock().unwrap();
    assert_eq!(logins.len(), 4, "the configured one and three more");
    for pair in logins.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= Duration::from_secs(1), "{apart:?}");
    }
    // One connection more is that which only looks whether the port is open.
    assert_eq!(target.connections(), 5);
}

fn at(host: &str, port: u16, more: &[&str]) -> Findings {
    let environment = TestEnvironment::new();
    environment.add(NAME, host, port);
    check(&environment, more)
}

fn without_chap(target: Target) -> Findings {
    let portal = Portal::serving([target]);
    let environment = TestEnvironment::new();
    add(&environment, portal.port());
    check(&environment, &[])
}

fn with_chap(target: Target, more: &[&str]) -> Findings {
    let portal = Portal::serving([target]);
    let environment = TestEnvironment::new();
    add_with_chap(&environment, "127.0.0.1", portal.port());
    check(&environment, more)
}

fn scripted<S>(script: S) -> Findings
where
    S: Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
{
    let target = target::Target::start(script);
    // Some say too little for an answer, and no more.
    at("127.0.0.1", target.port, &["--timeout", "2"])
}

/// A target that proves itself though it was not asked to (RFC 7143 12.1.3).
fn mutual() -> Findings {
    let target = target::Target::start(|peer| {
        for text in [
            "AuthMethod=CHAP\0TargetPortalGroupTag=1\0",
            "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x0123456789abcdef0123456789abcdef\0",
            "CHAP_N=TARGET\0CHAP_R=0x00112233445566778899aabbccddeeff\0",
        ] {
            let request = peer.login_request()?;
            let mut response = peer.grant(&request, text);
            if !text.starts_with("CHAP_N") {
                response.transit = false;
                response.next_stage = Stage::SecurityNegotiation;
            }
            peer.send_login(response)?;
        }
        peer.stay_silent()
    });
    let environment = TestEnvironment::new();
    add_with_chap(&environment, "127.0.0.1", target.port);
    check(&environment, &[])
}

/// LUN, what a CDB begins with, and the answer.
type Answer<'a> = (u16, &'a [u8], InjectedAnswer);

/// A library with two drives that answers so.
fn wrong_library(answers: &[Answer<'_>]) -> Portal {
    Portal::serving([open_target().with(|_, library| {
        library.drives = 2;
        library.faults.answers = answers
            .iter()
            .map(|(lun, cdb, answer)| AnswerFault {
                lun: Lun::from_number(*lun).unwrap(),
                cdb: cdb.to_vec(),
                answer: answer.clone(),
            })
            .collect();
    })])
}

fn answering(answers: &[Answer<'_>]) -> Findings {
    let portal = wrong_library(answers);
    at("127.0.0.1", portal.port(), &[])
}

fn data(data: &[u8]) -> InjectedAnswer {
    InjectedAnswer::Data(Bytes::copy_from_slice(data))
}

fn check_condition(key: SenseKey, asc: u8, ascq: u8) -> InjectedAnswer {
    InjectedAnswer::CheckCondition(SenseData::new(key, AdditionalSenseCode { asc, ascq }))
}

/// INVALID OPERATION CODE.
fn refused() -> InjectedAnswer {
    check_condition(SenseKey::ILLEGAL_REQUEST, 0x20, 0)
}

/// A target behind a way that takes 30 ms.
fn slow() -> Findings {
    let portal = Portal::serving([open_target()]);
    let conduct = Conduct {
        delay: Duration::from_millis(30),
        ..Conduct::default()
    };
    let relay = Relay::start(portal.port(), conduct);
    at("127.0.0.1", relay.port(), &[])
}

/// Passes connections on that have TCP segments of 536 bytes, and returns its port. Its thread ends with the test process.
fn narrow(target: u16) -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(16).unwrap();
    let listener: TcpListener = socket.into();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let target = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), target.try_clone().unwrap()),
                (target, client),
            ] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    port
}

/// A port that takes no more connections: each further attempt is dropped without a word.
struct FullPort(
    SocketAddr,
    #[expect(dead_code, reason = "held open")] Vec<TcpStream>,
    #[expect(dead_code, reason = "held open")] Socket,
);

impl FullPort {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        socket.listen(1).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        Self(address, waiting, socket)
    }
}
