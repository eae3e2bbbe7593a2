//! Who computes the windows of a phase: one engine on the caller's thread, or several, each on a thread of its own.
//!
//! ```text
//!   windows, in order ─► the member that ends it first ─► its thread: submit, collect ─► results, in any order
//! ```
//!
//! Which member takes a window is decided by data alone ([`Load`]): how many each has under way, and how long one takes it.
//! A slow member is not given a window that the others would wait for. What a result is does not depend on that, and
//! whoever takes results puts them back in order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::Instant;

use super::engine::{Engine, Made, Window};
use crate::control::Cancel;
use crate::device::Feature;
use crate::error::{Error, Result};
use crate::pixels::Depth;
use crate::plan::Phase;

/// What ended a phase, and the member whose fault it was, if it was one's.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) member: Option<usize>,
    pub(super) error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { member: None, error }
    }
}

impl Failed {
    fn of(member: usize) -> impl FnOnce(Error) -> Self {
        move |error| Self { member: Some(member), error }
    }
}

/// A window's result.
#[derive(Debug)]
pub(super) struct Done {
    /// The member that computed it.
    pub(super) member: usize,
    /// The window's number.
    pub(super) window: usize,
    pub(super) made: Made,
}

/// Engines at work on a phase.
pub(super) trait Crew {
    /// The member that should take the next window, of which `left` are left; none if it should wait for a result.
    fn next(&self, left: usize) -> Option<usize>;

    /// How many windows may be begun before the oldest of them is done.
    fn most_ahead(&self) -> usize;

    /// Has a member begin with a window.
    fn give(&mut self, member: usize, number: usize, window: Window) -> Result<(), Failed>;

    /// Waits for a window that is done.
    fn take(&mut self) -> Result<Done, Failed>;
}

/// Makes engines ready for a phase, by kernels of the same tiers: where rounding differs a seam might show.
pub(super) fn prepare(
    engines: &mut [&mut dyn Engine],
    phase: &Arc<Phase>,
    depth: Depth,
) -> Result<(), Failed> {
    loop {
        for (member, engine) in engines.iter_mut().enumerate() {
            engine.prepare(phase, depth).map_err(Failed::of(member))?;
        }
        let lacking: BTreeSet<Feature> = engines.iter().flat_map(|engine| engine.lacks()).collect();
        let changed: Vec<bool> = engines.iter_mut().map(|engine| engine.do_without(&lacking)).collect();
        if !changed.contains(&true) {
            return Ok(());
        }
    }
}

/// One engine, on the caller's thread.
pub(super) struct Alone<'a> {
    engine: &'a mut dyn Engine,
    cancel: &'a Cancel,
    under_way: VecDeque<usize>,
}

impl<'a> Alone<'a> {
    pub(super) fn new(engine: &'a mut dyn Engine, cancel: &'a Cancel) -> Self {
        Self { engine, cancel, under_way: VecDeque::new() }
    }
}

impl Crew for Alone<'_> {
    fn next(&self, _left: usize) -> Option<usize> {
        self.engine.is_ready().then_some(0)
    }

    fn most_ahead(&self) -> usize {
        usize::MAX
    }

    fn give(&mut self, member: usize, number: usize, window: Window) -> Result<(), Failed> {
        self.engine.submit(window, self.cancel).map_err(Failed::of(member))?;
        self.under_way.push_back(number);
        Ok(())
    }

    fn take(&mut self) -> Result<Done, Failed> {
        let made = self.engine.collect(self.cancel).map_err(Failed::of(0))?;
        let window = self.under_way.pop_front().expect("an engine collects what was submitted");
        Ok(Done { member: 0, window, made })
    }
}

/// Windows that a member has at most: two under way, and one at hand when it is done with the first.
const AT_HAND: usize = 3;

/// Windows for each member that may be done before the oldest is.
const AHEAD: usize = 4;

/// What a member has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    /// Windows under way.
    under_way: usize,
    /// Seconds that one takes it, as far as that is known.
    pace: Option<f64>,
}

impl Load {
    /// In how many seconds it would be done with one more.
    fn end(self) -> f64 {
        (self.under_way + 1) as f64 * self.pace.unwrap_or(0.0)
    }
}

/// Who of several should take the next window, of which `left` are left: the one that ends it first, unless the others would wait
/// for it, because they are done with all the rest or as far ahead as they may go.
fn chosen(loads: &[Load], left: usize) -> Option<usize> {
    let by_end = |a: &(usize, &Load), b: &(usize, &Load)| a.1.end().total_cmp(&b.1.end());
    let (first, _) = loads.iter().enumerate().min_by(by_end)?;
    let with_room = loads.iter().enumerate().filter(|(_, load)| load.under_way < AT_HAND);
    let (member, load) = with_room.min_by(by_end)?;
    let others = || loads.iter().enumerate().filter(|(other, _)| *other != member).map(|(_, load)| load);
    let rate: f64 = others().filter_map(|load| load.pace).map(f64::recip).sum();
    let theirs = left.min(AHEAD * loads.len()) - 1 + others().map(|load| load.under_way).sum::<usize>();
    (member == first || load.end() * rate <= theirs as f64).then_some(member)
}

/// Several engines, each on a thread of its own until this is dropped: a thread ends when its member has no sender of windows
/// left, and the scope waits for it.
pub(super) struct Team {
    members: Vec<Member>,
    results: Receiver<(usize, usize, Result<Made>)>,
}

struct Member {
    windows: Sender<(usize, Window)>,
    load: Load,
    /// When it last began with a window while it had none, or was done with one.
    since: Instant,
}

impl Team {
    /// Begins, with what is known of how many seconds a window takes each.
    pub(super) fn new<'scope>(
        scope: &'scope Scope<'scope, '_>,
        engines: &'scope mut [&mut dyn Engine],
        paces: &[Option<f64>],
        cancel: &'scope Cancel,
    ) -> Result<Self> {
        let (give, results) = channel();
        let begin = |(member, (engine, pace)): (usize, (&'scope mut &mut dyn Engine, &Option<f64>))| {
            let (windows, to_do) = channel();
            let leaving = Leaving { member, results: give.clone() };
            let work = move || work(&mut **engine, &to_do, &leaving, cancel);
            let name = format!("sparsr {member}");
            thread::Builder::new().name(name).spawn_scoped(scope, work).map_err(|error| {
                Error::OutOfMemory(format!("no thread could be started: {error}; close other programs"))
            })?;
            let load = Load { under_way: 0, pace: *pace };
            Ok(Member { windows, load, since: Instant::now() })
        };
        let members = engines.iter_mut().zip(paces).enumerate().map(begin).collect::<Result<_>>()?;
        Ok(Self { members, results })
    }

    /// How many seconds a window takes each member, as far as that is known.
    pub(super) fn paces(&self) -> impl Iterator<Item = Option<f64>> {
        self.members.iter().map(|member| member.load.pace)
    }
}

impl Crew for Team {
    fn next(&self, left: usize) -> Option<usize> {
        let loads: Vec<Load> = self.members.iter().map(|member| member.load).collect();
        chosen(&loads, left)
    }

    fn most_ahead(&self) -> usize {
        AHEAD * self.members.len()
    }

    fn give(&mut self, member: usize, number: usize, window: Window) -> Result<(), Failed> {
        let Member { windows, load, since, .. } = &mut self.members[member];
        if load.under_way == 0 {
            *since = Instant::now();
        }
        load.under_way += 1;
        // A thread that has ended has told why, and is heard next.
        drop(windows.send((number, window)));
        Ok(())
    }

    fn take(&mut self) -> Result<Done, Failed> {
        let gone = || Error::Device("the threads of all engines have ended".into());
        let (member, window, made) = self.results.recv().map_err(|_| gone())?;
        let made = made.map_err(Failed::of(member))?;
        let Member { load, since, .. } = &mut self.members[member];
        let now = Instant::now();
        let found = now.duration_since(std::mem::replace(since, now)).as_secs_f64();
        // The last ones count most: devices warm up, and others come to share them.
        load.pace = Some(load.pace.map_or(found, |pace| 0.5 * (pace + found)));
        load.under_way -= 1;
        Ok(Done { member, window, made })
    }
}

/// The end of a member's thread from which results go. However the thread ends, that is heard.
struct Leaving {
    member: usize,
    results: Sender<(usize, usize, Result<Made>)>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = Error::Device("an engine's thread has panicked".into());
            drop(self.results.send((self.member, 0, Err(error))));
        }
    }
}

/// Takes windows as long as the engine has room and there are some, and collects one when there are none; until the first failure,
/// or until nobody has any windows or wants any results.
fn work(engine: &mut dyn Engine, windows: &Receiver<(usize, Window)>, leaving: &Leaving, cancel: &Cancel) {
    let mut under_way = VecDeque::new();
    loop {
        let next = match (engine.is_ready(), under_way.is_empty()) {
            (true, true) => match windows.recv() {
                Ok(next) => Some(next),
                Err(_) => return,
            },
            (true, false) => windows.try_recv().ok(),
            (false, _) => None,
        };
        let (number, made) = match next {
            Some((number, window)) => match engine.submit(window, cancel) {
                Ok(()) => {
                    under_way.push_back(number);
                    continue;
                }
                Err(error) => (number, Err(error)),
            },
            None => (under_way.pop_front().unwrap_or(0), engine.collect(cancel)),
        };
        let failed = made.is_err();
        if leaving.results.send((leaving.member, number, made)).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(under_way: usize, pace: f64) -> Load {
        Load { under_way, pace: (pace > 0.0).then_some(pace) }
    }

    #[test]
    fn windows_go_to_the_member_that_ends_them_first() {
        assert_eq!(chosen(&[load(1, 1.0), load(0, 1.0)], 5), Some(1));
        assert_eq!(chosen(&[load(2, 1.0), load(0, 2.5)], 5), Some(1));
        assert_eq!(chosen(&[load(1, 1.0), load(0, 2.5)], 5), Some(0));
        // Of whom nothing is known that is found out.
        assert_eq!(chosen(&[load(0, 1.0), load(0, 0.0)], 5), Some(1));
        assert_eq!(chosen(&[load(3, 1.0), load(3, 1.0)], 5), None, "none has room");
    }

    #[test]
    fn a_slow_member_takes_no_window_that_the_others_would_wait_for() {
        // Ten times as slow: worth it among many, where the other goes ahead meanwhile, and not for the last ones.
        assert_eq!(chosen(&[load(3, 1.0), load(0, 9.0)], 100), Some(1));
        assert_eq!(chosen(&[load(3, 1.0), load(0, 9.0)], 3), None);
        assert_eq!(chosen(&[load(3, 1.0), load(0, 60.0)], 100), None, "so far ahead the other may not go");
    }

    #[test]
    fn somebody_always_takes_a_window_while_nothing_is_under_way() {
        for paces in [[1.0, 1.0, 1.0], [1.0, 1e-3, 40.0], [0.0, 3.0, 2.0], [7.0, 0.0, 0.0]] {
            for left in 1..30 {
                let loads = paces.map(|pace| load(0, pace));
                assert!(chosen(&loads, left).is_some(), "{paces:?}, {left} left");
            }
        }
    }
}
