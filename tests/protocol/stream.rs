//! Whole conversations: however the stream is cut, and whatever the target sends.

use proptest::prelude::*;

use super::*;

/// A whole conversation as the target's bytes: a read in pieces, a ping, a write that fails, a logout.
fn conversation() -> (Peer, Vec<u8>) {
    let mut peer = Peer::new(PARAMETERS);
    let read = peer.submit(TaskTransfer::Read(12));
    let other = peer.submit(write());
    let first = peer.data_in(read, 0, 0, b"abcdefg");
    let last = peer.data_in(read, 1, 7, b"hijkl");
    let pdus = [
        Pdu::DataIn(first),
        peer.nop_in(RESERVED_ITT, TargetTransferTag(5), peer.stat_sn),
        peer.last_data_in(last, Residual::None),
        Pdu::R2t(peer.r2t(other, 0, 0, 12)),
        Pdu::ScsiResponse(ScsiResponse {
            status: 2,
            data: Bytes::from_static(&[0, 2, 0x70, 0]),
            ..peer.response(other)
        }),
    ];
    peer.sent();
    let mut stream = BytesMut::new();
    for pdu in &pdus {
        peer.encoder.encode(pdu, &mut stream).unwrap();
    }
    (peer, stream.to_vec())
}

fn play(mut peer: Peer, parts: impl Iterator<Item = Vec<u8>>) -> (Vec<Event>, Vec<String>) {
    let mut input = BytesMut::new();
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for part in parts {
        input.extend_from_slice(&part);
        while let Some(pdu) = peer.decoder.decode(&mut input).unwrap() {
            peer.session.handle(pdu, peer.now).unwrap();
            events.append(&mut peer.events());
            sent.append(&mut peer.sent());
        }
    }
    (events, sent)
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_conversation_is_the_same(
        cuts in prop::collection::vec(1usize..97, 1..40),
    ) {
        let (peer, stream) = conversation();
        let whole = play(peer, std::iter::once(stream));
        prop_assert_eq!(whole.0.len(), 2);
        prop_assert_eq!(whole.1.len(), 3, "{:?}", whole.1);

        let (peer, stream) = conversation();
        let mut rest = &stream[..];
        let mut cuts = cuts.into_iter().cycle();
        let parts = std::iter::from_fn(|| {
            let (part, after) = rest.split_at(cuts.next()?.min(rest.len()));
            rest = after;
            (!part.is_empty()).then(|| part.to_vec())
        });
        prop_assert_eq!(play(peer, parts), whole);
    }

    #[test]
    fn a_target_that_sends_anything_is_an_error_and_never_a_panic(
        pdus in prop::collection::vec((0usize..10, any::<[u32; 3]>(), any::<u8>()), 1..30),
    ) {
        let mut peer = Peer::new(SessionParameters { max_outstanding_r2t: 2, ..PARAMETERS });
        for (kind, [a, b, c], byte) in pdus {
            let _ = peer.session.submit(task(write()));
            let _ = peer.session.submit(task(TaskTransfer::Read(20)));
            let _ = peer.session.ping();
            peer.sent();
            let tag = InitiatorTaskTag(a % 12);
            let small = |number: u32| number % 24;
            let pdu = match kind {
                0 => Pdu::R2t(peer.r2t(tag, b % 3, small(c), small(b))),
                1 => Pdu::R2t(peer.r2t(tag, b, c, a)),
                2 => Pdu::DataIn(peer.data_in(tag, b % 3, small(c), &vec![byte; small(b) as usize])),
                3 => {
                    let data = peer.data_in(tag, b % 3, c, &[byte]);
                    peer.last_data_in(data, Residual::Underflow(c))
                }
                4 => Pdu::ScsiResponse(ScsiResponse {
                    data: Bytes::from(vec![byte; small(b) as usize]),
                    exp_data_sn: DataSn(c),
                    ..peer.response(tag)
                }),
                5 => peer.task_management_response(tag, TaskManagementOutcome(byte)),
                6 => peer.nop_in(tag, TargetTransferTag(b), StatSn(c)),
                7 => Pdu::AsyncMessage(peer.async_message(AsyncEvent(byte % 8), [1, 2, 3])),
                8 => peer.logout_response(tag, LogoutOutcome(byte)),
                _ => Pdu::ScsiResponse(peer.response(tag)),
            };
            if peer.give(&pdu).is_err() {
                prop_assert!(peer.session.is_idle());
                break;
            }
        }
    }
}
