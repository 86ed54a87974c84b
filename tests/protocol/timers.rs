//! The timers of the session, in virtual time: pings, the deadlines of tasks, the answers of other requests.

use std::time::Duration;

use iscsiswiconfig::iscsi::initiator::TimerSettings;

use super::*;

const PING: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);

impl Peer {
    fn timed(commands: u32) -> Self {
        let mut peer = Self::with_window(PARAMETERS, commands);
        let settings = TimerSettings {
            stall_notice: None,
            ping_interval: Some(PING),
            answer: Some(ANSWER),
            time2wait: Duration::from_secs(2),
        };
        peer.session = peer.session.with_timers(settings, peer.now);
        peer
    }

    /// Lets time pass to the next timer and returns how much it was.
    fn timer(&mut self) -> Result<Duration, SessionError> {
        let due = self.session.poll_timeout().expect("a timer");
        let passed = due.saturating_duration_since(self.now);
        self.now = due;
        self.session.handle_timeout(due)?;
        Ok(passed)
    }

    fn submit_timed(&mut self, suppresses_pings: bool) -> InitiatorTaskTag {
        let task = Task {
            timeout: Some(TIMEOUT),
            suppresses_pings,
            ..task_without_data()
        };
        self.session.submit(task).unwrap()
    }
}

#[test]
fn a_silent_target_is_pinged_and_given_up_without_an_answer() {
    let mut peer = Peer::timed(16);
    assert_eq!(peer.timer(), Ok(PING));
    assert_eq!(
        peer.sent(),
        ["NOP-Out I itt=0x1 lun=0 cmdsn=1 expstatsn=10"]
    );
    let pong = peer.nop_in(InitiatorTaskTag(1), RESERVED_TTT, StatSn(10));
    peer.stat_sn = StatSn(11);
    peer.give(&pong).unwrap();
    assert_eq!(peer.timer(), Ok(PING), "what is heard restarts it");
    peer.sent();
    assert_eq!(
        peer.timer(),
        Err(SessionError::NoAnswer {
            request: Opcode::NOP_OUT,
            after: ANSWER,
            last_received: Some(Opcode::NOP_IN),
        })
    );
    assert_eq!(peer.session.poll_timeout(), None);
    assert_eq!(peer.session.time2wait(), Duration::from_secs(2));
}

#[test]
fn a_task_that_suppresses_pings_has_only_its_own_timer() {
    let mut peer = Peer::timed(16);
    let tag = peer.submit_timed(true);
    peer.sent();
    assert_eq!(peer.timer(), Ok(TIMEOUT));
    assert_eq!(
        peer.events(),
        [Event::TimedOut {
            initiator_task_tag: tag,
            after: TIMEOUT,
            last_received: None,
        }]
    );
    assert!(peer.sent()[0].contains("function=ABORT TASK"));
    // The abort has to be answered like any other request.
    assert!(matches!(
        peer.timer(),
        Err(SessionError::NoAnswer { request: Opcode::TASK_MANAGEMENT_REQUEST, after, .. })
            if after == ANSWER
    ));
}

#[test]
fn the_end_of_another_task_of_the_unit_restarts_the_timer() {
    let mut peer = Peer::timed(16);
    let tags = [(); 2].map(|()| peer.submit_timed(true));
    peer.sent();
    peer.now += TIMEOUT / 2;
    peer.good(tags[0]).unwrap();
    assert_eq!(peer.timer(), Ok(TIMEOUT));
    let events = peer.events();
    assert!(matches!(
        &events[..],
        [Event::TimedOut { initiator_task_tag, last_received: Some(Opcode::SCSI_RESPONSE), .. }]
            if *initiator_task_tag == tags[1]
    ));
}

#[test]
fn a_task_that_waits_for_a_closed_window_times_out_without_an_abort() {
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let settings = TimerSettings {
        answer: Some(ANSWER),
        ..TimerSettings::default()
    };
    peer.session = peer.session.with_timers(settings, peer.now);
    let tag = peer.submit_timed(false);
    assert!(peer.sent().is_empty());
    assert_eq!(peer.timer(), Ok(TIMEOUT));
    let events = peer.events();
    assert!(matches!(
        &events[..],
        [Event::TimedOut { initiator_task_tag, .. }] if *initiator_task_tag == tag
    ));
    assert!(peer.session.is_idle());
}

#[test]
fn a_window_that_stays_closed_is_told_once_until_it_opens() {
    const NOTICE: Duration = Duration::from_secs(15);
    let mut peer = Peer::with_window(PARAMETERS, 1);
    let settings = TimerSettings {
        stall_notice: Some(NOTICE),
        ..TimerSettings::default()
    };
    peer.session = peer.session.with_timers(settings, peer.now);
    let tags = [(); 3].map(|()| peer.session.submit(task_without_data()).unwrap());
    peer.sent();
    assert_eq!(peer.timer(), Ok(NOTICE));
    assert_eq!(peer.events(), [Event::WindowClosed { since: NOTICE }]);
    assert_eq!(peer.session.poll_timeout(), None, "it is told once");
    // The window opens by one command, and closes behind the next.
    peer.good(tags[0]).unwrap();
    peer.events();
    peer.sent();
    assert_eq!(peer.timer(), Ok(NOTICE));
    assert_eq!(peer.events(), [Event::WindowClosed { since: NOTICE }]);
}

#[test]
fn a_session_without_timers_waits_for_ever() {
    let mut peer = Peer::new(PARAMETERS);
    peer.submit(TaskTransfer::None);
    peer.session.ping().unwrap();
    peer.sent();
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn the_target_s_own_time2wait_counts() {
    let mut peer = Peer::timed(16);
    let message = peer.async_message(AsyncEvent::DROP_CONNECTION, [0, 7, 20]);
    peer.give(&Pdu::AsyncMessage(message)).unwrap();
    assert_eq!(peer.session.time2wait(), Duration::from_secs(7));
}
