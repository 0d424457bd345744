//! Work without steps that takes long, shown so that nothing looks frozen: one live line at a terminal, a plain line now and
//! then elsewhere, nothing where nobody reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Screen;
use super::canvas::Canvas;
use super::text::duration;
use super::ticker::Ticker;
use crate::settings::Progress;

/// What takes less is not worth a word.
const SOON: Duration = Duration::from_millis(500);
/// Silence for longer than this is broken, where there are no live lines.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether something is to be shown.
const TICK: Duration = Duration::from_millis(100);

/// Shows that something goes on, until it is dropped.
pub struct Waiting {
    /// `None` where nothing is shown.
    live: Option<Arc<Line>>,
    ticker: Option<Ticker>,
}

/// The live line.
struct Line {
    screen: Arc<Screen>,
    doing: String,
    since: Instant,
    notes: Mutex<Vec<String>>,
    canvas: Mutex<Canvas>,
}

impl Waiting {
    /// Shows in this mode what is being done, in a few words.
    pub fn show(mode: Progress, screen: &Arc<Screen>, doing: &str) -> Self {
        let since = Instant::now();
        let (screen, doing) = (Arc::clone(screen), doing.to_owned());
        match mode {
            Progress::Json | Progress::Quiet => Self {
                live: None,
                ticker: None,
            },
            Progress::Plain | Progress::Auto => {
                let told = Mutex::new(0);
                let ticker = Ticker::start(TICK, move || {
                    let mut told = lock(&told);
                    if let Some(line) = plain(&doing, since.elapsed(), &mut told) {
                        screen.err(&line);
                    }
                });
                Self {
                    live: None,
                    ticker: Some(ticker),
                }
            }
            Progress::Tty => {
                let line = Arc::new(Line {
                    screen,
                    doing,
                    since,
                    notes: Mutex::default(),
                    canvas: Mutex::default(),
                });
                let noted = Arc::clone(&line);
                let above = move |text: &str| lock(&noted.notes).push(text.to_owned());
                line.screen.lend(Some(Box::new(above)));
                let drawn = Arc::clone(&line);
                Self {
                    ticker: Some(Ticker::start(TICK, move || drawn.draw(false))),
                    live: Some(line),
                }
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.ticker.take();
        if let Some(line) = &self.live {
            line.screen.lend(None);
            line.draw(true);
        }
    }
}

impl Line {
    fn draw(&self, last: bool) {
        let elapsed = self.since.elapsed();
        let lines = if last || elapsed < SOON {
            Vec::new()
        } else {
            vec![format!("{}, {} s", self.doing, elapsed.as_secs())]
        };
        let notes = std::mem::take(&mut *lock(&self.notes));
        let drawn = lock(&self.canvas).redraw(&notes, lines, Screen::size().0);
        Screen::draw(&drawn);
    }
}

/// What to tell where there are no live lines; `told` counts what was told before.
fn plain(doing: &str, elapsed: Duration, told: &mut u32) -> Option<String> {
    let due = SOON.max(SILENCE * *told);
    if elapsed < due {
        return None;
    }
    *told += 1;
    Some(match *told {
        1 => format!("{doing}\n"),
        _ => format!("still {doing}, {}\n", duration(elapsed)),
    })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_after_a_moment_and_then_now_and_then() {
        let mut told = 0;
        let mut at = |millis| plain("reading", Duration::from_millis(millis), &mut told);
        assert_eq!(at(400), None);
        assert_eq!(at(500).as_deref(), Some("reading\n"));
        assert_eq!(at(9_900), None);
        assert_eq!(at(10_000).as_deref(), Some("still reading, 10 s\n"));
        assert_eq!(at(19_900), None);
        assert_eq!(at(20_000).as_deref(), Some("still reading, 20 s\n"));
    }
}
