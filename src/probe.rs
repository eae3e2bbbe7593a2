//! What stands between a device and plans for it: whether its kernels give known answers, whether numbers may be
//! stored as f16, which kernels are fastest. Each ends in plain data that a plan is made with; none is needed for one.

pub mod precision;
pub mod selftest;
pub mod tune;
