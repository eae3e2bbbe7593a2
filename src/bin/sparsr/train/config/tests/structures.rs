//! Networks whose structure is given, and searches for one.

use super::*;
use sparsr::low_level::models::trilevelnas::Operation::{Conv3x3, Dwsblock, Residual, Skip};
use sparsr::low_level::models::trilevelnas::{Step, Variant};

#[test]
fn a_trilevelnas_is_its_genotype() {
    let read = |network: &str, scale: u64| {
        read(&format!("scale = {scale}\n{LEAST}[network_g]\ntype = \"TrilevelNAS\"\n{network}"), &[])
    };
    let genotype = "num_feat = 8\ngenotype = [[3, 0, 2, 1, 3], [0, 0, 0, 0, 0]]\n";
    let Sizes::TrilevelNas(found) = read(genotype, 3).unwrap().sizes else { panic!("a TrilevelNAS") };
    assert_eq!((found.channels, found.variant, found.scale), (8, Variant::B, 3));
    let cells = [[Dwsblock, Skip, Residual, Conv3x3, Dwsblock], [Skip; 5]].map(Step::Cell);
    assert_eq!((found.path, found.widths), (cells.to_vec(), vec![[8; 4]; 2]));
    let widths = "widths = [[4, 8, 2, 6], [1, 2, 3, 4]]\nvariant = \"A\"\npath = [0, 1, 0, 1]";
    let Sizes::TrilevelNas(found) = read(&format!("{genotype}{widths}"), 4).unwrap().sizes else {
        panic!("a TrilevelNAS")
    };
    assert_eq!((found.variant, found.widths), (Variant::A, vec![[4, 8, 2, 6], [1, 2, 3, 4]]));
    assert_eq!(found.path, [cells[0], Step::Up, cells[1], Step::Up]);
    for (network, scale, expected) in [
        (
            "",
            2,
            "a.toml:4: network_g.genotype: expected five operations for each cell, of TrilevelNAS, found none",
        ),
        (
            "genotype = [[0, 0]]",
            2,
            "a.toml:6: network_g.genotype: expected lists of 5 numbers, found one of 2",
        ),
        ("genotype = [[0, 0, 4, 0, 0]]", 2, "a.toml:6: network_g.genotype: expected operations of 0 to 3"),
        (
            &format!("{genotype}widths = [[4, 4, 4, 4]]"),
            2,
            "a.toml:8: network_g.widths: expected as many lists as",
        ),
        (
            &format!("{genotype}path = [0, 1]"),
            2,
            "a.toml:8: network_g.path: expected a 0 for each of the 2 cells",
        ),
        (&format!("{genotype}variant = \"C\""), 2, "a.toml:8: network_g.variant: expected A or B, found `C`"),
        (
            &format!("{genotype}variant = \"A\""),
            2,
            "a.toml:4: network_g.path: expected upsampling layers that double up to 2, of variant A, found 0",
        ),
    ] {
        let sentence = read(network, scale).err().unwrap_or_else(|| panic!("{network} is taken")).to_string();
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

#[test]
fn a_search_says_what_it_is_among() {
    let search = |rest: &str| {
        let text = format!("{LEAST}[search]\nnum_feat = 12\n{rest}");
        parse("a.toml", &text, &[]).and_then(|(config, given)| Settings::of_search(config, &given))
    };
    let settings = search("num_cell = 2\nmacs = 1_000_000_000\nwarmup = 0.5").unwrap();
    let own = settings.search.unwrap();
    assert_eq!((own.space.widths, own.space.operations.len()), (vec![4, 6, 8, 10, 12], 4));
    assert_eq!((own.pixels, own.start), (640 * 360, 50_000));
    assert!((own.target - 1e9 / 230_400.0).abs() < 1e-9);
    for (rest, expected) in [
        ("num_feats = 3", "a.toml:5: search.num_feats: unknown key; known here: num_feat, num_cell"),
        ("operations = [0, 4]", "a.toml:5: search.operations: expected 0 to 3, found 4"),
        ("operations = [1, 1]", "a.toml:5: search.operations: expected each operation once, one at least"),
        (
            "widths = [4, 8]",
            "a.toml:5: search.widths: expected up to 16 numbers that rise from 1 or more to num_feat",
        ),
        ("macs = \"900G\"", "a.toml:5: search.macs: expected 0."),
        ("warmup = 1.0", "a.toml:5: search.warmup: expected below 1, found 1"),
        ("size = \"x\"", "a.toml:5: search.size: expected WxH"),
        ("arch_lr = 0.0", "a.toml:5: search.arch_lr: expected a number above 0, found 0"),
        (
            "macs = \"1G\"\n[network_g]\ntype = \"SMSR\"",
            "a.toml:6: network_g: a search begins with a supernet of its own",
        ),
    ] {
        let sentence = search(rest).err().unwrap_or_else(|| panic!("{rest} is taken")).to_string();
        assert!(sentence.starts_with(expected), "{sentence}");
    }
    let sentence = read(&format!("{LEAST}[search]\nnum_feat = 12"), &[]).err().unwrap().to_string();
    assert!(sentence.starts_with("a.toml:3: search: it is for `sparsr search CONFIG.toml`"), "{sentence}");
}
