//! PostgreSQL and the connections to it.
//!
//! | room | what it does |
//! |---|---|
//! | `pool` | a worker's pool of connections, and the database's limit |
//! | `connections` | how a request gets a connection, and gives it back |
//! | `postmaster` | the process that forks one for each connection |

pub(super) mod connections;
pub(super) mod pool;
pub(super) mod postmaster;
