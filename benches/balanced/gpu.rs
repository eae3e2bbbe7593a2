//! Balanced sparsity on a GPU: layers by lists of what is not zero (`conv2d_pruned`), by density, block and shape, beside
//! the fastest dense kernel of the same precision.

use std::collections::BTreeSet;
use std::sync::Arc;

use sparsr::low_level::cpu::{self, Buffers};
use sparsr::low_level::plan::{Candidate, Choices, Limits, Options, Plan, Storage, Zeros};
use sparsr::low_level::tensor::{Balance, Shape};

use super::support::rounds::Rounds;
use super::support::{self, Machine, Timed};
use super::{BALANCES, Case, timed};

/// Layers one behind the other: what is between them is stored as f16, where it may be.
const LAYERS: usize = 4;

const ROUNDS: usize = 5;

/// Kernel and channels, and those of an adapter in software, which is slow.
const SHAPES: [(usize, usize); 6] = [(1, 32), (1, 64), (1, 128), (3, 16), (3, 32), (3, 64)];
const FEW: [(usize, usize); 4] = [(1, 32), (1, 64), (3, 16), (3, 64)];

/// Neighbouring outputs that need the same inputs; one for comparison.
const ROWS: [usize; 2] = [4, 1];

/// A plan's way, and the device ready to run it.
struct Contestant {
    name: String,
    timed: Timed,
}

/// The table of one device.
pub fn table() {
    let machine = Machine::open();
    let precisions = [("f32", Storage::F32), ("f16", Storage::F16(Arc::new(BTreeSet::new())))];
    let precisions = &precisions[..if machine.gpu.limits().f16 { 2 } else { 1 }];
    let shapes = if machine.software { &FEW[..] } else { &SHAPES };
    println!(
        "\nTime by lists as a share of the fastest dense kernel's; - where lists are not short enough to be tried\n"
    );
    print!("| layer | precision | dense, 10⁹ multiply-adds a second | rows alike |");
    balances(&machine).for_each(|(kept, block)| print!(" {kept} of {block} |"));
    println!("\n|---|---|---|---|{}", "---|".repeat(balances(&machine).count()));
    for (kernel, channels) in shapes {
        for (precision, storage) in precisions {
            shape(&machine, [*kernel, *channels], precision, storage);
        }
    }
}

/// How many of a block stay; of an adapter in software blocks of 8 alone.
fn balances(machine: &Machine) -> impl Iterator<Item = (usize, usize)> + use<> {
    let software = machine.software;
    BALANCES.into_iter().filter(move |(_, block)| !software || *block == 8)
}

/// Holds every kernel against the CPU engine and lists against the dense kernel.
pub fn verify() {
    let machine = Machine::open();
    for (kernel, channels) in SHAPES {
        let shape = Shape::new(1, channels, 9, 37);
        let case = Case::new(kernel, channels, Some(balance((2, 8), 4)), shape, LAYERS);
        drop(contestants(&machine, &case, &Storage::F32));
    }
}

fn balance((kept, block): (usize, usize), rows: usize) -> Balance {
    Balance::new(kept, block).and_then(|balance| balance.with_rows(rows)).expect("small blocks")
}

fn shape(machine: &Machine, [kernel, channels]: [usize; 2], precision: &str, storage: &Storage) {
    let case = |balance| Case::new(kernel, channels, balance, timed(channels), LAYERS);
    let dense = case(None);
    let mut kernels = contestants(machine, &dense, storage);
    let rounds = if machine.software { 1 } else { 3 };
    let rounds = Rounds::measure(kernels.len(), rounds, |at, iterations| kernels[at].timed.run(iterations));
    let fastest = (0..kernels.len()).min_by(|a, b| rounds.seconds(*a).total_cmp(&rounds.seconds(*b)));
    let fastest = kernels.swap_remove(fastest.expect("a dense kernel"));
    for rows in ROWS {
        let mut turns = vec![fastest_again(machine, &dense, storage, &fastest.name)];
        let mut places = Vec::new();
        for of in balances(machine).filter(|(_, block)| *block <= channels) {
            let lists = by_lists(machine, &case(Some(balance(of, rows))), storage);
            places.push((of, turns.len()..turns.len() + lists.len()));
            turns.extend(lists);
        }
        let rounds = if machine.software { 3 } else { ROUNDS };
        let rounds = Rounds::measure(turns.len(), rounds, |at, iterations| turns[at].timed.run(iterations));
        let rate = dense.graph.macs().total() as f64 / rounds.seconds(0) / 1e9;
        print!("| {kernel}×{kernel}, {channels} | {precision} | {rate:.1}, {} | {rows} |", fastest.name);
        for of in balances(machine) {
            let own = places.iter().find(|(found, _)| *found == of).map_or(0..0, |(_, own)| own.clone());
            let best =
                own.map(|at| (rounds.ratio(at, 0), &turns[at].name)).min_by(|a, b| a.0.total_cmp(&b.0));
            print!(" {} |", best.map_or("-".into(), |(ratio, name)| format!("{ratio:.2} ({name})")));
        }
        println!();
    }
}

/// Every dense kernel that runs the case, each verified.
fn contestants(machine: &Machine, case: &Case, storage: &Storage) -> Vec<Contestant> {
    let candidates = Candidate::all().filter(|candidate| *candidate != Candidate::Matrices);
    let dense = candidates.filter(|candidate| !matches!(candidate, Candidate::Pruned(_)));
    let dense = ready(machine, case, storage, dense, &Arc::default());
    let lists = by_lists(machine, case, storage);
    if support::testing() {
        println!("{} kernels and {} by lists agree", dense.len(), lists.len());
    }
    dense
}

/// Every tile of the kernel of lists, if all layers are sparse enough for it.
fn by_lists(machine: &Machine, case: &Case, storage: &Storage) -> Vec<Contestant> {
    let zeros = Arc::new(Zeros::of(&case.parameters));
    let lists = Candidate::all().filter(|candidate| {
        let is_listed = matches!(candidate, Candidate::Pruned(_));
        let plan = is_listed.then(|| plan(machine, case, storage, *candidate, &zeros));
        plan.is_some_and(|plan| plan.steps.iter().all(|step| step.dispatch.kernel.name == "conv2d_pruned"))
    });
    ready(machine, case, storage, lists, &zeros)
}

fn fastest_again(machine: &Machine, case: &Case, storage: &Storage, name: &str) -> Contestant {
    let named = Candidate::all().filter(|candidate| candidate.to_string() == name);
    ready(machine, case, storage, named, &Arc::default()).remove(0)
}

/// The candidates' plans that differ, each held against the CPU engine.
fn ready(
    machine: &Machine,
    case: &Case,
    storage: &Storage,
    candidates: impl Iterator<Item = Candidate>,
    zeros: &Arc<Zeros>,
) -> Vec<Contestant> {
    let expected = cpu::run_all(&case.graph, &case.parameters, &[&case.input], &mut Buffers::default());
    let expected = expected.expect("an input of its shape").remove(0);
    let share = if *storage == Storage::F32 { 1e-5 } else { 1e-2 };
    let (mut contestants, mut seen) = (Vec::new(), Vec::new());
    for candidate in candidates.filter(|candidate| candidate.runs_on(machine.gpu.limits())) {
        let plan = plan(machine, case, storage, candidate, zeros);
        let listing = plan.to_string();
        if seen.contains(&listing) {
            continue;
        }
        seen.push(listing);
        let mut timed = machine.timed(&plan, &case.parameters);
        let found = timed.session.run_tensor(&case.input).expect("the device is there");
        let name = candidate.to_string();
        support::assert_within(share, &found, &expected, &name);
        contestants.push(Contestant { name, timed });
    }
    contestants
}

fn plan(machine: &Machine, case: &Case, storage: &Storage, candidate: Candidate, zeros: &Arc<Zeros>) -> Plan {
    let (choices, zeros) = (Some(Arc::new(Choices::only(candidate))), zeros.clone());
    let options = Options { choices, zeros, storage: storage.clone(), ..Options::default() };
    let f16 = *storage != Storage::F32;
    let limits = Limits { f16, cooperative_side: None, ..*machine.gpu.limits() };
    support::rerunnable(&case.graph, &options, &limits)
}
