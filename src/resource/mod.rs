//! What requests compete for, named by how it queues. Resources are passive: they answer when
//! asked, schedule nothing, and know neither Python nor PostgreSQL.

pub mod cores;
pub mod eevdf;
pub mod memory;
pub mod run_queue;
pub mod sliced;
pub mod slots;
