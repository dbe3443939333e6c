//! How far searched points scatter about what theory knows, over seeds.

use std::sync::atomic::AtomicBool;

use tonnage::experiment::answer::{
    Capacity, Combination, Effort, Objective, Study, Threshold, Visits,
};
use tonnage::experiment::sweep;
use tonnage::experiment::trial::{Crew, Watch};
use tonnage::seed::Seed;
use tonnage::site::Budget;
use tonnage::site::{Dist, Site, Step, WorkerKind};
use tonnage::units::{Fraction, Span};

use crate::support::{ASYNC, exponential as exp, query, threads};

/// CPU, query, CPU: the means in seconds of three exponentials.
fn sandwich(kind: WorkerKind, workers: u32, cores: u32, seconds: [f64; 3]) -> Site {
    let [before, wait, after] = seconds.map(exp);
    Site::textbook(
        kind,
        workers,
        cores,
        vec![Step::Compute(before), query(wait), Step::Compute(after)],
    )
}

fn computing(kind: WorkerKind, workers: u32, cores: u32, work: Dist) -> Site {
    Site::textbook(kind, workers, cores, vec![Step::Compute(work)])
}

/// A case of the table of analytic cases: its site, its saturation point, and the rate at which
/// its p95 is so many seconds.
type Case = (&'static str, Site, f64, Option<(f64, f64)>);

/// The standard error of a saturation point.
const SATURATION: f64 = 0.005;
/// How the lower end of a bracket of 1 % scatters about the answer, and how far it lies below it.
const BRACKET: [f64; 2] = [0.0029, 0.005];

/// The root mean square error to be expected of a load line of M/M/1 at this load.
fn load_line_of_mm1(load: f64) -> f64 {
    BRACKET.iter().fold(0.0063 / load, |sum: f64, more| sum.hypot(*more))
}

fn cases() -> Vec<Case> {
    let io = [0.01, 0.05, 0.01];
    let fixed = Dist::Fixed(Span::from_millis(100));
    let waiting = Site::textbook(WorkerKind::Sync, 5, 2, vec![query(exp(0.1))]);
    let event_loop =
        || Site::textbook(ASYNC, 1, 1, vec![Step::Compute(exp(0.02)), query(exp(0.05))]);
    vec![
        ("A1", mm1(), 10.0, Some((8.0, 1.497_866_137))),
        ("A1, half", mm1(), 10.0, Some((5.0, 20f64.ln() / 5.0))),
        ("A1, 95 %", mm1(), 10.0, Some((9.5, 20f64.ln() / 0.5))),
        ("B2", waiting, 50.0, Some((40.0, 0.419_746_257_8))),
        ("E1", computing(WorkerKind::Sync, 1, 1, fixed), 10.0, Some((8.0, 0.762_032_499_7))),
        ("G1", computing(WorkerKind::Sync, 500, 1, exp(0.1)), 10.0, Some((8.0, 1.874_811_131))),
        ("H1", sandwich(WorkerKind::Sync, 5, 2, io), 66.781_823_01, Some((46.7, 0.202_911_344_5))),
        ("H2", sandwich(WorkerKind::Sync, 3, 1, io), 35.891_647_86, Some((25.1, 0.263_346_834_1))),
        (
            "H5",
            sandwich(WorkerKind::Sync, 9, 2, [0.02, 0.02, 0.01]),
            66.664_167_42,
            Some((53.3, 0.262_854_452_5)),
        ),
        (
            "H7",
            Site::textbook(
                WorkerKind::Sync,
                1,
                1,
                vec![Step::Compute(exp(0.02)), query(exp(0.03))],
            ),
            20.0,
            Some((16.0, 0.573_668_553_1)),
        ),
        ("H12", sandwich(threads(4), 1, 2, io), 42.504_197_65, None),
        ("H13", sandwich(WorkerKind::Sync, 4, 2, io), 55.232_789_49, None),
        ("I1", event_loop(), 50.0, Some((35.0, 0.278_378_298_6))),
        ("I3", event_loop(), 50.0, Some((45.0, 0.656_680_232_4))),
    ]
}

/// One sync worker on one core, 100 ms a request.
fn mm1() -> Site {
    computing(WorkerKind::Sync, 1, 1, exp(0.1))
}

fn study(site: Site, objective: Objective, seed: u64) -> Study {
    let combination = Combination {
        plan: "plan".into(),
        server: "server".into(),
        price: None,
        site,
        budget: Budget { lines: Vec::new(), ceiling: None },
        database_budget: None,
        tiers: Vec::new(),
    };
    Study {
        title: "theory".into(),
        seed: Seed::new(seed),
        objective,
        effort: Effort::Precision(Fraction::new(0.05)),
        visits: Visits::ASSUMED,
        combinations: vec![combination],
    }
}

fn searched(site: &Site, objective: Objective, seed: u64, crew: &Crew) -> Capacity {
    let study = study(site.clone(), objective, seed);
    let never = AtomicBool::new(false);
    sweep::run(&study, true, crew, &Watch::new(&never, &|_| {})).capacities.remove(0)
}

/// By what share of itself a point is off.
fn off(found: Threshold, expected: f64) -> f64 {
    let Threshold::At { rate, .. } = found else { panic!("{found:?}, not {expected}") };
    rate.get() / expected - 1.0
}

/// Root mean square and the worst of errors.
fn sizes(errors: &[f64]) -> (f64, f64) {
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let worst = errors.iter().fold(0.0, |worst: f64, error| worst.max(error.abs()));
    ((squares / errors.len() as f64).sqrt(), worst)
}

/// The standard error of what is carried is half a per cent at most. The bound on effort ends the
/// search for a load line where it is not known to 0.64 % before, at 100,000 arrivals, where the
/// mean of M/M/1 has a relative standard error of 2 / ((1 - load) √n) (Whitt 1989), p95 is a
/// multiple of it, and grows by load / (1 - load) per cent for each per cent of rate: so the rate
/// is known to 0.63 % / load, and somewhat better, as p95 is corrected to the work that comes on
/// average. The bracket's lower end is told, 0.5 % too low on average, give or take 0.29 %. Over
/// twelve seeds a root mean square scatters by a fifth of itself: 1.5 times as much is 2.5 of
/// those. The worst of twelve normal errors lies below 3.3 standard errors 99 times in 100. Of
/// other load lines theory knows no standard error: they are in the table alone, which
/// `--nocapture` shows.
#[test]
#[ignore = "full: 168 searches"]
fn full_searched_points_scatter_about_theory_no_more_than_their_standard_errors_allow() {
    let crew = Crew::new(0).unwrap();
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for (name, site, saturation, line) in cases() {
        let p95 = line.map(|(_, p95)| Span::from_secs(p95));
        let objective = Objective { p95, errors: None };
        let found: Vec<Capacity> =
            (1..=12).map(|seed| searched(&site, objective, seed, &crew)).collect();
        let points: Vec<f64> = found.iter().map(|it| off(it.saturation, saturation)).collect();
        let lines = line.map(|(rate, _)| {
            let each = found.iter().map(|it| off(it.load_line.unwrap(), rate));
            each.collect::<Vec<f64>>()
        });
        let mm1 =
            name.starts_with("A1").then(|| line.map(|(rate, _)| load_line_of_mm1(rate / 10.0)));
        for (kind, errors, limit) in
            [("saturation", Some(points), Some(SATURATION)), ("load line", lines, mm1.flatten())]
        {
            let Some(errors) = errors else { continue };
            let (typical, worst) = sizes(&errors);
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let percent = [mean, typical, worst].map(|share| format!("{:6.2} %", 100.0 * share));
            table += &format!("{name:10} {kind:12} mean, rms, worst {}\n", percent.join(" "));
            if limit.is_some_and(|limit| typical > 1.5 * limit || worst > 3.3 * limit) {
                wrong.push(format!("{name} {kind}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}\n{table}");
    println!("{table}");
}
