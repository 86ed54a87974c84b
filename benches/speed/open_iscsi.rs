//! open-iscsi's node database, and the part of its daemon that iscsiadm cannot do without.

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::home::{Address, Home};
use crate::measure::output;

const PLACE: &str = "/etc/iscsi";

/// Size of a request to the daemon and of its response (open-iscsi 2.1, 64 bits).
const REQUEST: usize = 16_104;
const RESPONSE: usize = 2_464;

/// A node database on the file system of a home; the one that this machine has is out of sight meanwhile.
pub struct NodeDatabase {
    directory: PathBuf,
    records: usize,
    form: String,
}

impl NodeDatabase {
    /// Makes a database with one record, as iscsiadm writes it.
    pub fn begin(home: &Home) -> Self {
        let directory = home.path("iscsi");
        fs::create_dir(&directory).expect("a directory for the database");
        for file in ["iscsid.conf", "initiatorname.iscsi"] {
            fs::copy(Path::new(PLACE).join(file), directory.join(file))
                .expect("open-iscsi's own settings");
        }
        output(
            Command::new("mount")
                .arg("--bind")
                .arg(&directory)
                .arg(PLACE),
        );
        // iscsiadm's lock, which Debian has in memory, whatever this machine has.
        output(Command::new("mount").args(["-t", "tmpfs", "lock", "/run/lock"]));
        let first = Address::number(0);
        output(&mut Self::new_record(&first));
        let form =
            fs::read_to_string(record_in(&directory, &first)).expect("the record of iscsiadm");
        Self {
            directory,
            records: 1,
            form,
        }
    }

    /// Adds records of the form that iscsiadm writes until there are so many.
    pub fn grow(&mut self, records: usize) {
        let first = Address::number(0);
        for number in self.records..records {
            let address = Address::number(number);
            let file = record_in(&self.directory, &address);
            fs::create_dir(file.parent().expect("a parent")).expect("a record's directory");
            let text = self
                .form
                .replace(&first.name, &address.name)
                .replace(&first.host, &address.host);
            fs::write(file, text).expect("a record");
        }
        self.records = records;
    }

    /// Returns the command that adds a record.
    pub fn new_record(address: &Address) -> Command {
        let portal = format!("{}:{}", address.host, address.port);
        let mut command = Command::new("iscsiadm");
        command.args([
            "-m",
            "node",
            "-o",
            "new",
            "-T",
            &address.name,
            "-p",
            &portal,
        ]);
        command
    }

    /// Removes the record that was added.
    pub fn remove(&self, address: &Address) {
        let file = record_in(&self.directory, address);
        fs::remove_file(&file).expect("the record that iscsiadm added");
        fs::remove_dir(file.parent().expect("a parent")).expect("its directory");
    }
}

impl Drop for NodeDatabase {
    fn drop(&mut self) {
        for place in ["/run/lock", PLACE] {
            // The namespace ends with this process anyway.
            let _ = Command::new("umount").arg(place).status();
        }
    }
}

fn record_in(directory: &Path, address: &Address) -> PathBuf {
    directory
        .join("nodes")
        .join(&address.name)
        .join(format!("{},{}", address.host, address.port))
}

/// Answers iscsiadm as iscsid does when it is asked for the name of its settings file. Without an answer iscsiadm
/// waits for a second before it goes on, which would distort the comparison. Nothing is done where iscsid
/// itself answers.
pub fn answer_for_the_daemon() {
    let address = SocketAddr::from_abstract_name("ISCSIADM_ABSTRACT_NAMESPACE").expect("a name");
    let Ok(listener) = UnixListener::bind_addr(&address) else {
        return;
    };
    thread::spawn(move || {
        for client in listener.incoming() {
            // A client that went away has its own report to make.
            let _ = client.and_then(answer);
        }
    });
}

fn answer(mut client: UnixStream) -> std::io::Result<()> {
    let mut request = [0; REQUEST];
    client.read_exact(&mut request)?;
    let mut response = [0; RESPONSE];
    response[..4].copy_from_slice(&request[..4]);
    // No error in the next four bytes, then the text.
    let settings = b"/etc/iscsi/iscsid.conf";
    response[8..8 + settings.len()].copy_from_slice(settings);
    client.write_all(&response)
}
