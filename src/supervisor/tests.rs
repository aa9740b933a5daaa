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
    asked: Option<Time>,
    /// A probe is under way.
    probing: bool,
}

impl World {
    fn new(policy: Policy) -> World {
        World { supervisor: Supervisor::new(policy, ms(0)), now: ms(0), done: vec![], asked: None, probing: false }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.probing &= !matches!(event, Event::Probed(_));
        let actions: Vec<_> = self.supervisor.handle(self.now, event).iter().collect();
        self.done.extend(actions.iter().map(|a| (self.now, *a)));
        for action in &actions {
            match action {
                Action::Probe => {
                    assert!(!std::mem::replace(&mut self.probing, true), "one probe at a time: {:?}", self.done);
                }
                Action::ExpireProbe | Action::EndProbe => self.probing = false,
                _ => {}
            }
        }
        actions
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        let (plain, asks) = (self.supervisor.plain(signal), self.supervisor.asks(signal));
        // Both are known from the beginning, but for whether the server hears, and whether it was asked already.
        let fresh = Supervisor::new(self.supervisor.policy().clone(), ms(0));
        assert_eq!(plain, fresh.plain(signal).filter(|_| self.supervisor.hears()), "{signal}");
        let unasked = self.supervisor.hears() && self.supervisor.rung().is_none();
        assert_eq!(asks, fresh.asks(signal).filter(|_| unasked), "{signal}");
        let actions = self.event(Event::Signal(signal));
        self.asked = self.asked.or(self.supervisor.was_asked().then_some(self.now));
        // The short cuts say the same as the long way.
        assert!(plain.is_none() || asks.is_none(), "{signal}");
        assert!(
            plain.or(asks).is_none_or(|out| actions.first() == Some(&Action::Send(out))),
            "{signal}: {plain:?}, {asks:?}, {actions:?}"
        );
        actions
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
    assert_eq!(world.done, []);
    world.run_until(ms(3_000));
    assert_eq!(world.done, [(ms(3_000), Action::Send(Signal::TERM))]);
    // The deadline counts from the first signal, not from the end of the drain.
    world.run_until(ms(8_000));
    assert_eq!(world.at(|a| matches!(a, Action::Dump(_))), [ms(8_000)]);
}

#[test]
fn a_second_signal_ends_the_drain() {
    let mut world = World::new(policy(3_000));
    let _ = world.signal(Signal::TERM);
    world.now = ms(1_000);
    assert_eq!(world.signal(Signal::INT), [Action::Send(Signal::TERM)]);
    world.run_until(ms(7_000));
    assert_eq!(world.done.len(), 1);
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
    assert_eq!(world.signal(Signal::INT), [Action::Dump(Signal::QUIT)]);
    world.now = ms(1_200);
    assert_eq!(world.signal(Signal::INT), [Action::Dump(Signal::ABRT), Action::KillAll]);
    let mut patient = World::new(Policy { interactive: true, ..policy(0) });
    let _ = patient.signal(Signal::INT);
    patient.now = ms(1_000);
    let _ = patient.signal(Signal::INT);
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
fn the_stop_signal_can_be_chosen() {
    let mut world = World::new(Policy { stop_signal: Some(Signal::QUIT), ..policy(0) });
    let _ = world.signal(Signal::TERM);
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
    if let Some(asked) = world.asked {
        let starts = world
            .done
            .iter()
            .filter(|(at, a)| *at > asked && matches!(a, Action::Start(stage) if !matches!(stage, Stage::After(_))));
        assert_eq!(starts.count(), 0, "nothing is started once a stop was asked for: {:?}", world.done);
    }
    let milestones = world.supervisor.milestones;
    let plain = !policy.interactive && policy.cure == Cure::Log && policy.before == 0 && policy.restart == Restart::No;
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
            Just(Event::Tick),
            Just(Event::Ended(Status::Code(0))),
            Just(Event::Ended(Status::Signal(Signal::KILL))),
            any::<bool>().prop_map(Event::Probed),
            prop_oneof![
                Just(Notice::Ready), Just(Notice::Reloading), Just(Notice::Stopping), Just(Notice::Alive),
                Just(Notice::Trigger), (0u64..20_000).prop_map(|n| Notice::Extend(ms(n))),
            ].prop_map(Event::Notified),
        ].prop_map(Step::Happens),
    ]
}

fn lively() -> impl Strategy<Value = Policy> {
    let restart = prop_oneof![Just(Restart::No), Just(Restart::OnFailure(Some(2))), Just(Restart::Always)];
    let cure = prop_oneof![Just(Cure::Log), Just(Cure::Stop), Just(Cure::Restart)];
    let schedule = Schedule { interval: ms(500), timeout: ms(300), retries: 2, ..Schedule::default() };
    let health = prop_oneof![Just(None), Just(Some(schedule))];
    let watchdog = prop_oneof![Just(None), Just(Some(ms(700)))];
    let drain = prop_oneof![Just(0u64), Just(1_500)];
    (restart, cure, health, watchdog, drain, 0usize..3, 0usize..3, any::<bool>()).prop_map(
        |(restart, cure, health, watchdog, drain, before, after, interactive)| Policy {
            restart,
            cure,
            health,
            notify: watchdog.is_some(),
            watchdog,
            before,
            before_timeout: ms(2_500),
            after,
            interactive,
            ..policy(drain)
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

fn lively_policy() -> Policy {
    let health = Schedule { interval: ms(1_000), timeout: ms(300), retries: 2, ..Schedule::default() };
    Policy { health: Some(health), cure: Cure::Restart, ..policy(0) }
}

#[test]
fn an_unhealthy_server_is_dumped_and_started_again() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(1_000));
    assert_eq!(world.done, [(ms(1_000), Action::Probe)]);
    assert!(!world.supervisor.is_ready());
    assert_eq!(world.event(Event::Probed(true)), []);
    assert!(world.supervisor.is_ready() && world.supervisor.is_healthy());
    world.run_until(ms(2_400));
    world.run_until(ms(3_600));
    let wanted = [
        (ms(2_000), Action::Probe),
        (ms(2_300), Action::ExpireProbe),
        (ms(3_300), Action::Probe),
        (ms(3_600), Action::ExpireProbe),
        (ms(3_600), Action::Sick(Sickness::Unhealthy)),
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
    assert_eq!(world.supervisor.milestones, Milestones::default());
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(0)]);
}

#[test]
fn an_unhealthy_server_that_hangs_is_killed_after_the_time_of_the_dump() {
    let mut world = World::new(Policy { cure: Cure::Stop, ..lively_policy() });
    world.run_until(ms(60_000));
    let sick = world.at(|a| matches!(a, Action::Sick(_)))[0];
    assert_eq!(world.at(|a| *a == Action::Dump(Signal::QUIT)), [sick]);
    assert_eq!(world.at(|a| *a == Action::Dump(Signal::ABRT)), [sick + ms(500)]);
    assert_eq!(world.at(|a| *a == Action::KillAll), [sick + ms(1_500)]);
    assert_eq!(world.done.last(), Some(&(sick + ms(1_900), Action::Leave(137))));
}

#[test]
fn a_stop_during_the_cure_is_final() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(2_600));
    assert_eq!(world.at(|a| matches!(a, Action::Sick(_))), [ms(2_600)]);
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM)]);
    let _ = world.event(Event::Ended(Status::Code(2)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
}

#[test]
fn no_probe_begins_or_goes_on_once_a_stop_has_begun() {
    let mut world = World::new(lively_policy());
    world.run_until(ms(1_000));
    assert_eq!(world.signal(Signal::TERM), [Action::Send(Signal::TERM), Action::EndProbe]);
    world.run_until(ms(7_000));
    assert_eq!(world.at(|a| *a == Action::Probe).len(), 1);
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
    clearing.now = ms(4_000);
    assert_eq!(clearing.signal(Signal::TERM), []);
    clearing.run_until(ms(13_500));
    assert_eq!(clearing.at(|a| *a == Action::KillAll), [ms(13_500)], "the time counts from the signal");
    assert_eq!(clearing.event(Event::NobodyRemains), [Action::Leave(3)]);
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
    assert_eq!(slow.done[..2], [(ms(5_000), Action::Sick(Sickness::Slow)), (ms(5_000), Action::Send(Signal::TERM))]);
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
    let _ = world.event(Event::Notified(Notice::Ready));
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
    assert_eq!(world.done, [(ms(10_500), Action::Sick(Sickness::Watchdog))]);
    // Nothing was done about it, and it must be seen all the same.
    assert!(world.supervisor.is_silent() && !world.supervisor.is_ready() && !world.supervisor.is_healthy());
    let _ = world.event(Event::Notified(Notice::Alive));
    assert!(!world.supervisor.is_silent() && world.supervisor.is_ready() && world.supervisor.is_healthy());
    let mut trigger = World::new(Policy { cure: Cure::Stop, ..watchdog });
    let said = trigger.event(Event::Notified(Notice::Trigger));
    assert_eq!(said, [Action::Sick(Sickness::Watchdog), Action::Dump(Signal::QUIT)]);
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
            (ms(9_500), Action::Dump(Signal::ABRT)),
            (ms(9_500), Action::KillAll),
            (ms(9_900), Action::Leave(137)),
        ]
    );
}

#[test]
fn a_goward_that_was_frozen_blames_nobody() {
    let mut watchdog = World::new(Policy { notify: true, watchdog: Some(ms(1_000)), cure: Cure::Restart, ..policy(0) });
    let _ = watchdog.event(Event::Notified(Notice::Ready));
    watchdog.now = ms(60_000);
    assert_eq!(watchdog.event(Event::Tick), []);
    watchdog.run_until(ms(61_000));
    assert_eq!(watchdog.at(|a| matches!(a, Action::Sick(_))), [ms(61_000)], "and then it counts anew");
    let mut probe = World::new(Policy { cure: Cure::Stop, ..lively_policy() });
    probe.run_until(ms(1_000));
    probe.now = ms(60_000);
    assert_eq!(probe.event(Event::Tick), [Action::EndProbe]);
    assert_eq!(probe.event(Event::Tick), [Action::Probe]);
}

#[test]
fn a_server_that_was_stopped_for_its_health_has_not_succeeded() {
    let mut world = World::new(Policy { cure: Cure::Stop, ..lively_policy() });
    world.run_until(ms(2_600));
    let _ = world.event(Event::Ended(Status::Code(0)));
    assert_eq!(world.event(Event::NobodyRemains), [Action::Leave(137)]);
    let mut before = World::new(Policy { before: 1, before_timeout: ms(5_000), success: vec![1], ..policy(0) });
    let _ = before.event(Event::Ended(Status::Code(1)));
    assert_eq!(before.event(Event::NobodyRemains), [Action::Leave(1)]);
}
