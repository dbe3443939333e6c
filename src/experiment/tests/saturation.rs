//! The saturation point, and the resource that limits it.

use super::*;
use crate::site::Listen;

#[test]
fn five_sync_workers_saturate_where_the_exact_chain_does_and_limit_themselves() {
    let capacity = capacity(sandwich(WorkerKind::Sync, 5, 2, [0.01, 0.05, 0.01]), p95(500));
    assert_near(capacity.saturation, 66.781_823);
    assert_eq!(capacity.first_limit, Some(Limit::Workers));
}

#[test]
fn nine_workers_that_crowd_two_cores_are_limited_by_the_cores() {
    let capacity = capacity(sandwich(WorkerKind::Sync, 9, 2, [0.02, 0.02, 0.01]), p95(500));
    assert_near(capacity.saturation, 66.664_167);
    assert_eq!(capacity.first_limit, Some(Limit::Cores));
}

/// I9-sat of the reference has loops and connections equally busy.
#[test]
fn two_loops_with_connections_to_spare_are_limited_by_themselves() {
    let capacity = capacity(loops(20), Objective::default());
    assert_near(capacity.saturation, 100.0);
    assert_eq!((capacity.load_line, capacity.first_limit), (None, Some(Limit::Cores)));
}

/// I10-sat has five connections in all, for two loops; here one loop has them.
#[test]
fn a_small_pool_takes_what_async_gains() {
    let mut site = loops(5);
    site.server.workers = 1;
    let capacity = capacity(site, Objective::default());
    assert_near(capacity.saturation, 25.0);
    assert_eq!(capacity.first_limit, Some(Limit::Pool));
}

#[test]
fn a_single_loop_on_two_cores_is_limited_by_its_turn() {
    let mut site = loops(20);
    site.server.workers = 1;
    let capacity = capacity(site, Objective::default());
    assert_near(capacity.saturation, 50.0);
    assert_eq!(capacity.first_limit, Some(Limit::Gil));
}

/// Twenty connections that are opened one by one under overload take the loop two seconds of the 37
/// of the first window.
#[test]
fn work_that_comes_only_with_an_overload_does_not_lower_the_saturation_point() {
    let mut site = loops(20);
    site.server.workers = 1;
    site.server.costs.connect_cpu = Span::from_millis(100);
    assert_near(capacity(site, Objective::default()).saturation, 50.0);
}

/// M/M/1: of 45.4/s of 50, one in a hundred takes longer than a second, e^-(50 - 45.4). Nothing
/// piles up beyond that, and crowds that last so long come every minute or two: a point scatters by
/// 0.6 % around 0.4 % less than that (over 24 seeds), by half a step of the resolution; 2 % allows
/// for 2.7 of those.
#[test]
fn what_clients_have_no_patience_for_is_not_sustained() {
    let mut site = mm1(1.0, 50.0);
    site.client.patience = Some(Span::from_whole_secs(1));
    let expected = 50.0 - 100f64.ln();
    for seed in 1..=8 {
        let mut study = study(site.clone(), Objective::default(), &[]);
        study.seed = Seed::new(seed);
        let point = answer(&study, true, 2).capacities[0].saturation;
        assert!(point.is_noisy());
        let error = point.rate().unwrap().get() / expected - 1.0;
        assert!(error.abs() < 0.02, "seed {seed}: {:.1} % from {expected}", 100.0 * error);
    }
}

/// Clients that find a backlog of five full retry within a second or two, beside later ones: the
/// losses are steady once the first clients have given up, after half a minute. The point lies in a
/// bracket of 1 % and has a noise of 1 %, so that 3 % less is sustained and 3 % more is not.
#[test]
fn what_is_refused_in_silence_is_not_sustained_as_long_as_patience_lasts() {
    let mut site = sandwich(WorkerKind::Sync, 3, 1, [0.003, 0.02, 0.005]);
    (site.front.listen, site.front.backlog) = (Listen::Tcp, Some(5));
    site.client.patience = Some(Span::from_whole_secs(30));
    let found = capacity(site.clone(), Objective::default()).saturation.rate().unwrap().get();
    let mut study = study(site, Objective::default(), &[0.97 * found, 1.03 * found]);
    let [warmup, measured] = [60, 300].map(Span::from_whole_secs);
    study.effort = Effort::Fixed { replications: 8, warmup, measured };
    let rows = answer(&study, false, 2).rows;
    let saturated: Vec<bool> = rows.iter().map(|row| row.finding.saturated).collect();
    assert_eq!(saturated, [false, true], "of {found}");
}

/// Three workers on two cores, and requests that all take the same times. Requests that arrive in a
/// crowd meet at the cores by chance, and 165/s are carried; in the long run they synchronise. In
/// 40 minutes requests pile up at 150/s and not at 145/s; the answer may lie a bracket and some
/// noise beside that.
#[test]
fn what_falls_into_step_carries_less_than_an_overload_that_has_just_begun() {
    let fixed = |millis| Dist::Fixed(Span::from_millis(millis));
    let call = Step::Call { wait: fixed(3), cpu: Span::ZERO };
    let steps = vec![Step::Compute(fixed(5)), query(fixed(7)), Step::Compute(fixed(2)), call];
    let site = |workers| bare(WorkerKind::Sync, workers, 2, steps.clone());
    let point = capacity(site(3), Objective::default()).saturation;
    let rate = point.rate().unwrap().get();
    assert!((143.0..154.0).contains(&rate) && point.is_noisy(), "{point:?}");
    let mut twice = site(3);
    twice.traffic.endpoints.push(twice.traffic.endpoints[0].clone());
    assert!(capacity(twice, Objective::default()).saturation.is_noisy(), "whatever it is called");
    assert_near(capacity(site(1), Objective::default()).saturation, 1000.0 / 17.0);
}

/// Of ten workers on four cores about half wait for a core at any time, however the others meet,
/// and a loop accepts every request: the cores are never idle, synchronised or not.
#[test]
fn what_keeps_the_cores_busy_carries_all_they_can_do_in_step_or_not() {
    let fixed = |millis| Dist::Fixed(Span::from_millis(millis));
    let steps = [Step::Compute(fixed(15)), query(fixed(2)), Step::Compute(fixed(4))];
    let kinds = [
        (WorkerKind::Sync, 10, 4, 4000.0 / 19.0),
        (WorkerKind::Async { limit_concurrency: None }, 1, 1, 1000.0 / 19.0),
    ];
    for (kind, workers, cores, expected) in kinds {
        let found = capacity(bare(kind, workers, cores, steps.to_vec()), Objective::default());
        assert_near(found.saturation, expected);
        assert!(!found.saturation.is_noisy(), "{:?}", found.saturation);
    }
    let waits = bare(WorkerKind::Sync, 5, 4, vec![query(fixed(2)); 4]);
    let found = capacity(waits, Objective::default());
    assert_near(found.saturation, 5000.0 / 8.0);
    assert!(!found.saturation.is_noisy(), "{:?}", found.saturation);
}

/// Connections are opened and closed as crowds come and go, so the throughput depends on chance.
#[test]
fn where_an_overload_makes_work_again_and_again_the_saturation_point_is_about() {
    let kind = WorkerKind::Threads {
        threads: 40,
        switch_interval: Span::from_millis(5),
        worker_connections: None,
        dispatcher: None,
    };
    let mut steps = vec![query(exp(0.002)); 4];
    steps.push(Step::Compute(exp(0.002)));
    let mut site = bare(kind, 2, 2, steps);
    (site.server.connections.keep, site.server.connections.limit) = (5, Some(15));
    site.server.costs.query_cpu = Span::from_micros(200);
    site.server.costs.connect_cpu = Span::from_millis(6);
    assert!(capacity(site.clone(), Objective::default()).saturation.is_noisy());
    site.server.connections.keep = 15;
    assert!(!capacity(site, Objective::default()).saturation.is_noisy());
}

#[test]
fn waiting_alone_is_sustained_at_any_rate() {
    let steps = vec![Step::Call { wait: exp(0.2), cpu: Span::ZERO }];
    let site = bare(WorkerKind::Async { limit_concurrency: None }, 1, 1, steps);
    let capacity = capacity(site, p95(1000));
    assert_eq!(
        (capacity.saturation, capacity.load_line),
        (Threshold::Never, Some(Threshold::Never))
    );
    assert_eq!((capacity.oom, capacity.first_limit), (Threshold::Never, None));
}

#[test]
fn waiting_alone_is_sustained_at_no_rate_where_it_takes_longer_than_patience() {
    let steps = vec![Step::Call { wait: Dist::Fixed(Span::from_millis(300)), cpu: Span::ZERO }];
    let mut site = bare(WorkerKind::Async { limit_concurrency: None }, 1, 1, steps);
    site.client.patience = Some(Span::from_millis(200));
    assert_eq!(capacity(site, Objective::default()).saturation, Threshold::AtRest);
}

/// Calls of a minute, 2,500 a second: 150,000 would be in flight, and a run holds 100,000.
#[test]
fn how_many_a_run_holds_is_not_what_the_site_carries() {
    let calls = |cpu: Span| {
        let call = Step::Call { wait: Dist::Fixed(Span::from_whole_secs(60)), cpu };
        bare(WorkerKind::Async { limit_concurrency: None }, 1, 1, vec![call])
    };
    let mut study = study(calls(Span::ZERO), p95(120_000), &[2_500.0]);
    let answers = answer(&study, true, 2);
    let capacity = &answers.capacities[0];
    assert_eq!(
        (capacity.saturation, capacity.load_line, capacity.first_limit),
        (Threshold::Never, Some(Threshold::Never), None)
    );
    // Half of the 100,000 that a run holds, a minute each.
    assert_eq!(capacity.reach, Some(PerSecond::new(50_000.0 / 60.0)));
    let row = &answers.rows[0];
    assert_eq!((row.meets_objective, row.finding.is_beyond_reach()), (None, true));
    // A loop that could make 10,000 calls a second, which is beyond what can be simulated.
    study.combinations[0].site = calls(Span::from_micros(100));
    study.combinations[0].tiers.clear();
    let found = answer(&study, true, 2).capacities.remove(0);
    assert_eq!((found.saturation, found.first_limit), (Threshold::Never, None));
    // A loop that makes one call a second saturates at 1/s.
    study.combinations[0].site = calls(Span::from_whole_secs(1));
    assert_near(answer(&study, true, 2).capacities.remove(0).saturation, 1.0);
}
