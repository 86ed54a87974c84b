//! A capture that Wireshark reads: PDUs in made-up TCP/IP packets with the true addresses and ports, in pcapng.
//!
//! Three kinds of block (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3), little-endian: a Section Header, an Interface
//! Description with link type RAW, packets that begin with their IP header, and an Enhanced Packet for each. The packets have
//! what a dissector needs: a three-way handshake, sequence numbers that follow each other, and checksums.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::transport::{Direction, Endpoints};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// LINKTYPE_RAW: packets begin with the IP header.
const LINKTYPE_RAW: u16 = 101;

/// The most bytes of a PDU in one packet: with its headers it fits the 16 bits of an IP length.
const MAX_SEGMENT: usize = 65_000;

const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The connections of a capture.
#[derive(Debug, Default)]
pub struct Capture {
    flows: HashMap<Endpoints, Flow>,
}

/// The sequence numbers of a connection.
#[derive(Clone, Copy, Debug)]
struct Flow {
    /// Of this side.
    sent: u32,
    /// Of the peer.
    received: u32,
}

/// Returns what a capture begins with: its Section Header and its Interface Description.
#[must_use]
pub fn header() -> Vec<u8> {
    let mut section = Vec::new();
    section.extend(0x1a2b_3c4d_u32.to_le_bytes());
    // Version 1.0, and a section of unknown length.
    section.extend([1, 0, 0, 0]);
    section.extend(u64::MAX.to_le_bytes());
    let mut interface = Vec::new();
    interface.extend(LINKTYPE_RAW.to_le_bytes());
    interface.extend([0; 2]);
    // No limit to the length of a packet; times in microseconds, without an option that says so.
    interface.extend([0; 4]);
    [
        block(SECTION_HEADER, &section),
        block(INTERFACE_DESCRIPTION, &interface),
    ]
    .concat()
}

impl Capture {
    /// Returns the packets of a PDU. `opens` says that it is the first of its connection, whose handshake stands before it, with
    /// the sender as the client.
    pub fn packets(
        &mut self,
        time: SystemTime,
        endpoints: Endpoints,
        direction: Direction,
        opens: bool,
        pdu: &[u8],
    ) -> Vec<u8> {
        let mut output = Vec::new();
        let mut put = |direction: Direction, flow: Flow, flags: u8, data: &[u8]| {
            let packet = packet(endpoints, direction, flow, flags, data);
            output.extend(enhanced_packet(time, &packet));
        };
        let other = match direction {
            Direction::Sent => Direction::Received,
            Direction::Received => Direction::Sent,
        };
        let mut flow = match self.flows.get(&endpoints) {
            Some(flow) if !opens => *flow,
            _ => {
                let mut flow = Flow {
                    sent: 0,
                    received: 0,
                };
                put(direction, flow, SYN, &[]);
                flow.advance(direction, 1);
                put(other, flow, SYN | ACK, &[]);
                flow.advance(other, 1);
                put(direction, flow, ACK, &[]);
                flow
            }
        };
        for segment in pdu.chunks(MAX_SEGMENT) {
            put(direction, flow, PSH | ACK, segment);
            let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
            flow.advance(direction, length);
        }
        self.flows.insert(endpoints, flow);
        output
    }
}

impl Flow {
    fn advance(&mut self, direction: Direction, by: u32) {
        let number = match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        *number = number.wrapping_add(by);
    }
}

/// Returns a TCP segment in an IP packet.
fn packet(
    endpoints: Endpoints,
    direction: Direction,
    flow: Flow,
    flags: u8,
    data: &[u8],
) -> Vec<u8> {
    let (source, destination, sequence, acknowledged) = match direction {
        Direction::Sent => (endpoints.local, endpoints.peer, flow.sent, flow.received),
        Direction::Received => (endpoints.peer, endpoints.local, flow.received, flow.sent),
    };
    let acknowledged = if flags & ACK == 0 { 0 } else { acknowledged };
    let mut tcp = Vec::with_capacity(data.len().saturating_add(20));
    tcp.extend(source.port().to_be_bytes());
    tcp.extend(destination.port().to_be_bytes());
    tcp.extend(sequence.to_be_bytes());
    tcp.extend(acknowledged.to_be_bytes());
    // Five words of header, the flags, the largest window.
    tcp.extend([0x50, flags, 0xff, 0xff]);
    // Checksum and urgent pointer.
    tcp.extend([0; 4]);
    tcp.extend(data);
    let length = u16::try_from(tcp.len()).unwrap_or(u16::MAX);
    let pseudo = pseudo_header(source, destination, length);
    let sum = checksum(&[&pseudo, &tcp]);
    if let Some(field) = tcp.get_mut(16..18) {
        field.copy_from_slice(&sum);
    }
    let mut packet = ip_header(source.ip(), destination.ip(), length);
    packet.extend(tcp);
    packet
}

const TCP: u8 = 6;

fn pseudo_header(source: SocketAddr, destination: SocketAddr, length: u16) -> Vec<u8> {
    let mut header = Vec::new();
    for address in [source.ip(), destination.ip()] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend([0, TCP]);
    header.extend(length.to_be_bytes());
    header
}

/// Returns the IP header of so many bytes; both addresses are of one family.
fn ip_header(source: IpAddr, destination: IpAddr, length: u16) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
        header.extend([0x45, 0]);
        header.extend(length.saturating_add(20).to_be_bytes());
        // No identification, not to be fragmented, 64 hops, the checksum.
        header.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
        header.extend(source.octets());
        header.extend(destination.octets());
        let sum = checksum(&[&header]);
        if let Some(field) = header.get_mut(10..12) {
            field.copy_from_slice(&sum);
        }
        return header;
    }
    header.extend([0x60, 0, 0, 0]);
    header.extend(length.to_be_bytes());
    header.extend([TCP, 64]);
    for address in [source, destination] {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        header.extend(address.octets());
    }
    header
}

/// Returns the checksum of RFC 1071 of parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0_u64;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let word = match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            [high] => u16::from_be_bytes([*high, 0]),
            _ => 0,
        };
        sum = sum.saturating_add(word.into());
    }
    while sum > 0xffff {
        sum = (sum & 0xffff).saturating_add(sum >> 16);
    }
    let sum = u16::try_from(sum).unwrap_or(0);
    (!sum).to_be_bytes()
}

fn enhanced_packet(time: SystemTime, packet: &[u8]) -> Vec<u8> {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let microseconds = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(packet.len().saturating_add(20));
    // The only interface; the high half of the time stands before the low one.
    body.extend([0; 4]);
    let [high, low] = [microseconds >> 32, microseconds & 0xffff_ffff];
    for half in [high, low] {
        body.extend(u32::try_from(half).unwrap_or(u32::MAX).to_le_bytes());
    }
    body.extend(length.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(packet);
    block(ENHANCED_PACKET, &body)
}

/// Returns a block: its type, its length, its body filled to whole words, and its length again.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = u32::try_from(padded.saturating_add(12)).unwrap_or(u32::MAX);
    let mut block = Vec::with_capacity(padded.saturating_add(12));
    block.extend(kind.to_le_bytes());
    block.extend(total.to_le_bytes());
    block.extend(body);
    block.resize(padded.saturating_add(8), 0);
    block.extend(total.to_le_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIME: Duration = Duration::from_micros(0x0005_1234_5678_9abc);

    fn endpoints(local: &str, peer: &str) -> Endpoints {
        Endpoints {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
        }
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Returns the packets of Enhanced Packet blocks, whose form it checks.
    fn packets(mut blocks: &[u8]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while !blocks.is_empty() {
            assert_eq!(word(blocks, 0), ENHANCED_PACKET);
            let total = word(blocks, 4) as usize;
            let (block, rest) = blocks.split_at(total);
            assert_eq!(total % 4, 0);
            assert_eq!(word(block, total - 4) as usize, total);
            assert_eq!(
                [word(block, 8), word(block, 12), word(block, 16)],
                [0, 0x51234, 0x56789abc]
            );
            let length = word(block, 20) as usize;
            assert_eq!(word(block, 24) as usize, length);
            packets.push(block[28..28 + length].to_vec());
            blocks = rest;
        }
        packets
    }

    /// Ports, sequence numbers, flags and data of a TCP segment.
    type Segment<'a> = ([u16; 2], [u32; 2], u8, &'a [u8]);

    /// Returns ports, sequence numbers, flags and data of a packet over IPv4, whose checksums it checks.
    fn segment(packet: &[u8]) -> Segment<'_> {
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(length, packet.len());
        assert_eq!(checksum(&[&packet[..20]]), [0, 0]);
        let (header, tcp) = packet.split_at(20);
        let tcp_length = u16::try_from(tcp.len()).unwrap().to_be_bytes();
        let pseudo = [&header[12..20], &[0, 6], &tcp_length].concat();
        assert_eq!(checksum(&[&pseudo, tcp]), [0, 0]);
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let number = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
        (
            [port(0), port(2)],
            [number(4), number(8)],
            tcp[13],
            &tcp[20..],
        )
    }

    #[test]
    fn a_capture_begins_with_its_section_and_its_interface() {
        assert_eq!(
            header(),
            [
                &[
                    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0
                ][..],
                &[0xff; 8],
                &[28, 0, 0, 0],
                &[
                    1, 0, 0, 0, 20, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0
                ],
            ]
            .concat()
        );
    }

    #[test]
    fn a_connection_has_a_handshake_and_numbers_that_follow_each_other() {
        let time = UNIX_EPOCH + TIME;
        let between = endpoints("10.0.0.1:50000", "10.0.0.2:3260");
        let mut capture = Capture::default();
        let (sent, received) = (Direction::Sent, Direction::Received);
        let long = vec![7; MAX_SEGMENT + 5];
        let blocks = [
            capture.packets(time, between, sent, true, b"login"),
            capture.packets(time, between, received, false, b"welcome"),
            capture.packets(time, between, sent, false, &long),
            // Another connection between the same ports.
            capture.packets(time, between, sent, true, b"again"),
        ]
        .concat();
        let packets = packets(&blocks);
        let segments: Vec<_> = packets.iter().map(|packet| segment(packet)).collect();
        let (ours, theirs) = ([50000, 3260], [3260, 50000]);
        let expected: [Segment<'_>; 11] = [
            (ours, [0, 0], SYN, b""),
            (theirs, [0, 1], SYN | ACK, b""),
            (ours, [1, 1], ACK, b""),
            (ours, [1, 1], PSH | ACK, b"login"),
            (theirs, [1, 6], PSH | ACK, b"welcome"),
            (ours, [6, 8], PSH | ACK, &long[..MAX_SEGMENT]),
            (ours, [65_006, 8], PSH | ACK, &long[MAX_SEGMENT..]),
            (ours, [0, 0], SYN, b""),
            (theirs, [0, 1], SYN | ACK, b""),
            (ours, [1, 1], ACK, b""),
            (ours, [1, 1], PSH | ACK, b"again"),
        ];
        assert_eq!(segments, expected);
        assert_eq!(packets[0][12..20], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(packets[1][12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
    }

    #[test]
    fn addresses_of_ipv6_have_its_header() {
        let between = endpoints("[fd00::1]:50000", "[fd00::2]:3260");
        let blocks = Capture::default().packets(
            UNIX_EPOCH + TIME,
            between,
            Direction::Received,
            true,
            b"login!",
        );
        let packets = packets(&blocks);
        let last = packets.last().unwrap();
        assert_eq!(last[..8], [0x60, 0, 0, 0, 0, 26, 6, 64]);
        assert_eq!((last[8], last[23], last[39]), (0xfd, 2, 1));
        let length = [0, 26];
        let pseudo = [&last[8..40], &[0, 6], &length].concat();
        assert_eq!(checksum(&[&pseudo, &last[40..]]), [0, 0]);
        assert_eq!(last[60..], *b"login!");
    }
}
