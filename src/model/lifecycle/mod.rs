//! How processes come and go, and what memory has to do with that.
//!
//! | room | what it does |
//! |---|---|
//! | `boot` | how a worker comes up |
//! | `memory` | which process holds how much |
//! | `oom` | which process dies where memory runs out |
//! | `crash` | what is lost with a worker, or with the database |
//! | `teardown` | how a killed worker ends |
//! | `supervisor` | uvicorn's parent process, which checks its workers |
//!
//! The life of a worker, by [`State`](super::worker::process::State). A worker that is killed while
//! it boots (`Booting`, `Opening`, `Filling`) goes on as one that is killed while it is `Up`.
//!
//! | state | memory it holds | what ends it | next state |
//! |---|---|---|---|
//! | `Gone` | none | it is started: as the run begins, by the arbiter or systemd (`Event::Start`), or by the supervisor at a check | `Booting` |
//! | `Booting` | a part of what importing takes | the last slice of its imports is done | `Opening` if its pool is not open yet, else `Filling` |
//! | `Opening` | all that importing takes | the postmaster has forked the last process of its pool | `Filling` |
//! | `Filling` | that, and a part of its late memory | the last piece is touched | `Up` |
//! | `Up` | that, and its requests' | it is killed: by the OOM killer, or by the arbiter for its `timeout` | `EndingThreads` if it has several threads and its end takes CPU, else `Freeing` |
//! | `EndingThreads` | what it held when it was killed | its threads have ended | `Unmapping` |
//! | `Unmapping` | the same | the first batch of its memory is free | `Freeing` |
//! | `Freeing` | what is left of that; with one thread none | its memory is free, its connections close | `Closed`, or `Gone` where its end takes no CPU |
//! | `Closed` | none | it exits: the arbiter starts another, or the supervisor finds out at a check | `Gone` |
//!
//! Where systemd stops the whole unit, or the supervisor kills a worker that answers no ping, the
//! worker is `Gone` at once.

pub(super) mod boot;
pub(super) mod crash;
pub(super) mod memory;
pub(super) mod oom;
pub(super) mod supervisor;
pub(super) mod teardown;
