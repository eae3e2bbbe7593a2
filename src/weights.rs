//! Checkpoints: names to parameters, kept under their original `state_dict` names from the file to the
//! error message.

mod pytorch;
mod safetensors;
