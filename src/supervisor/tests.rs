//! The supervisor in simulated time: no sleeps, no processes.

use super::*;
use proptest::prelude::*;

const fn ms(n: u64) -> Time {
    Duration::from_millis(n)
}

fn policy(drain: u64) -> Policy {
    Policy {
        ladder: Some(Ladder::new(ms(10_000), ms(drain), true, None).unwrap()),
        stop_on: vec![Signal::TERM, Signal::INT],
        ..Policy::default()
    }
}

/// A server in simulated time: it takes the actions, and does what its nature is.
struct World {
    supervisor: Supervisor,
    now: Time,
    /// Everything the supervisor wanted, with its time.
    done: Vec<(Time, Action)>,
    /// When a stop was asked for.
    stop_requested: Option<Time>,
    /// Probes are under way, for health and for readiness.
    probing: [bool; 2],
    /// A restart was asked for.
    restarted: bool,
}

impl World {
    fn new(policy: Policy) -> World {
        World {
            supervisor: Supervisor::new(policy, ms(0)),
            now: ms(0),
            done: vec![],
            stop_requested: None,
            probing: [false; 2],
            restarted: false,
        }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        if let Event::Probed(purpose, _) = event {
            self.probing[purpose as usize] = false;
        }
        self.restarted |= event == Event::Ordered(Order::Restart);
        let actions: Vec<_> = self.supervisor.handle(self.now, event).iter().collect();
        self.done.extend(actions.iter().map(|a| (self.now, *a)));
        for action in &actions {
            match action {
                Action::Probe(purpose) => {
                    let probing = std::mem::replace(&mut self.probing[*purpose as usize], true);
                    assert!(!probing, "one probe at a time: {:?}", self.done);
                }
                Action::ExpireProbe(purpose) | Action::EndProbe(purpose) => self.probing[*purpose as usize] = false,
                _ => {}
            }
        }
        self.stop_requested = self.stop_requested.or(self.supervisor.was_stop_requested().then_some(self.now));
        actions
    }

    fn order(&mut self, order: Order) -> Vec<Action> {
        self.event(Event::Ordered(order))
    }

    fn probed(&mut self, well: bool) -> Vec<Action> {
        self.event(Event::Probed(Purpose::Health, well))
    }

    /// From the start on probes succeed, until then.
    fn is_well_until(&mut self, end: Time) {
        while let Some(next) = self.supervisor.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            for action in self.event(Event::Tick) {
                if let Action::Probe(purpose) = action {
                    let _ = self.event(Event::Probed(purpose, true));
                }
            }
        }
        self.now = self.now.max(end);
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        let (plain, asks) = (self.supervisor.forward_as(signal), self.supervisor.begin_stop_with(signal));
        // Both are known from the beginning, but for whether the server hears, and whether it was asked already.
        let fresh = Supervisor::new(self.supervisor.policy().clone(), ms(0));
        assert_eq!(plain, fresh.forward_as(signal).filter(|_| self.supervisor.accepts_signals()), "{signal}");
        let unasked = self.supervisor.accepts_signals() && self.supervisor.rung().is_none();
        assert_eq!(asks, fresh.begin_stop_with(signal).filter(|_| unasked), "{signal}");
        let actions = self.event(Event::Signal(signal));
        // The short cuts say the same as the long way.
        assert!(plain.is_none() || asks.is_none(), "{signal}");
        assert!(
            plain.or(asks).is_none_or(|out| actions.first() == Some(&Action::Send(out))),
            "{signal}: {plain:?}, {asks:?}, {actions:?}"
        );
        actions
    }

    fn key(&mut self) -> Vec<Action> {
        self.event(Event::Key(Signal::INT))
    }

    /// Lets time pass until nothing more is due, or until `end`.
    fn run_until(&mut self, end: Time) {
        while let Some(next) = self.supervisor.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let _ = self.event(Event::Tick);
        }
        self.now = self.now.max(end);
    }

    fn at(&self, wanted: impl Fn(&Action) -> bool) -> Vec<Time> {
        self.done.iter().filter(|(_, a)| wanted(a)).map(|(t, _)| *t).collect()
    }
}

#[test]
fn a_server_that_hangs_climbs_the_whole_ladder() {
    let mut world = World::new(policy(0));
    world.now = ms(5_000);
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(14_600));
    assert_eq!(
        world.done,
        [
            (ms(5_000), Action::Send(Signal::TERM)),
            (ms(13_000), Action::Dump(Signal::QUIT)),
            (ms(13_500), Action::Dump(Signal::ABRT)),
            (ms(14_500), Action::KillAll),
        ]
    );
    let _ = world.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
}

/// The same, where the server's memory is looked at first.
fn looking() -> Policy {
    let policy = policy(0);
    Policy { ladder: policy.ladder.map(Ladder::looking), ..policy }
}

/// From the look on: what is done where it ends so, that much later.
fn after_the_look(shown: Option<bool>, later: u64) -> Vec<(Time, Action)> {
    let mut world = World::new(looking());
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(8_000));
    assert_eq!(world.done.last(), Some(&(ms(8_000), Action::Look)));
    world.run_until(ms(8_000 + later));
    if let Some(shown) = shown {
        let _ = world.event(Event::Looked(shown));
    }
    world.run_until(ms(9_600));
    world.done.split_off(2)
}

#[test]
fn a_server_whose_goroutines_have_been_seen_is_not_signalled_for_them() {
    assert_eq!(after_the_look(Some(true), 100), [(ms(9_500), Action::KillAll)]);
    assert_eq!(after_the_look(Some(true), 749), [(ms(9_500), Action::KillAll)]);
}

#[test]
fn a_look_that_fails_is_followed_by_the_signals() {
    let signals = |quit, abort| {
        [(ms(quit), Action::Dump(Signal::QUIT)), (ms(abort), Action::Dump(Signal::ABRT)), (ms(9_500), Action::KillAll)]
    };
    // At once where it is known; at half of the time where nothing is heard, or something too late.
    assert_eq!(after_the_look(Some(false), 100), signals(8_100, 9_125));
    assert_eq!(after_the_look(None, 100), signals(8_750, 9_125));
    assert_eq!(after_the_look(Some(true), 900), signals(8_750, 9_125));
}

/// The same, once it has begun at `begun`: when its time is up.
fn look_ends(mut world: World, begun: u64) -> Option<Time> {
    world.run_until(ms(begun));
    assert_eq!(world.done.last(), Some(&(ms(begun), Action::Look)));
    world.supervisor.look_ends()
}

#[test]
fn a_look_that_is_put_off_has_half_of_what_is_left() {
    let world = || {
        let mut world = World::new(Policy { notify: true, ..looking() });
        let _ = world.signal(Signal::TERM);
        world
    };
    assert_eq!(look_ends(world(), 8_000), Some(ms(8_750)));
    let mut busy = world();
    busy.run_until(ms(7_000));
    let _ = busy.event(Event::Notified(Notice::Extend(ms(2_000))));
    assert_eq!(look_ends(busy, 9_000), Some(ms(9_250)));
    // A freeze.
    let mut frozen = world();
    frozen.now = ms(9_000);
    let _ = frozen.event(Event::Tick);
    let end = look_ends(frozen, 9_000).unwrap();
    assert!(end > ms(9_000) && end < ms(9_500), "{end:?}");
    // One that nobody stops for has no such end.
    let mut unwell = World::new(Policy { on_unhealthy: UnhealthyAction::Log, notify: true, ..looking() });
    let _ = unwell.event(Event::Notified(Notice::Ready));
    let _ = unwell.event(Event::Notified(Notice::Trigger));
    assert!(unwell.done.iter().any(|(_, action)| *action == Action::Look) && unwell.supervisor.look_ends().is_none());
}

#[test]
fn a_server_that_ends_after_the_look_has_its_own_code() {
    for code in [0, 2, 7] {
        let mut world = World::new(looking());
        let _ = world.signal(Signal::TERM);
        world.run_until(ms(8_100));
        let _ = world.event(Event::Looked(true));
        let _ = world.event(Event::Ended(Status::Code(code)));
        assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(code)]);
    }
}

#[test]
fn the_second_key_looks_and_the_third_kills() {
    let mut world = World::new(Policy { interactive: true, ..looking() });
    let _ = world.key();
    world.now = ms(100);
    assert_eq!(world.key(), [Action::Look]);
    world.now = ms(200);
    assert_eq!(world.key().last(), Some(&Action::KillAll));
}

#[test]
fn an_unhealthy_server_is_asked_when_it_has_been_seen() {
    let mut world = World::new(Policy { on_unhealthy: UnhealthyAction::Stop, notify: true, ..looking() });
    let _ = world.event(Event::Notified(Notice::Ready));
    let unwell = world.event(Event::Notified(Notice::Trigger));
    assert_eq!(unwell, [Action::Unwell(StopReason::Watchdog), Action::Look]);
    world.run_until(ms(40));
    assert_eq!(world.event(Event::Looked(true)), [Action::Send(Signal::TERM)]);
    assert_eq!(world.event(Event::Looked(false)), []);
    // The ladder is the whole one, and begins where the stop began.
    world.run_until(ms(8_000));
    assert_eq!(world.done.last(), Some(&(ms(8_000), Action::Look)));
}

/// What is not well is looked at whatever is done about it; and is then asked as by anybody.
#[test]
fn an_unhealthy_server_is_looked_at() {
    for (on_unhealthy, asked) in [(UnhealthyAction::Log, false), (UnhealthyAction::Restart, true)] {
        let health = Schedule { interval: ms(1_000), timeout: ms(300), retries: 2, ..Schedule::default() };
        let mut world = World::new(Policy { health: Some(health), on_unhealthy, ..looking() });
        world.run_until(ms(30_000));
        let unwell = world.at(|action| matches!(action, Action::Unwell(_)))[0];
        assert_eq!(world.at(|action| *action == Action::Look)[0], unwell);
        // Once it has been seen it is asked; at the latest after the time that a look has.
        let sent = world.at(|action| *action == Action::Send(Signal::TERM));
        assert_eq!(sent.first().copied(), Some(unwell + ms(750)).filter(|_| asked), "{:?}", world.done);
    }
}

#[test]
fn a_dump_that_ends_the_server_is_137() {
    let mut world = World::new(policy(0));
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(8_100));
    let _ = world.event(Event::Ended(Status::Code(2)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
}

#[test]
fn a_good_server_keeps_its_own_code() {
    for (status, code) in [(Status::Code(0), 0), (Status::Code(3), 3), (Status::Signal(Signal::TERM), 143)] {
        let mut world = World::new(policy(0));
        let _ = world.signal(Signal::TERM);
        world.run_until(ms(100));
        assert_eq!(world.event(Event::Ended(status)), []);
        assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(code)]);
        assert_eq!(world.supervisor.next_deadline(), None);
    }
}

#[test]
fn success_codes_are_mapped_to_zero() {
    let mut world = World::new(Policy { success: vec![143], ..policy(0) });
    let _ = world.event(Event::Ended(Status::Signal(Signal::TERM)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn drain_holds_the_signal_back() {
    let mut world = World::new(policy(3_000));
    assert_eq!(world.signal(Signal::TERM), []);
    world.run_until(ms(2_999));
    assert_eq!((&world.done[..], world.supervisor.asked()), (&[][..], None));
    world.run_until(ms(3_000));
    assert_eq!(world.done, [(ms(3_000), Action::Send(Signal::TERM))]);
    assert_eq!(world.supervisor.asked(), Some((Signal::TERM, ms(3_000))));
    // The deadline counts from the first signal, not from the end of the drain.
    world.run_until(ms(8_000));
    assert_eq!(world.at(|a| matches!(a, Action::Dump(_))), [ms(8_000)]);
}

#[test]
fn a_key_ends_the_drain_and_a_second_signal_does_not() {
    let mut world = World::new(policy(3_000));
    let _ = world.signal(Signal::TERM);
    world.now = ms(1_000);
    assert_eq!(world.key(), [Action::Send(Signal::TERM)]);
    world.run_until(ms(7_000));
    assert_eq!(world.done.len(), 1);
    // Heroku sends it several times; a preStop hook, and then the kubelet. Whoever asks also sits at a terminal or not.
    for interactive in [false, true] {
        let mut world = World::new(Policy { interactive, ..policy(3_000) });
        let _ = world.signal(Signal::TERM);
        world.now = ms(1_000);
        assert_eq!(world.signal(Signal::TERM), []);
        world.run_until(ms(7_000));
        assert_eq!(world.done, [(ms(3_000), Action::Send(Signal::TERM))]);
        assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)], "later ones are forwarded as they come");
        assert_eq!(world.supervisor.milestones.interrupted, None);
    }
}

#[test]
fn a_stop_without_a_signal_has_a_deadline_all_the_same() {
    let mut world = World::new(Policy { stop_signal: StopSignal::Nothing, ..policy(0) });
    assert_eq!(world.signal(Signal::TERM), []);
    assert_eq!((world.supervisor.phase(), world.supervisor.asked()), (Phase::Stopping, None));
    assert_eq!(world.signal(Signal::TERM), []);
    // What is no stop passes, and a stopped server is continued.
    assert_eq!(world.signal(Signal::HUP), [Action::Send(Signal::HUP)]);
    assert_eq!(world.event(Event::Stopped(Signal::STOP)), [Action::Continue]);
    world.run_until(ms(10_000));
    assert_eq!(world.at(|a| matches!(a, Action::Dump(Signal::QUIT))), [ms(8_000)]);
    assert_eq!((world.at(|a| *a == Action::KillAll), world.supervisor.milestones.stop_sent), (vec![ms(9_500)], None));
    // After a drain too.
    let mut world = World::new(Policy { stop_signal: StopSignal::Nothing, ..policy(3_000) });
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(7_999));
    assert_eq!((world.done.len(), world.supervisor.phase()), (0, Phase::Stopping));
    // Of a stop that is goward's own nobody else has told the server.
    let slow = Policy { stop_signal: StopSignal::Nothing, before: 1, before_timeout: ms(5_000), ..policy(0) };
    let mut world = World::new(slow);
    world.run_until(ms(5_000));
    assert_eq!(world.at(|a| *a == Action::Send(Signal::TERM)), [ms(5_000)]);
}

/// What is done after a freeze that began before the rung was due and ended at `wakes`.
fn after_freeze(policy: Policy, wakes: Time) -> Vec<(Time, Action)> {
    let mut world = World::new(policy);
    let _ = world.signal(Signal::TERM);
    world.done.clear();
    world.now = wakes;
    let _ = world.event(Event::Tick);
    world.run_until(ms(20_000));
    world.done
}

#[test]
fn no_rung_is_slept_through_while_there_is_time() {
    for wakes in [8_000, 8_200, 8_600, 9_000, 9_501, 9_700, 9_880, 9_950] {
        let done = after_freeze(policy(0), ms(wakes));
        let at = |action: Action| done.iter().find(|(_, a)| *a == action).unwrap().0;
        let (quit, abort, kill) = (at(Action::Dump(Signal::QUIT)), at(Action::Dump(Signal::ABRT)), at(Action::KillAll));
        assert_eq!(quit, ms(wakes));
        assert!(abort >= quit + ms(2) && kill >= abort + ms(2), "{wakes}: {done:?}");
        assert!(kill >= ms(9_500) && kill < ms(10_000), "{wakes}: {done:?}");
    }
    // On time nothing moves.
    let times: Vec<_> = after_freeze(policy(0), ms(8_000)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [ms(8_000), ms(8_500), ms(9_500), ms(9_900)]);
    // The signal that a drain held back comes first, and is no decoration.
    let done = after_freeze(policy(3_000), ms(9_000));
    assert_eq!(done[0], (ms(9_000), Action::Send(Signal::TERM)));
    assert!(done[1].0 >= ms(9_300) && done[1].1 == Action::Dump(Signal::QUIT), "{done:?}");
    // Where all of the time is over nobody waits any more.
    let done = after_freeze(policy(0), ms(15_000));
    assert_eq!(
        done[..3],
        [
            (ms(15_000), Action::Dump(Signal::QUIT)),
            (ms(15_000), Action::Dump(Signal::ABRT)),
            (ms(15_000), Action::KillAll)
        ]
    );
}

#[test]
fn visitors_have_a_second_and_leftovers_the_rest() {
    let visitors = |told| Event::VisitorsRemain { told, in_reach: true };
    // Only visitors are there.
    let mut world = World::new(policy(0));
    let _ = world.event(Event::Ended(Status::Code(3)));
    assert_eq!(world.event(visitors(false)), [Action::AskVisitors]);
    assert_eq!(world.event(visitors(true)), []);
    world.run_until(ms(999));
    assert_eq!(world.event(visitors(true)), []);
    world.run_until(ms(1_000));
    assert_eq!(world.done.last(), Some(&(ms(1_000), Action::KillVisitors)));
    assert_eq!(world.event(visitors(true)), [Action::Leave(3)]);
    // Those of another user cannot be told, and are not waited for.
    let mut world = World::new(policy(0));
    let _ = world.event(Event::Ended(Status::Code(3)));
    assert_eq!(world.event(visitors(false)), [Action::AskVisitors]);
    assert_eq!(world.event(Event::VisitorsRemain { told: true, in_reach: false }), [Action::Leave(3)]);
    // After SIGKILL they are the kernel's, which ends them with PID 1, however many go on coming.
    let mut world = World::new(policy(0));
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(9_500));
    assert_eq!(world.done.last(), Some(&(ms(9_500), Action::KillAll)));
    let _ = world.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(world.event(Event::OthersRemain), [Action::KillAgain]);
    assert_eq!(world.event(visitors(false)), [Action::Leave(137)]);
    // Those that obey.
    let mut world = World::new(policy(0));
    let _ = world.event(Event::Ended(Status::Code(3)));
    let _ = world.event(visitors(false));
    world.now = ms(50);
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(3)]);
    // Beside leftovers, which keep their time.
    let mut world = World::new(policy(0));
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::OthersRemain), [Action::AskLeftovers]);
    world.run_until(ms(4_000));
    assert_eq!(world.done[1..], [(ms(1_000), Action::KillVisitors)]);
    assert_eq!(world.event(Event::OthersRemain), []);
    // Whoever came in since then does not keep the container.
    assert_eq!(world.event(visitors(true)), [Action::Leave(0)]);
    // Without /proc nobody could be told apart before: their second begins when all others have gone.
    let mut world = World::new(policy(0));
    let _ = world.event(Event::Ended(Status::Code(0)));
    let _ = world.event(Event::OthersRemain);
    world.run_until(ms(4_000));
    assert_eq!(world.event(visitors(false)), [Action::AskVisitors]);
    world.run_until(ms(5_000));
    assert_eq!(world.event(visitors(true)), [Action::Leave(0)]);
    // Nobody stays longer than the whole.
    let short = Policy { ladder: Some(Ladder::new(ms(500), ms(0), true, None).unwrap()), ..policy(0) };
    let mut world = World::new(short);
    let _ = world.event(Event::Ended(Status::Code(0)));
    let _ = world.event(visitors(false));
    world.run_until(ms(450));
    assert_eq!(world.at(|a| *a == Action::KillAll), [ms(450)]);
}

#[test]
fn other_signals_pass_during_the_drain() {
    let mut world = World::new(policy(3_000));
    let _ = world.signal(Signal::TERM);
    let _ = world.signal(Signal::HUP);
    assert_eq!(world.done, [(ms(0), Action::Send(Signal::HUP))]);
}

#[test]
fn the_end_of_the_server_ends_the_drain() {
    let mut world = World::new(policy(3_000));
    let _ = world.signal(Signal::TERM);
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn leftovers_are_asked_once_and_killed_at_the_end() {
    let mut world = World::new(policy(0));
    world.now = ms(1_000);
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::OthersRemain), [Action::AskLeftovers]);
    assert_eq!(world.event(Event::OthersRemain), []);
    world.run_until(ms(10_500));
    assert_eq!(world.at(|a| *a == Action::KillAll), [ms(10_500)]);
    assert_eq!(world.at(|a| matches!(a, Action::Dump(_))), []);
    assert_eq!(world.event(Event::OthersRemain), [Action::KillAgain]);
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn what_even_sigkill_does_not_end_is_left() {
    let mut world = World::new(policy(0));
    let _ = world.signal(Signal::TERM);
    world.run_until(ms(20_000));
    assert_eq!(world.done.last(), Some(&(ms(9_900), Action::Leave(137))));
}

#[test]
fn a_stopped_server_is_continued_so_that_it_can_stop() {
    let mut world = World::new(policy(0));
    assert_eq!(world.event(Event::Stopped(Signal::STOP)), []);
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM), Action::Continue]);
    // And again, should somebody stop it in the middle.
    assert_eq!(world.event(Event::Stopped(Signal::STOP)), [Action::Continue]);
    // But not for ever: it may be stopping itself. The next rung continues it once more.
    assert_eq!(world.event(Event::Stopped(Signal::STOP)), []);
    world.run_until(ms(8_000));
    assert_eq!(
        world.done[world.done.len() - 2..],
        [(ms(8_000), Action::Dump(Signal::QUIT)), (ms(8_000), Action::Continue)]
    );
}

#[test]
fn a_stopping_server_still_gets_the_terminal() {
    let mut world = World::new(Policy { job_control: true, ..policy(0) });
    let _ = world.signal(Signal::TERM);
    assert_eq!(world.event(Event::Stopped(Signal::TTOU)), [Action::GiveTerminal]);
}

#[test]
fn at_a_terminal_the_second_dumps_and_the_third_kills() {
    let mut world = World::new(Policy { interactive: true, ..policy(0) });
    world.now = ms(100);
    let _ = world.signal(Signal::INT);
    world.now = ms(1_000);
    assert_eq!(world.key(), [Action::Dump(Signal::QUIT)]);
    assert_eq!(world.supervisor.milestones.interrupted, Some(ms(1_000)), "impatience is no missed deadline");
    world.now = ms(1_200);
    assert_eq!(world.key(), [Action::Dump(Signal::ABRT), Action::KillAll]);
    let mut patient = World::new(Policy { interactive: true, ..policy(0) });
    let _ = patient.signal(Signal::INT);
    patient.now = ms(1_000);
    let _ = patient.key();
    patient.run_until(ms(9_000));
    assert_eq!(patient.at(|a| *a == Action::KillAll), [ms(2_500)], "the kill keeps its distance from the dump");
}

#[test]
fn a_rewritten_stop_signal_still_starts_the_deadline() {
    for (from, to) in [(Signal::TERM, Signal::USR1), (Signal::USR1, Signal::TERM)] {
        let mut world = World::new(Policy { rewrite: vec![(from, Some(to))], ..policy(0) });
        let _ = world.signal(from);
        assert_eq!(world.done, [(ms(0), Action::Send(to))]);
        assert_eq!(world.supervisor.next_deadline(), Some(ms(8_000)));
    }
    let mut dropped = World::new(Policy { rewrite: vec![(Signal::TERM, None)], ..policy(0) });
    let _ = dropped.signal(Signal::TERM);
    assert_eq!((dropped.done.len(), dropped.supervisor.next_deadline()), (0, None));
}

#[test]
fn the_last_rewrite_of_a_signal_wins() {
    let (drop, to_int) = ((Signal::TERM, None), (Signal::TERM, Some(Signal::INT)));
    let of = |rewrite: Vec<(Signal, Option<Signal>)>| Policy { rewrite, ..policy(0) };
    let last = of(vec![drop, (Signal::HUP, Some(Signal::USR1)), to_int]);
    assert_eq!((last.rewritten(Signal::TERM), last.own_stop_signal()), (Some(Signal::INT), Signal::INT));
    assert_eq!(last.rewritten(Signal::HUP), Some(Signal::USR1));
    // What is dropped, or what the platform has told the server, is still what the server is asked with.
    let dropped = of(vec![to_int, drop]);
    assert_eq!((dropped.rewritten(Signal::TERM), dropped.own_stop_signal()), (None, Signal::TERM));
    let nothing = Policy { stop_signal: StopSignal::Nothing, ..of(vec![to_int]) };
    assert_eq!(nothing.asked_with(Signal::TERM), Signal::INT);
    // Near misses: a signal that nobody rewrites, also where something else becomes it.
    assert_eq!(last.rewritten(Signal::INT), Some(Signal::INT));
    assert_eq!(last.asked_with(Signal::USR1), Signal::USR1);
}

#[test]
fn the_stop_signal_can_be_chosen() {
    let mut world = World::new(Policy { stop_signal: StopSignal::This(Signal::QUIT), ..policy(0) });
    assert_eq!((world.signal(Signal::HUP).len(), world.supervisor.asked()), (1, None), "that is no stop");
    let _ = world.signal(Signal::TERM);
    assert_eq!(world.supervisor.asked(), Some((Signal::QUIT, ms(0))));
    world.done.remove(0);
    assert_eq!(world.done, [(ms(0), Action::Send(Signal::QUIT))]);
}

#[test]
fn job_control_is_that_of_a_shell() {
    let mut world = World::new(Policy { job_control: true, ..policy(0) });
    assert_eq!(world.event(Event::Stopped(Signal::TTIN)), [Action::GiveTerminal]);
    assert_eq!(world.event(Event::Stopped(Signal::TSTP)), [Action::Suspend]);
    assert_eq!(world.event(Event::Stopped(Signal::STOP)), []);
}

#[test]
fn without_a_ladder_a_stop_is_a_signal_like_any_other() {
    let mut world = World::new(Policy { ladder: None, leftovers: Leftovers::Abandon, ..policy(0) });
    let _ = world.signal(Signal::TERM);
    assert_eq!(world.done, [(ms(0), Action::Send(Signal::TERM))]);
    assert_eq!(world.supervisor.next_deadline(), None);
    assert_eq!(world.event(Event::Ended(Status::Code(7))), [Action::Leave(7)]);
}

#[test]
fn a_stop_timeout_of_zero_kills_at_once() {
    let ladder = Ladder::new(ms(0), ms(0), true, None).ok();
    let mut world = World::new(Policy { ladder, ..policy(0) });
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM), Action::KillAll]);
    let _ = world.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
    // A server that ends by itself and leaves nobody behind: there is nobody to kill.
    let mut alone = World::new(Policy { ladder, ..policy(0) });
    assert_eq!(alone.event(Event::Ended(Status::Code(0))), []);
    assert_eq!(alone.event(Event::NobodyRemains), [Action::Leave(0)]);
    let mut others = World::new(Policy { ladder, ..policy(0) });
    let _ = others.event(Event::Ended(Status::Code(0)));
    assert_eq!(others.event(Event::OthersRemain), [Action::AskLeftovers, Action::KillAll]);
}

/// What ends by itself after SIGKILL was refused was not killed, and the next life knows nothing of it.
#[test]
fn a_server_whose_kill_was_refused_has_its_own_code() {
    let flags = |world: &World| (world.supervisor.server_killed(), world.supervisor.kill_refused());
    let killed = |policy: Policy| {
        let mut world =
            World::new(Policy { ladder: Some(Ladder::new(ms(10_000), ms(0), false, None).unwrap()), ..policy });
        let _ = world.signal(Signal::TERM);
        world.run_until(ms(9_400));
        // Nothing was sent yet that could be refused.
        assert_eq!((world.event(Event::KillRefused(true)), flags(&world)), (vec![], (false, false)));
        world.run_until(ms(9_500));
        assert_eq!(flags(&world), (true, false));
        world
    };
    let mut world = killed(policy(0));
    assert_eq!((world.event(Event::KillRefused(true)), flags(&world)), (vec![], (false, true)));
    let _ = world.event(Event::Ended(Status::Code(0)));
    // It has ended before that was tried again: nobody is there who could be killed.
    assert_eq!((world.event(Event::KillRefused(false)), flags(&world)), (vec![], (false, true)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
    // One that is still there at the end.
    let mut stuck = killed(policy(0));
    let _ = stuck.event(Event::KillRefused(true));
    stuck.run_until(ms(10_000));
    assert_eq!(stuck.done.last().map(|(_, action)| *action), Some(Action::Leave(137)));
    // Near miss: the second attempt reaches it.
    let mut late = killed(policy(0));
    let _ = late.event(Event::KillRefused(true));
    assert_eq!((late.event(Event::KillRefused(false)), flags(&late)), (vec![], (true, false)));
    let _ = late.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(late.event(Event::NobodyRemains), [Action::Leave(137)]);
    // A restart, and the next server.
    let mut again = World::new(policy(0));
    let _ = again.order(Order::Restart);
    again.run_until(ms(9_500));
    let _ = again.event(Event::KillRefused(true));
    let _ = again.event(Event::Ended(Status::Code(0)));
    let _ = again.event(Event::NobodyRemains);
    again.run_until(ms(9_600));
    assert_eq!((again.supervisor.phase(), flags(&again)), (Phase::Running, (false, false)));
}

#[test]
fn a_goward_that_was_itself_stopped_for_an_hour_still_sees_the_server_off() {
    let mut world = World::new(policy(0));
    let _ = world.signal(Signal::TERM);
    world.now = ms(3_600_000);
    let late = world.event(Event::Tick);
    assert_eq!(late.last(), Some(&Action::KillAll));
    assert_eq!(world.supervisor.next_deadline(), Some(ms(3_600_400)));
}

/// Every first and second signal, in every phase, at a terminal and without.
#[test]
fn every_pair_of_signals_in_every_phase_ends_within_the_bound() {
    for interactive in [false, true] {
        for drain in [0, 2_000] {
            for first in Signal::all() {
                for second in Signal::all() {
                    for second_at in [0, 1, 1_999, 2_000, 7_999, 8_000, 8_500, 9_499, 9_500] {
                        let mut world = World::new(Policy { interactive, ..policy(drain) });
                        let _ = world.signal(first);
                        world.run_until(ms(second_at));
                        let _ = world.signal(second);
                        let _ = world.signal(Signal::TERM);
                        world.run_until(ms(60_000));
                        holds(&world);
                        let end = world.at(|a| matches!(a, Action::Leave(_)));
                        let began = world.supervisor.milestones.stop.unwrap();
                        assert!(
                            end.len() == 1 && end[0] < began + ms(10_000),
                            "{first} {second} at {second_at}: {:?}",
                            world.done
                        );
                    }
                }
            }
        }
    }
}

/// What must hold of every history.
fn holds(world: &World) {
    let policy = world.supervisor.policy();
    let leaves = world.at(|a| matches!(a, Action::Leave(_)));
    assert!(leaves.len() <= 1, "one end: {:?}", world.done);
    if let Some(end) = world.done.iter().position(|(_, a)| matches!(a, Action::Leave(_))) {
        assert_eq!(end + 1, world.done.len(), "nothing after the end: {:?}", world.done);
    }
    // A life at a time.
    for life in world.done.split(|(_, action)| *action == Action::Start(Stage::Server)) {
        let dumps = life.iter().filter(|(_, action)| *action == Action::Dump(Signal::QUIT)).count();
        assert!(dumps <= 1, "one dump a shutdown: {:?}", world.done);
    }
    if let Some(asked) = world.stop_requested {
        let starts = world
            .done
            .iter()
            .filter(|(at, a)| *at > asked && matches!(a, Action::Start(stage) if !matches!(stage, Stage::After(_))));
        assert_eq!(starts.count(), 0, "nothing is started once a stop was asked for: {:?}", world.done);
    }
    let milestones = world.supervisor.milestones;
    let plain = !policy.interactive
        && !world.restarted
        && policy.on_unhealthy == UnhealthyAction::Log
        && policy.before == 0
        && policy.restart == Restart::No;
    if let (Some(kill), true) = (world.at(|a| *a == Action::KillAll).first(), plain) {
        let began = milestones.stop.or(milestones.ended).unwrap();
        let earliest = policy.ladder.unwrap().at(Rung::Kill);
        assert!(*kill >= began + earliest, "no KILL before its time: {:?}", world.done);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Signal(u8),
    Happens(Event),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..4_000).prop_map(Step::Wait),
        4 => (1u8..=64).prop_map(Step::Signal),
        3 => prop_oneof![Just(15u8), Just(2)].prop_map(Step::Signal),
        2 => prop_oneof![
            Just(Event::Stopped(Signal::STOP)),
            Just(Event::Stopped(Signal::TSTP)),
            Just(Event::Continued),
            Just(Event::OthersRemain),
            Just(Event::NobodyRemains),
            any::<bool>().prop_map(Event::KillRefused),
            Just(Event::Tick),
            Just(Event::Ended(Status::Code(0))),
            Just(Event::Ended(Status::Signal(Signal::KILL))),
            any::<bool>().prop_map(|well| Event::Probed(Purpose::Health, well)),
            any::<bool>().prop_map(|well| Event::Probed(Purpose::Ready, well)),
            prop_oneof![Just(Order::Stop), Just(Order::Restart), Just(Order::Restart), Just(Order::Reload)]
                .prop_map(Event::Ordered),
            prop_oneof![
                Just(Notice::Ready), Just(Notice::Reloading), Just(Notice::Stopping), Just(Notice::Alive),
                Just(Notice::Trigger), (0u64..20_000).prop_map(|n| Notice::Extend(ms(n))),
            ].prop_map(Event::Notified),
        ].prop_map(Step::Happens),
    ]
}

fn lively() -> impl Strategy<Value = Policy> {
    let restart = prop_oneof![Just(Restart::No), Just(Restart::OnFailure(Some(2))), Just(Restart::Always)];
    let on_unhealthy =
        prop_oneof![Just(UnhealthyAction::Log), Just(UnhealthyAction::Stop), Just(UnhealthyAction::Restart)];
    let schedule = Schedule { interval: ms(500), timeout: ms(300), retries: 2, ..Schedule::default() };
    let health = prop_oneof![Just(None), Just(Some(schedule))];
    let ready = prop_oneof![Just(None), Just(Some(Schedule { successes: 2, ..schedule }))];
    let words = prop_oneof![
        Just((None, None)),
        Just((Some(ms(700)), None)),
        Just((None, Some(ms(1_200)))),
        Just((Some(ms(700)), Some(ms(1_200))))
    ];
    let stop = (prop_oneof![Just(0u64), Just(1_500)], any::<bool>());
    (restart, on_unhealthy, health, ready, words, stop, 0usize..3, 0usize..3, any::<bool>()).prop_map(
        |(restart, on_unhealthy, health, ready, words, (drain, looks), before, after, interactive)| {
            let (watchdog, start_timeout) = words;
            let policy = policy(drain);
            Policy {
                ladder: if looks { policy.ladder.map(Ladder::looking) } else { policy.ladder },
                restart,
                on_unhealthy,
                health,
                ready,
                notify: watchdog.is_some() || start_timeout.is_some(),
                watchdog,
                start_timeout,
                before,
                before_timeout: ms(2_500),
                after,
                interactive,
                ..policy
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 0..60), policy in lively()) {
        let mut world = World::new(policy);
        for step in steps {
            match step {
                Step::Wait(n) => { let end = world.now + ms(n); world.run_until(end); }
                Step::Signal(n) => { let _ = world.signal(Signal::new(i32::from(n)).unwrap()); }
                Step::Happens(event) => { let _ = world.event(event); }
            }
            holds(&world);
        }
        // Once a stop was asked for, the end comes within the bound, whatever else is configured.
        let asked_at = world.now;
        let _ = world.signal(Signal::TERM);
        world.run_until(asked_at + ms(60_000));
        holds(&world);
        prop_assert!(world.at(|a| matches!(a, Action::Leave(_)))[0] < asked_at + ms(10_000));
    }
}

const PROBE: Action = Action::Probe(Purpose::Health);

fn lively_policy() -> Policy {
    let start_interval = Some(ms(1_000));
    let health = Schedule { interval: ms(1_000), timeout: ms(300), start_interval, retries: 2, ..Schedule::default() };
    Policy { health: Some(health), on_unhealthy: UnhealthyAction::Restart, ..policy(0) }
}

#[test]
fn an_unhealthy_server_is_dumped_and_started_again() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(1_000));
    assert_eq!(world.done, [(ms(1_000), PROBE)]);
    assert!(!world.supervisor.is_ready());
    assert_eq!(world.probed(true), []);
    assert!(world.supervisor.is_ready() && world.supervisor.is_healthy());
    world.run_until(ms(2_400));
    world.run_until(ms(3_600));
    let wanted = [
        (ms(2_000), PROBE),
        (ms(2_300), Action::ExpireProbe(Purpose::Health)),
        (ms(3_300), PROBE),
        (ms(3_600), Action::ExpireProbe(Purpose::Health)),
        (ms(3_600), Action::Unwell(StopReason::Unhealthy)),
        (ms(3_600), Action::Dump(Signal::QUIT)),
    ];
    assert_eq!(world.done[1..], wanted);
    assert!(!world.supervisor.is_ready() && !world.supervisor.is_healthy());
    world.now = ms(3_700);
    assert_eq!(world.event(Event::Ended(Status::Code(2))), []);
    assert_eq!(world.event(Event::OthersRemain), [Action::AskLeftovers]);
    assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(100))]);
    world.run_until(ms(3_800));
    assert_eq!(world.done.last(), Some(&(ms(3_800), Action::Start(Stage::Server))));
    assert_eq!((world.supervisor.phase(), world.supervisor.restarts()), (Phase::Running, 1));
    // A new life: nothing of the old one is left.
    assert_eq!((world.supervisor.milestones, world.supervisor.asked()), (Milestones::default(), None));
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn a_server_that_outlives_sigkill_is_started_again_when_it_has_ended() {
    let killed = |on_unhealthy| {
        let mut world = World::new(Policy { on_unhealthy, ..lively_policy() });
        world.run_until(ms(60_000));
        world
    };
    let outlived = |world: &World| world.at(|a| *a == Action::Outlived).len();
    let left = |world: &World| world.at(|a| matches!(a, Action::Leave(_)));
    let mut world = killed(UnhealthyAction::Restart);
    assert_eq!((outlived(&world), left(&world)), (1, vec![]));
    assert_eq!(world.supervisor.next_deadline(), None);
    // Nor does what it left behind keep it from being started again.
    world.run_until(ms(100_000));
    assert_eq!(world.event(Event::Ended(Status::Signal(Signal::KILL))), [Action::Await(ms(100))]);
    world.run_until(ms(101_000));
    assert_eq!(world.done.last().unwrap().1, Action::Start(Stage::Server));
    // Somebody's stop has a deadline, also then.
    let mut world = killed(UnhealthyAction::Restart);
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    world.run_until(ms(120_000));
    assert_eq!((outlived(&world), left(&world)), (1, vec![ms(69_900)]));
    assert_eq!(world.done.last().unwrap().1, Action::Leave(137));
    // Without a restart to come there is nothing to wait for.
    let world = killed(UnhealthyAction::Stop);
    assert_eq!((outlived(&world), left(&world).len()), (0, 1));
}

/// With --dump raw: SIGQUIT first, which ends most. Who outlives it is asked to stop, and has all the time of a stop.
#[test]
fn an_unhealthy_server_that_hangs_keeps_the_ladder_after_the_dump() {
    let mut world = World::new(Policy { on_unhealthy: UnhealthyAction::Stop, ..lively_policy() });
    world.run_until(ms(60_000));
    let sick = world.at(|a| matches!(a, Action::Unwell(_)))[0];
    let after = world.done.iter().filter(|(at, _)| *at >= sick).skip(2).map(|(at, action)| (*at - sick, *action));
    let wanted = [
        (ms(0), Action::Dump(Signal::QUIT)),
        (ms(500), Action::Send(Signal::TERM)),
        (ms(8_500), Action::Dump(Signal::ABRT)),
        (ms(9_500), Action::KillAll),
        (ms(9_900), Action::Leave(137)),
    ];
    assert_eq!(after.collect::<Vec<_>>(), wanted, "{:?}", world.done);
}

#[test]
fn a_stop_during_the_cure_is_final() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(2_600));
    assert_eq!(world.at(|a| matches!(a, Action::Unwell(_))), [ms(2_600)]);
    // It is told when it has shown its goroutines.
    assert_eq!(world.signal(Signal::TERM), []);
    world.run_until(ms(3_100));
    assert_eq!(world.done.last(), Some(&(ms(3_100), Action::Send(Signal::TERM))));
    let _ = world.event(Event::Ended(Status::Code(2)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
}

#[test]
fn no_probe_begins_or_goes_on_once_a_stop_has_begun() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(1_000));
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM), Action::EndProbe(Purpose::Health)]);
    world.run_until(ms(7_000));
    assert_eq!(world.at(|a| *a == PROBE).len(), 1);
}

#[test]
fn restarts_wait_longer_each_time() {
    let mut world = World::new(Policy { restart: Restart::OnFailure(Some(3)), ..policy(0) });
    for pause in [100, 200, 400] {
        assert_eq!(world.event(Event::Ended(Status::Code(1))), []);
        assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(pause))]);
        // A signal that comes now is for the next one, when that has had the time to install a handler.
        assert_eq!(world.signal(Signal::HUP), []);
        let next = world.now + ms(pause);
        world.run_until(next + ms(1_000));
        assert_eq!(
            world.done[world.done.len() - 2..],
            [(next, Action::Start(Stage::Server)), (next + ms(1_000), Action::Send(Signal::HUP))]
        );
    }
    let _ = world.event(Event::Ended(Status::Code(1)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(1)]);
}

#[test]
fn a_good_end_is_no_failure_and_a_long_run_forgets() {
    let mut world = World::new(Policy { restart: Restart::OnFailure(None), ..policy(0) });
    for _ in 0..3 {
        world.now += ms(10_000);
        let _ = world.event(Event::Ended(Status::Code(1)));
        assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(100))]);
        let next = world.now + ms(100);
        world.run_until(next);
    }
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn a_stop_ends_the_waiting_and_what_is_left_behind() {
    let restart = Policy { restart: Restart::Always, ..policy(0) };
    let mut waiting = World::new(restart.clone());
    let _ = waiting.event(Event::Ended(Status::Code(3)));
    let _ = waiting.event(Event::NobodyRemains);
    assert_eq!(waiting.signal(Signal::TERM), [Action::Leave(3)]);
    let mut clearing = World::new(restart);
    let _ = clearing.event(Event::Ended(Status::Code(3)));
    let _ = clearing.event(Event::OthersRemain);
    // Who came in from outside has nothing to do with a server that is started again.
    clearing.run_until(ms(900));
    assert_eq!(clearing.done.last(), Some(&(ms(0), Action::AskLeftovers)));
    assert_eq!(clearing.signal(Signal::TERM), []);
    clearing.run_until(ms(10_400));
    assert_eq!(clearing.at(|a| *a == Action::KillAll), [ms(10_400)], "the time counts from the signal");
    assert_eq!(clearing.event(Event::NobodyRemains), [Action::Leave(3)]);
}

/// Who asks for the end in the pause after it does not change why the last server was stopped, nor how that ended.
#[test]
fn a_stop_in_the_pause_is_not_why_the_server_had_ended() {
    let unwell = |clearing: bool| {
        let mut world = World::new(Policy { restart: Restart::Always, ..lively_policy() });
        world.run_until(world.now + ms(3_000));
        let found = world.supervisor.milestones.stop;
        assert!(found.is_some() && world.supervisor.stop_reason() == Some(StopReason::Unhealthy));
        let _ = world.event(Event::Ended(Status::Signal(Signal::TERM)));
        if clearing {
            let _ = world.event(Event::OthersRemain);
            assert_eq!(world.signal(Signal::TERM), []);
            assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
        } else {
            let _ = world.event(Event::NobodyRemains);
            assert_eq!((world.supervisor.phase(), world.supervisor.restarts()), (Phase::Waiting, 1));
            assert_eq!(world.signal(Signal::TERM), [Action::Leave(137)]);
        }
        assert_eq!(world.supervisor.stop_reason(), Some(StopReason::Unhealthy));
        assert_eq!((world.supervisor.milestones.stop, world.supervisor.restarts()), (found, 0), "{clearing}");
    };
    unwell(false);
    unwell(true);
    // Near miss: the next one was not stopped for that.
    let mut world = World::new(Policy { restart: Restart::Always, ..lively_policy() });
    world.run_until(world.now + ms(3_000));
    let _ = world.event(Event::Ended(Status::Signal(Signal::TERM)));
    let _ = world.event(Event::NobodyRemains);
    world.run_until(world.now + ms(100));
    assert_eq!((world.supervisor.phase(), world.supervisor.stop_reason()), (Phase::Running, None));
    let _ = world.signal(Signal::TERM);
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
    assert_eq!(world.supervisor.restarts(), 1);
}

/// The orchestrator gives it all of the time, whatever had begun before.
#[test]
fn a_stop_during_a_restart_has_all_of_its_time() {
    let mut world = World::new(policy(0));
    assert_eq!(world.event(Event::Ordered(Order::Restart)), [Action::Send(Signal::TERM)]);
    world.run_until(ms(3_000));
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    assert!(!world.supervisor.was_stopping_already() && world.supervisor.milestones.stop == Some(ms(3_000)));
    world.run_until(ms(13_000));
    assert_eq!(world.at(|a| *a == Action::KillAll), [ms(12_500)]);
    assert_eq!(world.at(|a| matches!(a, Action::Dump(Signal::QUIT))), [ms(11_000)]);
    // Near miss: once it has been sent SIGQUIT it goes on as it began, and the log says so.
    let mut late = World::new(policy(0));
    let _ = late.event(Event::Ordered(Order::Restart));
    late.run_until(ms(8_500));
    let _ = late.signal(Signal::TERM);
    assert!(late.supervisor.was_stopping_already());
    late.run_until(ms(10_000));
    assert_eq!(late.at(|a| *a == Action::KillAll), [ms(9_500)]);
}

/// The server had ended before anybody asked for the end, whoever had ordered a restart before that.
#[test]
fn a_stop_behind_a_restart_begins_when_it_is_asked_for() {
    for others in [true, false] {
        let mut world = World::new(policy(0));
        world.now = ms(1_000);
        let _ = world.order(Order::Restart);
        world.now = ms(2_000);
        let _ = world.event(Event::Ended(Status::Code(0)));
        if others {
            let _ = world.event(Event::OthersRemain);
        }
        world.now = ms(2_500);
        assert_eq!(world.signal(Signal::TERM), []);
        let milestones = world.supervisor.milestones;
        assert_eq!((milestones.stop, milestones.ended), (Some(ms(2_500)), Some(ms(2_000))), "{others}");
        assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
    }
}

/// SIGUSR1 is kept for the next server; SIGSTOP would stop it as soon as it has started.
#[test]
fn what_no_server_can_handle_does_not_wait_for_the_next() {
    let mut world = World::new(Policy { restart: Restart::Always, ..policy(0) });
    let heard = |world: &World| [Signal::USR1, Signal::STOP, Signal::KILL].map(|s| world.supervisor.hears_of(s));
    assert_eq!(heard(&world), [true; 3]);
    let _ = world.event(Event::Ended(Status::Code(3)));
    let _ = world.event(Event::NobodyRemains);
    assert_eq!(world.supervisor.phase(), Phase::Waiting);
    assert_eq!(heard(&world), [true, false, false]);
}

/// One that ignores SIGTERM does not keep the server away for the whole of --stop-timeout.
#[test]
fn what_is_left_behind_has_a_second_before_a_restart() {
    let restart = Policy { restart: Restart::Always, ..policy(0) };
    let mut world = World::new(restart.clone());
    world.now = ms(5_000);
    let _ = world.event(Event::Ended(Status::Code(3)));
    assert_eq!(world.event(Event::OthersRemain), [Action::AskLeftovers]);
    world.run_until(ms(6_100));
    assert_eq!(world.done[1..], [(ms(6_000), Action::KillAll)]);
    assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(100))]);
    // Nor does one that even SIGKILL does not end.
    let mut stuck = World::new(restart);
    let _ = stuck.event(Event::Ended(Status::Code(3)));
    let _ = stuck.event(Event::OthersRemain);
    stuck.run_until(ms(2_000));
    assert_eq!(stuck.at(|a| *a == Action::Start(Stage::Server)), [ms(1_500)]);
    // After a stop for its health, too.
    let mut unwell = World::new(lively_policy());
    unwell.run_until(ms(2_700));
    let _ = unwell.event(Event::Ended(Status::Code(2)));
    let _ = unwell.event(Event::OthersRemain);
    unwell.run_until(ms(5_000));
    assert_eq!(unwell.at(|a| *a == Action::KillAll), [ms(3_700)]);
    // Near miss: in a stop, and at the end, they have the time of the stop.
    let mut last = World::new(policy(0));
    let _ = last.event(Event::Ended(Status::Code(0)));
    let _ = last.event(Event::OthersRemain);
    last.run_until(ms(9_400));
    assert_eq!(last.at(|a| *a == Action::KillAll), []);
}

#[test]
fn what_goes_before_and_what_comes_after() {
    let mut world = World::new(Policy { before: 2, before_timeout: ms(5_000), after: 2, ..policy(0) });
    assert_eq!(world.supervisor.phase(), Phase::Before);
    assert_eq!(world.event(Event::Ended(Status::Code(0))), [Action::Start(Stage::Before(1))]);
    assert_eq!(world.event(Event::Ended(Status::Code(0))), [Action::Start(Stage::Server)]);
    let _ = world.signal(Signal::TERM);
    let _ = world.event(Event::Ended(Status::Code(5)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Start(Stage::After(0))]);
    // It does not hear what was for the server, and what it left behind is seen off too.
    assert_eq!(world.signal(Signal::HUP), []);
    assert_eq!(world.event(Event::Ended(Status::Code(1))), []);
    assert_eq!(world.event(Event::OthersRemain), [Action::AskLeftovers]);
    assert_eq!(world.event(Event::NobodyRemains), [Action::Start(Stage::After(1))]);
    // One that hangs is killed inside the time of the stop.
    world.run_until(ms(9_500));
    assert_eq!(world.done.last(), Some(&(ms(9_500), Action::KillAll)));
    let _ = world.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(5)]);
}

#[test]
fn what_goes_before_must_succeed_in_time() {
    let hooked = Policy { before: 1, before_timeout: ms(5_000), after: 1, restart: Restart::Always, ..policy(0) };
    let mut fails = World::new(hooked.clone());
    let _ = fails.event(Event::Ended(Status::Code(4)));
    assert_eq!(fails.event(Event::NobodyRemains), [Action::Leave(4)]);
    let mut slow = World::new(hooked.clone());
    slow.run_until(ms(20_000));
    assert_eq!(
        slow.done[..2],
        [(ms(5_000), Action::Unwell(StopReason::HookTimeout)), (ms(5_000), Action::Send(Signal::TERM))]
    );
    assert!(matches!(slow.done.last(), Some((_, Action::Leave(137)))));
    // A stop is for it too, and a success after it starts nothing.
    let mut stopped = World::new(hooked);
    assert_eq!(stopped.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    assert_eq!(stopped.event(Event::Ended(Status::Code(0))), []);
    assert_eq!(stopped.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn readiness_is_what_the_server_says_and_the_drain_takes_back() {
    let mut world = World::new(Policy { notify: true, ..policy(3_000) });
    assert!(!world.supervisor.is_ready() && !world.supervisor.is_healthy());
    let _ = world.event(Event::Notified(Notice::Ready));
    assert!(world.supervisor.is_ready());
    let _ = world.event(Event::Notified(Notice::Reloading));
    assert!(!world.supervisor.is_ready() && world.supervisor.is_healthy());
    assert_eq!(world.supervisor.reloads(), Some(0));
    let _ = world.event(Event::Notified(Notice::Ready));
    let _ = world.event(Event::Notified(Notice::Ready));
    assert_eq!(world.supervisor.reloads(), Some(1));
    let _ = world.event(Event::Notified(Notice::Stopping));
    assert_eq!(
        (world.supervisor.why_unready(), world.supervisor.is_healthy()),
        (Some("it has sent STOPPING=1"), false)
    );
    let _ = world.event(Event::Notified(Notice::Ready));
    assert_eq!(world.supervisor.reloads(), Some(1), "that was no reload");
    let _ = world.signal(Signal::TERM);
    assert!(!world.supervisor.is_ready());
    assert_eq!(world.supervisor.phase(), Phase::Draining);
}

#[test]
fn the_watchdog_barks_once_and_only_after_ready() {
    let watchdog = Policy { notify: true, watchdog: Some(ms(1_000)), ..policy(0) };
    let mut world = World::new(watchdog.clone());
    world.run_until(ms(5_000));
    assert_eq!(world.done, []);
    let _ = world.event(Event::Notified(Notice::Ready));
    for _ in 0..5 {
        world.now += ms(900);
        let _ = world.event(Event::Notified(Notice::Alive));
    }
    world.run_until(ms(20_000));
    assert_eq!(world.done, [(ms(10_500), Action::Unwell(StopReason::Watchdog))]);
    // Nothing was done about it, and it must be seen all the same.
    assert!(world.supervisor.missed().is_some() && !world.supervisor.is_ready() && !world.supervisor.is_healthy());
    let _ = world.event(Event::Notified(Notice::Alive));
    assert!(world.supervisor.missed().is_none() && world.supervisor.is_ready() && world.supervisor.is_healthy());
    // What the server says again and again is said once, until it has said that it lives.
    for told in [[Action::Unwell(StopReason::Watchdog)].as_slice(), &[]] {
        assert_eq!(world.event(Event::Notified(Notice::Trigger)), told);
    }
    let _ = world.event(Event::Notified(Notice::Alive));
    assert_eq!(world.event(Event::Notified(Notice::Trigger)), [Action::Unwell(StopReason::Watchdog)]);
    let mut trigger = World::new(Policy { on_unhealthy: UnhealthyAction::Stop, ..watchdog });
    let said = trigger.event(Event::Notified(Notice::Trigger));
    assert_eq!(said, [Action::Unwell(StopReason::Watchdog), Action::Dump(Signal::QUIT)]);
}

#[test]
fn a_server_that_is_busy_stopping_is_dumped_later_and_killed_in_time() {
    let mut world = World::new(policy(0));
    let _ = world.signal(Signal::TERM);
    world.now = ms(7_000);
    let _ = world.event(Event::Notified(Notice::Extend(ms(1_500))));
    world.run_until(ms(8_400));
    assert_eq!(world.done.len(), 1);
    let _ = world.event(Event::Notified(Notice::Extend(ms(60_000))));
    world.run_until(ms(10_000));
    assert_eq!(
        world.done[1..],
        [
            (ms(9_000), Action::Dump(Signal::QUIT)),
            (ms(9_250), Action::Dump(Signal::ABRT)),
            (ms(9_500), Action::KillAll),
            (ms(9_900), Action::Leave(137)),
        ]
    );
}

#[test]
fn a_goward_that_was_frozen_blames_nobody() {
    let mut watchdog = World::new(Policy {
        notify: true,
        watchdog: Some(ms(1_000)),
        on_unhealthy: UnhealthyAction::Restart,
        ..policy(0)
    });
    let _ = watchdog.event(Event::Notified(Notice::Ready));
    watchdog.now = ms(60_000);
    assert_eq!(watchdog.event(Event::Tick), []);
    watchdog.run_until(ms(61_000));
    assert_eq!(watchdog.at(|a| matches!(a, Action::Unwell(_))), [ms(61_000)], "and then it counts anew");
    // A freeze that ends right before or after it was due is seen as well: the looks in between came late.
    for (period, freeze, pinged) in [(400, 600, 200), (400, 600, 199), (1_000, 510, 480), (30_000, 40_000, 100)] {
        let mut watchdog = World::new(Policy {
            notify: true,
            watchdog: Some(ms(period)),
            on_unhealthy: UnhealthyAction::Restart,
            ..policy(0)
        });
        let _ = watchdog.event(Event::Notified(Notice::Ready));
        for round in 1..20 {
            // It says so in time, each time that it can; and is frozen just before it could say it again.
            watchdog.run_until(watchdog.now + ms(pinged));
            let _ = watchdog.event(Event::Notified(Notice::Alive));
            watchdog.run_until(watchdog.now + ms(pinged - 1));
            watchdog.now += ms(freeze);
            let _ = watchdog.event(Event::Tick);
            let unwell = watchdog.at(|a| matches!(a, Action::Unwell(_)));
            assert_eq!(unwell, [], "round {round} of {period} ms, frozen for {freeze}");
        }
        // One that hangs has one period more, and no longer.
        let thawed = watchdog.now;
        watchdog.run_until(thawed + ms(3 * period));
        let unwell = watchdog.at(|a| matches!(a, Action::Unwell(_)));
        assert!(unwell.len() == 1 && unwell[0] <= thawed + ms(2 * period), "{unwell:?} after {thawed:?}");
    }
    let mut probe = World::new(Policy { on_unhealthy: UnhealthyAction::Stop, ..lively_policy() });
    probe.run_until(ms(1_000));
    probe.now = ms(60_000);
    assert_eq!(probe.event(Event::Tick), [Action::EndProbe(Purpose::Health)]);
    assert_eq!(probe.event(Event::Tick), [PROBE]);
}

#[test]
fn a_server_that_was_stopped_for_its_health_has_not_succeeded() {
    let mut world = World::new(Policy { on_unhealthy: UnhealthyAction::Stop, ..lively_policy() });
    world.run_until(ms(2_600));
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
    let mut before = World::new(Policy { before: 1, before_timeout: ms(5_000), success: vec![1], ..policy(0) });
    let _ = before.event(Event::Ended(Status::Code(1)));
    assert_eq!(before.event(Event::NobodyRemains), [Action::Leave(1)]);
}

// ---------------------------------------------------------------------------------------------------------------------
// What goward is told to do

#[test]
fn an_order_to_stop_is_a_sigterm() {
    let rewriting = Policy { rewrite: vec![(Signal::TERM, Some(Signal::INT))], ..policy(0) };
    let other = Policy { stop_signal: StopSignal::This(Signal::QUIT), ..policy(0) };
    for policy in [policy(0), policy(3_000), looking(), rewriting, other, lively_policy()] {
        let history = |by_order: bool| {
            let mut world = World::new(policy.clone());
            world.is_well_until(ms(5_000));
            let _ = if by_order { world.order(Order::Stop) } else { world.signal(Signal::TERM) };
            world.run_until(ms(60_000));
            holds(&world);
            world.done
        };
        assert_eq!(history(true), history(false), "{policy:?}");
    }
    // But where SIGTERM is no stop, or tells the server nothing, it is one all the same.
    let dropped = Policy { rewrite: vec![(Signal::TERM, None)], ..policy(0) };
    let nothing = Policy { stop_signal: StopSignal::Nothing, ..policy(0) };
    for policy in [dropped, nothing, Policy { stop_on: vec![Signal::INT], ..policy(0) }] {
        let mut world = World::new(policy);
        assert_eq!(world.order(Order::Stop), [Action::Send(Signal::TERM)]);
        assert_eq!(world.supervisor.phase(), Phase::Stopping);
    }
    // And while there is no server, it is the end.
    let mut waiting = World::new(Policy { restart: Restart::Always, ..policy(0) });
    let _ = waiting.event(Event::Ended(Status::Code(3)));
    let _ = waiting.event(Event::NobodyRemains);
    assert_eq!(waiting.order(Order::Stop), [Action::Leave(3)]);
}

#[test]
fn an_order_to_restart_needs_no_policy_and_waits_for_nothing() {
    for restart in [Restart::No, Restart::OnFailure(Some(1)), Restart::Always] {
        let mut world = World::new(Policy { restart, ..policy(0) });
        for round in 1..5 {
            assert_eq!(world.order(Order::Restart), [Action::Send(Signal::TERM)]);
            assert!(!world.supervisor.is_final() && !world.supervisor.was_stop_requested());
            world.now += ms(20);
            assert_eq!(world.event(Event::Ended(Status::Signal(Signal::TERM))), []);
            let done = world.event(Event::NobodyRemains);
            assert_eq!(done, [Action::Start(Stage::Server)], "at once, and never fewer for {restart:?}");
            assert_eq!(world.supervisor.restarts(), round);
        }
        assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
        let _ = world.event(Event::Ended(Status::Code(0)));
        assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
    }
}

#[test]
fn a_restart_climbs_the_ladder_and_is_no_end() {
    let mut world = World::new(policy(2_000));
    assert_eq!(world.order(Order::Restart), []);
    assert_eq!((world.supervisor.phase(), world.supervisor.is_ready()), (Phase::Draining, false));
    world.run_until(ms(9_500));
    let wanted = [
        (ms(2_000), Action::Send(Signal::TERM)),
        (ms(8_000), Action::Dump(Signal::QUIT)),
        (ms(8_500), Action::Dump(Signal::ABRT)),
        (ms(9_500), Action::KillAll),
    ];
    assert_eq!(world.done, wanted);
    let _ = world.event(Event::Ended(Status::Signal(Signal::KILL)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Start(Stage::Server)]);
    // A stop in the middle of one is final.
    let mut stopped = World::new(policy(0));
    let _ = stopped.order(Order::Restart);
    assert_eq!(stopped.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    let _ = stopped.event(Event::Ended(Status::Code(0)));
    assert_eq!(stopped.event(Event::NobodyRemains), [Action::Leave(0)]);
    // One that is to come already comes at once.
    let mut waiting = World::new(Policy { restart: Restart::Always, ..policy(0) });
    for _ in 0..5 {
        let _ = waiting.event(Event::Ended(Status::Code(3)));
        let _ = waiting.event(Event::NobodyRemains);
        assert_eq!(waiting.order(Order::Restart), [Action::Start(Stage::Server)]);
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_does_nothing() {
    let refused = |world: &World, order| world.supervisor.refuses(order).is_some();
    let mut before = World::new(Policy { before: 1, before_timeout: ms(90_000), after: 1, ..policy(0) });
    for order in [Order::Restart, Order::Reload] {
        assert!(refused(&before, order));
        assert_eq!(before.order(order), []);
    }
    let _ = before.event(Event::Ended(Status::Code(0)));
    assert_eq!(before.order(Order::Reload), [Action::Send(Signal::HUP)]);
    let _ = before.signal(Signal::TERM);
    for order in [Order::Restart, Order::Reload] {
        assert!(refused(&before, order) && !refused(&before, Order::Stop));
        assert_eq!(before.order(order), []);
    }
    let _ = before.event(Event::Ended(Status::Code(0)));
    let _ = before.event(Event::NobodyRemains);
    assert_eq!(before.supervisor.stage(), Stage::After(0));
    assert!(refused(&before, Order::Restart) && refused(&before, Order::Reload));
    // A reload by another signal; and it says nothing of the server's health.
    let mut world = World::new(Policy { reload_signal: Some(Signal::USR1), ..policy(0) });
    assert_eq!(world.order(Order::Reload), [Action::Send(Signal::USR1)]);
    assert!(world.supervisor.is_ready());
}

// ---------------------------------------------------------------------------------------------------------------------
// Readiness apart from health

fn both() -> Policy {
    let ready = Schedule { interval: ms(500), timeout: ms(200), retries: 2, successes: 2, ..Schedule::default() };
    Policy { ready: Some(ready), ..lively_policy() }
}

/// A lost database.
#[test]
fn a_server_that_is_not_ready_is_not_restarted() {
    let mut world = World::new(both());
    world.is_well_until(ms(5_000));
    assert_eq!((world.supervisor.state(), world.supervisor.why_unready()), (State::Ready, None));
    // From now on the readiness probes fail, and those of its health succeed.
    while world.now < ms(60_000) {
        let next = world.supervisor.next_deadline().unwrap();
        world.now = world.now.max(next);
        for action in world.event(Event::Tick) {
            if let Action::Probe(purpose) = action {
                let _ = world.event(Event::Probed(purpose, purpose == Purpose::Health));
            }
        }
    }
    assert_eq!(world.at(|a| matches!(a, Action::Unwell(_) | Action::Send(_))), []);
    assert_eq!(world.supervisor.state(), State::Unready);
    assert!(!world.supervisor.is_ready() && world.supervisor.is_healthy());
    assert_eq!(world.supervisor.why_unready(), Some("its readiness probes fail"));
    // One success is not enough here.
    let ready = |world: &mut World| {
        while !world.event(Event::Tick).contains(&Action::Probe(Purpose::Ready)) {
            world.now = world.supervisor.next_deadline().unwrap();
        }
        let _ = world.event(Event::Probed(Purpose::Ready, true));
        world.supervisor.is_ready()
    };
    assert_eq!((ready(&mut world), ready(&mut world)), (false, true));
}

#[test]
fn each_kind_of_probe_serves_what_it_is_for() {
    let ready = |policy: Policy, well: &dyn Fn(Purpose) -> bool| {
        let mut world = World::new(policy);
        while world.now < ms(20_000) && world.supervisor.rung().is_none() {
            world.now = world.now.max(world.supervisor.next_deadline().unwrap());
            for action in world.event(Event::Tick) {
                if let Action::Probe(purpose) = action {
                    let _ = world.event(Event::Probed(purpose, well(purpose)));
                }
            }
        }
        (world.supervisor.is_ready(), world.supervisor.is_healthy())
    };
    let alone = |health: bool| Policy {
        health: both().health.filter(|_| health),
        ready: both().ready.filter(|_| !health),
        ..both()
    };
    assert_eq!(ready(alone(true), &|_| true), (true, true));
    assert_eq!(ready(alone(true), &|_| false), (false, false));
    assert_eq!(ready(alone(false), &|_| true), (true, true));
    assert_eq!(ready(alone(false), &|_| false), (false, true), "readiness alone never serves health");
    assert_eq!(
        ready(both(), &|purpose| purpose == Purpose::Ready),
        (false, false),
        "nobody sends requests to a sick one"
    );
}

#[test]
fn restarts_for_health_count() {
    let limited = Policy { restart: Restart::OnFailure(Some(2)), ..lively_policy() };
    let mut world = World::new(limited.clone());
    for restarts in 0..3 {
        world.run_until(world.now + ms(3_000));
        assert_eq!(world.supervisor.is_final(), restarts == 2, "{restarts}");
        let _ = world.event(Event::Ended(Status::Code(2)));
        let done = world.event(Event::NobodyRemains);
        match restarts {
            0 => assert_eq!(done, [Action::Await(ms(100))]),
            1 => assert_eq!(done, [Action::Await(ms(200))]),
            _ => assert_eq!(done, [Action::Leave(137)]),
        }
        world.run_until(world.now + ms(200));
    }
    // One that was well for long enough in between begins anew, however long it then took to see that it was not.
    let mut world = World::new(limited);
    for (well, pause) in [(12_000, 100), (12_000, 100), (1_500, 200), (12_000, 100)] {
        world.is_well_until(world.now + ms(well));
        world.run_until(world.now + ms(4_000));
        let _ = world.event(Event::Ended(Status::Code(2)));
        assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(pause))]);
        world.now += ms(pause);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The start

#[test]
fn a_server_has_the_time_of_its_start_to_say_that_it_is_ready() {
    let timed = Policy { notify: true, start_timeout: Some(ms(4_000)), watchdog: Some(ms(1_000)), ..policy(0) };
    let stopping = Policy { on_unhealthy: UnhealthyAction::Restart, ..timed.clone() };
    let mut world = World::new(stopping.clone());
    world.run_until(ms(4_000));
    let wanted = [(ms(4_000), Action::Unwell(StopReason::StartTimeout)), (ms(4_000), Action::Dump(Signal::QUIT))];
    assert_eq!(world.done, wanted);
    let _ = world.event(Event::Ended(Status::Code(2)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Await(ms(100))]);
    // In time, and from then on the watchdog holds.
    let mut good = World::new(stopping.clone());
    good.run_until(ms(3_900));
    let _ = good.event(Event::Notified(Notice::Ready));
    good.run_until(ms(60_000));
    assert_eq!(good.at(|a| matches!(a, Action::Unwell(_))), [ms(4_900)]);
    assert_eq!(good.supervisor.stop_reason(), Some(StopReason::Watchdog));
    // It is busy starting, says it; a word that it lives is none that it is ready.
    let mut slow = World::new(stopping.clone());
    slow.run_until(ms(3_500));
    let _ = slow.event(Event::Notified(Notice::Extend(ms(10_000))));
    let _ = slow.event(Event::Notified(Notice::Alive));
    slow.run_until(ms(13_400));
    assert_eq!(slow.at(|a| matches!(a, Action::Unwell(_))), []);
    slow.run_until(ms(13_500));
    assert_eq!(slow.at(|a| matches!(a, Action::Unwell(_))), [ms(13_500)]);
    // A shorter one takes nothing away.
    let mut short = World::new(stopping.clone());
    let _ = short.event(Event::Notified(Notice::Extend(ms(1))));
    short.run_until(ms(60_000));
    assert_eq!(short.at(|a| matches!(a, Action::Unwell(_)))[0], ms(4_000));
    // Where it is only told it may still come.
    let mut told = World::new(timed);
    told.run_until(ms(4_500));
    assert_eq!(told.done, [(ms(4_000), Action::Unwell(StopReason::StartTimeout))]);
    assert_eq!(told.supervisor.state(), State::Unhealthy);
    assert_eq!(told.supervisor.why_unready(), Some("it has not sent READY=1 in time"));
    let _ = told.event(Event::Notified(Notice::Ready));
    assert_eq!(told.supervisor.state(), State::Ready);
    // A freeze is no part of it.
    for freeze in [2_500, 3_500, 3_999, 4_000, 4_200, 60_000] {
        let mut frozen = World::new(stopping.clone());
        frozen.run_until(ms(1));
        frozen.now += ms(freeze);
        let thawed = frozen.now;
        let _ = frozen.event(Event::Tick);
        frozen.run_until(thawed + ms(1_400));
        assert_eq!(frozen.at(|a| matches!(a, Action::Unwell(_))), [], "frozen for {freeze} ms");
        frozen.run_until(thawed + ms(9_000));
        assert_eq!(frozen.at(|a| matches!(a, Action::Unwell(_))).len(), 1, "frozen for {freeze} ms");
    }
}

#[test]
fn a_life_is_told_in_states() {
    let mut world = World::new(Policy { notify: true, restart: Restart::Always, ..policy(1_000) });
    let mut seen = vec![world.supervisor.state()];
    for event in [
        Event::Notified(Notice::Ready),
        Event::Notified(Notice::Reloading),
        Event::Notified(Notice::Ready),
        Event::Notified(Notice::Trigger),
        Event::Notified(Notice::Ready),
        Event::Ended(Status::Code(1)),
        Event::NobodyRemains,
    ] {
        let _ = world.event(event);
        seen.push(world.supervisor.state());
    }
    world.run_until(ms(100));
    seen.push(world.supervisor.state());
    let _ = world.signal(Signal::TERM);
    seen.push(world.supervisor.state());
    use State::{Ready, Starting, Stopping, Unhealthy, Unready};
    let wanted = [Starting, Ready, Unready, Ready, Unhealthy, Ready, Unready, Unready, Starting, Stopping];
    assert_eq!(seen, wanted);
    // A server of which nothing is known is ready as soon as it runs.
    assert_eq!(World::new(policy(0)).supervisor.state(), Ready);
}

#[test]
fn limits_are_told_as_they_are_written() {
    let told = [ms(0), ms(500), ms(1_500), ms(10_000)].map(|time| limit(time).to_string());
    assert_eq!(told, ["0s", "500ms", "1.5s", "10s"]);
}
