//! `sparsr doctor`: passes here, and says what it found to people and programs.

#![cfg(feature = "cli")]

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/program.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod program;
#[path = "support/skip.rs"]
mod skip;

use program::Folder;
use sparsr::Tier;

#[test]
fn the_cpu_engine_is_tested_without_a_driver() {
    let folder = Folder::new();
    let report = folder.json(&["doctor", "--json", "--device", "cpu"]);
    assert_eq!((report["healthy"].as_bool(), report["devices"].as_array().unwrap().len()), (Some(true), 0));
    let tests = report["cpu"].as_array().unwrap();
    assert!(tests.len() > 3 && tests.iter().all(|test| test["result"] == "ok"), "{tests:?}");
    let text = folder.run(&["doctor", "--device", "cpu"]).text();
    assert!(text.contains("\ncpu ") && text.ends_with("Nothing is wrong.\n"), "{text}");
    assert!(folder.fails(&["doctor", "--device", "no such device"]).contains("no device `no such device`"));
}

#[test]
fn every_adapter_is_tested_tier_by_tier() {
    let Some(gpu) = adapter::gpu("every_adapter_is_tested_tier_by_tier") else { return };
    let report = Folder::new().json(&["doctor", "--json"]);
    assert_eq!(report["healthy"].as_bool(), Some(true), "{report:#}");
    assert!(report["advice"].is_array() && report["version"].is_string());
    let devices = report["devices"].as_array().unwrap();
    let device = devices.iter().find(|device| device["name"] == gpu.name()).expect("the device of the tests");
    assert!(device["memory"].as_u64() > Some(0) && device["limits"]["workgroup_bytes"].is_u64());
    let tests = device["tests"].as_array().unwrap();
    for tier in Tier::all().map(|tier| tier.to_string()) {
        let own: Vec<_> = tests.iter().filter(|test| test["tier"] == *tier).collect();
        let absent = own.len() == 1 && own[0]["result"] == "absent" && own[0]["reason"].is_string();
        let passed = own.iter().all(|test| test["result"] == "ok" && test["apart"].is_number());
        assert!(absent || (own.len() > 5 && passed), "{tier}: {own:?}");
    }
}
