//! After the server's end: which of the processes that are left (its own, and visitors by `docker exec`) are asked to end,
//! killed or waited for, and when. Who they are is found out in `init/leftovers.rs`.

use super::{Action, Actions, KILL_AGAIN, Life, Rung, Supervisor, Time, VISITORS_STAY};

impl Supervisor {
    pub(super) fn on_others(&mut self, now: Time, todo: &mut Actions) {
        if self.life != Life::Clearing {
            return;
        }
        if self.rung() >= Some(Rung::Kill) {
            // Not at every turn of the loop: thousands may be dying, and each takes a look.
            if self.kill_again_at.is_none_or(|at| at <= now) {
                self.kill_again_at = Some(now + KILL_AGAIN);
                todo.push(Action::KillAgain);
            }
        } else if !self.leftovers_asked {
            self.leftovers_asked = true;
            // Who came in from outside does not keep a server from being started again.
            self.visitors_until = self.is_final().then_some(now + VISITORS_STAY);
            todo.push(Action::AskLeftovers);
        }
    }

    /// Whatever the server started has gone. Who came in from outside does not keep the container for long.
    pub(super) fn on_visitors(&mut self, now: Time, told: bool, in_reach: bool, todo: &mut Actions) {
        if self.life != Life::Clearing {
            return;
        }
        // They were sent SIGKILL once. Others may go on coming, and the kernel ends them with PID 1: the time that is left is
        // better spent on that.
        if self.rung() >= Some(Rung::Kill) {
            return self.finish(now, todo);
        }
        if !told {
            self.leftovers_asked = true;
            self.visitors_until = Some(now + VISITORS_STAY);
            todo.push(Action::AskVisitors);
        } else if self.visitors_until.is_none() || !in_reach {
            // They have had their time, or cannot be told. PID 1 need not wait for them: the kernel ends them with it.
            self.finish(now, todo);
        }
    }

    /// Their time is up, whatever else is still there.
    pub(super) fn see_visitors_off(&mut self, now: Time, todo: &mut Actions) {
        if self.life == Life::Clearing && self.visitors_until.take_if(|until| *until <= now).is_some() {
            todo.push(Action::KillVisitors);
        }
    }

    pub(super) fn on_nobody(&mut self, now: Time, todo: &mut Actions) {
        if self.life == Life::Clearing {
            self.finish(now, todo);
        }
    }
}
