//! A process that waits for another one, which it has started.

use super::{Evidence, Found};
use crate::goroutines::wait::Wait;
use crate::goroutines::{Cause, Child, Group, Summary};

/// Whether the program waits for one of these: for its end, or for what it writes.
pub fn waits_for_child(summary: &Summary, children: &[Child]) -> bool {
    let waits = |group: &Group| !group.system && awaits(Wait::of(group), group, children);
    !children.is_empty() && summary.groups.iter().any(waits)
}

fn awaits(wait: Wait, group: &Group, children: &[Child]) -> bool {
    match wait {
        Wait::Child | Wait::Output => true,
        // Which file it is cannot be seen; for one on a disk nobody waits in this state.
        Wait::File => group.state == "IO wait" && children.iter().any(|child| child.is_read),
        _ => false,
    }
}

impl Evidence<'_> {
    /// Adds the children that are waited for, whose readers are not at fault, and what is not known of a signal that the parent was sent.
    pub(super) fn tell_of_processes(&self, found: &mut Found<'_>, signal: Option<&str>) {
        match (found.cause, signal.filter(|_| self.is_relayed)) {
            (Cause::Unhandled | Cause::StillServing, Some(signal)) => {
                found.text.push_str(" Its parent may not have passed ");
                found.text.push_str(signal);
                found.text.push_str(" on.");
            }
            (Cause::Receive | Cause::WaitGroup | Cause::Loop | Cause::Blocked, _)
                if found.nodes.iter().any(|node| awaits(node.wait, node.group, self.children)) =>
            {
                self.tell_of_children(found);
            }
            _ => {}
        }
    }

    fn tell_of_children(&self, found: &mut Found<'_>) {
        let Some(&first) = found.nodes.first().filter(|_| !self.children.is_empty()) else { return };
        found.text.truncate(found.text.trim_end().len());
        found.text.push_str(if self.children.len() == 1 { " Its child still runs" } else { " Its children still run" });
        for (at, child) in self.children.iter().enumerate() {
            found.text.push_str(if at == 0 { ": " } else { ", " });
            found.text.push_str(&child.name);
        }
        found.text.push('.');
        found.nodes.retain(|node| node.index == first.index || matches!(node.wait, Wait::Child | Wait::Output));
        let last = found.nodes.last().copied().unwrap_or(first);
        let ends = matches!(last.wait, Wait::Child | Wait::Output);
        (found.cause, found.place) = (Cause::Blocked, last.place());
        found.advice = if ends { last.wait } else { Wait::Child }.advice();
    }
}
