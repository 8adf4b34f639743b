//! Watching a world: the one loop in which time passes, for a checker of whatever method.

use crate::world::{News, World};

/// Whoever watches a world: a checker of whatever method. It may look at the store of the world at any instant.
pub trait Checker {
    /// Something could be noticed at the present instant.
    fn notice(&mut self, news: News, world: &World);
    /// When it wants to act next, in nanoseconds of true time; `i64::MAX` for never.
    fn next_at(&self) -> i64;
    /// It acts at the present instant.
    fn act(&mut self, world: &World);
}

/// Lets time pass until the plan's end. Gives how many events happened.
pub fn watch(world: &mut World, checker: &mut impl Checker) -> u64 {
    let mut events = 0;
    loop {
        let (of_world, of_checker) = (world.next_at(), checker.next_at());
        if of_world.min(of_checker) > world.plan.times.end {
            return events;
        }
        events += 1;
        if of_world <= of_checker {
            for news in world.step() {
                checker.notice(news, world);
            }
        } else {
            world.pass(of_checker);
            checker.act(world);
        }
    }
}
