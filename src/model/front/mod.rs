//! The way to a worker.
//!
//! | room | what it does |
//! |---|---|
//! | `admission` | Nginx, the listening socket, the backlog, a place in a worker; and how a client learns of the end |
//! | `acceptor` | which worker accepts a connection |
//! | `sockets` | a listening socket for each process |

pub(super) mod acceptor;
pub(super) mod admission;
pub(super) mod sockets;
