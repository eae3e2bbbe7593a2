//! Times that compare: the contestants take turns, in alternating order, so that whatever else the machine does
//! falls on all of them alike. A ratio is the median over rounds of the two times in one round.

use std::time::Duration;

/// What one turn should take at least, so that a short run is repeated within it.
const TURN: Duration = Duration::from_millis(40);

/// `times[contestant][round]`, in seconds a run.
#[derive(Debug)]
pub struct Rounds {
    times: Vec<Vec<f64>>,
}

impl Rounds {
    /// `run(contestant, iterations)` tells what so many runs took together. A first turn of each is not counted.
    pub fn measure(contestants: usize, rounds: usize, mut run: impl FnMut(usize, u64) -> Duration) -> Self {
        let first: Vec<Duration> = (0..contestants).map(|contestant| run(contestant, 1)).collect();
        let iterations = |run: Duration| 1 + TURN.as_nanos() as u64 / (run.as_nanos() as u64).max(1);
        let mut times = vec![Vec::with_capacity(rounds); contestants];
        for round in 0..rounds {
            for turn in 0..contestants {
                let contestant = if round % 2 == 0 { turn } else { contestants - 1 - turn };
                let iterations = iterations(first[contestant]);
                let time = run(contestant, iterations).as_secs_f64();
                times[contestant].push(time / iterations as f64);
            }
        }
        Self { times }
    }

    /// The median time of a run, in seconds.
    pub fn seconds(&self, contestant: usize) -> f64 {
        median(self.times[contestant].clone())
    }

    /// How many times as long as `other` it took.
    pub fn ratio(&self, contestant: usize, other: usize) -> f64 {
        let pairs = self.times[contestant].iter().zip(&self.times[other]);
        median(pairs.map(|(time, other)| time / other).collect())
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { (numbers[middle - 1] + numbers[middle]) / 2.0 }
}
