//! Networks as other programs read them: graphs of the operators that they know, with all that hangs on parameters computed.

pub(crate) mod ncnn;
