//! tgtd as a child of the test: its own port, its own control socket, its own media; killed and reaped when dropped.
//!
//! tgtd ignores SIGTERM, stays up without a portal when its port is taken, and `tgtadm` connects to whichever daemon
//! owns the control socket. So a daemon counts as ready only when it lists exactly the portals that were asked for.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::namespace::Namespace;
use super::raw_initiator::RawInitiator;

/// First addresses of the elements of a library, as a 3584 has them.
pub const TRANSPORT_ADDRESS: u16 = 1;
pub const DRIVE_ADDRESS: u16 = 257;
pub const IMPORT_EXPORT_ADDRESS: u16 = 769;
pub const STORAGE_ADDRESS: u16 = 1025;

/// What a cartridge holds, in MiB.
const CARTRIDGE_SIZE: u32 = 4;

/// Where a tgtd listens.
#[derive(Clone, Debug)]
struct Place {
    addresses: Vec<IpAddr>,
    port: u16,
    /// Number of its control socket.
    control: u16,
    /// What stands before its command line.
    prefix: Vec<String>,
}

/// A running tgtd.
#[derive(Debug)]
pub struct Tgtd {
    daemon: Option<Child>,
    place: Place,
    media: TempDir,
    targets: Vec<String>,
}

impl Tgtd {
    /// Starts a daemon on 127.0.0.1 that has no target yet.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(&[IpAddr::V4(Ipv4Addr::LOCALHOST)])
    }

    /// Starts a daemon with one portal on each of the addresses, all with the same port.
    #[must_use]
    pub fn start_on(addresses: &[IpAddr]) -> Self {
        Self::start_at(|| {
            let port = free_port();
            Place {
                addresses: addresses.to_vec(),
                port,
                control: port,
                prefix: Vec::new(),
            }
        })
    }

    /// Starts a daemon inside a namespace, where the address and the port are free.
    #[must_use]
    pub fn start_in(namespace: &Namespace, address: Ipv4Addr, port: u16) -> Self {
        Self::start_at(|| Place {
            addresses: vec![IpAddr::V4(address)],
            port,
            control: free_port(),
            prefix: namespace.prefix(),
        })
    }

    fn start_at(choose: impl Fn() -> Place) -> Self {
        require_machine();
        for _ in 0..10 {
            let place = choose();
            if let Some(daemon) = spawn_ready(&place) {
                return Self {
                    daemon: Some(daemon),
                    place,
                    media: media_directory(),
                    targets: Vec::new(),
                };
            }
        }
        panic!("tgtd could not be started on a free port in ten attempts");
    }

    /// Starts a daemon with one target.
    #[must_use]
    pub fn serving(target: Target) -> Self {
        let mut tgtd = Self::start();
        tgtd.add(target);
        tgtd
    }

    /// Starts a daemon on ::1 with one target.
    #[must_use]
    pub fn serving_ipv6(target: Target) -> Self {
        let mut tgtd = Self::start_on(&[IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        tgtd.add(target);
        tgtd
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().expect("it runs").id()
    }

    /// Returns the TCP port of every portal.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Kills the daemon, as a VTL that is powered off: sessions and targets are gone.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("SIGKILL to tgtd");
            daemon.wait().expect("reap tgtd");
        }
        for suffix in ["", ".lock"] {
            let _ = fs::remove_file(format!(
                "/var/run/tgtd/socket.{}{suffix}",
                self.place.control
            ));
        }
    }

    /// Starts the daemon again on the same port, without any target.
    pub fn restart(&mut self) {
        self.kill();
        self.targets.clear();
        let daemon = spawn_ready(&self.place);
        self.daemon = Some(daemon.expect("tgtd starts again on its own port"));
    }

    /// Runs `tgtadm` for this daemon and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with its words.
    pub fn admin(&self, arguments: &[&str]) -> String {
        let output = tgtadm(self.place.control, arguments);
        assert!(
            output.status.success(),
            "tgtadm {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sets a parameter of a target, such as `HeaderDigest` or `state`.
    pub fn set(&self, target_name: &str, name: &str, value: &str) {
        let tid = self.tid(target_name);
        self.admin(&[
            "--op", "update", "--mode", "target", "--tid", &tid, "--name", name, "--value", value,
        ]);
    }

    /// Refuses every initiator by the lists of addresses and names, then whom the access says.
    pub fn allow(&self, target_name: &str, access: &Access) {
        let tid = self.tid(target_name);
        for (flag, who) in access.bindings() {
            self.admin(&[
                "--op", "bind", "--mode", "target", "--tid", &tid, flag, &who,
            ]);
        }
    }

    /// Creates a target with all that the builder says.
    pub fn add(&mut self, target: Target) {
        self.targets.push(target.name.clone());
        let tid = self.tid(&target.name);
        self.admin(&[
            "--op",
            "new",
            "--mode",
            "target",
            "--tid",
            &tid,
            "-T",
            &target.name,
        ]);
        let blank = self.blank_medium();
        for drive in &target.drives {
            self.add_drive(&tid, drive, &blank);
        }
        if let Some(library) = &target.library {
            self.add_library(&tid, library, &target.drives);
        }
        for (name, value) in &target.settings {
            self.set(&target.name, name, value);
        }
        if let Some((user, password)) = &target.account {
            // An account belongs to the daemon, so a second target may find it there.
            let _ = tgtadm(
                self.place.control,
                &[
                    "--op",
                    "new",
                    "--mode",
                    "account",
                    "--user",
                    user,
                    "--password",
                    password,
                ],
            );
            self.admin(&[
                "--op", "bind", "--mode", "account", "--tid", &tid, "--user", user,
            ]);
        }
        self.allow(&target.name, &target.access);
        self.load_drives(&target);
    }

    fn add_drive(&self, tid: &str, drive: &Drive, blank: &Path) {
        let lun = drive.lun.to_string();
        let unit = ["--mode", "logicalunit", "--tid", tid, "--lun", &lun];
        let new = [
            "--op",
            "new",
            "-b",
            path(blank),
            "--device-type=tape",
            "--bstype=ssc",
        ];
        self.admin(&[&unit[..], &new[..]].concat());
        let identity = format!(
            "vendor_id=IBM,product_id={},product_rev={},scsi_sn={},scsi_id=IBM{}{},removable=1,sense_format=0",
            drive.product, drive.revision, drive.serial, drive.product, drive.serial
        );
        for parameters in [identity.as_str(), "online=0"] {
            self.admin(&[&unit[..], &["--op", "update", "--params", parameters]].concat());
        }
    }

    fn add_library(&self, tid: &str, library: &Library, drives: &[Drive]) {
        let inventory = self.media.path().join(format!("changer-{tid}"));
        fs::write(&inventory, [0; 1024]).expect("the changer's file");
        let lun = library.lun.to_string();
        let unit = ["--mode", "logicalunit", "--tid", tid, "--lun", &lun];
        let new = [
            "--op",
            "new",
            "-b",
            path(&inventory),
            "--device-type=changer",
        ];
        self.admin(&[&unit[..], &new[..]].concat());
        let elements = |element_type: u8, address: u16, quantity: usize| {
            format!("element_type={element_type},start_address={address},quantity={quantity}")
        };
        let mut updates = vec![
            format!(
                "vendor_id={},product_id={},product_rev={},scsi_sn={},removable=1",
                library.vendor, library.product, library.revision, library.serial
            ),
            format!("media_home={}", self.media.path().display()),
            elements(1, TRANSPORT_ADDRESS, 1),
            elements(
                4,
                DRIVE_ADDRESS,
                library.claimed.len() + library.borrowed.len(),
            ),
            elements(2, STORAGE_ADDRESS, library.slots),
        ];
        if library.import_export_slots > 0 {
            updates.push(elements(
                3,
                IMPORT_EXPORT_ADDRESS,
                library.import_export_slots,
            ));
        }
        let borrowed = library.borrowed.iter();
        let borrowed = borrowed.map(|(target_name, lun)| (self.tid(target_name), *lun));
        let own = library.claimed.iter();
        let own = own.map(|index| (tid.to_owned(), drives[*index].lun));
        for (address, (tid, lun)) in (DRIVE_ADDRESS..).zip(borrowed.chain(own)) {
            updates.push(format!(
                "element_type=4,address={address},tid={tid},lun={lun}"
            ));
        }
        for (address, barcode) in (STORAGE_ADDRESS..).zip(&library.barcodes) {
            let file = self.media.path().join(barcode);
            self.new_medium("data", barcode, library.cartridge_size, &file);
            updates.push(format!(
                "element_type=2,address={address},barcode={barcode},sides=1"
            ));
        }
        for parameters in &updates {
            self.admin(&[&unit[..], &["--op", "update", "--params", parameters]].concat());
        }
    }

    /// Moves cartridges into drives: tgtd does that for an initiator only, with MOVE MEDIUM.
    fn load_drives(&self, target: &Target) {
        let Some(library) = &target.library else {
            return;
        };
        if library.loaded.is_empty() {
            return;
        }
        let Access::Everybody = target.access else {
            panic!("a fixture that loads drives lets everybody in");
        };
        assert!(
            target.account.is_none(),
            "a fixture that loads drives has no CHAP account"
        );
        let mut initiator = RawInitiator::login(self.place.port, &target.name);
        for (slot, drive) in &library.loaded {
            initiator.move_medium(
                library.lun,
                STORAGE_ADDRESS + u16::try_from(*slot).unwrap(),
                DRIVE_ADDRESS + u16::try_from(*drive).unwrap(),
            );
        }
        initiator.logout();
    }

    fn blank_medium(&self) -> PathBuf {
        let file = self.media.path().join("notape");
        if !file.exists() {
            self.new_medium("clean", "", CARTRIDGE_SIZE, &file);
        }
        file
    }

    fn new_medium(&self, kind: &str, barcode: &str, size: u32, file: &Path) {
        if file.exists() {
            return;
        }
        let output = Command::new("tgtimg")
            .args(["--op=new", "--device-type=tape", "--thin-provisioning"])
            .arg(format!("--size={size}"))
            .arg(format!("--type={kind}"))
            .arg(format!("--barcode={barcode}"))
            .arg(format!("--file={}", file.display()))
            .output()
            .expect("run tgtimg (Debian package tgt)");
        assert!(
            output.status.success(),
            "tgtimg: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn tid(&self, target_name: &str) -> String {
        let index = self.targets.iter().position(|name| name == target_name);
        (index.unwrap_or_else(|| panic!("no target {target_name} in this tgtd")) + 1).to_string()
    }
}

impl Drop for Tgtd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Who may log in. Without an entry tgtd refuses every initiator.
#[derive(Clone, Debug)]
pub enum Access {
    Everybody,
    Nobody,
    Address(String),
    InitiatorName(String),
}

impl Access {
    fn bindings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Everybody => vec![("-I", "ALL".to_owned())],
            Self::Nobody => Vec::new(),
            Self::Address(address) => vec![("-I", address.clone())],
            Self::InitiatorName(name) => vec![("-Q", name.clone())],
        }
    }
}

/// What a target is made of. LUN 0 is always tgtd's own controller, which is neither tape nor changer.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    library: Option<Library>,
    drives: Vec<Drive>,
    access: Access,
    account: Option<(String, String)>,
    settings: Vec<(String, String)>,
}

impl Target {
    /// A target without a changer and without a drive, open to everybody.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            library: None,
            drives: Vec::new(),
            access: Access::Everybody,
            account: None,
            settings: Vec::new(),
        }
    }

    /// A target with a 3584 of `drives` LTO-5 drives (LUN 1 and up; the changer comes after them) and `slots` slots.
    ///
    /// Drive serial numbers are `first_serial`, then counted up.
    #[must_use]
    pub fn library(
        name: &str,
        serial: &str,
        drives: usize,
        slots: usize,
        first_serial: u64,
    ) -> Self {
        let mut target = Self::empty(name);
        for index in 0..drives {
            let lun = u16::try_from(index + 1).unwrap();
            target
                .drives
                .push(Drive::new(lun, &(first_serial + index as u64).to_string()));
        }
        target.library = Some(Library {
            lun: u16::try_from(drives + 1).unwrap(),
            vendor: "IBM".to_owned(),
            product: "03584L32".to_owned(),
            revision: "9350".to_owned(),
            serial: serial.to_owned(),
            slots,
            import_export_slots: 4,
            barcodes: Vec::new(),
            loaded: Vec::new(),
            claimed: (0..drives).collect(),
            borrowed: Vec::new(),
            cartridge_size: CARTRIDGE_SIZE,
        });
        target
    }

    /// Gives the changer another product, such as one that is no 3584.
    #[must_use]
    pub fn product(mut self, product: &str) -> Self {
        product.clone_into(&mut self.library_mut().product);
        self
    }

    /// Gives one drive another product.
    #[must_use]
    pub fn drive_product(mut self, index: usize, product: &str) -> Self {
        product.clone_into(&mut self.drives[index].product);
        self
    }

    /// Puts the changer on another LUN.
    #[must_use]
    pub fn changer_lun(mut self, lun: u16) -> Self {
        self.library_mut().lun = lun;
        self
    }

    /// Has the changer serve a drive that is a LUN of another target, before its own ones: tgtd cuts the identifier of the last one.
    /// That target is added before.
    #[must_use]
    pub fn borrowed_drive(mut self, target_name: &str, lun: u16) -> Self {
        let borrowed = &mut self.library_mut().borrowed;
        borrowed.push((target_name.to_owned(), lun));
        self
    }

    /// Puts cartridges into the first slots.
    #[must_use]
    pub fn barcodes(mut self, barcodes: &[&str]) -> Self {
        self.library_mut().barcodes = barcodes.iter().map(|&barcode| barcode.to_owned()).collect();
        self
    }

    /// Sets what each cartridge holds, in MiB.
    #[must_use]
    #[allow(dead_code, reason = "a bench asks for more than the tests do")]
    pub fn cartridge_size(mut self, mebibytes: u32) -> Self {
        self.library_mut().cartridge_size = mebibytes;
        self
    }

    /// Moves the cartridge of a slot into a drive, both counted from 0.
    #[must_use]
    pub fn loaded(mut self, slot: usize, drive: usize) -> Self {
        self.library_mut().loaded.push((slot, drive));
        self
    }

    /// Adds a drive that is no element of the changer.
    #[must_use]
    pub fn lone_drive(mut self, lun: u16, product: &str, serial: &str) -> Self {
        let mut drive = Drive::new(lun, serial);
        product.clone_into(&mut drive.product);
        self.drives.push(drive);
        self
    }

    /// Changes who may log in.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Requires CHAP with this name and secret.
    #[must_use]
    pub fn account(mut self, user: &str, password: &str) -> Self {
        self.account = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Sets a parameter once the target exists.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn library_mut(&mut self) -> &mut Library {
        self.library.as_mut().expect("a target with a library")
    }
}

#[derive(Clone, Debug)]
struct Library {
    lun: u16,
    vendor: String,
    product: String,
    revision: String,
    serial: String,
    slots: usize,
    import_export_slots: usize,
    barcodes: Vec<String>,
    /// Slot and drive of every move that the fixture makes.
    loaded: Vec<(usize, usize)>,
    /// The drives that are elements of the changer.
    claimed: Vec<usize>,
    /// Drives of other targets that the changer serves too: target name and LUN.
    borrowed: Vec<(String, u16)>,
    /// In MiB.
    cartridge_size: u32,
}

#[derive(Clone, Debug)]
struct Drive {
    lun: u16,
    product: String,
    revision: String,
    serial: String,
}

impl Drive {
    fn new(lun: u16, serial: &str) -> Self {
        Self {
            lun,
            product: "ULT3580-TD5".to_owned(),
            revision: "E4J1".to_owned(),
            serial: serial.to_owned(),
        }
    }
}

/// Returns a port of 127.0.0.1 without a listener, another one each time.
///
/// It also serves as number of the control socket, for which tgtd takes no more than 32767. That it lies below the
/// ports of outgoing connections is welcome: none of those can take it before tgtd does.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test processes that run at the same time begin at different places.
        let start = std::process::id().wrapping_mul(97);
        let port = u16::try_from(FIRST + start.wrapping_add(next) % COUNT).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn require_machine() {
    assert!(
        rustix::process::geteuid().is_root(),
        "these tests start tgtd, whose control socket is under /var/run/tgtd: run them as root"
    );
    for program in ["tgtd", "tgtadm", "tgtimg"] {
        let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|directory| Path::new(directory).join(program).exists());
        assert!(
            found,
            "{program} is missing: install the Debian package tgt"
        );
    }
}

fn media_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    // media_home and barcode together must stay below 128 bytes, so the name is short.
    builder.prefix("vtl-");
    if memory.is_dir() {
        builder.tempdir_in(memory)
    } else {
        builder.tempdir()
    }
    .expect("a directory for the media")
}

/// Starts a daemon and waits until it has all its portals; `None` when the port turned out not to be free.
fn spawn_ready(place: &Place) -> Option<Child> {
    let Place {
        addresses,
        port,
        control,
        prefix,
    } = place;
    let mut portals = String::new();
    for address in addresses {
        let comma = if portals.is_empty() { "" } else { "," };
        write!(
            portals,
            "{comma}portal={}",
            SocketAddr::new(*address, *port)
        )
        .unwrap();
    }
    let mut words = prefix.clone();
    words.push("tgtd".to_owned());
    let mut daemon = Command::new(&words[0])
        .args(&words[1..])
        .args(["-f", "--iscsi", &portals, "-C", &control.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start tgtd (Debian package tgt)");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        if daemon.try_wait().expect("the state of tgtd").is_some() {
            return None;
        }
        let shown = tgtadm(*control, &["--mode", "portal", "--op", "show"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        if addresses
            .iter()
            .all(|address| shown.contains(&format!("{},", SocketAddr::new(*address, *port))))
        {
            // The daemon that answered is ours only if ours is still there.
            if daemon.try_wait().expect("the state of tgtd").is_none() {
                return Some(daemon);
            }
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
    daemon.kill().expect("SIGKILL to tgtd");
    daemon.wait().expect("reap tgtd");
    None
}

fn tgtadm(control: u16, arguments: &[&str]) -> Output {
    Command::new("tgtadm")
        .args(["-C", &control.to_string(), "--lld", "iscsi"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("run tgtadm (Debian package tgt)")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
