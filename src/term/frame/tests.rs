//! Whole frames of runs in the middle and at their end.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::*;
use crate::model::Digest;
use crate::plan::{BuilderKind, ContainerSource, Readiness, StepId};

fn step(id: usize, service: &str, action: Action, after: &[usize]) -> Step {
    Step {
        id: StepId(id),
        service: Some(service.to_owned()),
        action,
        cause: String::new(),
        after: after.iter().copied().map(StepId).collect(),
        settled: Vec::new(),
    }
}

fn build() -> Action {
    Action::Build {
        recipe: "api".to_owned(),
        fingerprint: Digest::of(b""),
        on: BTreeMap::new(),
        builder: BuilderKind::Docker,
    }
}

fn wait() -> Action {
    Action::Wait {
        container: ContainerSource::Id("c".to_owned()),
        until: Readiness::Healthy,
    }
}

fn start() -> Action {
    Action::Start {
        container: ContainerSource::Id("c".to_owned()),
        hooks: 0,
    }
}

/// A board with a clock of its own.
struct Run {
    board: Board,
    now: Instant,
}

impl Run {
    fn of(steps: &[Step]) -> Self {
        let now = Instant::now();
        let board = Board::new(steps, now);
        Self { board, now }
    }

    /// A database, a backend that is built and waits for it, a page that waits for the backend.
    fn hub() -> Self {
        Self::of(&[
            step(0, "db", wait(), &[]),
            step(1, "api", build(), &[]),
            step(2, "api", start(), &[0, 1]),
            step(3, "api", wait(), &[2]),
            step(4, "web", start(), &[3]),
        ])
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn begin(&mut self, ids: impl IntoIterator<Item = usize>) {
        for id in ids {
            let entry = self.board.get(StepId(id)).unwrap();
            self.board.start(entry.step.clone(), self.now);
        }
    }

    fn end(&mut self, ids: impl IntoIterator<Item = usize>, how: Ending) {
        for id in ids {
            self.board.end(StepId(id), how, self.now);
        }
    }

    fn shown(&self, width: usize, height: Option<usize>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let before = History::open(Some(folder.path()), "hub");
        before.record(&step(1, "api", build(), &[]), Duration::from_secs(41));
        before.save();
        let look = Look {
            width,
            height,
            coloured: false,
            now: self.now,
        };
        let history = History::open(Some(folder.path()), "hub");
        let lines = lines(&self.board, &history, look);
        assert!(lines.iter().all(|line| columns(line) < width), "{lines:#?}");
        lines.join("\n")
    }
}

#[test]
fn a_run_under_way() {
    let mut run = Run::hub();
    run.begin([0, 1]);
    let doing = "RUN pip install --no-cache-dir -r requirements.txt";
    run.board.doing(StepId(1), doing, None);
    run.pass(12);
    assert_snapshot!(run.shown(80, None), @r"
        ⠋ api  building: RUN pip install --no-cache-dir -r requi…  12 s, last time 41 s
        ⠋ db   waiting until healthy                                               12 s
        · web  waiting for api                                                     12 s
    ");
    assert_snapshot!(run.shown(40, None), @r"
        ⠋ api  building: RUN pip install…  12 s
        ⠋ db   waiting until healthy       12 s
        · web  waiting for api             12 s
    ");
    run.end([1], Ending::Done);
    assert_snapshot!(run.shown(40, None), @r"
        · api  waiting for db
        ⠋ db   waiting until healthy       12 s
        · web  waiting for api             12 s
    ");
}

#[test]
fn a_run_that_went_well() {
    let mut run = Run::hub();
    for id in 0..5 {
        run.begin([id]);
        run.pass(3);
        run.end([id], Ending::Done);
    }
    assert_snapshot!(run.shown(60, None), @r"
        ✓ api  built in 3.0 s, healthy                        9.0 s
        ✓ db   healthy                                        3.0 s
        ✓ web  started                                        3.0 s
    ");
}

#[test]
fn a_failure_says_what_and_whom_it_stopped() {
    let mut run = Run::hub();
    run.begin([0, 1]);
    run.pass(3);
    run.end([1], Ending::Done);
    run.pass(2);
    run.end([0], Ending::Failed);
    run.end(2..5, Ending::Skipped);
    assert_snapshot!(run.shown(60, None), @r"
        - api  skipped: db failed                             5.0 s
        ✗ db   not healthy                                    5.0 s
        - web  skipped: db failed
    ");
}

#[test]
fn what_was_interrupted_failed_nobody() {
    let mut run = Run::hub();
    run.begin([0, 1]);
    run.pass(2);
    run.end([0], Ending::Done);
    run.pass(2);
    run.board.close(run.now);
    assert_snapshot!(run.shown(60, None), @r"
        - api  interrupted                                    4.0 s
        ✓ db   healthy                                        2.0 s
        - web  interrupted
    ");
}

#[test]
fn what_matters_most_is_shown_where_not_all_fits() {
    let steps: Vec<Step> = (0..12)
        .map(|id| step(id, &format!("s{id:02}"), wait(), &[]))
        .collect();
    let mut run = Run::of(&steps);
    run.begin(0..10);
    run.end(0..8, Ending::Done);
    run.pass(2);
    run.end([8], Ending::Failed);
    assert_snapshot!(run.shown(60, Some(5)), @r"
        ✗ s08  not healthy                                    2.0 s
        ⠋ s09  waiting until healthy                            2 s
        · s10  waiting                                          2 s
        · s11  waiting                                          2 s
        … and 8 more: 8 done
    ");
    assert_eq!(run.shown(60, Some(12)).lines().count(), 12);
}

#[test]
fn long_names_keep_both_ends() {
    let names = [
        "a-service-with-a-rather-long-name-of-one",
        "a-service-with-a-rather-long-name-of-two",
    ];
    let mut run = Run::of(&[0, 1].map(|id| step(id, names[id], wait(), &[])));
    run.begin([0]);
    run.pass(3);
    assert_snapshot!(run.shown(80, None), @r"
        ⠋ a-service-with-…ong-name-of-one  waiting until healthy                    3 s
        · a-service-with-…ong-name-of-two  waiting                                  3 s
    ");
}
