//! Input that is meant to do harm, against real processes: each attack is refused and counted, takes no more memory than it
//! may, and leaves a client alone that does everything right beside it.

mod house;
mod intake;
mod socket;
mod uploads;
