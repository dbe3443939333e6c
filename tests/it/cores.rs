//! Literal timetables of what cores have to do besides requests, of cores in slices, and of code
//! that goes cold. All times in milliseconds.

use tonnage::site::{Cooling, Sharing, Site, Step, WorkerKind};
use tonnage::units::Span;

use crate::life::{Tape, page, play};
use crate::support::millis;

/// Code that has gone cold takes eleven times as long.
///
/// | from | to | A |
/// |---|---|---|
/// | 2000 | 2005.5 | half of what the stack needs (1): two seconds ago, nothing of it had ever run |
/// | 2005.5 | 3005.5 | computes 1000 |
/// | 3005.5 | 3011 | the other half, cold again |
/// | 3011 | 3013 | its query's CPU (1), the database's first: a tenth of that is code |
/// | 3013 | 4013 | the query's wait, answered |
///
/// B is the same a second after the stack last ran, to answer A. One that comes as A is answered
/// finds the first half warm. Of two that come together and compute nothing, the first finds the
/// stack cold, but only its first half, and the second follows at once.
#[test]
fn code_that_has_not_run_for_long_costs_more() {
    let ms = Span::from_millis;
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, page());
    site.server.costs.request_cpu = ms(1);
    let goes_cold = |code| Some(Cooling { core: Span::ZERO, code, over: ms(1) });
    site.host.sharing = Sharing::Slices { slice: ms(2) };
    site.host.cooling = goes_cold(10.0);
    let tape: Tape = &[(2000, &[1000, 1000, 1, 0]), (5013, &[1000, 1000, 1, 0])];
    assert_eq!(play(&site, tape), [Ok(4013), Ok(7026)]);
    let at_once: Tape = &[tape[0], (4013, tape[1].1)];
    assert_eq!(play(&site, at_once), [Ok(4013), Ok(6021)]);
    let together: Tape = &[(2000, &[0, 0, 0, 0]), (2000, &[0, 0, 0, 0])];
    assert_eq!(play(&site, together), [Ok(2006), Ok(2007)]);
    site.host.cooling = goes_cold(0.0);
    assert_eq!(play(&site, together), [Ok(2001), Ok(2002)], "some code never goes cold");
    (site.host.sharing, site.host.cooling) = (Sharing::Fair, goes_cold(10.0));
    assert_eq!(play(&site, tape), [Ok(4013), Ok(7026)], "on cores shared fairly as well");
}

/// Of a query that says what its driver takes, that beyond the stack's own (10) is the endpoint's,
/// and does not go cold. Of the stack's, 30 where it is cold, half comes before that and half
/// behind it: cold again after a second of it, and warm where there is none.
#[test]
fn what_a_query_says_that_its_driver_takes_goes_cold_no_more_than_the_stack_s_own() {
    let query = |driver| Step::Query { wait: millis(0), cpu: millis(0), driver };
    let takes = |driver| {
        let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![query(driver)]);
        site.server.costs.query_cpu = Span::from_millis(10);
        site.host.cooling =
            Some(Cooling { core: Span::ZERO, code: 2.0, over: Span::from_millis(1) });
        play(&site, &[(2000, &[0, 0])])
    };
    assert_eq!(takes(None), [Ok(2020)]);
    assert_eq!(takes(Some(Span::from_secs(1.0))), [Ok(3020)]);
}

/// Two workers, a core for each, and requests that cost the stack 10, or 30 where all of it is
/// cold. At 3030 one worker has just been at work, and the other, whose turn it is, has not for a
/// second: C finds warm what both of them share, three tenths of the half before what it computes,
/// and takes 7 more than D, which finds all of that warm. A server's own `cold_code` goes before
/// that of its machine.
#[test]
fn what_other_processes_run_keeps_little_of_a_worker_s_own_code_warm() {
    let mut site = Site::textbook(WorkerKind::Sync, 2, 2, vec![Step::Compute(millis(1))]);
    site.server.costs.request_cpu = Span::from_millis(10);
    let cooling = |code| Some(Cooling { core: Span::ZERO, code, over: Span::from_millis(1) });
    let tape: Tape = &[(2000, &[0]), (2000, &[1000]), (3030, &[0]), (3030, &[0])];
    let all = [Ok(2020), Ok(3030), Ok(3047), Ok(3040)];
    site.host.cooling = cooling(2.0);
    assert_eq!(play(&site, tape), all);
    (site.host.cooling, site.server.costs.cold_code) = (cooling(9.0), Some(2.0));
    assert_eq!(play(&site, tape), all);
}

/// A load generator on the only core takes 2 to send a request, and 2 to take its answer.
///
/// | from | to | the core is for |
/// |---|---|---|
/// | 0 | 2 | sending A |
/// | 2 | 12 | A, answered |
/// | 12 | 16 | A's answer, and sending B, half each |
/// | 16 | 26 | B, answered |
#[test]
fn a_client_on_the_same_host_takes_its_share_of_the_cores() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(millis(10))]);
    site.client.cpu = Span::from_millis(4);
    assert_eq!(play(&site, &[(0, &[10]), (12, &[10])]), [Ok(12), Ok(26)]);
}

/// Cores in slices of 2 ms, on which nothing ever goes cold.
fn sliced(kind: WorkerKind, workers: u32, steps: Vec<Step>) -> Site {
    let mut site = Site::textbook(kind, workers, 1, steps);
    site.host.sharing = Sharing::Slices { slice: Span::from_millis(2) };
    site
}

/// Three workers of which two are idle, and each of those computes 1 ms for a connection that the
/// third has accepted: once that has had its slice of 2 ms, they go first.
#[test]
fn idle_workers_are_woken_by_a_connection_that_another_accepts() {
    let mut site = sliced(WorkerKind::Sync, 3, vec![Step::Compute(millis(1))]);
    assert_eq!(play(&site, &[(0, &[5])]), [Ok(5)]);
    site.server.herd_cpu = Span::from_millis(1);
    assert_eq!(play(&site, &[(0, &[5])]), [Ok(7)]);
}

/// A query that takes 2 ms of CPU and sleeps for 8 ms in the middle of that, beside a worker that
/// computes for 20 ms.
///
/// | from | to | the core is for |
/// |---|---|---|
/// | 0 | 1 | the query's first half |
/// | 1 | 9 | the other worker; the query sleeps |
/// | 9 | 10 | the query's second half: the worker has had its slice long ago |
/// | 10 | 12 | the other worker, which was there first, for a slice |
/// | 12 | 13 | the worker that has its result |
#[test]
fn a_query_that_sleeps_needs_a_core_again_for_its_answer() {
    let mut site = sliced(WorkerKind::Sync, 2, page());
    site.database.wait_step = Span::from_millis(1);
    let tape: Tape = &[(0, &[0, 8, 2, 1]), (1, &[20, 0, 0, 0])];
    assert_eq!(play(&site, tape)[0], Ok(13));
    // Alone, with 2 ms there and back, and 6 for its connection: 18, and 1 for the worker that has
    // its result.
    site.database.latency = Span::from_millis(2);
    assert_eq!(play(&site, &tape[..1]), [Ok(19)]);
}
