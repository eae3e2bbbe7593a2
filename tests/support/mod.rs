//! What the tests share: the device under test, cases as data, the comparison, seeded numbers and networks.

#![allow(dead_code, reason = "every test file takes the part that it needs")]

pub mod adapter;
pub mod case;
pub mod compare;
pub mod engine;
pub mod golden;
pub mod kernels;
pub mod npy;
pub mod seeded;
pub mod shared_data;
pub mod skip;
