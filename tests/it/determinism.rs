//! The same seed gives the same run, and another server faces the same requests.

use tonnage::model::simulate;
use tonnage::outcome::{Outcome, Stage};
use tonnage::seed::Seed;
use tonnage::site::{Endpoint, Site, Step, WorkerKind};
use tonnage::units::PerSecond;

use crate::laws;
use crate::support::{ASYNC, call, exponential, query, threads};

#[test]
fn the_same_site_and_seed_give_the_same_outcome_bit_for_bit() {
    for (name, site) in laws::sites::all() {
        let run = || simulate(&site, Seed::new(3));
        assert!(run() == run(), "{name} differs from itself");
        assert!(run() != simulate(&site, Seed::new(4)), "{name} does not heed its seed");
    }
}

#[test]
fn runs_do_not_depend_on_what_ran_beside_them() {
    let (_, site) = laws::sites::all().swap_remove(1);
    let alone: Vec<Outcome> = (0..4).map(|seed| simulate(&site, Seed::new(seed))).collect();
    let together: Vec<Outcome> = std::thread::scope(|scope| {
        let runs = [0, 1, 2, 3].map(|seed| {
            let site = &site;
            scope.spawn(move || simulate(site, Seed::new(seed)))
        });
        runs.map(|run| run.join().unwrap()).into()
    });
    assert!(alone == together);
}

/// `site` as it is, and with every kind of worker and other numbers of workers and cores.
fn variants(site: &Site) -> Vec<Site> {
    let kinds = [WorkerKind::Sync, threads(2), threads(40), ASYNC];
    let with = |kind: WorkerKind, workers: u32, cores: u32| {
        let mut site = site.clone();
        (site.server.kind, site.server.workers, site.host.cores) = (kind, workers, cores);
        site
    };
    kinds
        .into_iter()
        .flat_map(|kind| [with(kind, 1, 1), with(kind, 3, 1), with(kind, 5, 8)])
        .collect()
}

#[test]
fn another_worker_kind_or_plan_faces_the_same_requests() {
    let steps = || vec![Step::Compute(exponential(0.01)), query(exponential(0.02))];
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, steps());
    site.traffic.rate = PerSecond::new(20.0);
    site.traffic.endpoints.push(Endpoint::textbook(vec![call(exponential(0.05))]));
    let per_endpoint = |site: Site| {
        let outcome = simulate(&site, Seed::new(9));
        assert_eq!(outcome.counts.answered, outcome.counts.arrived);
        // Work and waits as drawn, whatever there was to queue for.
        let demanded = outcome.profile.mean().unwrap();
        let work = [Stage::Compute, Stage::Database, Stage::Call];
        let counts: Vec<u64> = outcome.response.iter().map(|each| each.count()).collect();
        (counts, work.map(|stage| (demanded[stage as usize] * 1e12).round()))
    };
    let mut all: Vec<_> = variants(&site).into_iter().map(per_endpoint).collect();
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn where_one_server_is_all_there_is_the_worker_kinds_are_one() {
    let mut site = Site::textbook(WorkerKind::Sync, 1, 1, vec![Step::Compute(exponential(0.08))]);
    site.traffic.rate = PerSecond::new(10.0);
    let [sync, threads, asynchronous] = [WorkerKind::Sync, threads(1), ASYNC].map(|kind| {
        site.server.kind = kind;
        simulate(&site, Seed::new(5)).response
    });
    assert!(sync[0].mean() > Some(0.08e9), "there is a queue");
    assert!(sync == threads && threads == asynchronous);
}
