//! `vtl`: serves a virtual tape library, and lists who logs in.

use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use super::terminal::{Lines, Terminal};
use super::trace::Tracer;
use super::vtl_event::VtlEvent;
use super::{descriptors, host, secret_file};
use crate::cli::{FaultArgument, FaultOption, HostOptions, RequestedFault, VtlOptions};
use crate::error::CommandError;
use crate::iop::ipl::rfc_3339;
use crate::iop::warning::Warning;
use crate::iscsi::chap::ChapCredentials;
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{Digest, SessionType};
use crate::iscsi::secret::Secret;
use crate::iscsi::target::LoginFailure;
use crate::render::words::Code;
use crate::transport::listener::fault::{
    DigestKind, LoginRefusal, Repeated, TransportFaults, WrongDigest,
};
use crate::transport::listener::{
    CountedFailures, ListenError, Listener, ListenerSettings, LoginAttempt, LoginOutcome, Notice,
    SessionEnd,
};
use crate::values::characters::escape;
use crate::values::{Subject, ValueError};
use crate::vtl::{
    self, Barcode, CartridgeMovement, DriveType, ElementLocation, Library, LibraryConfiguration,
    LibraryFaults, LibraryNotice, Media,
};

/// `vtl`; returns when it was interrupted.
pub(super) fn run(
    options: &VtlOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    if options.lists_faults {
        return terminal.print(&FaultArgument::help());
    }
    let (transport_faults, library_faults) = faults(&options.faults)?;
    let mut settings = settings(options, terminal)?;
    settings.faults = transport_faults;
    descriptors::require(descriptors::LIBRARY)?;
    settings.login_time = host.timeout;
    // A tape in each drive, the one that takes its place while it is opened, and what a record of a movement opens.
    settings.reserved_descriptors = usize::from(options.drives)
        .saturating_mul(2)
        .saturating_add(4);
    if host.chap_algorithms.is_some() {
        settings.algorithms = host::chap_algorithms(host)?;
    }
    let mut configuration = configuration(options)?;
    configuration.faults = library_faults;
    let library = Library::new(configuration)?;
    let target_name = settings.target_name.clone();
    let mut listener = Listener::bind(settings)?;
    // A signal that comes after the line below must find its handler.
    listener.heed_signals()?;
    let portal = listener.portal();
    let ready = match terminal.json {
        true => VtlEvent::ready(&target_name, portal, SystemTime::now()).line(),
        false => format!("ready: {target_name} at {portal}\n"),
    };
    terminal.print(&ready)?;

    terminal.notes().start().map_err(ListenError::from)?;
    let console = Rc::new(Console {
        target_name,
        json: terminal.json,
        tracer: Tracer::new(host, terminal),
        lines: Lines::start(terminal).map_err(ListenError::from)?,
    });
    let shown = Rc::clone(&console);
    let stopped = vtl::serve(listener, library, Rc::new(move |notice| shown.show(notice)));
    if let Some(console) = Rc::into_inner(console) {
        console.lines.finish();
    }
    stopped?;
    Ok(())
}

fn settings(options: &VtlOptions, terminal: &Terminal) -> Result<ListenerSettings, CommandError> {
    let target_name = Subject::TargetName.iscsi_name(&options.target_name)?;
    let mut allowed = Vec::new();
    for name in &options.allow {
        allowed.push(Subject::InitiatorName.iscsi_name(name)?);
    }
    let digests = |names: &[String]| {
        let digest = |name: &String| match name.as_str() {
            "CRC32C" => Digest::Crc32c,
            _ => Digest::None,
        };
        names.iter().map(digest).collect()
    };
    let mut settings = ListenerSettings::new(options.listen, target_name);
    settings.allowed_initiators = (!allowed.is_empty()).then_some(allowed);
    settings.max_sessions = options.max_sessions.into();
    settings.offer.header_digest = digests(&options.header_digest);
    settings.offer.data_digest = digests(&options.data_digest);
    if let (Some(name), Some(file)) = (&options.chap_name, &options.chap_secret_file) {
        settings.chap = Some(INITIATOR_CHAP.credentials(name, file, terminal)?);
    }
    if let (Some(name), Some(file)) = (&options.target_chap_name, &options.target_chap_secret_file)
    {
        settings.own_chap = Some(TARGET_CHAP.credentials(name, file, terminal)?);
    }
    if let (Some(initiator), Some(own)) = (&settings.chap, &settings.own_chap)
        && initiator.secret == own.secret
    {
        return Err(CommandError::usage(
            format!(
                "{} and {} are the same",
                INITIATOR_CHAP.secret, TARGET_CHAP.secret
            ),
            vec![format!(
                "give another file with --{}: a peer that knows a secret of both sides can pass for either \
                 (RFC 7143, 9.2.1)",
                TARGET_CHAP.file_option
            )],
        )
        .with_code(Code::SameSecrets));
    }
    // What the target sends for mutual CHAP is not the macro's, which upper-cases what it sends.
    if let Some(chap) = &settings.chap {
        let values = [
            (Subject::ChapName, chap.name.as_bytes()),
            (Subject::ChapSecret, chap.secret.reveal().as_slice()),
        ];
        for (subject, value) in values {
            if value.iter().any(u8::is_ascii_lowercase) {
                terminal.warn(&Warning::LibraryLowerCase { subject });
            }
        }
    }
    Ok(settings)
}

/// The options that give the CHAP credentials of one side.
struct ChapSide {
    name_option: &'static str,
    file_option: &'static str,
    /// What its secret is called.
    secret: &'static str,
    /// Whether it is the library's own.
    of_target: bool,
}

const INITIATOR_CHAP: ChapSide = ChapSide {
    name_option: "chap-name",
    file_option: "chap-secret-file",
    secret: "the CHAP secret",
    of_target: false,
};

const TARGET_CHAP: ChapSide = ChapSide {
    name_option: "target-chap-name",
    file_option: "target-chap-secret-file",
    secret: "the target's CHAP secret",
    of_target: true,
};

impl ChapSide {
    /// Reads credentials, and warns of a secret that an initiator may not like.
    fn credentials(
        &self,
        name: &str,
        file: &Path,
        terminal: &Terminal,
    ) -> Result<ChapCredentials, CommandError> {
        if name.is_empty() {
            return Err(invalid(self.name_option, "it is empty"));
        }
        Subject::ChapName
            .check_piece(name)
            .map_err(|error| invalid_value(self.name_option, error))?;
        let secret = self.secret(file)?;
        if secret.reveal().len() < 12 {
            terminal.warn(&Warning::ShortLibrarySecret {
                of_target: self.of_target,
            });
        }
        Ok(ChapCredentials {
            name: name.to_owned(),
            secret,
        })
    }

    /// Reads a secret from its file, as it stands there but for one line end.
    fn secret(&self, path: &Path) -> Result<Secret<Vec<u8>>, CommandError> {
        let text = secret_file::read(path, self.secret)?;
        if text.is_empty() {
            return Err(invalid(self.file_option, "the file holds no secret"));
        }
        Subject::ChapSecret
            .check_piece(&text)
            .map_err(|error| invalid_value(self.file_option, error))?;
        Ok(text.as_bytes().to_vec().into())
    }
}

fn configuration(options: &VtlOptions) -> Result<LibraryConfiguration, CommandError> {
    let drive_type = DriveType::from_name(&options.drive_type)
        .ok_or_else(|| invalid("drive-type", "it is none of LTO5 to LTO9"))?;
    let mut write_protected = Vec::new();
    for volume in &options.write_protected {
        let barcode = Barcode::parse(volume)
            .map_err(|error| invalid("write-protected", &format!("{}: {error}", escape(volume))))?;
        write_protected.push(barcode);
    }
    Ok(LibraryConfiguration {
        serial: options.serial.clone(),
        drives: options.drives,
        drive_type,
        slots: options.slots,
        import_export: options.import_export,
        cartridges: LibraryConfiguration::barcodes(drive_type, options.cartridges),
        cartridge_size: options.cartridge_size,
        write_protected,
        media: match &options.media_dir {
            Some(directory) => Media::Directory(directory.clone()),
            None => LibraryConfiguration::default().media,
        },
        faults: LibraryFaults::default(),
    })
}

/// Returns what the target and what the library is to do wrong.
fn faults(options: &[FaultOption]) -> Result<(TransportFaults, LibraryFaults), CommandError> {
    fn repeated<T>(what: T, times: Option<u32>) -> Repeated<T> {
        Repeated { what, times }
    }

    /// Sets what is given once.
    fn once<T>(place: &mut Option<T>, fault: T) -> Result<(), CommandError> {
        match place.replace(fault) {
            None => Ok(()),
            Some(_) => Err(invalid("fault", "the same fault is given twice")),
        }
    }

    let (mut transport, mut library) = (TransportFaults::default(), LibraryFaults::default());
    for FaultOption { fault, times } in options.iter().copied() {
        let mut wrong_digest = |number: u64, digest| {
            let after = number.saturating_sub(1);
            let wrong = repeated(WrongDigest { after, digest }, times);
            transport.wrong_digests.push(wrong);
        };
        match fault {
            RequestedFault::CorruptHeaderDigest(number) => wrong_digest(number, DigestKind::Header),
            RequestedFault::CorruptDataDigest(number) => wrong_digest(number, DigestKind::Data),
            RequestedFault::LoginStatus { class, detail } => {
                let refusal = LoginRefusal { class, detail };
                once(&mut transport.refuse_login, repeated(refusal, times))?;
            }
            RequestedFault::Delay(delay) => once(&mut transport.delay, repeated(delay, times))?,
            RequestedFault::DropAfter(pdus) => {
                once(&mut transport.drop_after, repeated(pdus, times))?
            }
            RequestedFault::PowerCycle(period) => {
                once(&mut transport.power_cycle_every, repeated(period, times))?;
            }
            RequestedFault::Busy(commands) => {
                once(&mut library.busy_at_first, repeated(commands, times))?
            }
            RequestedFault::EarlyWarning(used) => {
                once(&mut library.early_warning_after, used)?;
                library.early_warning_times = times;
            }
            RequestedFault::DeferredError(blocks) => {
                once(&mut library.deferred_error_after, repeated(blocks, times))?;
            }
        }
    }
    Ok((transport, library))
}

fn invalid(option: &str, why: &str) -> CommandError {
    CommandError::usage(
        format!("invalid value for '--{option}': {why}"),
        vec!["see iscsiswiconfig vtl --help".to_owned()],
    )
    .with_code(Code::InvalidValue)
}

/// Says which option has the value that is wrong.
fn invalid_value(option: &str, error: ValueError) -> CommandError {
    let error = CommandError::from(error);
    CommandError {
        error: error
            .error
            .context(format!("invalid value for '--{option}'")),
        ..error
    }
}

/// Prints a line for each event on stdout, and on stderr what else is asked for.
struct Console {
    target_name: IscsiName,
    json: bool,
    tracer: Tracer,
    lines: Lines,
}

impl Console {
    fn show(&self, notice: LibraryNotice<'_>) {
        match notice {
            LibraryNotice::Listener(notice) => self.show_session(notice),
            LibraryNotice::Moved(movement) => {
                let line = self.movement_line(movement, SystemTime::now());
                self.lines.print(line);
            }
        }
    }

    fn show_session(&self, notice: Notice<'_>) {
        match notice {
            Notice::Login(attempt) => self.lines.print(self.line(attempt)),
            Notice::Stopping => self.lines.print(self.stopping_line(SystemTime::now())),
            Notice::Counted(counted) => {
                let line = self.counted_line(counted, SystemTime::now());
                self.lines.print(line);
            }
            Notice::Pdu { peer, passing } => {
                let of = peer.to_string();
                self.tracer.pdu(&of, self.target_name.as_str(), &passing);
            }
            Notice::Ended {
                peer,
                target_name,
                initiator_name,
                end,
            } => {
                let (message, now) = (escape(&end_words(end)), SystemTime::now());
                self.lines.print(if self.json {
                    VtlEvent::ended(target_name, initiator_name, peer, end, message, now).line()
                } else {
                    format!("{} {initiator_name} {peer} {message}\n", rfc_3339(now))
                });
                let words = format!("{initiator_name}: {}", end_words(end));
                self.tracer.step(&peer.to_string(), &words);
            }
        }
    }

    fn stopping_line(&self, time: SystemTime) -> String {
        if self.json {
            return VtlEvent::stopping(&self.target_name, time).line();
        }
        format!("{} - - stopping\n", rfc_3339(time))
    }

    /// Returns the line for refused logins that had none of their own.
    fn counted_line(&self, counted: &CountedFailures, time: SystemTime) -> String {
        let logins = crate::values::amount(counted.count, "more login");
        let message = format!("refused, status 0x0201 (Authentication failure): {logins}");
        if self.json {
            return VtlEvent::counted(counted, message, time).line();
        }
        let (name, address) = (&counted.initiator_name, counted.address);
        format!("{} {name} {address} {message}\n", rfc_3339(time))
    }

    fn movement_line(&self, movement: &CartridgeMovement, time: SystemTime) -> String {
        let element = |location: ElementLocation| {
            format!("{} element {}", location.element_type, location.address)
        };
        let (from, to) = (element(movement.source), element(movement.destination));
        let message = format!("moved {} from {from} to {to}", movement.volume);
        if self.json {
            return VtlEvent::moved(&self.target_name, movement, message, time).line();
        }
        let name = movement.initiator.as_ref().map_or("-", IscsiName::as_str);
        format!("{} {name} - {message}\n", rfc_3339(time))
    }

    fn line(&self, attempt: &LoginAttempt) -> String {
        let mut message = escape(&result_words(attempt));
        if attempt.begins_burst {
            message += "; more of these are counted, and told when they end";
        }
        if self.json {
            return VtlEvent::login(attempt, message).line();
        }
        let time = rfc_3339(attempt.time);
        let name = attempt.initiator_name.as_ref().map(IscsiName::as_str);
        let (name, address) = (name.unwrap_or("-"), attempt.peer);
        format!("{time} {name} {address} {message}\n")
    }
}

/// Returns what came of a login, in words.
fn result_words(attempt: &LoginAttempt) -> String {
    let kind = match attempt.session_type {
        Some(SessionType::Discovery) => " for discovery",
        _ => "",
    };
    match &attempt.outcome {
        LoginOutcome::LoggedIn { chap, reinstated } => {
            let chap = chap
                .map(|chap| {
                    let mutual = if chap.mutual { "mutual " } else { "" };
                    format!(" with {mutual}CHAP {}", chap.algorithm)
                })
                .unwrap_or_default();
            let reinstated = if *reinstated {
                ", in place of its earlier session"
            } else {
                ""
            };
            format!("logged in{kind}{chap}{reinstated}")
        }
        LoginOutcome::Refused {
            status: None,
            failure,
        } => format!("refused: {failure}"),
        LoginOutcome::Refused {
            status: Some(status),
            failure,
        } => {
            let name = status.name().unwrap_or("no status of the standard");
            let why = match failure {
                // The status says it all.
                LoginFailure::Refused(_) => String::new(),
                failure => format!(": {failure}"),
            };
            format!("refused{kind}, status {status} ({name}){why}")
        }
        LoginOutcome::TimedOut(after) => {
            format!("given up{kind}: no login within {} s", after.as_secs_f64())
        }
        LoginOutcome::Abandoned(error) => format!("given up{kind}: {error}"),
        LoginOutcome::Disbelieved => format!(
            "given up{kind}: the initiator closed the connection on the target's proof; \
             it may expect another CHAP name or secret of the target"
        ),
    }
}

fn end_words(end: &SessionEnd) -> String {
    match end {
        SessionEnd::LoggedOut => "logged out".to_owned(),
        SessionEnd::Closed => "session closed".to_owned(),
        SessionEnd::Reinstated => "session replaced by a new login".to_owned(),
        SessionEnd::Silent(error) => format!("session given up: {error}"),
        SessionEnd::Lost(error) => format!("session lost: {error}"),
        SessionEnd::Fault => "session dropped as asked for".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io;
    use std::time::{Duration, SystemTime};

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::error::ErrorKind;
    use crate::iscsi::chap::{ChapAlgorithm, ChapOutcome};

    fn console(json: bool) -> Console {
        let terminal = Terminal::new(Box::new(io::sink()), Box::new(io::sink()));
        Console {
            target_name: "iqn.2026-11.test:vtl".parse().unwrap(),
            json,
            tracer: Tracer::new(&HostOptions::default(), &terminal),
            lines: Lines::start(&terminal).unwrap(),
        }
    }

    fn attempt(initiator_name: Option<&str>, outcome: LoginOutcome) -> LoginAttempt {
        LoginAttempt {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            peer: "[::1]:4000".parse().unwrap(),
            begins_burst: false,
            target_name: None,
            initiator_name: initiator_name.map(|name| name.parse().unwrap()),
            session_type: initiator_name.map(|_| SessionType::Normal),
            outcome,
        }
    }

    #[test]
    fn a_login_is_one_line_of_json() {
        let line = console(true).line(&attempt(
            None,
            LoginOutcome::TimedOut(Duration::from_secs(15)),
        ));
        assert_eq!(
            line,
            "{\"schema\":1,\"event\":\"login\",\"time\":\"1970-01-01T00:00:01Z\",\"target_name\":null,\
             \"initiator_name\":null,\"address\":\"[::1]:4000\",\"result\":\"refused\",\"login_status\":null,\
             \"reason\":\"timeout\",\"message\":\"given up: no login within 15 s\"}\n"
        );
    }

    #[test]
    fn a_secret_is_what_stands_in_the_file_but_for_one_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let read = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let secret = TARGET_CHAP.secret(&path).map_err(|error| error.message())?;
            Ok::<_, String>(String::from_utf8(secret.reveal().to_vec()).unwrap())
        };
        for text in [
            "Secret with blanks ",
            "Secret with blanks \n",
            "Secret with blanks \r\n",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), "Secret with blanks ");
        }
        assert!(read(b"secret\n\n").is_err());
        assert!(read(b"secret\n\r").is_err());
        assert!(read(b"\n").unwrap_err().contains("no secret"));
        assert!(read(&[b'x'; 256]).unwrap_err().contains("256"));
        for bad in [&b"ab\0cd"[..], "g\u{e4}nsehaut".as_bytes(), b"\xff\xfe"] {
            let error = read(bad).unwrap_err();
            assert!(!error.contains("cd") && !error.contains("haut"), "{error}");
            assert!(error.contains("target"), "{error}");
        }
    }

    /// Returns the settings of a library with secrets of its own and of the initiator.
    fn with_secrets(initiator: &str, own: Option<&str>) -> Result<ListenerSettings, CommandError> {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, secret: &str| {
            let path = directory.path().join(name);
            fs::write(&path, secret).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        let options = VtlOptions {
            chap_name: Some("VTLUSER".to_owned()),
            chap_secret_file: Some(file("initiator", initiator)),
            target_chap_name: own.map(|_| "TGTUSER".to_owned()),
            target_chap_secret_file: own.map(|own| file("target", own)),
            ..VtlOptions::default()
        };
        let terminal = Terminal::new(Box::new(io::sink()), Box::new(io::sink()));
        settings(&options, &terminal)
    }

    #[test]
    fn each_side_has_the_credentials_of_its_options() {
        let settings = with_secrets("SECRETFORVTL1", Some("TARGETSECRET1234\n")).unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
        let (initiator, own) = (settings.chap.unwrap(), settings.own_chap.unwrap());
        assert_eq!(initiator.name, "VTLUSER");
        assert_eq!(initiator.secret.reveal(), b"SECRETFORVTL1");
        assert_eq!(own.name, "TGTUSER");
        assert_eq!(own.secret.reveal(), b"TARGETSECRET1234");

        let one_way = with_secrets("SECRETFORVTL1", None).unwrap();
        assert!(one_way.chap.is_some() && one_way.own_chap.is_none());
    }

    #[test]
    fn one_secret_for_both_sides_is_refused_and_not_shown() {
        for own in ["SECRETFORVTL1", "SECRETFORVTL1\r\n"] {
            let error = with_secrets("SECRETFORVTL1\n", Some(own)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage);
            let said = format!("{:#} {}", error.error, error.hints.concat());
            assert!(
                said.contains("are the same") && said.contains("--target-chap-secret-file"),
                "{said}"
            );
            assert!(!said.contains("SECRETFORVTL1"), "{said}");
        }
        // Letter case counts: the secrets are used as they stand.
        assert!(with_secrets("SECRETFORVTL1", Some("secretforvtl1")).is_ok());
    }

    #[test]
    fn the_console_tells_who_was_proved_to_whom() {
        let words = |mutual, reinstated| {
            let chap = Some(ChapOutcome {
                algorithm: ChapAlgorithm::Md5,
                mutual,
            });
            result_words(&attempt(
                Some("iqn.a"),
                LoginOutcome::LoggedIn { chap, reinstated },
            ))
        };
        assert_eq!(words(false, false), "logged in with CHAP MD5");
        assert_eq!(words(true, false), "logged in with mutual CHAP MD5");
        assert_eq!(
            words(true, true),
            "logged in with mutual CHAP MD5, in place of its earlier session"
        );
    }
}
