//! What stands beside each id of the table: what is looked at, why IBM i cares, on whose word, and what to do.

use crate::iop::check::CheckId;
use crate::render::words::finding::DOCUMENT;

/// The words of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is looked at, a sentence.
    pub looks_at: &'static str,
    /// What is seen where the trouble was not met, a sentence.
    pub passed: &'static str,
    /// Why IBM i cares, a sentence.
    pub why: &'static str,
    /// On whose word.
    pub source: &'static str,
    /// What to do, where what was seen does not say better, a sentence.
    pub next_step: &'static str,
}

const FIELD: &str = "reported by users who attached an IBM i to a VTL, not by IBM";
const ONE_VENDOR: &str =
    "reported by one vendor of a VTL for IBM i over Fibre Channel (OpenVTL), not by IBM";
const OWN: &str = "a rule of this program, not of IBM";

/// Returns the words of a row.
#[must_use]
pub const fn entry(check: CheckId) -> Entry {
    match check {
        CheckId::NameResolution => Entry {
            looks_at: "The host name of the target has an address.",
            passed: "The host name has an address.",
            why: "Without an address there is nothing to connect to.",
            source: DOCUMENT,
            next_step: "Check the name service of this host, or configure the target by its address.",
        },
        CheckId::HostUnreachable => Entry {
            looks_at: "There is a way to each address of the target.",
            passed: "The system has a way to each address.",
            why: "The IOP connects to one address of the target; one without a route costs its whole timeout.",
            source: "RFC 1122 section 3.3.1",
            next_step: "Check the address, and the route from this host to it.",
        },
        CheckId::PortFiltered => Entry {
            looks_at: "Each address of the target answers a connection in time.",
            passed: "Each address answers.",
            why: "A firewall that drops packets makes the IOP wait until it gives the target up.",
            source: "RFC 9293 section 3.10.7",
            next_step: "Have the firewall between let the port of the target pass, and check that the address is the VTL's.",
        },
        CheckId::PortRefused => Entry {
            looks_at: "Something listens on the port of the target at each of its addresses.",
            passed: "No address refuses a connection.",
            why: "IBM i connects to port 3260 unless the target has another port, and nothing listens there.",
            source: DOCUMENT,
            next_step: "Check that the VTL is running, and its port.",
        },
        CheckId::NotIscsi => Entry {
            looks_at: "What answers on the port speaks iSCSI.",
            passed: "What answers speaks iSCSI.",
            why: "IBM i logs in to whatever answers on the port, and cannot say what it met.",
            source: "RFC 7143 section 6",
            next_step: "Give the iSCSI port of the VTL, usually 3260.",
        },
        CheckId::PathMtu => Entry {
            looks_at: "The path to the target takes packets of 1500 bytes.",
            passed: "The path takes packets of 1500 bytes.",
            why: "Smaller packets tell of a tunnel, where large ones may be lost without a word: the login passes, and data hangs.",
            source: "RFC 2923 section 2.1",
            next_step: "Check the MTU along the path; where it is a tunnel, see that ICMP passes, or lower the MTU of this host.",
        },
        CheckId::RoundTrip => Entry {
            looks_at: "The target answers a ping (NOP-Out) within 10 ms.",
            passed: "The target answers within 10 ms.",
            why: "A save waits for answers: with one command at a time 10 ms leave less than 26 MB/s of blocks of 256 KiB.",
            source: OWN,
            next_step: "Place the VTL nearer to the partition, or expect the rate that speed.write-rate tells.",
        },
        CheckId::InitiatorName => Entry {
            looks_at: "The initiator name is one that the VTL's console can list letter by letter.",
            passed: "The name has no character that a console refuses.",
            why: "The console has to list the name exactly as IBM i sends it, and VTL consoles take a to z, 0 to 9, dot, hyphen and colon only.",
            source: FIELD,
            next_step: "Copy the name to the console instead of typing it; a name with other characters is to be configured anew in lower case.",
        },
        CheckId::TargetName => Entry {
            looks_at: "The target name is one that the VTL's console can give.",
            passed: "The name has no character that a console refuses.",
            why: "The target name has to be exactly the one of the VTL, and VTL consoles give names of a to z, 0 to 9, dot, hyphen and colon only.",
            source: FIELD,
            next_step: "Compare the name with the console, and configure the target anew as it stands there.",
        },
        CheckId::Accepted => Entry {
            looks_at: "The target accepts the login.",
            passed: "The login was accepted.",
            why: "Without a login IBM i finds no device.",
            source: "RFC 7143 section 6.3",
            next_step: "Look for this login in the log of the VTL.",
        },
        CheckId::SecretMissing => Entry {
            looks_at: "The CHAP secret is in this machine's KeyStore.",
            passed: "The CHAP secret is here.",
            why: "Data replication does not copy the Platform KeyStore, so a replica has CHAP configured and no secret.",
            source: DOCUMENT,
            next_step: "Give the secret again with -changetarget -initiatorchapsecret.",
        },
        CheckId::ChapRequired => Entry {
            looks_at: "The target wants CHAP only where it is configured.",
            passed: "The target does not want CHAP of an initiator without.",
            why: "IBM i does not log in to a target that wants CHAP until a CHAP name and secret are configured.",
            source: DOCUMENT,
            next_step: "Configure the target with -initiatorchapname and -initiatorchapsecret.",
        },
        CheckId::ChapNotAsked => Entry {
            looks_at: "The target asks for CHAP where it is configured.",
            passed: "The target asked for CHAP.",
            why: "A target that lets everybody in makes the configured secret worthless, and may be another one than meant.",
            source: "RFC 7143 section 9.2.1",
            next_step: "Have the VTL demand CHAP of this initiator.",
        },
        CheckId::ChapCredentials => Entry {
            looks_at: "The target accepts the CHAP name and secret.",
            passed: "The CHAP name and secret were accepted.",
            why: "The name and the secret have to be the same at both ends, letter by letter.",
            source: DOCUMENT,
            next_step: "Type both anew at the VTL, in upper case, and here.",
        },
        CheckId::ChapSecretCase => Entry {
            looks_at: "The VTL has the CHAP secret in upper case, as IBM i uses it.",
            passed: "The secret in lower case is not what the target wants.",
            why: "IBM i changes the CHAP secret to upper case before it uses it.",
            source: DOCUMENT,
            next_step: "Type the CHAP secret in upper case at the VTL.",
        },
        CheckId::ChapNameCase => Entry {
            looks_at: "The VTL has the CHAP name in upper case, as IBM i sends it.",
            passed: "The name in lower case is not what the target wants.",
            why: "IBM i changes the CHAP name to upper case before it sends it.",
            source: DOCUMENT,
            next_step: "Type the CHAP name in upper case at the VTL.",
        },
        CheckId::ChapAlgorithm => Entry {
            looks_at: "The target selects one of the CHAP algorithms that are offered.",
            passed: "The target selects one of the CHAP algorithms offered.",
            why: "MD5 is the algorithm that every initiator has to offer; a target that accepts SHA only may refuse IBM i.",
            source: "RFC 7143 section 12.1.3",
            next_step: "Have the VTL accept CHAP with MD5.",
        },
        CheckId::MutualChap => Entry {
            looks_at: "The target does not want to be authenticated itself (mutual CHAP).",
            passed: "The target does not want mutual CHAP.",
            why: "The macro has no CHAP name and secret of the target: IBM i authenticates one way only.",
            source: DOCUMENT,
            next_step: "Turn mutual CHAP off for this initiator at the VTL.",
        },
        CheckId::InitiatorUnknown => Entry {
            looks_at: "The target knows the initiator name.",
            passed: "The target does not refuse the initiator name.",
            why: "A VTL lets in only the initiators that its console has assigned to the target.",
            source: FIELD,
            next_step: "Add the initiator name to the clients of the target at the VTL.",
        },
        CheckId::TargetUnknown => Entry {
            looks_at: "The target name is known at the address.",
            passed: "The target name is known.",
            why: "The target has to be created at the VTL under exactly the configured name; some targets answer so to an initiator that they do not know, too.",
            source: FIELD,
            next_step: "Compare the target name with the console, and see there that this initiator is assigned to it.",
        },
        CheckId::Departures => Entry {
            looks_at: "The target keeps to the letter of RFC 7143.",
            passed: "No departure from RFC 7143 was met.",
            why: "What is tolerated here need not be tolerated by IBM i.",
            source: "RFC 7143, the section named",
            next_step: "Report it to the vendor of the VTL; nothing is lost by it here.",
        },
        CheckId::Enumeration => Entry {
            looks_at: "Every logical unit says what it is.",
            passed: "Every logical unit said what it is.",
            why: "IBM i asks each logical unit who it is before it makes a resource of it.",
            source: "SPC-4 sections 6.4 and 6.33",
            next_step: "Look at the state of the device at the VTL.",
        },
        CheckId::LibraryCount => Entry {
            looks_at: "The target shows one library.",
            passed: "The target shows one library.",
            why: "Each target is one tape library to IBM i.",
            source: DOCUMENT,
            next_step: "Assign one library to the target at the VTL, and another target to another library.",
        },
        CheckId::TypeModel => Entry {
            looks_at: "The library is a 3584-403 by VPD page D0h.",
            passed: "The library is a 3584-403.",
            why: "The library is reported to IBM i as a 3584-403, which supports live partition mobility; IBM i takes the type from VPD page D0h, and shows a generic library without it.",
            source: "IBM for the 3584-403; reported by one vendor (OpenVTL) for VPD page D0h",
            next_step: "Have the VTL emulate an IBM 3584 for IBM i, with VPD page D0h.",
        },
        CheckId::DriveTypes => Entry {
            looks_at: "The library has one drive type.",
            passed: "The library has one drive type.",
            why: "IBM i supports one drive type in a virtual library.",
            source: DOCUMENT,
            next_step: "Give the library drives of one type at the VTL.",
        },
        CheckId::DriveGeneration => Entry {
            looks_at: "The drives are LTO3 or newer.",
            passed: "No drive is older than LTO3.",
            why: "IBM i supports LTO3 and newer drives in a virtual library.",
            source: DOCUMENT,
            next_step: "Have the VTL emulate LTO3 drives or newer ones.",
        },
        CheckId::DriveElements => Entry {
            looks_at: "The drive elements of the library and the drives among the LUNs are the same.",
            passed: "The drive elements and the LUNs agree.",
            why: "IBM i finds the drives of a library by the identifiers in its element status.",
            source: "SMC-3 section 6.11",
            next_step: "Assign the library and all of its drives to this initiator under one target.",
        },
        CheckId::LibraryReady => Entry {
            looks_at: "The library is ready.",
            passed: "The library is ready.",
            why: "IBM i varies on a library that is ready.",
            source: "SPC-4 section 6.47",
            next_step: "Look at the state of the library at the VTL.",
        },
        CheckId::Barcodes => Entry {
            looks_at: "The barcodes have six characters, or eight with the suffix of the medium.",
            passed: "The barcodes have six or eight characters.",
            why: "IBM i takes the first six characters as the volume, so that longer barcodes may not be told apart.",
            source: FIELD,
            next_step: "Give the cartridges barcodes such as VOL001L8 at the VTL.",
        },
        CheckId::DriveReady => Entry {
            looks_at: "Each drive is ready, or has no cartridge.",
            passed: "Each drive is ready.",
            why: "A drive that is not ready for another reason than a missing cartridge does not vary on.",
            source: "SSC-4 section 4.2",
            next_step: "Look at the state of the drive at the VTL.",
        },
        CheckId::BlockLimits => Entry {
            looks_at: "Each drive takes blocks of 256 KiB.",
            passed: "Each drive takes blocks of 256 KiB.",
            why: "IBM i writes blocks of up to 256 KiB, and a drive that takes shorter ones only ends a save.",
            source: "SSC-4 section 7.6; that IBM i writes 256 KiB is reported, not IBM's word",
            next_step: "Raise the longest block of the drives at the VTL.",
        },
        CheckId::SavedValues => Entry {
            looks_at: "Each drive answers MODE SENSE for saved values.",
            passed: "Each drive tells its saved values.",
            why: "IBM i asks for saved values (page control 3) when it varies a drive on, and fails with reason 3404 where that is refused.",
            source: ONE_VENDOR,
            next_step: "Ask the vendor of the VTL for a release that answers MODE SENSE with page control 3.",
        },
        CheckId::ReservationCapabilities => Entry {
            looks_at: "Each drive answers PERSISTENT RESERVE IN REPORT CAPABILITIES with CRH=0.",
            passed: "Each drive reports CRH=0.",
            why: "IBM i uses persistent reservations, and wants compatible reservation handling off.",
            source: ONE_VENDOR,
            next_step: "Ask the vendor of the VTL for a release that reports its reservation capabilities with CRH=0.",
        },
        CheckId::ReservationFullStatus => Entry {
            looks_at: "Each drive answers PERSISTENT RESERVE IN READ FULL STATUS.",
            passed: "Each drive tells the full status of its reservations.",
            why: "IBM i asks for the full status of the reservations of a drive.",
            source: ONE_VENDOR,
            next_step: "Ask the vendor of the VTL for a release that answers READ FULL STATUS.",
        },
        CheckId::LogPages => Entry {
            looks_at: "Each drive lists its log pages, and tape capacity (31h) is plausible.",
            passed: "The log pages are there.",
            why: "IBM i reads log page 31h, and misjudges a cartridge by values that cannot be.",
            source: ONE_VENDOR,
            next_step: "Ask the vendor of the VTL for a release with log page 31h as IBM's drives have it.",
        },
        CheckId::ReadPosition => Entry {
            looks_at: "READ POSITION tells BOP at block 0 only.",
            passed: "BOP and the block agree.",
            why: "A drive that tells the beginning of the tape elsewhere ends a save with CPF4315, device no longer in ready status.",
            source: ONE_VENDOR,
            next_step: "Ask the vendor of the VTL for a release whose READ POSITION sets BOP at block 0 only.",
        },
        CheckId::Reserved => Entry {
            looks_at: "No drive is reserved by somebody else.",
            passed: "No drive is reserved by somebody else.",
            why: "IBM i cannot use a drive that another initiator has reserved.",
            source: "SPC-4 section 5.13",
            next_step: "Have the other initiator release the drive, or assign the drive to one initiator at the VTL.",
        },
        CheckId::TapeAlert => Entry {
            looks_at: "No TapeAlert flag is set; read with --tape-alert only, since reading clears the flags.",
            passed: "No TapeAlert flag is set.",
            why: "The flags tell of the drive or the cartridge what a save would meet.",
            source: "SSC-4 section 4.2.20",
            next_step: "Look up the flags in the manual of the drive.",
        },
        CheckId::ChapAbsent => Entry {
            looks_at: "CHAP is used.",
            passed: "The login was made with CHAP.",
            why: "Without CHAP whoever sends an initiator name that the VTL knows is let in.",
            source: "RFC 7143 section 9.2",
            next_step: "Have the VTL demand CHAP of this initiator, and configure it with -changetarget.",
        },
        CheckId::ChapMd5 => Entry {
            looks_at: "CHAP uses a stronger algorithm than MD5.",
            passed: "CHAP uses a stronger algorithm than MD5.",
            why: "Whoever sees an MD5 response can try secrets at great speed; that IBM i offers anything stronger is not known.",
            source: "RFC 7143 section 9.2.1",
            next_step: "Use a long random secret, and keep the VTL in a network of its own.",
        },
        CheckId::DigestsOff => Entry {
            looks_at: "Header and data have digests.",
            passed: "Header and data have digests.",
            why: "TCP's checksum lets errors of a network device pass that a CRC32C digest finds.",
            source: "RFC 7143 section 9.3",
            next_step: "Have the VTL accept CRC32C for HeaderDigest and DataDigest.",
        },
        CheckId::SecretPlain => Entry {
            looks_at: "The CHAP secret is kept in the Platform KeyStore.",
            passed: "The CHAP secret is in the Platform KeyStore.",
            why: "A secret on disk goes along with every copy of the configuration.",
            source: DOCUMENT,
            next_step: "Enable the Platform KeyStore with partition set --keystore-size 4096, and give the secret again with -changetarget.",
        },
        CheckId::SecretShort => Entry {
            looks_at: "The CHAP secret has 12 characters at least.",
            passed: "The CHAP secret has 12 characters at least.",
            why: "A response to a secret of less than 96 bits should not be sent over a network that others can read.",
            source: "RFC 7143 section 9.2.1",
            next_step: "Use a random secret of 12 characters or more at the VTL and here.",
        },
        CheckId::WriteRate => Entry {
            looks_at: "The session allows 100 MB/s with one command at a time.",
            passed: "The session allows 100 MB/s.",
            why: "Below about 100 MB/s an LTO drive of today stops and starts, and a save takes its time; how many commands IBM i has outstanding is not known.",
            source: "IBM, LTO-7 speed matching from 101 MB/s; the rate follows from RFC 7143 sections 13.10 to 13.14",
            next_step: "Have the VTL accept InitialR2T=No and a FirstBurstLength of 262144, and shorten the way to it.",
        },
    }
}
