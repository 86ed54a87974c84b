//! `generate systemd`: a unit that runs the resident IOP, for the user who asks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::host::Directories;
use crate::cli::HostOptions;
use crate::error::{CommandError, ErrorKind};
use crate::render::words::Code;
use crate::storage::quoted;

/// What the unit is called.
const NAME: &str = "iscsiswiconfig-iop.service";

/// After how many seconds without a sign of life the IOP is taken for hung. It gives one every half of that.
const WATCHDOG: u64 = 60;

/// Restrictions that a service manager without privileges can set too: filters of system calls.
const FOR_ANY_MANAGER: &str = "\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
";

/// Restrictions that take privileges. /proc keeps what is not of processes: on IBM Power the generated initiator name is made of
/// the partition's UUID in /proc/device-tree.
const FOR_THE_SYSTEM_MANAGER: &str = "\
AmbientCapabilities=
CapabilityBoundingSet=
KeyringMode=private
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
";

/// Returns the unit: for the system's service manager, or for that of the user.
pub(super) fn unit(
    program: &Path,
    directories: &Directories,
    host: &HostOptions,
    for_user: bool,
) -> Result<String, CommandError> {
    let state = Value::of_path(&directories.state)?;
    let mut line = vec![Value::of_path(program)?.in_command()];
    line.push(Value(format!("--state-dir={}", state.0)).in_command());
    if let Some(keystore) = &directories.keystore {
        let keystore = Value::of_path(keystore)?;
        line.push(Value(format!("--keystore-dir={}", keystore.0)).in_command());
    }
    let default = HostOptions::default();
    for (name, value, default) in [
        ("--timeout", host.timeout, default.timeout),
        ("--lock-timeout", host.lock_timeout, default.lock_timeout),
    ] {
        if value != default {
            line.push(format!("{name}={}", value.as_secs_f64()));
        }
    }
    if let Some(list) = &host.chap_algorithms {
        line.push(Value(format!("--chap-algorithms={list}")).in_command());
    }
    line.push("iop run".to_owned());
    let line = line.join(" ");

    // A re-IPL waits for locks, then gives up a target after four phases; an IOP that stops waits for its jobs, then logs out.
    let start = seconds(host.lock_timeout + host.timeout * 4);
    let stop = seconds(host.lock_timeout + host.timeout);
    let (install, dependencies, wanted_by) = match for_user {
        true => (
            format!(
                "#   mkdir -p ~/.config/systemd/user\n\
                 #   iscsiswiconfig generate systemd --user > ~/.config/systemd/user/{NAME}\n\
                 #   systemctl --user enable --now {NAME}\n\
                 # loginctl enable-linger keeps it running while the user is not logged in.\n"
            ),
            String::new(),
            "default.target",
        ),
        false => (
            format!(
                "#   iscsiswiconfig generate systemd | sudo tee /etc/systemd/system/{NAME}\n\
                 #   sudo systemctl enable --now {NAME}\n"
            ),
            "Wants=network-online.target\nAfter=network-online.target\n".to_owned(),
            "multi-user.target",
        ),
    };
    let mut restrictions = String::new();
    if !for_user {
        restrictions.push_str(&format!("User={}\n", caller()));
        restrictions.push_str(FOR_THE_SYSTEM_MANAGER);
        restrictions.push_str(&format!("ReadWritePaths={}\n", state.in_list()));
        // A private /tmp has none of the directories that are in the shared one.
        if !directories.all().any(is_temporary) {
            restrictions.push_str("PrivateTmp=yes\n");
        }
    }
    restrictions.push_str(FOR_ANY_MANAGER);
    Ok(format!(
        "# The resident IOP of iscsiswiconfig(1), printed by \"iscsiswiconfig generate systemd\". To install it:\n\
         {install}\
         # The state directory has to exist: it does once a target is configured.\n\
         [Unit]\n\
         Description=Resident iSCSI IOP of iscsiswiconfig\n\
         Documentation=man:iscsiswiconfig(1)\n\
         {dependencies}\n\
         [Service]\n\
         Type=notify\n\
         ExecStart={line}\n\
         ExecReload=/bin/kill -HUP $MAINPID\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         # A line that is not of the grammar is the same the next time.\n\
         RestartPreventExitStatus=2\n\
         TimeoutStartSec={start}\n\
         TimeoutStopSec={stop}\n\
         WatchdogSec={WATCHDOG}\n\
         {restrictions}\n\
         [Install]\n\
         WantedBy={wanted_by}\n"
    ))
}

/// Returns a number of whole seconds in which all that a duration is the sum of is certainly over.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(15)
}

fn is_temporary(directory: &Path) -> bool {
    ["/tmp", "/var/tmp"]
        .iter()
        .any(|temporary| directory.starts_with(temporary))
}

/// Returns the name of the user, or the number where /etc/passwd has no name for it.
fn caller() -> String {
    let id = rustix::process::geteuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(id, &users).unwrap_or_else(|| id.to_string())
}

/// Returns the name of a user in the text of passwd(5).
fn name_of(id: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// A value of a unit: text that a unit can hold.
struct Value(String);

impl Value {
    fn of_path(path: &Path) -> Result<Self, CommandError> {
        match path.to_str() {
            Some(text) if !text.chars().any(char::is_control) => Ok(Self(text.to_owned())),
            _ => Err(CommandError {
                kind: ErrorKind::Usage,
                code: Code::InvalidValue,
                error: anyhow::anyhow!("a unit cannot name {}", quoted(path)),
                hints: vec![
                    "use a directory whose path is UTF-8 text without control characters"
                        .to_owned(),
                ],
            }),
        }
    }

    /// Returns it as a word of a command line (systemd.service(5)).
    fn in_command(&self) -> String {
        self.in_list().replace('$', "$$")
    }

    /// Returns it as a word of a list (systemd.syntax(7)).
    fn in_list(&self) -> String {
        // A percent sign begins a specifier (systemd.unit(5)).
        let text = self.0.replace('%', "%%");
        let plain =
            |character: char| character.is_alphanumeric() || "/_.:,=+@-%$".contains(character);
        match text.chars().all(plain) {
            true => text,
            false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of(state: &str, for_user: bool) -> Result<String, CommandError> {
        let directories = Directories {
            state: PathBuf::from(state),
            keystore: Some(PathBuf::from(
                "/home/me/.local/share/iscsiswiconfig/keystore",
            )),
        };
        let host = HostOptions {
            timeout: Duration::from_millis(2500),
            chap_algorithms: Some("7,5".to_owned()),
            ..HostOptions::default()
        };
        unit(
            Path::new("/usr/bin/iscsiswiconfig"),
            &directories,
            &host,
            for_user,
        )
    }

    fn value<'a>(unit: &'a str, key: &str) -> Option<&'a str> {
        unit.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    #[test]
    fn the_line_has_program_directories_and_host_options() {
        for for_user in [false, true] {
            let unit = of("/home/me/.local/state/iscsiswiconfig", for_user).unwrap();
            assert_eq!(
                value(&unit, "ExecStart"),
                Some(
                    "/usr/bin/iscsiswiconfig --state-dir=/home/me/.local/state/iscsiswiconfig \
                     --keystore-dir=/home/me/.local/share/iscsiswiconfig/keystore --timeout=2.5 --chap-algorithms=7,5 iop run"
                )
            );
            assert_eq!(value(&unit, "TimeoutStartSec"), Some("35"));
            assert_eq!(value(&unit, "User").is_some(), !for_user);
        }
    }

    #[test]
    fn a_path_is_written_as_systemd_reads_it() {
        let unit = of("/srv/a b/100%/$x/\"q\\", false).unwrap();
        assert_eq!(
            value(&unit, "ReadWritePaths"),
            Some(r#""/srv/a b/100%%/$x/\"q\\""#)
        );
        let line = value(&unit, "ExecStart").unwrap();
        assert!(
            line.contains(r#""--state-dir=/srv/a b/100%%/$$x/\"q\\""#),
            "{line}"
        );
        for bad in ["/srv/a\nb", "/srv/\u{7f}"] {
            let error = of(bad, false).unwrap_err();
            assert_eq!(
                (error.kind, error.code),
                (ErrorKind::Usage, Code::InvalidValue)
            );
        }
    }

    #[test]
    fn a_state_directory_in_tmp_is_not_hidden_behind_a_private_one() {
        for (state, is_private) in [
            ("/tmp/state", false),
            ("/var/tmp/x", false),
            ("/tmpfs/x", true),
        ] {
            let unit = of(state, false).unwrap();
            assert_eq!(value(&unit, "PrivateTmp").is_some(), is_private, "{state}");
        }
    }

    #[test]
    fn a_user_has_the_name_of_passwd() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:1000::/home/me:/bin/sh\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("me"));
        assert_eq!(name_of(0, users).as_deref(), Some("root"));
        assert_eq!(name_of(1, users), None);
    }
}
