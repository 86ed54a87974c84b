//! What passes, in files: `--trace` and `--pcap` of both roles, and what Wireshark makes of a capture.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use crate::common::{TestEnvironment, keys, schema, text};
use crate::peers::vtl::{NAME, Vtl};

const CHAP_NAME: &str = "VTLUSER";
const SECRET: &str = "SECRET1234567890";

/// A `--trace` and a `--pcap`, as arguments and as files.
struct Files {
    trace: PathBuf,
    pcap: PathBuf,
}

impl Files {
    fn new(environment: &TestEnvironment, name: &str) -> Self {
        let file = |end: &str| environment.home().join(format!("{name}.{end}"));
        Self {
            trace: file("jsonl"),
            pcap: file("pcapng"),
        }
    }

    fn arguments(&self) -> [&str; 4] {
        [
            "--trace",
            self.trace.to_str().unwrap(),
            "--pcap",
            self.pcap.to_str().unwrap(),
        ]
    }

    /// Returns the lines of the trace; both files have to be their owner's alone.
    fn lines(&self) -> Vec<Value> {
        for file in [&self.trace, &self.pcap] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file:?}");
        }
        let lines = fs::read_to_string(&self.trace).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .inspect(|line| assert_eq!(schema::check(line), Ok("TraceLine")))
            .collect()
    }
}

/// Configures a library that is served, with CHAP when it wants that.
fn configured(vtl: &Vtl, chap: bool) -> TestEnvironment {
    let environment = TestEnvironment::new();
    let credentials = [
        "-initiatorchapname",
        CHAP_NAME,
        "-initiatorchapsecret",
        SECRET,
    ];
    let more: &[&str] = if chap { &credentials } else { &[] };
    environment.add_with(NAME, "127.0.0.1", vtl.portal().port(), more);
    environment
}

fn bytes_of(line: &Value) -> Vec<u8> {
    let hex = text(&line["bytes"]);
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// Returns PDU, command, status and bytes of what went one way.
fn one_way<'a>(lines: &'a [Value], direction: &str) -> Vec<[&'a Value; 4]> {
    lines
        .iter()
        .filter(|line| line["direction"] == direction)
        .map(|line| ["pdu", "command", "status", "bytes"].map(|key| &line[key]))
        .collect()
}

/// Returns the place of some bytes in others.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// Fails unless the bytes hold a CHAP_R whose value is masked, and no other.
fn assert_masked(bytes: &[u8]) {
    const KEY: &[u8] = b"CHAP_R=";
    let mut rest = bytes;
    let mut count = 0;
    while let Some(place) = find(rest, KEY) {
        rest = &rest[place + KEY.len()..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        // A response of MD5 in hexadecimal or base64.
        assert!(end >= 24, "{end}");
        assert!(rest[..end].iter().all(|byte| *byte == b'*'));
        count += 1;
    }
    assert_eq!(count, 1);
    assert_eq!(find(bytes, SECRET.as_bytes()), None);
}

#[test]
fn both_sides_write_the_same_pdus_and_no_chap_response() {
    let home = TestEnvironment::new();
    let secret = home.home().join("secret");
    fs::write(&secret, SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let chap = [
        "--chap-name",
        CHAP_NAME,
        "--chap-secret-file",
        secret.to_str().unwrap(),
    ];
    let of_target = Files::new(&home, "target");
    let vtl = Vtl::start(&home, &[&chap[..], &of_target.arguments()].concat());
    let environment = configured(&vtl, true);
    let of_initiator = Files::new(&environment, "initiator");
    environment
        .run(&[&of_initiator.arguments()[..], &["-reipliscsiop"]].concat())
        .assert_status(0);
    vtl.stop();

    let (initiator, target) = (of_initiator.lines(), of_target.lines());
    assert_eq!(one_way(&initiator, "sent"), one_way(&target, "received"));
    assert_eq!(one_way(&initiator, "received"), one_way(&target, "sent"));
    assert_eq!(initiator[0]["pdu"], "Login Request");
    assert_eq!(initiator[0]["direction"], "sent");
    assert_eq!(initiator.last().unwrap()["pdu"], "Logout Response");
    let has = |key: &str, value: &str| initiator.iter().any(|line| line[key] == value);
    for command in [
        "REPORT LUNS",
        "INQUIRY, VPD page 83h (device identification)",
        "MODE SENSE(6), mode page 1Dh (element address assignment)",
        "READ ELEMENT STATUS",
    ] {
        assert!(has("command", command), "{command}");
    }
    assert!(has("status", "0x0000 Success"));
    assert!(has(
        "status",
        "CHECK CONDITION, UNIT ATTENTION 29/00, power on, reset, or bus device reset occurred"
    ));
    for lines in [&initiator, &target] {
        let mut last = 0.0;
        for line in lines {
            assert_eq!(
                keys(line),
                [
                    "bytes",
                    "command",
                    "direction",
                    "elapsed",
                    "event",
                    "pdu",
                    "schema",
                    "status",
                    "target_name",
                    "time"
                ]
            );
            assert_eq!(line["schema"], 1);
            assert_eq!(line["event"], "pdu");
            assert_eq!(line["target_name"], NAME);
            let elapsed = line["elapsed"].as_f64().unwrap();
            assert!(elapsed >= last, "{line}");
            last = elapsed;
        }
        let all: Vec<u8> = lines.iter().flat_map(bytes_of).collect();
        assert_masked(&all);
    }
    for files in [&of_initiator, &of_target] {
        assert_masked(&fs::read(&files.pcap).unwrap());
    }
}

#[test]
fn a_file_that_is_there_is_refused_before_anything_is_done() {
    let environment = TestEnvironment::new();
    let file = environment.home().join("kept");
    fs::write(&file, "mine").unwrap();
    let path = file.to_str().unwrap();
    for option in ["--trace", "--pcap"] {
        for words in [
            &["-reipliscsiop"][..],
            &["library"],
            &["tape", "status", "TAP01"],
            &["vtl", "--listen", "127.0.0.1:0"],
            &["demo"],
        ] {
            let output = environment.run(&[&["--json", option, path], words].concat());
            let output = output.assert_status(3);
            assert!(output.stderr.contains("is there already"), "{}", *output);
        }
        // What talks to nobody has no use for it.
        environment
            .run(&[option, path, "-dumptargets"])
            .assert_status(0);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let document = environment.dump();
    assert_eq!(document["iop"]["ipl_count"], 0);
}

#[test]
fn every_command_that_uses_a_device_writes_what_passes() {
    let home = TestEnvironment::new();
    let vtl = Vtl::start(&home, &[]);
    let environment = configured(&vtl, false);
    let _ = environment.reipl(0);
    for (name, words, command) in [
        (
            "library",
            &["library", "TAPMLB01"][..],
            "READ ELEMENT STATUS",
        ),
        (
            "mtx",
            &["mtx", "-f", "TAPMLB01", "status"],
            "READ ELEMENT STATUS",
        ),
        ("tape", &["tape", "status", "TAPMLB01"], "TEST UNIT READY"),
        ("demo", &["demo"], "READ ELEMENT STATUS"),
    ] {
        let files = Files::new(&environment, name);
        let output = environment.run(&[words, &files.arguments()].concat());
        output.assert_status(0);
        let lines = files.lines();
        assert!(
            lines.iter().any(|line| line["command"] == command),
            "{name}"
        );
        assert!(fs::metadata(&files.pcap).unwrap().len() > 1024, "{name}");
    }
    vtl.stop();
}

#[test]
fn a_trace_that_cannot_be_written_any_more_is_told_and_ends_nothing() {
    let home = TestEnvironment::new();
    let vtl = Vtl::start(&home, &[]);
    let environment = configured(&vtl, false);
    let files = Files::new(&environment, "cut");
    let mut command = environment.command_of(Path::new("sh"));
    // Blocks of 512 bytes: more than a record takes, less than the trace of a re-IPL.
    command
        .args(["-c", "ulimit -f 32 && exec \"$0\" \"$@\"", "iscsiswiconfig"])
        .args(files.arguments())
        .arg("-reipliscsiop");
    let output = environment.finish(command).assert_status(0);
    let told = output
        .stderr
        .matches("cut.jsonl lacks what came from here on");
    assert_eq!(told.count(), 1, "{}", *output);
    assert!(!output.stderr.contains("os error"), "{}", *output);
    vtl.stop();
}

/// Serves one connection after the other: each is given these bytes when its first PDU has begun to come, and is open until the
/// initiator closes it.
fn answering(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read_exact(&mut [0; 48]).unwrap();
            stream.write_all(&answer).unwrap();
            // The initiator may close it with what it was sent still unread.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// Returns a PDU of a login: its opcode, its stages, its text.
fn login_pdu(opcode: u8, flags: u8, text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    (bytes[0], bytes[1]) = (opcode, flags);
    bytes[7] = u8::try_from(text.len()).unwrap();
    bytes.extend_from_slice(text);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn bytes_that_are_no_pdu_are_shown_with_the_cause() {
    let reserved_stage = login_pdu(0x23, 0x08, b"CHAP_N=VTL\0CHAP_R=0x0102030405060708\0");
    let mut masked = reserved_stage.clone();
    let response = find(&masked, b"0x01").unwrap();
    masked[response..response + 18].fill(b'*');
    let mut too_long = login_pdu(0x23, 0x87, b"");
    too_long[5..8].fill(0xff);
    let banner = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec();
    for (answer, shown, cause) in [
        (banner.clone(), banner, "not iSCSI"),
        (reserved_stage, masked, "login stage 2 is reserved"),
        (
            too_long.clone(),
            too_long,
            "Login Response PDU announces 16777215 bytes of data, more than the 1048576 allowed",
        ),
    ] {
        let environment = TestEnvironment::new();
        environment.add(NAME, "127.0.0.1", answering(answer));
        let files = Files::new(&environment, "session");
        let output = environment
            .run(&[&files.arguments()[..], &["-vv", "-reipliscsiop"]].concat())
            .assert_status(4);
        let lines = files.lines();
        let kinds: Vec<&Value> = lines.iter().map(|line| &line["pdu"]).collect();
        assert_eq!(json!(kinds), json!(["Login Request", null]), "{cause}");
        assert_eq!(lines[0]["malformed"], Value::Null);
        assert_eq!(lines[1]["malformed"], cause);
        assert_eq!(lines[1]["direction"], "received");
        assert_eq!(bytes_of(&lines[1]), shown);
        assert!(find(&fs::read(&files.pcap).unwrap(), &shown).is_some());
        let words = format!("<- malformed, {} bytes: {cause}\n", shown.len());
        assert!(output.stderr.contains(&words), "{}", *output);
    }
}

#[test]
fn a_pdu_with_a_wrong_digest_is_shown_as_it_came() {
    let digests = ["--header-digest", "CRC32C", "--data-digest", "CRC32C"];
    for (fault, cause) in [
        ("corrupt-header-digest=3,times=1", "header digest error"),
        ("corrupt-data-digest=3,times=1", "data digest error"),
    ] {
        let home = TestEnvironment::new();
        let of_target = Files::new(&home, "target");
        let with_fault = [&digests[..], &["--fault", fault], &of_target.arguments()].concat();
        let vtl = Vtl::start(&home, &with_fault);
        let environment = configured(&vtl, false);
        let of_initiator = Files::new(&environment, "initiator");
        environment
            .run(&[&of_initiator.arguments()[..], &["-reipliscsiop"]].concat())
            .assert_status(4);
        vtl.stop();
        let lines = of_initiator.lines();
        let malformed = lines
            .iter()
            .find(|line| !line["malformed"].is_null())
            .unwrap();
        assert!(
            text(&malformed["malformed"]).starts_with(cause),
            "{malformed}"
        );
        let came = text(&malformed["bytes"]);
        let sent = of_target.lines();
        let sent = sent.iter().filter(|line| line["direction"] == "sent");
        // Where the header cannot be believed, what follows it is not known either.
        let mut as_it_came = sent.filter(|line| text(&line["bytes"]).starts_with(came));
        assert_eq!(as_it_came.clone().count(), 1, "{malformed}");
        assert!(as_it_came.all(|line| !line["pdu"].is_null()));
    }
}

#[test]
fn the_library_shows_what_an_initiator_sends_that_is_no_pdu() {
    let home = TestEnvironment::new();
    let files = Files::new(&home, "target");
    let vtl = Vtl::start(&home, &files.arguments());
    let mut stream = TcpStream::connect(vtl.portal()).unwrap();
    let sent = login_pdu(0x43, 0x08, b"InitiatorName=iqn.a\0");
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    vtl.stop();
    let lines = files.lines();
    assert_eq!(lines[0]["malformed"], "login stage 2 is reserved");
    assert_eq!(bytes_of(&lines[0]), sent);
}

/// Returns the fields that Wireshark reads of the PDUs of a capture, a line each.
#[cfg(feature = "peers")]
fn wireshark(capture: &Path, port: u16, fields: &[&str], filter: &str) -> Vec<Vec<String>> {
    let mut command = std::process::Command::new("tshark");
    command.arg("-r").arg(capture);
    command.args(["-d", &format!("tcp.port=={port},iscsi"), "-Y", filter]);
    command.args(["-T", "fields", "-E", "occurrence=f"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command
        .output()
        .expect("run tshark (Debian package tshark)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[test]
#[cfg(feature = "peers")]
fn wireshark_reads_from_a_capture_what_the_trace_says() {
    for digest in ["None", "CRC32C"] {
        let home = TestEnvironment::new();
        let digests = ["--header-digest", digest, "--data-digest", digest];
        let vtl = Vtl::start(&home, &digests);
        let port = vtl.portal().port();
        let environment = configured(&vtl, false);
        let files = Files::new(&environment, "session");
        environment
            .run(&[&files.arguments()[..], &["-reipliscsiop"]].concat())
            .assert_status(0);
        vtl.stop();
        let lines = files.lines();

        let fields = [
            "iscsi.opcode",
            "iscsi.initiatortasktag",
            "iscsi.cmdsn",
            "iscsi.datasegmentlength",
            "tcp.srcport",
        ];
        let read = wireshark(&files.pcap, port, &fields, "iscsi");
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let said: Vec<Vec<String>> = lines
            .iter()
            .map(|line| {
                let bytes = bytes_of(line);
                let is_sent = line["direction"] == "sent";
                let cmd_sn = match is_sent {
                    true => format!("{}", number(&bytes[24..28])),
                    false => String::new(),
                };
                vec![
                    format!("{:#04x}", bytes[0] & 0x3f),
                    format!("{:#010x}", number(&bytes[16..20])),
                    cmd_sn,
                    number(&bytes[5..8]).to_string(),
                    match is_sent {
                        // The kernel chose it.
                        true => read[0][4].clone(),
                        false => port.to_string(),
                    },
                ]
            })
            .collect();
        assert!(said.len() > 20);
        let as_numbers = |lines: Vec<Vec<String>>| -> Vec<Vec<Option<u32>>> {
            let parse = |field: String| match field.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => field.parse().ok(),
            };
            lines
                .into_iter()
                .map(|line| line.into_iter().map(parse).collect())
                .collect()
        };
        assert_eq!(as_numbers(read), as_numbers(said), "{digest}");

        let luns = wireshark(&files.pcap, port, &["scsi.lun"], "iscsi.opcode == 0x01");
        let said: Vec<u32> = lines
            .iter()
            .filter(|line| line["pdu"] == "SCSI Command")
            .map(|line| number(&bytes_of(line)[8..10]))
            .collect();
        let read: Vec<u32> = luns
            .iter()
            .map(|lun| u32::from_str_radix(lun[0].trim_start_matches("0x"), 16).unwrap())
            .collect();
        assert_eq!(read, said, "{digest}");

        let bad = "_ws.malformed || _ws.expert.severity == error || tcp.analysis.flags \
                   || ip.checksum.status == 0 || tcp.checksum.status == 0";
        let bad = wireshark(&files.pcap, port, &["frame.number", "_ws.col.Info"], bad);
        assert!(bad.is_empty(), "{digest}: {bad:?}");
    }
}

/// Returns the name that sg3_utils has for an additional sense code, in lower case, without its advice to use another one.
#[cfg(feature = "peers")]
fn sg_decode_sense(asc: u8, ascq: u8) -> Option<String> {
    let mut sense = [0u8; 18];
    (sense[0], sense[2], sense[7], sense[12], sense[13]) = (0x70, 0x05, 10, asc, ascq);
    let output = std::process::Command::new("sg_decode_sense")
        .args(sense.map(|byte| format!("{byte:02x}")))
        .output()
        .expect("run sg_decode_sense (Debian package sg3-utils)");
    let text = String::from_utf8(output.stdout).unwrap().to_lowercase();
    let name = text.split("additional sense: ").nth(1)?.lines().next()?;
    let advice = [" (should use", " (use 20 00", " (obs)"];
    let end = advice.iter().filter_map(|advice| name.find(advice)).min();
    Some(name[..end.unwrap_or(name.len())].to_owned())
}

#[test]
#[cfg(feature = "peers")]
fn additional_sense_codes_have_the_names_that_sg3_utils_has() {
    use iscsiswiconfig::scsi::sense::AdditionalSenseCode;

    // Each code with a name, and its neighbour, which may have none. A number in the qualifier is not part of our names.
    let has_number = |asc, ascq| {
        matches!(
            (asc, ascq),
            (0x40, 1..) | (0x41 | 0x42, 1..) | (0x4d | 0x70, _)
        )
    };
    let named = |&(asc, ascq): &(u8, u8)| AdditionalSenseCode { asc, ascq }.meaning().is_some();
    let codes = (0..=0xff).flat_map(|asc| (0..=0xff).map(move |ascq| (asc, ascq)));
    let mut asked: Vec<(u8, u8)> = codes
        .filter(|(asc, ascq)| !has_number(*asc, *ascq))
        .filter(named)
        .flat_map(|(asc, ascq)| [(asc, ascq), (asc, ascq.wrapping_add(1))])
        .filter(|(asc, ascq)| !has_number(*asc, *ascq))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let mut compared = 0;
    for (asc, ascq) in asked {
        let ours = AdditionalSenseCode { asc, ascq }
            .meaning()
            .map(str::to_lowercase);
        let theirs = sg_decode_sense(asc, ascq);
        let theirs = match (asc, ascq) {
            // Of an earlier SPC; T10's list has it no longer.
            (0x30, 0x0b) => None,
            // The standard says BLOCK ADDRESS MODEL.
            (0x24, 0x02 | 0x03) => {
                theirs.map(|name| name.replace("block model", "block address model"))
            }
            _ => theirs,
        };
        assert_eq!(ours, theirs, "{asc:02X}/{ascq:02X}");
        compared += usize::from(theirs.is_some());
    }
    assert!(compared > 750, "{compared} names were compared");
}
